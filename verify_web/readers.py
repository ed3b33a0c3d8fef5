"""Why a PDF reader may not know our seals, and the root certificate for whoever wants it to."""

from __future__ import annotations

from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from flask import Blueprint, Response, request

from keys.errors import Kind, VermilionError
from signing.certificate_names import name_of
from verify_web.files import MAX_AGE, published
from verify_web.language import HTML_LANG, day_in_words, negotiate
from verify_web.routes import render
from verify_web.site import Site, site

readers = Blueprint("readers", __name__)
DER_TYPE, PEM_TYPE = "application/pkix-cert", "application/x-pem-file"


def grouped(digest: bytes) -> str:
    """A fingerprint for comparing by eye: groups of four hexadecimal digits."""
    digits = digest.hex().upper()
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _root(here: Site) -> bytes | None:
    """The root of the current trust list (DER); None where there is none to trust."""
    trust = here.trust.current()
    return None if trust is None else trust.roots[0]


@readers.get("/about/readers")
def page() -> Response:
    here, lang = site(), negotiate(request)
    der = _root(here)
    root: dict[str, str] = {}
    if der is not None:
        certificate = x509.load_der_x509_certificate(der)
        root = {
            "name": name_of(der),
            "until": day_in_words(certificate.not_valid_after_utc.astimezone(here.settings.tz).date(), lang),
            "fingerprint": grouped(sha256(der).digest()),
        }
    body = render("readers.html", lang, switch="/about/readers", root=root)
    response = Response(body, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = HTML_LANG[lang]
    response.vary.update(("Accept", "Accept-Language"))
    return response


@readers.get("/about/root.<form>")
def root_certificate(form: str) -> Response:
    """The root certificate of the trust list: `root.cer` in DER, `root.pem` in PEM (RFC 7468)."""
    der = _root(site())
    if form not in {"cer", "pem"}:
        raise VermilionError(Kind.NOT_FOUND, "the certificate is given as root.cer and root.pem")
    if der is None:
        raise VermilionError(Kind.UNAVAILABLE, "there is no trust list now", reason="no_trust_list")
    if form == "cer":
        data, media_type = der, DER_TYPE
    else:
        pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
        data, media_type = pem, PEM_TYPE
    response = published(data, media_type, MAX_AGE)
    response.headers["Content-Disposition"] = f'attachment; filename="registry-root.{form}"'
    return response
