"""A small registry in memory, and the site in front of it."""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

import registry.samples
from keys.errors import Kind, VermilionError
from registry.intake.published_results import CaseResult, MatterResults
from registry.licences.status_read import SignedList
from registry.settings import Settings
from signing.codes import make_identifier
from signing.disclosure import public_record
from signing.licence_type import LicenceType, Role, load_licence_type
from signing.live import LiveLicence, LiveShowing
from signing.record import FieldValue, Record
from signing.showing import Showing
from tests.describing import client_of
from tests.signing.checking import food, sign
from verify_web import openapi
from verify_web.app import create_app
from verify_web.source import Source

SAMPLES = Path(registry.samples.__file__).parent
NOW = datetime(2026, 3, 4, 2, 32, tzinfo=UTC)  # 10:32 in Shanghai
SLUGS = ("food-business-licence", "teacher-qualification")
MATTER = "99013100100011990100MB01010556"
LOOKUP_CODE = "7K3MQ8ZT"
WRONG_CODE = "7K3MQ8ZV"
ORIGIN = "http://localhost:8801"
SHOWN_BYTES = bytes(range(16, 32))
SHOWN_ID = base64.urlsafe_b64encode(SHOWN_BYTES).decode().rstrip("=")
LINK_ID = base64.urlsafe_b64encode(bytes(range(16))).decode().rstrip("=")
UNKNOWN_ID = base64.urlsafe_b64encode(bytes(16)).decode().rstrip("=")
CREDENTIAL = sign(food())  # of one of the samples; whose does not matter where no trust list is
FRAGMENT = str(int.from_bytes(b"\x01" + CREDENTIAL))
DOCUMENT = b"%PDF-1.7 the registered bytes"


@cache
def licence_type(slug: str) -> LicenceType:
    return load_licence_type(SAMPLES / slug)


@cache
def _tables() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    agencies = tomllib.loads((SAMPLES / "agencies.toml").read_text("utf-8"))
    holders = tomllib.loads((SAMPLES / "holders.toml").read_text("utf-8"))
    return {agency["code"]: agency for agency in agencies["agency"]}, holders


def sample_record(
    slug: str = SLUGS[0],
    serial: str = "0000018",
    *,
    valid_from: date = date(2026, 3, 1),
    valid_to: date | None = None,
) -> Record:
    """The record of the first sample holder of a type; five years, where it expires."""
    agencies, holders = _tables()
    holder = next(h for h in holders["holder"] if h["type"] == slug)
    kind = licence_type(slug)
    agency = agencies[holder["issuer"]]
    end = valid_to or (date(2031, 2, 28) if kind.expires else None)
    fields: dict[str, FieldValue] = {
        name: value if isinstance(value, str) else tuple(value) for name, value in holder["fields"].items()
    }
    for each in kind.fields:
        known = {
            Role.NUMBER: holder["number"],
            Role.ISSUER_NAME: agency["name"]["zh"],
            Role.ISSUE_DATE: "2026-03-01",
            Role.VALID_TO: None if end is None else end.isoformat(),
        }.get(each.role) if each.role else None  # fmt: skip
        if known is not None:
            fields[each.name] = known
    return Record(
        identifier=make_identifier(kind.code, holder["issuer"], serial, 1),
        type_code=kind.code,
        type_version=kind.version,
        issuer_code=holder["issuer"],
        number=holder["number"],
        edition=1,
        fields=fields,
        issue_date=date(2026, 3, 1),
        valid_from=valid_from,
        valid_to=end,
        status_list=0,
        status_index=4711,
        specimen=True,
    )


def sample(slug: str = SLUGS[0], serial: str = "0000018", **changes: Any) -> LiveLicence:
    """A licence with `sample_record`, as the site is told of it; `valid_from` and `valid_to` change that."""
    dates = {name: changes.pop(name) for name in ("valid_from", "valid_to") if name in changes}
    record = sample_record(slug, serial, **dates)
    kind = licence_type(slug)
    agency = _tables()[0][record.issuer_code]
    licence = LiveLicence(
        record=public_record(record, kind),
        origin=ORIGIN,
        status="in_force",
        ground=None,
        how=None,
        since=None,
        credential_sha256=sha256(CREDENTIAL).digest(),
        sealed_at=NOW,
        seal_state="active",
        seal_state_at_sealing="active",
        seal_compromised_since=None,
        entitled=True,
        documents=(sha256(DOCUMENT).digest(),),
        issuer_name=dict(agency["name"]),
        type_name=dict(kind.name),
        as_of=NOW,
    )
    return replace(licence, **changes)


@dataclass
class Memory:
    """Implements `signing.live.LiveRegistry` over one licence; counts what it is asked."""

    licence: LiveLicence | None
    fails: bool = False
    broken: bool = False  # a defect, where `fails` is expected
    asked: list[str] = field(default_factory=list)
    showing: Showing | None = None
    uses: set[bytes] = field(default_factory=set)  # SHA-256 of what the seals' keys signed

    def _ask(self, question: str, found: bool) -> LiveLicence | None:
        self.asked.append(question)
        if self.broken:
            raise ZeroDivisionError("secret detail of the defect")
        if self.fails:
            raise VermilionError(Kind.UNAVAILABLE, "the registry does not answer")
        return self.licence if found else None

    def by_link_id(self, id_sha256: bytes) -> LiveLicence | None:
        return self._ask("link", id_sha256 == sha256(bytes(range(16))).digest())

    def by_document(self, sha256: bytes) -> LiveLicence | None:
        return self._ask("document", self.licence is not None and sha256 in self.licence.documents)

    def by_identifier_and_code(self, identifier: str, lookup_code: str) -> LiveLicence | None:
        known = self.licence is not None and self.licence.record.identifier == identifier
        return self._ask("typed", known and lookup_code == LOOKUP_CODE)

    def by_identifier(self, identifier: str) -> LiveLicence | None:
        return self._ask(
            "identifier", self.licence is not None and self.licence.record.identifier == identifier
        )

    def by_showing(self, id_sha256: bytes) -> LiveShowing | None:
        found = self._ask("showing", id_sha256 == sha256(SHOWN_BYTES).digest())
        return None if found is None or self.showing is None else LiveShowing(self.showing, found)

    def seal_use_recorded(self, signed_sha256: bytes) -> bool:
        self._ask("seal use", found=False)
        return signed_sha256 in self.uses


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def find_type(code: str, version: int) -> LicenceType | None:
    return next(
        (t for t in map(licence_type, SLUGS) if (t.code, t.version) == (code, version)),
        None,
    )


@dataclass
class Lists:
    """Implements `verify_web.source.StatusLists`: JWT and CWT of each list."""

    tokens: Mapping[int, tuple[bytes, bytes]]
    origin: str = ORIGIN

    def newest(self, number: int, *, cwt: bool) -> SignedList | None:
        if number not in self.tokens:
            return None
        uri, life = f"{self.origin}/status/{number}", timedelta(hours=48)
        return SignedList(uri, 1, NOW, NOW + life, self.tokens[number][cwt])

    def addresses(self) -> dict[int, str]:
        return {number: f"{self.origin}/status/{number}" for number in self.tokens}


class Decided:
    """Implements `verify_web.source.Results`: a matter with a licence, a refusal and what is kept secret."""

    matter_ = MatterResults(
        code=MATTER,
        name={"zh": "食品经营许可（新办）", "en": "Food business licence (first issue)"},
        agency="11990100MB01010556",
        agency_name={
            "zh": "云溪省样本市市场监督管理局",
            "en": "Yangben Municipal Administration for Market Regulation",
        },
        published=2,
        withheld=3,
        secret_basis="《中华人民共和国保守国家秘密法》",
    )
    results_ = (
        CaseResult("202603040000000002", date(2026, 3, 4), "refused", None, None, None, None),
        CaseResult(
            number="202603030000000001",
            decided_on=date(2026, 3, 3),
            result="permitted",
            holder="样本市云水间餐饮管理有限公司",
            identifier=sample_record().identifier,
            status="ended",
            how="annulled",
        ),
    )

    def matters(self, after: str, size: int) -> tuple[list[MatterResults], bool]:
        return [self.matter_][:size] if after < MATTER else [], False

    def matter(self, code: str) -> MatterResults | None:
        return self.matter_ if code == MATTER else None

    def results(self, code: str, after: str | None, size: int) -> tuple[list[CaseResult], str | None]:
        found = [one for one in self.results_ if after is None or one.number < after]
        return found[:size], None


def no_trust_list() -> str:
    raise VermilionError(Kind.UNAVAILABLE, "none is published yet")


@dataclass
class World:
    memory: Memory
    clock: Hand
    app: Flask
    data: Path

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def identifier(self) -> str:
        assert self.memory.licence is not None
        return self.memory.licence.record.identifier


def make_world(
    data: Path, licence: LiveLicence | None = None, *, catch_all: bool = False, **options: Any
) -> World:
    memory, clock = Memory(licence or sample()), Hand()
    app = create_app(
        Settings(
            data=data,
            origin=options.pop("origin", ""),
            problem_address=options.pop("problem_address", ""),
            holder_origin=options.pop("holder_origin", ""),
            figures_secret_file=options.pop("figures_secret_file", None),
        ),
        source=Source(
            memory,
            find_type,
            options.pop("trust_list", no_trust_list),
            Lists(options.pop("status_lists", {})),
            Decided(),
        ),
        clock=clock,
        catch_all=catch_all,
        **options,
    )
    app.test_client_class = client_of(openapi.text)
    return World(memory, clock, app, data)
