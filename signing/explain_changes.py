"""The revisions of a PDF file (ISO 32000-2, 7.5.6), and what each of them changed: for the process apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader

from signing.report import MAX_ITEMS, Change, Revision

MAX_PAGES = 500
MAX_OBJECTS = 20_000  # reached from a page, or from the pages' tree
_END_OF_FILE = rb"startxref\s+%d\s+%%%%EOF(?:\r\n|[\r\n])?"
_ACTIONS = {"/OpenAction", "/AA", "/OCProperties", "/Collection", "/Requirements"}
_META = {
    "/Metadata",
    "/Extensions",
    "/Lang",
    "/Version",
    "/StructTreeRoot",
    "/MarkInfo",
    "/ViewerPreferences",
}
_TOLD = _ACTIONS | _META | {"/AcroForm", "/Names", "/AF", "/DSS", "/Pages"}
_OF_OTHERS = {"/Annots", "/Parent", "/P", "/StructParents"}

Ref = tuple[int, int]


def revisions(reader: PdfFileReader, data: bytes) -> tuple[Revision, ...]:
    """The revisions as the cross-reference tables lead to them, the first one first."""
    told = []
    end: int | None = 0
    for place in range(min(reader.total_revisions, MAX_ITEMS)):
        end = _end(reader, data, place, end or 0)
        changes: tuple[Change, ...] = ()
        if place:
            try:
                changes = tuple(dict.fromkeys(_changes(reader, place)))[:MAX_ITEMS] or (Change("nothing"),)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001  (hostile files make libraries raise anything)
                changes = (Change("other"),)
        told.append(Revision(place + 1, end, changes))
    return tuple(told)


def _end(reader: PdfFileReader, data: bytes, place: int, begin: int) -> int | None:
    table = reader.xrefs.get_startxref_for_revision(place)
    found = re.compile(_END_OF_FILE % table).search(data, min(begin, len(data)))
    return None if found is None else found.end()


def _changes(reader: PdfFileReader, place: int) -> Iterator[Change]:
    before, after = (reader.get_historical_resolver(number) for number in (place - 1, place))
    changed = {(ref.idnum, ref.generation) for ref in reader.xrefs.explicit_refs_in_revision(place)}
    freed = reader.xrefs.refs_freed_in_revision(place)
    if freed:
        yield Change("removal")
    accounted: set[Ref] = set()
    yield from _signed(after, changed, accounted)
    yield from _of_pages(before, after, changed, accounted)
    yield from _of_catalogue(before, after, changed, accounted)
    if changed - accounted:
        yield Change("other")


def _signed(after: HistoricalResolver, changed: set[Ref], accounted: set[Ref]) -> Iterator[Change]:
    for ref in sorted(changed):
        value = _get(after, ref)
        if isinstance(value, generic.DictionaryObject) and "/ByteRange" in value:
            stamp = value.get("/Type") == "/DocTimeStamp" or value.get("/SubFilter") == "/ETSI.RFC3161"
            accounted.add(ref)
            yield Change("time_stamp" if stamp else "signature")


def _signs(after: HistoricalResolver, changed: set[Ref]) -> bool:
    return any(
        "/ByteRange" in v for ref in changed if isinstance(v := _get(after, ref), generic.DictionaryObject)
    )


def _get(resolver: HistoricalResolver, ref: Ref) -> Any:
    try:
        return resolver.get_object(generic.Reference(*ref, resolver))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001
        return None


def _value(resolver: HistoricalResolver, value: Any) -> Any:
    """What a reference names, or the value itself."""
    if isinstance(value, generic.IndirectObject):
        return _get(resolver, (value.idnum, value.generation))
    return value


def _raw(dictionary: Any, key: str) -> Any:
    if not isinstance(dictionary, generic.DictionaryObject) or key not in dictionary:
        return None
    value = dictionary.raw_get(key)
    return None if isinstance(value, generic.NullObject) else value


def _root(resolver: HistoricalResolver) -> tuple[Ref, Any]:
    ref = resolver.root_ref
    named = (ref.idnum, ref.generation)
    return named, _get(resolver, named)


def _pages(resolver: HistoricalResolver) -> tuple[list[Ref], set[Ref]]:
    """The pages in order, and the nodes of their tree."""
    nodes: set[Ref] = set()
    pages: list[Ref] = []
    waiting = [_raw(_root(resolver)[1], "/Pages")]
    while waiting and len(pages) < MAX_PAGES and len(nodes) < MAX_OBJECTS:
        value = waiting.pop()
        if not isinstance(value, generic.IndirectObject):
            continue
        ref = (value.idnum, value.generation)
        node = _get(resolver, ref)
        if ref in nodes or not isinstance(node, generic.DictionaryObject):
            continue
        kids = _value(resolver, _raw(node, "/Kids"))
        if isinstance(kids, generic.ArrayObject):
            nodes.add(ref)
            kids_ref = _raw(node, "/Kids")
            if isinstance(kids_ref, generic.IndirectObject):
                nodes.add((kids_ref.idnum, kids_ref.generation))
            waiting.extend(reversed([kids.raw_get(n) for n in range(len(kids))]))
        elif ref not in pages:
            pages.append(ref)
    return pages, nodes


def _reached(resolver: HistoricalResolver, value: Any, without: set[str] = _OF_OTHERS) -> set[Ref]:
    """The objects that a value leads to, not by the keys of `without`, which lead elsewhere."""
    seen: set[Ref] = set()
    waiting = [value]
    while waiting and len(seen) < MAX_OBJECTS:
        one = waiting.pop()
        if isinstance(one, generic.IndirectObject):
            ref = (one.idnum, one.generation)
            if ref in seen:
                continue
            seen.add(ref)
            one = _get(resolver, ref)
        if isinstance(one, generic.DictionaryObject):
            waiting.extend(one.raw_get(key) for key in one if key not in without)
        elif isinstance(one, generic.ArrayObject):
            waiting.extend(one.raw_get(n) for n in range(len(one)))
    return seen


def _of_pages(
    before: HistoricalResolver, after: HistoricalResolver, changed: set[Ref], accounted: set[Ref]
) -> Iterator[Change]:
    (were, _), (pages, nodes) = _pages(before), _pages(after)
    accounted |= changed & nodes
    if were != pages or any(_other_keys(_get(before, ref), _get(after, ref)) for ref in changed & nodes):
        yield Change("pages")
    for number, ref in enumerate(pages, 1):
        page = _get(after, ref)
        reached = _reached(after, page) - set(pages)
        touched = reached & changed
        accounted |= touched
        keys: set[str] = set()
        if ref in changed:
            accounted.add(ref)
            keys = _other_keys(_get(before, ref), page)
        if ref not in were or touched or keys - {"/Annots", "/Tabs"}:
            yield Change("page_content", number)
        yield from _of_annotations(before, after, ref, number, changed, accounted)


def _other_keys(before: Any, after: Any) -> set[str]:
    """Keys whose values are not written alike."""
    if not isinstance(before, generic.DictionaryObject) or not isinstance(after, generic.DictionaryObject):
        return {"/"}
    return {key for key in {*before, *after} if repr(_raw(before, key)) != repr(_raw(after, key))}


def _of_annotations(
    before: HistoricalResolver,
    after: HistoricalResolver,
    page: Ref,
    number: int,
    changed: set[Ref],
    accounted: set[Ref],
) -> Iterator[Change]:
    listed, had = ([*_annotations(one, page)] for one in (after, before))
    raw = _raw(_get(after, page), "/Annots")
    if isinstance(raw, generic.IndirectObject):
        accounted |= {(raw.idnum, raw.generation)} & changed
    known = {repr(one) for one in had}
    for one in listed:
        reached = _reached(after, one, {"/Parent", "/P", "/Dest", "/V"})
        touched = reached & changed
        accounted |= touched
        if not touched and repr(one) in known:
            continue
        annotation = _value(after, one)
        if _raw(annotation, "/Subtype") != "/Widget":
            yield Change("annotation", number)
        elif _value(after, _raw(annotation, "/FT")) != "/Sig":
            yield Change("form_value", number)
        elif _is_signed(before, _value(before, one)):
            yield Change("annotation" if _is_signed(after, annotation) else "removal", number)
        elif not _is_signed(after, annotation):
            yield Change("annotation", number)
    if len(listed) < len(had):
        yield Change("removal", number)


def _is_signed(resolver: HistoricalResolver, field: Any) -> bool:
    value = _value(resolver, _raw(field, "/V"))
    return isinstance(value, generic.DictionaryObject) and "/ByteRange" in value


def _annotations(resolver: HistoricalResolver, page: Ref) -> Iterator[Any]:
    listed = _value(resolver, _raw(_get(resolver, page), "/Annots"))
    if isinstance(listed, generic.ArrayObject):
        for place in range(min(len(listed), MAX_OBJECTS)):
            yield listed.raw_get(place)


def _of_catalogue(
    before: HistoricalResolver, after: HistoricalResolver, changed: set[Ref], accounted: set[Ref]
) -> Iterator[Change]:
    (was, old), (ref, root) = _root(before), _root(after)
    if was != ref:
        yield Change("other")
    keys = _other_keys(old, root) if ref in changed or was != ref else set()
    accounted |= {ref} & changed
    form = _raw(root, "/AcroForm")
    touched = _reached(after, form, {"/Parent", "/P", "/Kids", "/AP", "/V"}) & changed
    if form is None and "/AcroForm" in keys:
        yield Change("removal")
    elif ("/AcroForm" in keys or touched - accounted) and not _signs(after, changed):
        yield Change("form_value")
    accounted |= touched
    names = _value(after, _raw(root, "/Names"))
    if "/Names" in keys:
        yield Change("attachment")
    for key, kind, value in (
        *((name, "action", _raw(root, name)) for name in sorted(_ACTIONS)),
        ("", "action", _raw(names, "/JavaScript")),
        ("/AF", "attachment", _raw(root, "/AF")),
        ("", "attachment", _raw(root, "/Names")),
        ("/DSS", "validation_data", _raw(root, "/DSS")),
        *((name, "metadata", _raw(root, name)) for name in sorted(_META)),
    ):
        touched = _reached(after, value, {"/P", "/Pg", "/Parent", "/D", "/Dest"}) & changed
        touched -= accounted
        accounted |= touched
        if touched or key in keys:
            yield Change(kind)
    if keys - _TOLD:
        yield Change("other")
    info = after.trailer_view.get("/Info") and after.trailer_view.raw_get("/Info")
    if isinstance(info, generic.IndirectObject) and (info.idnum, info.generation) in changed:
        accounted.add((info.idnum, info.generation))
        yield Change("metadata")
