"""Load what is otherwise loaded on first use, while files can still be read."""

from __future__ import annotations

import importlib
import tempfile
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

from keys.clock import system_clock
from keys.errors import Kind, VermilionError
from keys.remote import RemoteCustodian
from keys.trust_list import TrustList
from registry.agencies.parties import Party, ReceiptKey
from registry.intake.published_results import CaseResult, MatterResults
from registry.licences.status_read import SignedList
from registry.settings import Settings
from signing.disclosure import PublicRecord
from signing.live import LiveLicence, LiveShowing, Past, Wanted
from signing.validator import load_validator
from verify_web.app import create_app
from verify_web.language import LANGUAGES
from verify_web.registry_source import registry_source
from verify_web.source import Relying, Source

_ON_FIRST_USE = (  # by which no sample here comes past
    "cryptography.hazmat.backends.openssl.backend",  # a public key, of the trust list or a certificate
    "signing.strict_check",  # a file that is not registered
    "signing.foreign_seal",  # one that is not of our shape
)
_MOMENT = datetime(2026, 3, 4, tzinfo=UTC)
_ID = "A" * 22
_MATTER = "0" * 12


class _Sample:
    """Knows one licence, which every link opens."""

    def by_link_id(self, id_sha256: bytes) -> LiveLicence | None:
        day = date(2026, 3, 4)
        record = PublicRecord("", "", 1, "", 1, {}, day, day, None, specimen=True)
        return LiveLicence(
            record=record,
            origin="http://localhost",
            status="in_force",
            ground=None,
            how=None,
            since=None,
            credential_sha256=id_sha256,
            sealed_at=_MOMENT,
            seal_state="active",
            seal_state_at_sealing="active",
            seal_compromised_since=None,
            entitled=True,
            documents=(),
            issuer_name={},
            type_name={},
            as_of=_MOMENT,
        )

    def by_document(self, sha256: bytes) -> LiveLicence | None:  # noqa: ARG002
        return None

    def by_identifier_and_code(self, identifier: str, lookup_code: str) -> LiveLicence | None:  # noqa: ARG002
        return None

    def by_identifier(self, identifier: str) -> LiveLicence | None:  # noqa: ARG002
        return None

    def by_showing(self, id_sha256: bytes) -> LiveShowing | None:  # noqa: ARG002
        return None

    def seal_use_recorded(self, signed_sha256: bytes) -> bool:  # noqa: ARG002
        return False

    def gather(self, wanted: Wanted, past: Past | None = None) -> _Sample:  # noqa: ARG002
        return self


class _NoLists:
    def newest(self, number: int, *, cwt: bool) -> SignedList | None:  # noqa: ARG002
        return None

    def addresses(self) -> dict[int, str]:
        return {}


class _OneResult:
    """Knows one matter, with one result."""

    def matters(self, after: str, size: int) -> tuple[list[MatterResults], bool]:  # noqa: ARG002
        return [MatterResults(_MATTER, {}, "", {}, 1, 0, None)], False

    def matter(self, code: str) -> MatterResults | None:  # noqa: ARG002
        return self.matters("", 1)[0][0]

    def results(self, code: str, after: str | None, size: int) -> tuple[list[CaseResult], str | None]:  # noqa: ARG002
        return [CaseResult("1", date(2026, 3, 4), "permitted", None, None, None, None)], None


def _no_trust_list() -> str:
    raise VermilionError(Kind.UNAVAILABLE, "there is none")


def _no_key(_trust: TrustList, _now: datetime) -> ReceiptKey:
    raise VermilionError(Kind.UNAVAILABLE, "there is none")


def preload() -> None:
    """Answer one request of each kind from a throw-away site: what is imported or read lazily, by us or by
    what we stand on, is then in memory.
    """
    for module in _ON_FIRST_USE:
        importlib.import_module(module)
    load_validator()
    settings = Settings()
    registry_source(settings, system_clock)  # loads the database's driver
    signer = RemoteCustodian(Path("none"))
    relying = Relying(_Sample(), lambda _key: Party("", 9, 9), _no_key, signer, signer.answer_page)
    live, lists, decided = _Sample(), _NoLists(), _OneResult()
    source = Source(live, lambda code, version: None, _no_trust_list, lists, decided, relying)  # noqa: ARG005
    with tempfile.TemporaryDirectory() as scratch:
        app = create_app(Settings(data=Path(scratch), zone=settings.zone), source=source)
        client = app.test_client()
        for lang in LANGUAGES:
            for path in (
                "/",
                f"/c/{_ID}",
                "/c/none",
                "/none",
                "/about/readers",
                "/results",
                f"/results/{_MATTER}",
            ):
                client.get(f"{path}?lang={lang}")
        client.get(f"/c/{_ID}", headers={"Accept": "application/json"})
        for path in (
            "/livez",
            "/readyz",
            "/metrics",
            "/alerts",
            "/robots.txt",
            "/.well-known/elicence/trust-list",
        ):
            client.get(path)
        for path in ("/status/", "/status/0", "/offline", "/scan", "/sw.js", "/manifest.webmanifest"):
            client.get(path)
        for path in ("/api/v1/", "/api/v1/openapi.json", "/api/v1/results", f"/api/v1/results/{_MATTER}"):
            client.get(path)
        client.post("/check", data={"identifier": "1", "lookup_code": "2"})
        client.post("/upload", data={"file": (BytesIO(b"%PDF-1.7\n"), "a.pdf")})
        client.post("/api/v1/verifications", json={"link": f"{settings.public_origin}/c/{_ID}#1"})
        for accept in ("application/json", "application/jwt"):
            asked = {
                "items": [{"link": "x"}, {"sha256": "0" * 64}],
                "as_of": "2026-03-04",
                "clock": "effective",
            }
            headers = {"Accept": accept, "Authorization": "Bearer x"}
            client.post("/api/v1/verifications/bulk", json=asked, headers=headers)
        client.post("/api/v1/receipts/verify", data=b"x", content_type="application/jwt")
        app.extensions["site"].store.close()
