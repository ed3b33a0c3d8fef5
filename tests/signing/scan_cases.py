"""Scanned codes and what must be answered: run by Python and, as `vectors/scan.json`, by the page's script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from keys.trust_list import TrustList
from signing.annotation import Annotation
from signing.credential import link_text, qr_text
from signing.live import LiveCopy, LiveLicence
from signing.page_data import MAX_KEYS
from signing.record import Record
from tests.signing.checking import (
    LINK_ID,
    NOW,
    ORIGIN,
    QR_KEY,
    SUITE,
    Register,
    changed,
    food,
    key,
    kid,
    licence,
    register,
    scanned,
    sign,
    teacher,
    trust_list,
    trusted,
)


@dataclass(frozen=True)
class Case:
    """`want` is verdict, content reason, issuer reason, status reason; green is asked of `valid` alone.

    `page` is what the page's script answers where it knows less than Python does.
    """

    name: str
    text: str
    trust: TrustList | None
    live: Register | None
    want: tuple[str, str, str, str]
    alarm: str | None = None
    page: tuple[str, str, str, str] | None = None


LINK = link_text(ORIGIN, LINK_ID)


def annotated(valid_to: date) -> Annotation:
    return Annotation("办理银行开户", "样本市商业银行", valid_to, date(2026, 11, 1), 2)


def copy_of(record: Record, *, status: str, how: str | None, **of_copy: Any) -> LiveLicence:
    """As the registry knows a copy with this record."""
    assert record.copy is not None
    values = {"withdrawn_on": None, "withdrawn_at": None} | of_copy
    copy = LiveCopy(record.copy, registered_at=NOW, link_id_sha256=bytes(32), **values)
    return licence(record, sign(record), status=status, how=how, copy=copy)


NONE = "content_not_compared"
UNCHECKED = "issuer_not_checked"
OK = "issuer_recognised"
REGISTERED = "registered_credential"


def cases() -> Iterator[Case]:
    record, cose, text = food(), sign(food()), scanned(food())
    ours = trusted(QR_KEY, record)
    trust = trust_list(ours)
    known = register(licence(record, cose))
    empty, out = Register(), Register(out=True)

    def live(**other: object) -> Register:
        return register(licence(record, cose, **other))

    def listed(**other: object) -> TrustList:
        return trust_list(trusted(QR_KEY, record, **other))

    yield Case("all is well", text, trust, known, ("valid", REGISTERED, OK, "in_force"))
    yield Case("no fragment", LINK, trust, known, ("valid", NONE, OK, "in_force"))
    yield Case("an empty fragment", f"{LINK}#", trust, known, ("valid", NONE, OK, "in_force"))
    yield Case(
        "the host in capitals",
        text.replace("localhost", "LOCALHOST"),
        trust,
        known,
        ("valid", REGISTERED, OK, "in_force"),
    )

    forged = changed(record, operator_name="另一家样本餐馆")
    yield Case(
        "other claims, rightly signed", scanned(forged), trust, known,
        ("altered", "credential_differs", OK, "in_force"), "credential_not_registered",
    )  # fmt: skip
    yield Case(
        "other claims, signed by a stranger",
        scanned(forged, private=key(2)),
        trust,
        known,
        ("altered", "credential_differs", OK, "in_force"),
    )
    yield Case(
        "other claims, a stranger's signature under our kid", scanned(forged, private=key(2), kid_bytes=kid(QR_KEY)), trust, known,
        ("altered", "credential_differs", OK, "in_force"),
    )  # fmt: skip
    strange = f"{LINK}#{scanned(record, link_id=bytes(16)).partition('#')[2]}"
    yield Case(
        "the path of A and the fragment of B",
        strange,
        trust,
        known,
        ("altered", "credential_differs", OK, "in_force"),
    )
    yield Case(
        "the path of A and the fragment of B, offline",
        strange,
        trust,
        None,
        ("altered", "signature_wrong", UNCHECKED, "status_not_asked"),
    )
    yield Case(
        "the path of A and the fragment of B, A unknown",
        strange,
        trust,
        empty,
        ("altered", "signature_wrong", UNCHECKED, "not_on_record"),
    )
    for name, fragment in (
        ("a word", "altered"),
        ("a zero before", f"0{text.partition('#')[2]}"),
        ("another version", "513"),
        ("too long", "9" * 2001),
        ("half of it", text.partition("#")[2][:300]),
    ):
        yield Case(
            f"a fragment that is {name}",
            f"{LINK}#{fragment}",
            trust,
            known,
            ("altered", "credential_malformed", OK, "in_force"),
        )
        yield Case(
            f"a fragment that is {name}, offline",
            f"{LINK}#{fragment}",
            trust,
            None,
            ("altered", "credential_malformed", UNCHECKED, "status_not_asked"),
        )
    last = str((int(text[-1]) + 1) % 10)
    yield Case(
        "one digit altered", text[:-1] + last, trust, known, ("altered", "credential_differs", OK, "in_force")
    )
    yield Case(
        "one digit altered, offline",
        text[:-1] + last,
        trust,
        None,
        ("altered", "signature_wrong", UNCHECKED, "status_not_asked"),
    )

    # Of an ECDSA signature's s and n - s both verify: without a rule, anyone could make a second credential of
    # ours from a printed one, and raise the alarm for a key that was never stolen.
    n = SUITE.curve.group_order
    greater = (n - int.from_bytes(cose[-32:], "big")).to_bytes(32, "big")
    twin = qr_text(LINK, cose[:-32] + greater)
    yield Case(
        "the signature's s turned", twin, trust, known, ("altered", "credential_differs", OK, "in_force")
    )
    yield Case(
        "the signature's s turned, offline",
        twin,
        trust,
        None,
        ("altered", "signature_wrong", UNCHECKED, "status_not_asked"),
    )

    yield Case("not on record", LINK, trust, empty, ("unknown", NONE, UNCHECKED, "not_on_record"))
    yield Case(
        "rightly signed but not on record",
        text,
        trust,
        empty,
        ("unknown", "signature_correct", OK, "not_on_record"),
        "credential_not_registered",
    )
    yield Case(
        "signed by a compromised key and not on record", text, listed(state="compromised", since=NOW), empty,
        ("unknown", "signature_correct", "key_compromised", "not_on_record"), "credential_not_registered",
    )  # fmt: skip
    yield Case(
        "signed by a stranger and not on record",
        scanned(record, private=key(2)),
        trust,
        empty,
        ("not_recognised", "content_not_proven", "key_unknown", "not_on_record"),
    )

    yield Case("offline", text, trust, None, ("genuine_offline", "signature_correct", OK, "status_not_asked"))
    yield Case(
        "the registry out of reach",
        text,
        trust,
        out,
        ("genuine_offline", "signature_correct", OK, "registry_unreachable"),
    )
    yield Case(
        "out of reach and no fragment",
        LINK,
        trust,
        out,
        ("cannot_check", NONE, UNCHECKED, "registry_unreachable"),
    )
    yield Case(
        "offline and no fragment", LINK, trust, None, ("cannot_check", NONE, UNCHECKED, "status_not_asked")
    )
    yield Case(
        "offline, key compromised",
        text,
        listed(state="compromised", since=NOW),
        None,
        ("cannot_check", "signature_correct", "key_compromised", "status_not_asked"),
    )
    yield Case(
        "offline, key retired",
        text,
        listed(state="retired", since=NOW),
        None,
        ("genuine_offline", "signature_correct", OK, "status_not_asked"),
    )
    yield Case(
        "offline, trust list expired",
        text,
        trust_list(ours, expires_at=NOW),
        None,
        ("cannot_check", "signature_correct", "trust_list_expired", "status_not_asked"),
    )
    yield Case(
        "offline, unknown key",
        scanned(record, private=key(2)),
        trust,
        None,
        ("not_recognised", "content_not_proven", "key_unknown", "status_not_asked"),
    )
    yield Case(
        "offline, another agency's key",
        text,
        listed(agency=teacher().issuer_code),
        None,
        ("not_recognised", "signature_correct", "not_entitled", "status_not_asked"),
    )
    yield Case(
        "offline, key for other types",
        text,
        listed(types=(teacher().type_code,)),
        None,
        ("not_recognised", "signature_correct", "not_entitled", "status_not_asked"),
    )
    yield Case(
        "offline, key of another algorithm",
        text,
        listed(suite="p384-sha384"),
        None,
        ("not_recognised", "content_not_proven", "key_algorithm", "status_not_asked"),
    )
    yield Case(
        "offline, issued after the key's period",
        text,
        listed(sign_to=NOW.replace(year=2026, month=6, day=14)),
        None,
        ("not_recognised", "signature_correct", "out_of_period", "status_not_asked"),
    )
    yield Case(
        "another site",
        text.replace("localhost", "example.org"),
        trust,
        known,
        ("not_recognised", NONE, "origin_unknown", "status_not_asked"),
    )
    yield Case(
        "another port",
        text.replace(":8801", ":8802"),
        trust,
        known,
        ("not_recognised", NONE, "origin_unknown", "status_not_asked"),
    )
    for name, junk in (
        ("nothing", ""),
        ("a word", "hello"),
        ("a query", f"{LINK}?a=1"),
        ("user information", text.replace("//", "//u@")),
        ("an id cut short", LINK[:-1]),
    ):
        yield Case(
            f"the text is {name}",
            junk,
            trust,
            known,
            ("not_recognised", NONE, "not_a_link", "status_not_asked"),
        )

    # A key compromised later does no harm to what was registered.
    yield Case(
        "registered, key compromised since",
        text,
        listed(state="compromised", since=NOW),
        known,
        ("valid", REGISTERED, OK, "in_force"),
    )
    yield Case(
        "registered, key not listed",
        text,
        trust_list(),
        known,
        ("not_recognised", REGISTERED, "key_unknown", "in_force"),
    )
    yield Case(
        "suspended",
        text,
        trust,
        live(status="suspended", ground="other"),
        ("suspended", REGISTERED, OK, "suspended"),
    )
    yield Case("ended", text, trust, live(status="ended", how="revoked"), ("ended", REGISTERED, OK, "ended"))
    yield Case(
        "ended, fragment altered",
        strange,
        trust,
        live(status="ended", how="revoked"),
        ("altered", "credential_differs", OK, "ended"),
    )
    yield Case(
        "replaced",
        text,
        trust,
        live(status="ended", how="replaced"),
        ("replaced", REGISTERED, OK, "replaced"),
    )
    yield Case(
        "a status this code does not know",
        text,
        trust,
        live(status="frozen"),
        ("genuine_offline", REGISTERED, OK, "status_not_asked"),
    )
    yield Case(
        "seal not active when used",
        text,
        trust,
        live(seal_state_at_sealing="suspended"),
        ("not_recognised", REGISTERED, "seal_not_active", "in_force"),
    )
    yield Case(
        "not entitled when sealed",
        text,
        trust,
        live(entitled=False),
        ("not_recognised", REGISTERED, "not_entitled", "in_force"),
    )
    yield Case(
        "seal cancelled later",
        text,
        trust,
        live(seal_state="cancelled"),
        ("valid", REGISTERED, "seal_cancelled_later", "in_force"),
    )
    yield Case(
        "seal suspended later",
        text,
        trust,
        live(seal_state="suspended"),
        ("valid", REGISTERED, OK, "in_force"),
    )
    after = {"seal_state": "compromised", "seal_compromised_since": NOW - timedelta(days=1)}
    before = {"seal_state": "compromised", "seal_compromised_since": NOW - timedelta(days=3)}
    yield Case(
        "seal compromised later",
        text,
        trust,
        live(**after),
        ("valid", REGISTERED, "seal_compromised_later", "in_force"),
    )
    yield Case(
        "seal compromised before",
        text,
        trust,
        live(**before),
        ("not_recognised", REGISTERED, "seal_compromised", "in_force"),
    )
    yield Case(
        "seal compromised, nobody knows when",
        text,
        trust,
        live(seal_state="compromised"),
        ("not_recognised", REGISTERED, "seal_compromised", "in_force"),
    )

    # 20 November 2026, 10:30 in the registry's zone.
    for name, first, final, verdict, reason in (
        (
            "its last day is today",
            date(2026, 6, 15),
            date(2026, 11, 20),
            "genuine_offline",
            "status_not_asked",
        ),
        ("its last day was yesterday", date(2026, 6, 15), date(2026, 11, 19), "expired", "expired"),
        ("its first day is today", date(2026, 11, 20), None, "genuine_offline", "status_not_asked"),
        ("its first day is tomorrow", date(2026, 11, 21), None, "not_yet_valid", "not_yet_valid"),
    ):
        timed = replace(record, valid_from=first, valid_to=final)
        yield Case(
            f"offline, {name}", scanned(timed), trust, None, (verdict, "signature_correct", OK, reason)
        )
        online = ("valid", "in_force") if verdict == "genuine_offline" else (verdict, reason)
        yield Case(
            name,
            scanned(timed),
            trust,
            register(licence(timed, sign(timed))),
            (online[0], REGISTERED, OK, online[1]),
        )
    # Annotated copies: another document than their licence's, whose code goes with no other link.
    copied = replace(record, status_index=99, copy=annotated(date(2026, 11, 20)))
    over = replace(copied, copy=annotated(date(2026, 11, 19)))
    withdrawn: dict[str, Any] = {"withdrawn_on": date(2026, 11, 20), "withdrawn_at": NOW}

    def on_record(one: Record, status: str = "in_force", how: str | None = None, **of_copy: Any) -> Register:
        return register(copy_of(one, status=status, how=how, **of_copy))

    for name, one, held, verdict, reason in (
        ("a copy", copied, on_record(copied), "valid", "in_force"),
        ("a copy past its last day", over, on_record(over), "expired", "copy_expired"),
        ("a copy that was withdrawn", copied, on_record(copied, **withdrawn), "ended", "copy_withdrawn"),
        ("a withdrawn copy past its last day", over, on_record(over, **withdrawn), "ended", "copy_withdrawn"),
        ("a copy of a suspended licence", copied, on_record(copied, "suspended"), "suspended", "suspended"),
        ("a withdrawn copy of a suspended licence", copied, on_record(copied, "suspended", **withdrawn),
         "suspended", "suspended"),
        ("a copy of a revoked licence", over, on_record(over, "ended", "revoked"), "ended", "ended"),
        ("a copy of a replaced licence", copied, on_record(copied, "ended", "replaced"), "replaced", "replaced"),
    ):  # fmt: skip
        yield Case(name, scanned(one), trust, held, (verdict, REGISTERED, OK, reason))
    yield Case(
        "a copy, offline", scanned(copied), trust, None,
        ("genuine_offline", "signature_correct", OK, "status_not_asked"),
    )  # fmt: skip
    yield Case(
        "a copy past its last day, offline", scanned(over), trust, None,
        ("expired", "signature_correct", OK, "copy_expired"),
    )  # fmt: skip
    yield Case(
        "a copy's code at its licence's link", scanned(copied), trust, known,
        ("altered", "credential_differs", OK, "in_force"), "credential_not_registered",
    )  # fmt: skip
    yield Case(
        "a licence's code at its copy's link", text, trust, on_record(copied),
        ("altered", "credential_differs", OK, "in_force"), "credential_not_registered",
    )  # fmt: skip
    yield Case(
        "a copy's code with another last day, rightly signed", scanned(copied), trust, on_record(over),
        ("altered", "credential_differs", OK, "copy_expired"), "credential_not_registered",
    )  # fmt: skip
    gone = replace(record, valid_to=date(2026, 11, 19))
    yield Case(
        "expired, by a compromised key, offline",
        scanned(gone),
        listed(state="compromised", since=NOW),
        None,
        ("cannot_check", "signature_correct", "key_compromised", "status_not_asked"),
    )

    yield Case("no trust list, registered", text, None, known, ("valid", REGISTERED, OK, "in_force"))
    yield Case(
        "no trust list, other claims",
        scanned(forged),
        None,
        known,
        ("altered", "credential_differs", OK, "in_force"),
    )
    yield Case(
        "no trust list, not on record",
        text,
        None,
        empty,
        ("unknown", "content_not_proven", "trust_list_missing", "not_on_record"),
    )
    no_credential = qr_text(LINK, cose[:-1])
    for name, live_, status in (
        ("not on record", empty, "not_on_record"),
        ("offline", None, "status_not_asked"),
    ):
        yield Case(
            f"no trust list, {name}, what is scanned is no credential",
            no_credential,
            None,
            live_,
            ("altered", "credential_malformed", UNCHECKED, status),
        )
    yield Case(
        "no trust list, registered, what is scanned is no credential",
        no_credential,
        None,
        known,
        ("altered", "credential_differs", OK, "in_force"),
    )
    yield Case(
        "no trust list, offline",
        text,
        None,
        None,
        ("cannot_check", "content_not_proven", "trust_list_missing", "status_not_asked"),
    )
    garbled = "credential_malformed"
    for name, register_of, why in (
        ("not on record", empty, "not_on_record"),
        ("offline", None, "status_not_asked"),
    ):
        yield Case(
            f"no trust list, no credential in the fragment, {name}",
            f"{LINK}#{0x01FF}",
            None,
            register_of,
            ("altered", garbled, UNCHECKED, why),
        )

    # A province has more agencies than a page can carry keys: it says so, and nothing is held against the paper.
    crowd = trust_list(ours, *(trusted(key(100 + n), record, agency=f"agency {n}") for n in range(MAX_KEYS)))
    unproven = ("content_not_proven", "trust_list_missing")
    yield Case("one of many agencies", text, crowd, known, ("valid", REGISTERED, OK, "in_force"))
    yield Case(
        "one of many agencies, the registry out of reach",
        text,
        crowd,
        out,
        ("genuine_offline", "signature_correct", OK, "registry_unreachable"),
        page=("cannot_check", *unproven, "registry_unreachable"),
    )
    yield Case(
        "one of many agencies, not on record",
        text,
        crowd,
        empty,
        ("unknown", "signature_correct", OK, "not_on_record"),
        "credential_not_registered",
        page=("unknown", *unproven, "not_on_record"),
    )
    yield Case(
        "one of many agencies, no credential in the fragment, the registry out of reach",
        f"{LINK}#{0x01FF}",
        crowd,
        out,
        ("altered", garbled, UNCHECKED, "registry_unreachable"),
    )

    # Which characters are assigned depends on the reader's edition of Unicode. U+31350 came with 15.0.
    rare = changed(record, operator_name="样本\U00031350餐馆")
    yield Case(
        "a character that an older Unicode does not have",
        scanned(rare),
        trust,
        register(licence(rare, sign(rare))),
        ("valid", REGISTERED, OK, "in_force"),
    )
