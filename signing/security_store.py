"""The document security store (ISO 32000-2, 12.8.4.3; EN 319 142-1, 5.4.2) in our one form: three lists of
plain streams, one item each, and no index by signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from signing.pdf_structure import Dictionary, Name, Pdf, Ref, Stream, refuse
from signing.validation_data import Carried

MAX_ITEMS = 16
"""Of each kind in a revision: ours have four certificates, two answers and two lists at most."""

_KEYS = ("CRLs", "Certs", "OCSPs")


@dataclass(frozen=True, slots=True)
class Store:
    """What a document carries, and by which objects."""

    carried: Carried
    crls: tuple[int, ...]
    certificates: tuple[int, ...]
    ocsps: tuple[int, ...]


EMPTY = Store(Carried((), (), ()), (), (), ())


def read_store(pdf: Pdf) -> Store | None:
    """The store that the catalogue names. Raises VermilionError(INVALID, "structure") for another form."""
    catalogue = pdf.dictionary(pdf.trailer.get("Root"), "the catalogue")
    if catalogue.get("DSS") is None:
        return None
    store = pdf.dictionary(catalogue.get("DSS"), "the document security store")
    if store.entries.keys() != {"Type", *_KEYS} or store.get("Type") != Name("DSS"):
        refuse("the document security store has other keys than ours")
    (crls, lists), (certificates, certs), (ocsps, answers) = (_list(pdf, store, key) for key in _KEYS)
    return Store(Carried(certs, answers, lists), crls, certificates, ocsps)


def _list(pdf: Pdf, store: Dictionary, key: str) -> tuple[tuple[int, ...], tuple[bytes, ...]]:
    items = pdf.array(store.get(key), "a list of the document security store").items
    numbers = tuple(item.number for item in items if isinstance(item, Ref))
    streams = [pdf.objects[number] for number in numbers]
    found = tuple(s.data for s in streams if isinstance(s, Stream) and s.entries.keys() == {"Length"})
    if len(found) != len(items):
        refuse("the document security store holds other things than ours")
    return numbers, found


def added_since(before: Pdf, after: Pdf) -> Carried | None:
    """What the revisions of `after` behind those of `before` added; None where the store was not written
    again. Raises VermilionError(INVALID, "structure") where something was taken away, or too much added.
    """
    old, new = read_store(before) or EMPTY, read_store(after)
    place = place_of(after)
    if new is None or place is None or after.spans[place][0] < len(before.data):
        return None
    for was, now in ((old.crls, new.crls), (old.certificates, new.certificates), (old.ocsps, new.ocsps)):
        if now[: len(was)] != was or len(now) - len(was) > MAX_ITEMS:
            refuse("the document security store lost something, or gained too much")
    carried, kept = new.carried, old.carried
    return Carried(
        certificates=carried.certificates[len(kept.certificates) :],
        ocsps=carried.ocsps[len(kept.ocsps) :],
        crls=carried.crls[len(kept.crls) :],
    )


def place_of(pdf: Pdf) -> int | None:
    """The number of the store's object; None where there is none. Raises VermilionError(INVALID)."""
    named = pdf.dictionary(pdf.trailer.get("Root"), "the catalogue").get("DSS")
    if named is not None and not isinstance(named, Ref):
        refuse("the document security store is no object of its own")
    return None if named is None else named.number


def dictionary(crls: Iterable[int], certificates: Iterable[int], ocsps: Iterable[int]) -> bytes:
    """The store that lists these objects, as it is written."""
    lists = (
        b"/%s[%s]" % (key.encode("ascii"), b" ".join(b"%d 0 R" % number for number in numbers))
        for key, numbers in zip(_KEYS, (crls, certificates, ocsps), strict=True)
    )
    return b"<<%s/Type/DSS>>" % b"".join(lists)


def stream(value: bytes) -> bytes:
    """One item, as it is written."""
    return b"<</Length %d>>\nstream\n%s\nendstream" % (len(value), value)
