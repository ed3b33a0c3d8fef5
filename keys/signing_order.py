"""The order in which every custodian that holds keys serves a request, in one place.

Kind permitted for the key's purpose, strict parse of the bytes, key found, policy, use written down as begun,
signature, use written down as ended. Whatever comes before "begun" may be tried again. What comes after may
not, unless it is certain that nothing was signed: an outcome that is not known ends as not signed, its record
stays used up, and whoever asked begins anew under another record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keys.custodian import MAX_REQUESTS, PURPOSE_KINDS, KeyRef, Policy, SignRequest, UseLedger
from keys.errors import Kind, VermilionError
from keys.suite import SUITES
from keys.tbs import check_tbs

SignAll = Callable[[Sequence[bytes]], list[bytes]]
"""A signature, as CMS carries it, for each message, by a key that was found."""


def sign_in_order(
    ref: KeyRef,
    requests: Sequence[SignRequest],
    find: Callable[[KeyRef], SignAll],
    *,
    policy: Policy,
    ledger: UseLedger,
) -> list[bytes]:
    """See `keys.custodian.Custodian.sign`. `find` raises VermilionError where the key cannot be had.

    A use that ends as not signed means that no signature left the custodian; that its key made none is not
    certain where the key's own machinery failed under it.
    """
    if not requests:
        return []
    if len(requests) > MAX_REQUESTS:
        raise VermilionError(Kind.KEY_REFUSED, f"at most {MAX_REQUESTS} requests a call", reason="too_many")
    suite = SUITES[ref.suite]
    for request in requests:
        if request.kind not in PURPOSE_KINDS[ref.purpose]:
            raise VermilionError(
                Kind.KEY_REFUSED, f"a {ref.purpose} key does not sign {request.kind}", reason="purpose"
            )
        check_tbs(request.kind, request.data, suite)
    sign_all = find(ref)
    policy(ref, requests)
    ledger.begin(ref, requests)
    signed = False
    try:
        signatures = sign_all([request.data for request in requests])
        signed = True
    finally:
        ledger.end(ref, requests, signed)
    return signatures
