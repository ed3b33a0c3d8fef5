"""Pages that differ in some texts alone: what is the same in all of them is written and encoded once.

A page's shape is all that its template may look at; its texts are what it only puts down. The template is
filled in once for a shape, with marks where the texts stand. From then on a page is what stands between the
marks, and the texts, escaped as the template escapes them. That the outcome is the template's own, byte for
byte, is tried when a mould is made; without that none is kept.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from verify_web.templating import fill_in

KEPT = 256
_OPEN, _CLOSE, _BETWEEN = "\ue000", "\ue001", "\0"  # of marks, and between texts: none is ever printed
_MARK = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")

Context = Callable[[Iterator[str], Iterator[str]], dict[str, Any]]
"""What the template gets, given the texts and the markup, each taken in order."""


@dataclass(frozen=True, slots=True)
class _Mould:
    pieces: tuple[bytes, ...]  # empty where a text comes
    places: tuple[tuple[int, int], ...]  # of a piece, and the number of what comes there


_moulds: OrderedDict[Hashable, _Mould] = OrderedDict()
_lock = threading.Lock()


def cast(
    template: str,
    lang: str,
    shape: Hashable,
    texts: Sequence[str],
    markup: Sequence[str],
    context: Context,
) -> bytes:
    """The page. `texts` are escaped in it, `markup` is what the template calls safe; `context` looks at
    neither, and what else it depends on is in `shape`.
    """
    key = template, lang, shape
    mould = _moulds.get(key)
    if mould is None:
        return _first(key, texts, markup, context)
    return _filled(mould, texts, markup) or _whole(template, lang, texts, markup, context)


def _whole(template: str, lang: str, texts: Sequence[str], markup: Sequence[str], context: Context) -> bytes:
    return fill_in(template, lang, **context(iter(texts), iter(markup))).encode()


def _first(
    key: tuple[str, str, Hashable], texts: Sequence[str], markup: Sequence[str], context: Context
) -> bytes:
    template, lang, _shape = key
    marks = [f"{_OPEN}{number}{_CLOSE}" for number in range(len(texts) + len(markup))]
    marked = fill_in(template, lang, **context(iter(marks[: len(texts)]), iter(marks[len(texts) :])))
    found = _MARK.split(marked)
    pieces = tuple(b"" if at % 2 else piece.encode() for at, piece in enumerate(found))
    mould = _Mould(pieces, tuple((at, int(found[at])) for at in range(1, len(found), 2)))
    page = _whole(template, lang, texts, markup, context)
    if _filled(mould, texts, markup) == page:
        with _lock:
            _moulds[key] = mould
            while len(_moulds) > KEPT:
                _moulds.popitem(last=False)
    return page


def _filled(mould: _Mould, texts: Sequence[str], markup: Sequence[str]) -> bytes | None:
    """The page; None where a text holds what stands between them."""
    told = str(escape(_BETWEEN.join(texts))).encode().split(_BETWEEN.encode())
    if len(told) != len(texts):
        return None
    told += [one.encode() for one in markup]
    pieces = list(mould.pieces)
    for at, number in mould.places:
        pieces[at] = told[number]
    return b"".join(pieces)
