"""What no database is needed for: signatures by the specification, rests between attempts, addresses."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import VermilionError
from registry.outgoing.retries import (
    ATTEMPTS,
    FIRST_REST,
    JITTER,
    LONGEST_ASKED,
    LONGEST_REST,
    OUT,
    RETRIES,
    receiver_rest,
    rest,
    retry_after,
)
from registry.outside_addresses import is_permitted, is_public, networks
from registry.settings import Settings
from registry.webhooks.address import MAX_URL, check_url, origin_of
from registry.webhooks.signature import headers, spoken
from tests.registry.hooking import heard

NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
octets = st.binary(min_size=4, max_size=4)


def chance(fixed: bytes):  # type: ignore[no-untyped-def]
    return lambda size: fixed[:size]


# --- signatures ----------------------------------------------------------------------------------------


def test_the_vector_of_the_specification_s_own_libraries() -> None:
    secret = heard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
        [secret],
    )
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_secret_signs_and_what_is_spoken_is_heard() -> None:
    secrets = [bytes(32), bytes(range(32))]
    assert [heard(spoken(secret)) for secret in secrets] == secrets
    both, *each = (
        headers("a", NOW, b"{}", some)["webhook-signature"] for some in (secrets, *([s] for s in secrets))
    )
    assert both.split(" ") == each
    assert len(set(each)) == 2


# --- rests ---------------------------------------------------------------------------------------------


@given(octets)
def test_rests_grow_are_jittered_within_bounds_and_come_to_an_end(drawn: bytes) -> None:
    found = [rest(attempt, chance(drawn)) for attempt in range(1, ATTEMPTS + 1)]
    assert found[-1] is None
    rests = [one for one in found if one is not None]
    assert len(rests) == len(RETRIES)
    for usual, one in zip(RETRIES, rests, strict=True):
        assert usual <= one <= usual + usual / JITTER
    assert rests == sorted(rests)
    assert sum(RETRIES, timedelta()) <= sum(rests, timedelta()) <= timedelta(days=4)


@given(st.integers(1, ATTEMPTS), octets, st.timedeltas(timedelta(0), LONGEST_ASKED))
def test_what_a_receiver_asks_for_is_heeded_and_never_gives_it_more_attempts(
    attempt: int, drawn: bytes, asked: timedelta
) -> None:
    found, usual = rest(attempt, chance(drawn), asked), rest(attempt, chance(drawn))
    assert (found is None) is (usual is None)
    if found is not None and usual is not None:
        assert found == max(asked, usual)


@given(st.integers(1, ATTEMPTS - 1), octets, octets)
def test_two_that_failed_together_seldom_come_back_together(attempt: int, one: bytes, other: bytes) -> None:
    apart = abs(int.from_bytes(one, "big") - int.from_bytes(other, "big"))
    found = [rest(attempt, chance(drawn)) for drawn in (one, other)]
    assert (found[0] == found[1]) is (apart == 0) or apart < 2**16


@given(st.integers(0, 10_000))
def test_an_receiver_rests_longer_the_longer_it_is_out(failures: int) -> None:
    found, after = receiver_rest(failures), receiver_rest(failures + 1)
    assert (found is None) is (failures < OUT)
    if found is not None:
        assert after is not None
        assert FIRST_REST <= found <= after <= LONGEST_REST


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, None),
        ("0", timedelta(0)),
        ("120", timedelta(seconds=120)),
        (" 120 ", timedelta(seconds=120)),
        ("999999999", LONGEST_ASKED),
        ("9" * 400, None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (format_datetime(NOW + timedelta(minutes=7), usegmt=True), timedelta(minutes=7)),
        (format_datetime(NOW - timedelta(minutes=7), usegmt=True), timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_ASKED),
        ("Fri, 99 Dec 9999 23:59:59 GMT", None),
        ("Fri, 20 Nov 2026 02:37:00 -0000", timedelta(minutes=7)),
    ],
)
def test_a_retry_after_is_read_in_both_forms_and_bounded(text: str | None, wanted: timedelta | None) -> None:
    assert retry_after(text, NOW) == wanted


@given(st.text(max_size=60))
def test_no_retry_after_is_a_defect(text: str) -> None:
    found = retry_after(text, NOW)
    assert found is None or timedelta(0) <= found <= LONGEST_ASKED


# --- addresses -----------------------------------------------------------------------------------------

PUBLIC = (
    "8.8.8.8",
    "1.1.1.1",
    "203.0.114.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::",
)
NOT_PUBLIC = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::",
    "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
)  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_may_be_called(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_others_may_not_unless_an_operator_permits_them(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_public(address)
    assert not is_permitted(address, networks("203.0.114.0/24,2606::/16"))
    assert is_permitted(address, networks("0.0.0.0/0, ::/0"))


@given(st.ip_addresses(v=4))
def test_however_an_address_of_version_4_is_written_it_is_judged_alike(
    address: ipaddress.IPv4Address,
) -> None:
    number = int(address)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number)
    tunnelled = ipaddress.IPv6Address((0x2002 << 112) | (number << 80))
    for other in (mapped, translated, tunnelled):
        assert is_public(other) is is_public(address)
        assert is_permitted(other, networks(f"{address}/32"))


def test_networks_of_a_setting_are_networks() -> None:
    assert Settings(webhook_networks="").webhook_permitted == ()
    assert len(Settings(webhook_networks="10.1.0.0/16,fd00::/8").webhook_permitted) == 2
    for wrong in ("10.1.2.3/16", "x", "10.0.0.0/8;fd00::/8", "10.0.0.0/33"):
        with pytest.raises(ValueError, match="networks"):
            Settings(webhook_networks=wrong)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://hooks.example/x?y=z", None),
        ("https://hooks.example:8443", None),
        ("https://8.8.8.8/x", None),
        ("https://[2606:4700::1111]:443/x", None),
        ("http://10.1.0.7/x", None),
        ("https://10.1.0.7/x", None),
        ("http://inside.example/x", None),  # where it leads is judged when it is called
        ("http://8.8.8.8/x", "url_scheme"),
        ("https://127.0.0.1/x", "address_refused"),
        ("https://[::1]/x", "address_refused"),
        ("https://[::ffff:169.254.169.254]/x", "address_refused"),
        ("https://10.2.0.7/x", "address_refused"),
        ("ftp://hooks.example/", "url"),
        ("hooks.example", "url"),
        ("https://", "url"),
        ("https:///x", "url"),
        ("https://user:pass@hooks.example/", "url"),
        ("https://user@hooks.example/", "url"),
        ("https://hooks.example/#part", "url"),
        ("https://hooks.example/#", "url"),
        ("https://hooks.example:0/", "url"),
        ("https://hooks.example:65536/", "url"),
        ("https://hooks.example:x/", "url"),
        ("https://hooks.example/a b", "url"),
        ("https://hooks.example/\r\nX: y", "url"),
        ("https://hooks.example/é", "url"),
        ("https://hooks。example/", "url"),
        ("https://[::1/", "url"),
        ("https://[fe80::1%25eth0]/", "url"),
        ("https://hooks.example\\@127.0.0.1/", "url"),
        ("https://hooks.example/" + "x" * MAX_URL, "url"),
    ],
)
def test_the_text_of_an_address(url: str, reason: str | None) -> None:
    permitted = networks("10.1.0.0/16")
    if reason is None:
        check_url(url, permitted)
        return
    with pytest.raises(VermilionError) as caught:
        check_url(url, permitted)
    assert caught.value.reason == reason
    assert [fault.field for fault in caught.value.faults] == ["/url"]


@given(st.text(max_size=80) | st.text(max_size=60).map(lambda text: f"https://{text}"))
def test_no_address_is_a_defect(text: str) -> None:
    try:
        check_url(text, ())
    except VermilionError as error:
        assert error.reason in {"url", "url_scheme", "address_refused"}


def test_what_is_logged_of_an_address_is_its_origin() -> None:
    assert origin_of("https://hooks.example:8443/secret?key=1") == "https://hooks.example:8443"
