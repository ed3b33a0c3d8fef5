"""Who signed a token that names its key by the trust list: one rule for status lists and signed answers."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

from keys.errors import Kind, VermilionError
from keys.path import verify_chain
from keys.profiles import ProfileName
from keys.signed_token import SignedToken, is_signed
from keys.trust_list import TrustedKey, TrustList


def listed_signer(
    token: SignedToken, *, profile: ProfileName, trust: TrustList, signed_at: datetime, what: str
) -> TrustedKey:
    """The key of the trust list, for the use that its profile has the name of, that signed a token and was
    entitled to at the moment that the token itself names. `what`: the token, for the error's words.

    Raises VermilionError(INVALID) with reason "key_unknown", "bad_signature" or "key_compromised".
    """
    signers = [key for key in trust.keys if key.use == profile.value and key.kid == token.kid]
    if not signers:
        _refuse(f"the trust list names no such key for the {what}", "key_unknown")
    signer = next((key for key in signers if is_signed(token, key.public_key)), None)
    if signer is None:
        _refuse(f"the signature of the {what} is wrong", "bad_signature")
    # A thief may write any time into a token: a compromised key's is worth nothing, whatever it says.
    if signer.state == "compromised":
        _refuse(f"the key of the {what} was compromised", "key_compromised")
    if not signer.sign_from <= signed_at <= signer.sign_to or signer.certificate is None:
        _refuse(f"the key was not in use when the {what} was signed", "key_unknown")
    try:
        verify_chain(signer.certificate, trust=trust, at=signed_at, profile=profile)
    except VermilionError as error:
        _refuse(f"the key of the {what} is not certified for it: {error.detail}", "key_unknown")
    return signer


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
