"""A custodian whose root is kept apart: in another custodian, or not on this machine at all."""

from __future__ import annotations

from collections.abc import Sequence

from keys.custodian import Custodian, KeyRef, Purpose, SignRequest
from keys.errors import Kind, VermilionError
from keys.suite import PublicKey, SuiteName


class RootApart:
    """Two custodians as one: root keys in `root`, all others in `others`.

    Without a `root`, asking for one raises VermilionError(UNAVAILABLE, reason "root_absent").
    """

    def __init__(self, root: Custodian | None, others: Custodian) -> None:
        self._root = root
        self._others = others

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        """See `keys.custodian.Custodian.generate`."""
        return self._of(purpose).generate(purpose, suite)

    def public_key(self, ref: KeyRef) -> PublicKey:
        """See `keys.custodian.Custodian.public_key`."""
        return self._of(ref.purpose).public_key(ref)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        """See `keys.custodian.Custodian.sign`."""
        return self._of(ref.purpose).sign(ref, requests)

    def _of(self, purpose: Purpose) -> Custodian:
        if purpose is not Purpose.ROOT_CA:
            return self._others
        if self._root is None:
            raise VermilionError(
                Kind.UNAVAILABLE,
                "the root's key is not here: it acts in a ceremony (docs/ceremony.md)",
                reason="root_absent",
            )
        return self._root
