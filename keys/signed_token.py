"""Tokens of JOSE and COSE under a key that the trust list names, once they were taken apart."""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from keys.suite import Ecdsa, signature_from_raw, suite_of, verifies


class SignedToken(Protocol):
    """`kid` as the trust list has it; `alg` as JOSE or COSE names it; `signature` is r || s over `signed`."""

    @property
    def kid(self) -> str: ...
    @property
    def alg(self) -> str | int: ...
    @property
    def signed(self) -> bytes: ...
    @property
    def signature(self) -> bytes: ...


def is_signed(token: SignedToken, public_key: bytes) -> bool:
    """Whether this key (SubjectPublicKeyInfo, DER) signed the token, by the algorithm of its own suite."""
    try:
        public = serialization.load_der_public_key(public_key)
        suite = suite_of(public)
        if not isinstance(suite, Ecdsa) or token.alg not in (suite.jose_alg, suite.cose_alg):
            return False
        return verifies(public, suite, signature_from_raw(suite, token.signature), token.signed)
    except (ValueError, UnsupportedAlgorithm):
        return False
