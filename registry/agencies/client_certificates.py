"""The certificate by which a client proved itself to a proxy of ours, as that one passes it on (RFC 9440).

A token that was asked for with one is bound to it (RFC 8705, section 3): stolen, it serves nobody who has not
the certificate's key as well. That the key was proved, and that the certificate is to be trusted at all, is
the proxy's to see to; here it is a name, and as such its SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from hashlib import sha256

from cryptography import x509

from keys.der import require_der
from keys.errors import Kind, VermilionError
from registry.outside_addresses import Networks, plain

HEADER = "Client-Cert"
MAX_CERTIFICATE = 8192  # bytes
_BYTES = re.compile(r":([A-Za-z0-9+/]{4,12000}={0,2}):")  # RFC 8941, 3.3.5, without parameters


def certificate_digest(header: str | None, peer: str | None, proxies: Networks) -> bytes | None:
    """SHA-256 of the certificate that `peer`, who sent the request, passes on; None where it passes none, or
    is no proxy of ours: what anybody else says in the header counts for nothing.

    Raises VermilionError(UNAUTHENTICATED) for what a proxy of ours cannot mean.
    """
    if header is None or not _is_ours(peer, proxies):
        return None
    match = _BYTES.fullmatch(header.strip(" "))
    try:
        if match is None:
            raise ValueError
        der = base64.b64decode(match[1], validate=True)
        if len(der) > MAX_CERTIFICATE or base64.b64encode(der).decode() != match[1]:
            raise ValueError
        require_der(der)
        x509.load_der_x509_certificate(der)
    except (ValueError, binascii.Error):
        detail = f"{HEADER} is one certificate as a byte sequence (RFC 9440)"
        raise VermilionError(Kind.UNAUTHENTICATED, detail, reason="client_certificate") from None
    return sha256(der).digest()


def _is_ours(peer: str | None, proxies: Networks) -> bool:
    try:
        address = plain(ipaddress.ip_address((peer or "").partition("%")[0]))
    except ValueError:
        return False
    return any(address in network for network in proxies)
