"""Other archives: whose statements are believed, and our own statements to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import update

from keys.errors import Kind, VermilionError
from keys.handover import Signers, sign_statement
from keys.profiles import ProfileName
from keys.suite import SUITES, Suite
from registry.archive.transfer_tables import ArchiveStatement
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.authority import chain_of
from registry.seals.serving import serving_key

MAX_FILE_BYTES = 256 * 1024
MAX_PARTNERS = 200


def partners(path: Path | None) -> Signers:
    """Certificates (DER) of the archives whose lists and receipts are believed, and for whom each speaks: for
    the archive whose code the name of its file is. Of nobody without a path.

    Raises VermilionError(INVALID, `archive_partners`) for what holds none, or something else.
    """
    if path is None:
        return {}
    found: dict[bytes, frozenset[str]] = {}
    try:
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        texts = {file.stem: _read(file) for file in files}
        for code, text in texts.items():
            for one in x509.load_pem_x509_certificates(text):
                der = one.public_bytes(Encoding.DER)
                found[der] = found.get(der, frozenset()) | {code}
    except (OSError, ValueError) as error:
        raise _wrong("it cannot be read as certificates in PEM") from error
    if not 0 < len(found) <= MAX_PARTNERS or any(len(text) > MAX_FILE_BYTES for text in texts.values()):
        raise _wrong(f"it holds no certificate, or more than {MAX_PARTNERS}")
    return found


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_FILE_BYTES + 1)


def state_signed(ports: Ports, kind: str, lay_out: Callable[[Suite, Sequence[bytes]], bytes]) -> str:
    """A statement of ours as a compact JWS, by the key that signs receipts: announced, signed, and kept.
    `lay_out` makes its signing input for a suite and the signer's certificates.

    Raises VermilionError: UNAVAILABLE without a key that serves; as the custodian does.
    """
    now = ports.clock()
    with ports.database.transaction() as session:
        found = serving_key(session, ProfileName.RECEIPT, now)
        if found is None:
            raise VermilionError(Kind.UNAVAILABLE, "no key signs receipts now", reason="not_established")
        chain = (found.certificate, *chain_of(session, found.key.id))
        signing_input = lay_out(SUITES[found.key.suite], chain)
        statement_id = ports.random(16).hex()
        announced = ArchiveStatement(
            id=statement_id,
            kind=kind,
            input_sha256=sha256(signing_input).digest(),
            made_at=now,
            signed=None,
        )
        session.add(announced)
    signed = sign_statement(ports.custodian, found.key, signing_input, statement_id)
    with ports.database.transaction() as session:
        of = update(ArchiveStatement).where(ArchiveStatement.id == statement_id)
        changed_rows(session, of.values(signed=signed))
    return signed


def _wrong(detail: str) -> VermilionError:
    return VermilionError(Kind.INVALID, f"VERMILION_ARCHIVE_PARTNERS: {detail}", reason="archive_partners")
