"""What the right keys signed and the registry never did: not `valid` online, and an alarm each time, from the
public site and from the command on the registry's own machine.
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from tests.integration.province import Answer, Paper, Province
from tests.integration.thief import Thief
from tests.registry.world import on_sqlite
from tests.signing.sealing import rebuilt
from verify_web.access_log import JsonLines

OTHER_WORDS = {"own": {"operator_name": "样本市另一家餐馆"}, "other": {"holder_name": "另一人"}}

Alarmed = Callable[..., Answer]


@pytest.fixture
def alarmed(province: Province, caplog: pytest.LogCaptureFixture) -> Alarmed:
    """Runs a check that must raise one alarm: a row, a line, a count, each naming key and digest."""

    def run(
        check: Callable[[], Answer], reason: str, kid: str, identifier: str | None, digest: bytes
    ) -> Answer:
        rows, counted = province.alarm_rows(), province.alarms_counted(reason)
        caplog.clear()
        answer = check()
        (row,) = province.alarm_rows()[len(rows) :]
        assert (row["reason"], row["key_id"], row["identifier"], row["digest"]) == (
            reason,
            kid,
            identifier,
            digest,
        )
        assert province.alarms_counted(reason) == counted + 1
        (line,) = [record for record in caplog.records if record.name == "vermilion.alarm"]
        assert line.levelno == logging.ERROR
        shown = JsonLines().format(line)
        assert reason in shown
        assert kid in shown
        assert digest.hex() in shown
        if identifier is not None:
            assert identifier not in shown
        return answer

    return run


def alarm_line(reason: str, kid: str, unregistered: bytes) -> str:
    """What the command says on standard error where it asks the registry's own database."""
    return f"vermilion: alarm: {reason}, key {kid}, SHA-256 {sha256(unregistered).hexdigest()}\n"


def forged(province: Province, paper: Paper) -> tuple[Thief, bytes]:
    """A second document under the paper's identifier: other words, its QR and its seal by the real keys."""
    thief = Thief(province, paper)
    record = thief.record(**OTHER_WORDS[paper.agency])
    _, credential = thief.credential(record)
    return thief, thief.document(record, credential)


def test_a_second_document_under_the_same_identifier(
    province: Province, paper: Paper, alarmed: Alarmed, tmp_path: Path
) -> None:
    thief, data = forged(province, paper)
    answer = alarmed(
        lambda: province.check_file(data),
        "document_not_registered", thief.seal_kid, paper.identifier, sha256(data).digest(),
    )  # fmt: skip
    assert answer.verdict == "unknown"
    assert answer.results[2] != "passed"
    path = tmp_path / "forged.pdf"
    path.write_bytes(data)
    online = province.online(path)
    assert (online.code, online.verdict) == (1, "unknown")
    assert online.errors == alarm_line("document_not_registered", thief.seal_kid, data)
    # The theft is a perfect one: without the registry nobody could tell, and the answer does not claim more.
    offline = province.offline(path)
    assert offline.errors == ""
    assert (offline.verdict, offline.results) == ("genuine_offline", ["passed", "passed", "not_done"])
    assert province.check_file(paper.pdf).verdict == "valid"


@on_sqlite
def test_the_very_words_sealed_again_are_not_registered_either(
    province: Province, paper: Paper, alarmed: Alarmed
) -> None:
    thief = Thief(province, paper)
    again = thief.document(thief.printout.record, thief.printout.credential)
    assert again != paper.pdf
    answer = alarmed(
        lambda: province.check_file(again),
        "document_not_registered", thief.seal_kid, paper.identifier, sha256(again).digest(),
    )  # fmt: skip
    assert answer.verdict == "unknown"


def with_a_link(pdf: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        link = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link)
        opened.pages[0].Annots = pikepdf.Array([link])
        opened.save(out, deterministic_id=True)
    return out.getvalue()


def test_a_seal_in_a_file_of_another_shape(
    province: Province, paper: Paper, alarmed: Alarmed, tmp_path: Path
) -> None:
    """The thief need not write as we do."""
    thief = Thief(province, paper)
    data = thief.document(thief.printout.record, thief.printout.credential, with_a_link)
    answer = alarmed(
        lambda: province.check_file(data),
        "document_not_registered", thief.seal_kid, None, sha256(data).digest(),
    )  # fmt: skip
    assert (answer.verdict, answer.results) == ("unknown", ["not_done", "not_done", "failed"])
    path = tmp_path / "forged.pdf"
    path.write_bytes(data)
    assert province.online(path).verdict == "unknown"
    assert province.offline(path).verdict == "altered"


def test_the_registry_s_own_signature_raises_no_alarm_whatever_it_stands_in(
    province: Province, paper: Paper
) -> None:
    """Anybody who holds a genuine file can take its time-stamp off, or add to it: no key was stolen."""
    rows = len(province.alarm_rows())
    bare = rebuilt(paper.pdf, token=None)
    answers = {data: province.check_file(data) for data in (bare, paper.pdf + b"\n", bare + b"\n")}
    assert [answer.verdict for answer in answers.values()] == ["unknown", "altered", "altered"]
    assert len(province.alarm_rows()) == rows


@on_sqlite
@pytest.mark.parametrize("member", ["link", "qr"])
def test_other_claims_for_a_real_link(
    province: Province, paper: Paper, alarmed: Alarmed, member: str
) -> None:
    thief = Thief(province, paper)
    text, cose = thief.credential(thief.record(**OTHER_WORDS[paper.agency]))
    assert text.partition("#")[0] == paper.address
    answer = alarmed(
        lambda: province.check_link(text, member),
        "credential_not_registered", thief.qr_kid, paper.identifier, sha256(cose).digest(),
    )  # fmt: skip
    assert (answer.verdict, answer.reasons["content"]) == ("altered", "credential_differs")
    online = province.online(text)
    assert (online.code, online.verdict) == (1, "altered")
    assert online.errors == alarm_line("credential_not_registered", thief.qr_kid, cose)
    assert province.offline(text).verdict == "genuine_offline"  # as far as keys alone can tell
    assert province.check_link(paper.link).verdict == "valid"


def test_a_code_for_a_link_that_was_never_given(province: Province, paper: Paper, alarmed: Alarmed) -> None:
    thief = Thief(province, paper)
    invented = base64.urlsafe_b64encode(sha256(paper.pdf).digest()[:16]).decode().rstrip("=")
    link = f"{paper.address.rpartition('/')[0]}/{invented}"
    text, cose = thief.credential(thief.printout.record, link)
    answer = alarmed(
        lambda: province.check_link(text),
        "credential_not_registered", thief.qr_kid, None, sha256(cose).digest(),
    )  # fmt: skip
    assert answer.verdict == "unknown"
    online = province.online(text)
    assert online.verdict == "unknown"
    assert online.errors == alarm_line("credential_not_registered", thief.qr_kid, cose)


def test_honest_and_clumsy_visitors_raise_no_alarm(
    province: Province, paper: Paper, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    rows = len(province.alarm_rows())
    caplog.clear()
    swapped: Any = paper.link[:-1] + str((int(paper.link[-1]) + 1) % 10)
    asked = [
        province.check_file(paper.pdf),
        province.check_link(paper.link),
        province.check_link(paper.address),
        province.check_link(swapped),
        province.check_file(paper.pdf[:-1]),
    ]
    assert [answer.verdict for answer in asked] == ["valid", "valid", "valid", "altered", "altered"]
    assert len(province.alarm_rows()) == rows
    assert [record for record in caplog.records if record.name == "vermilion.alarm"] == []
    file, cut = tmp_path / "licence.pdf", tmp_path / "cut.pdf"
    file.write_bytes(paper.pdf)
    cut.write_bytes(paper.pdf[:-1])
    for subject in (file, cut, paper.link, paper.address, swapped):
        assert province.online(subject).errors == ""
