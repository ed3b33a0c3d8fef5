"""A message in words, and one attempt at it by each channel, over real connections."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from keys.errors import VermilionError
from registry.notices.addresses import MAX_ADDRESS, check_address, is_address
from registry.notices.claims import Claimed, Lane
from registry.notices.kinds import SMTP, Channel
from registry.notices.messages import Message
from registry.notices.receivers import Receivers
from registry.notices.smtp import MAX_REPLIES, Smtp
from registry.notices.words import LANGUAGES, TABLE, said
from registry.outgoing.attempts import Outcome
from registry.outgoing.posting import Poster
from registry.outside_addresses import networks
from registry.settings import Settings
from tests.ports import own_port
from tests.registry.hooking import LOOPBACK, is_signed, receiver
from tests.registry.mailing import SENDER, Server, mail_server, server_and_authority

NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
TO = "lin.zhiyao@people.example"
LINK = "http://localhost:8800/holder/pick-up/" + "x" * 43
VALUES = {
    "agency": "云溪省样本市市场监督管理局",
    "licence": "食品经营许可证",
    "link": LINK,
    "until": "2026-11-27 10:30",
}
SECRET = bytes(range(32))


def one(
    *, language: str = "zh", to: str = TO, lane: Lane | None = None, channel: Channel = Channel.SMTP
) -> Claimed:
    return Claimed(
        receiver=lane or Lane(SMTP, None),
        id="a" * 32,
        kind="pick_up",
        subject="b" * 32,
        channel=channel,
        message=Message(to, language, VALUES),
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
        fence=1,
        attempt=0,
        secrets=(SECRET,),
        lease_until=NOW + timedelta(minutes=2),
    )


def settings(server: Server, **changes: Any) -> Settings:
    right: dict[str, Any] = {
        "smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_tls": "none", "smtp_from": SENDER,
    }  # fmt: skip
    return Settings(**(right | changes))


# --- words ---------------------------------------------------------------------------------------------


def test_every_kind_has_words_in_every_language_with_the_same_values() -> None:
    assert LANGUAGES == ("zh", "en", "es")
    for kind, wordings in TABLE.items():
        assert tuple(wordings) == LANGUAGES, kind
        assert len({wording.values for wording in wordings.values()}) == 1, kind
        for wording in wordings.values():
            assert "\n" not in wording.subject
            assert len(wording.subject) < 60


def test_values_are_put_in_as_they_are() -> None:
    odd = {**VALUES, "agency": "{link} {0} %s"}
    assert "{link} {0} %s has made" in said("pick_up", "en", odd).text
    with pytest.raises(KeyError):
        said("pick_up", "en", {})


# --- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["a@b", "lin.zhiyao+licence@people.example", "x_y-z'o@xn--fiq228c.example", f"{'l' * 64}@example.org"]
)  # fmt: skip
def test_addresses_that_are_taken(address: str) -> None:
    assert check_address(address, "/to") == address


@pytest.mark.parametrize(
    "address",
    [
        "", "a", "@b", "a@", "a@b@c", "a b@c", ".a@b", "a.@b", "a..b@c", "a@-b", "a@b-", "a@b..c", "a@b.", "a@[127.0.0.1]",
        '"a"@b', "林@people.example", "a@人.example", f"{'l' * 65}@b", f"a@{'d' * 64}", "a@b\n", "a@b\r\nRCPT TO:<c@d>", "a@b,c@d", "<a@b>",
        f"{'l' * 64}@{'.'.join(['d' * 60] * 4)}",
    ],
)  # fmt: skip
def test_addresses_that_are_not(address: str) -> None:
    with pytest.raises(VermilionError) as refused:
        check_address(address, "/to")
    assert (refused.value.reason, refused.value.faults[0].field) == ("email", "/to")
    assert len(address) < 3 or address not in refused.value.detail


@given(st.text(max_size=MAX_ADDRESS + 2))
def test_an_address_is_no_more_than_one_address(text: str) -> None:
    if is_address(text):
        assert len(text) <= MAX_ADDRESS
        assert text.isascii()
        assert not set(text) & set('\r\n\0 ,<>()[]\\"')
        assert text.count("@") == 1


# --- e-mail --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_comes_as_a_letter(language: str) -> None:
    with mail_server() as server:
        send = Smtp(settings(server))
        assert send(one(language=language)) == Outcome(250, None)
        assert send(one(language=language)) == Outcome(250, None)
    first, second = server.letters
    assert first.data == second.data, "the same at every attempt"
    mail = first.mail
    words = said("pick_up", language, VALUES)
    assert (first.sender, first.to) == (SENDER, [TO])
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, TO, words.subject)
    assert mail["Message-ID"] == f"<{'a' * 32}@yunxi.example>"
    assert mail["Date"].datetime == NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    assert first.text == words.text
    assert LINK in first.text
    assert all(len(line) < 998 for line in first.data.split(b"\r\n"))
    assert server.said[0].lower() == "ehlo yunxi.example", "nobody is asked what this machine is called"


def test_starttls_is_verified_by_name_before_anything_is_said(tmp_path: Path) -> None:
    tls, authority = server_and_authority(tmp_path, "127.0.0.1")
    with mail_server(starttls=tls, accounts={"licences": "a password, of course"}) as server:
        password = tmp_path / "password"
        password.write_text("a password, of course\n")
        password.chmod(0o600)
        right: dict[str, Any] = {
            "smtp_tls": "starttls", "smtp_user": "licences", "smtp_password_file": password, "smtp_ca_file": authority,
        }  # fmt: skip
        assert Smtp(settings(server, **right))(one()) == Outcome(250, None)
        (letter,) = server.letters
        assert (letter.encrypted, letter.account) == (True, "licences")
        server.said.clear()
        unknown = settings(server, **right | {"smtp_ca_file": None})
        assert Smtp(unknown)(one()) == Outcome(None, "tls")
        named = settings(server, **right | {"smtp_host": "localhost"})
        assert Smtp(named)(one()) == Outcome(None, "tls"), "a certificate of another name"
        assert {line.split(" ")[0].upper() for line in server.said} == {"EHLO", "STARTTLS"}
        password.write_text("another")
        assert Smtp(settings(server, **right))(one()) == Outcome(535, "sign_in_refused")
        password.chmod(0o644)
        assert Smtp(settings(server, **right))(one()) == Outcome(None, "permissions")
        password.unlink()
        assert Smtp(settings(server, **right))(one()) == Outcome(None, "password")
        missing = settings(server, **right | {"smtp_ca_file": tmp_path / "none.pem", "smtp_user": "", "smtp_password_file": None})  # fmt: skip
        assert Smtp(missing)(one()) == Outcome(None, "unreachable")
        assert len(server.letters) == 1


def test_a_server_without_tls_is_told_nothing() -> None:
    with mail_server() as server:
        assert Smtp(settings(server, smtp_tls="starttls"))(one()) == Outcome(None, "no_tls_or_sign_in")
        assert [line.split(" ")[0].upper() for line in server.said] == ["EHLO"]
        assert server.letters == []


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    tls, authority = server_and_authority(tmp_path, "127.0.0.1")
    with mail_server(implicit=tls) as server:
        assert Smtp(settings(server, smtp_tls="implicit", smtp_ca_file=authority))(one()) == Outcome(
            250, None
        )
        assert server.letters[0].encrypted
        assert Smtp(settings(server, smtp_tls="implicit"))(one()) == Outcome(None, "tls")


REFUSED = {
    ("CONNECT", "554 go away"): Outcome(554, "status"),
    ("CONNECT", ""): Outcome(None, "unreachable"),
    ("MAIL", "451 later"): Outcome(451, "status"),
    ("MAIL", "550 you may not"): Outcome(550, "status"),
    ("RCPT", "450 greylisted"): Outcome(450, "recipient_refused"),
    ("RCPT", "550 no such mailbox"): Outcome(550, "recipient_refused", final=True),
    ("RCPT", "421 going down"): Outcome(421, "recipient_refused"),
    ("DATA", "452 no room"): Outcome(452, "message_refused"),
    ("LETTER", "554 this looks like spam"): Outcome(554, "message_refused", final=True),
    ("LETTER", "451 later"): Outcome(451, "message_refused"),
    ("LETTER", ""): Outcome(None, "unreachable"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_server_refuses_is_an_outcome(what: tuple[str, str]) -> None:
    word, reply = what
    with mail_server(say=lambda line: reply if line.startswith(word) else None) as server:
        assert Smtp(settings(server))(one()) == REFUSED[what]
        assert server.letters == []


def test_what_happens_after_it_was_taken_is_no_failure() -> None:
    with mail_server(say=lambda line: "" if line == "QUIT" else None) as server:
        assert Smtp(settings(server))(one()) == Outcome(250, None)
        assert len(server.letters) == 1


def drips(connection: socket.socket) -> None:
    connection.sendall(b"220-")
    while True:
        time.sleep(0.02)
        connection.sendall(b"x")


def endless(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"220-so much to say\r\n" * 100)


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def no_smtp(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize(
    ("instead", "reason"),
    [(silent, "timeout"), (drips, "timeout"), (endless, "unreachable"), (no_smtp, "no_smtp")],
)
def test_whatever_a_server_does_is_an_outcome_within_the_time(
    instead: Callable[[socket.socket], None], reason: str
) -> None:
    def quietly(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            instead(connection)

    with mail_server(instead=quietly) as server:
        outcome = Smtp(settings(server), timeout=1.0 if reason == "timeout" else 30.0)(one())
        assert outcome.reason == reason
    assert MAX_REPLIES < 10**6


def test_a_handshake_that_never_ends_is_cut_off() -> None:
    def hello(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(b"220 hello\r\n")
            connection.recv(100)
            connection.sendall(b"250-mail.example\r\n250 STARTTLS\r\n")
            connection.recv(100)
            connection.sendall(b"220 go on\r\n")
            while connection.recv(1000):
                pass

    with mail_server(instead=hello) as server:
        assert Smtp(settings(server, smtp_tls="starttls"), timeout=1.0)(one()).reason == "timeout"


def test_nobody_listens() -> None:
    chosen = Settings(smtp_host="127.0.0.1", smtp_port=own_port(), smtp_tls="none", smtp_from=SENDER)
    assert Smtp(chosen)(one()) == Outcome(None, "unreachable")


def test_the_time_is_for_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer comes in time, and all of them together do not."""

    def slow(_line: str) -> None:
        time.sleep(0.3)

    with mail_server(say=slow) as server:
        assert Smtp(settings(server), timeout=1.0)(one()).reason == "timeout"


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp_from": ""}, {"smtp_from": "Licences <a@b>"}, {"smtp_from": "a@b\r\nBcc: c@d"}, {"smtp_host": "a b"},
        {"smtp_user": "licences"}, {"smtp_password_file": Path("/x")}, {"smtp_tls": "maybe"},
        {"smtp_user": "licences", "smtp_password_file": Path("/x"), "smtp_tls": "none"},
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"smtp_host": "mail.example", "smtp_from": SENDER}
    assert Settings(**right).smtp_tls == "starttls"
    with pytest.raises(ValidationError):
        Settings(**(right | wrong))


# --- an agency's own receiver --------------------------------------------------------------------------


def test_a_message_is_posted_to_the_agency_s_receiver_signed() -> None:
    with receiver() as hook:
        poster = Poster(networks(LOOPBACK), lambda: NOW)
        send = Receivers(poster, lambda: NOW)
        mine = one(lane=Lane("e" * 32, hook.url), channel=Channel.WEBHOOK, to="+86 138 0000 0000")
        assert send(mine) == Outcome(204, None)
        for status, final in ((500, False), (410, True), (404, False)):
            hook.reply = lambda _call, status=status: status  # type: ignore[misc]
            assert send(mine) == Outcome(status, "status", final=final)
        send.close()
    call = hook.calls[0]
    assert is_signed(call, "whsec_" + base64.b64encode(SECRET).decode(), NOW)
    assert len({call.body for call in hook.calls}) == 1
    assert set(hook.ids) == {"a" * 32}
    told = json.loads(call.body)
    words = said("pick_up", "zh", VALUES)
    assert told == {
        "type": "notice.pick_up",
        "timestamp": "2026-11-20T02:30:00Z",
        "data": {
            "notice": "a" * 32,
            "about": "b" * 32,
            "to": "+86 138 0000 0000",
            "language": "zh",
            "subject": words.subject,
            "text": words.text,
            "values": VALUES,
            "expires_at": "2026-11-27T02:30:00Z",
        },
    }


def test_no_address_inside_is_posted_to_unless_it_is_permitted() -> None:
    with receiver() as hook:
        send = Receivers(Poster(networks(""), lambda: NOW), lambda: NOW)
        inside = one(lane=Lane("e" * 32, f"https://127.0.0.1:{hook.port}/"), channel=Channel.WEBHOOK)
        assert send(inside) == Outcome(None, "address_refused")
        send.close()
        assert hook.calls == []
