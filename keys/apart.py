"""A custodian whose root is kept apart: in another custodian, or not on this machine at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keys.custodian import Custodian, KeyRef, Purpose, SignRequest
from keys.errors import Kind, VermilionError
from keys.suite import PublicKey, SuiteName


class RootApart:
    """Two custodians as one: root keys in `root`, all others in `others`. `former` has by their ids the
    roots that lie elsewhere: one certifies its successor.

    Without a `root`, asking for one raises VermilionError(UNAVAILABLE, reason "root_absent").
    """

    def __init__(
        self, root: Custodian | None, others: Custodian, former: Mapping[str, Custodian] | None = None
    ) -> None:
        self._root = root
        self._others = others
        self._former = former or {}  # by key id

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        """See `keys.custodian.Custodian.generate`."""
        return self._of(purpose).generate(purpose, suite)

    def public_key(self, ref: KeyRef) -> PublicKey:
        """See `keys.custodian.Custodian.public_key`."""
        return self._of(ref.purpose, ref.id).public_key(ref)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        """See `keys.custodian.Custodian.sign`."""
        return self._of(ref.purpose, ref.id).sign(ref, requests)

    def _of(self, purpose: Purpose, key_id: str = "") -> Custodian:
        if purpose is not Purpose.ROOT_CA:
            return self._others
        if key_id in self._former:
            return self._former[key_id]
        if self._root is None:
            raise VermilionError(
                Kind.UNAVAILABLE,
                "the root's key is not here: it acts in a ceremony (docs/ceremony.md)",
                reason="root_absent",
            )
        return self._root
