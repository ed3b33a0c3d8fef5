"""Which pages of answers this process has drawn, and not signed yet.

CMS attributes carry a digest and nothing more, so no policy could see what a page says. It permits those of
the pages that the process which holds the key drew itself (`registry.seals.answer_pages`), each once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from keys.errors import Kind, VermilionError

_drawn: set[bytes] = set()


@contextmanager
def drawn(attributes: bytes) -> Iterator[None]:
    """Within it the attributes of a page may be signed, once."""
    digest = sha256(attributes).digest()
    _drawn.add(digest)
    try:
        yield
    finally:
        _drawn.discard(digest)


def require_drawn(attributes: bytes) -> None:
    """Raises VermilionError(KEY_REFUSED) for a page that was not drawn here, or is asked for again."""
    try:
        _drawn.remove(sha256(attributes).digest())
    except KeyError:
        raise VermilionError(
            Kind.KEY_REFUSED, "the page was not drawn by whoever holds the key", reason="page"
        ) from None
