"""Another process, in between two statements of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, event

T = TypeVar("T")


@contextmanager
def after_statement(engine: Engine, which: Callable[[str], bool], act: Callable[[], T]) -> Iterator[list[T]]:
    """`act`, once, right after the first statement that is `which`; what came of it. What `act` asks itself, is
    not looked at.
    """
    met, came = list[str](), list[T]()

    def hear(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not met and which(statement):
            met.append(statement)
            came.append(act())

    event.listen(engine, "after_cursor_execute", hear)
    try:
        yield came
    finally:
        event.remove(engine, "after_cursor_execute", hear)
