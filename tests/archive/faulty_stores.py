"""Stores each call of which passes through the faults of `tests.registry.faults`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keys.errors import VermilionError
from registry.archive.stores import Stores
from registry.documents import ObjectStore
from tests.registry.faults import Faults


@dataclass(frozen=True, slots=True)
class FaultyStores(Stores):
    """One that fails is out: what it was asked for may have been done, or not."""

    faults: Faults

    def write(self, name: str, packages: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        try:
            return self.faults.around(f"store write {name}", lambda: Stores.write(self, name, packages))
        except VermilionError as error:
            return [error] * len(packages)

    def read(self, name: str, key: str) -> bytes | None:
        return self.faults.around(f"store read {name}", lambda: Stores.read(self, name, key))

    def remove(self, name: str, key: str) -> None:
        self.faults.around(f"store remove {name}", lambda: Stores.remove(self, name, key))


class FaultyPlace(ObjectStore):
    """A store of which what is removed and read again passes through the faults."""

    def __init__(self, name: str, inner: ObjectStore, faults: Faults) -> None:
        self._name, self._inner, self._faults = name, inner, faults

    def read_again(self, key: str) -> bytes | None:
        return self._faults.around(f"store read {self._name}", lambda: self._inner.read_again(key))

    def remove(self, key: str) -> None:
        self._faults.around(f"store remove {self._name}", lambda: self._inner.remove(key))


def faulty_places(stores: Stores, faults: Faults) -> Stores:
    return Stores({name: FaultyPlace(name, one, faults) for name, one in stores.by_name.items()})
