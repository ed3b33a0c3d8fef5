"""Statements put through the driver: those that every check or every licence asks.

SQLAlchemy writes such a statement once for a database; what it does at each execution (a context, a result
and, for a session, the search for its bind) costs ten times what a database takes to find a row.
"""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase

LONGEST_LIST = 8
"""Values of a list (`IN`), each number of which is a text of its own. Where more are asked together they
share what it costs to go SQLAlchemy's way."""
_Process = Callable[[Any], Any]
_COUNT = attrgetter("rowcount")


class DriverText:
    """A statement as one database's driver takes it: its text, how values go in, and how rows come out in the
    types of its tables.
    """

    def __init__(self, statement: Any, dialect: Dialect, values: Mapping[str, Any]) -> None:
        """`values`: of its parameters, of which only the lengths of lists count here; a parameter that is not
        named keeps the value that stands in the statement.
        """
        columns = list(values) if isinstance(statement, UpdateBase) and statement.is_insert else None
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)
        self.whole = not (compiled.insert_prefetch or compiled.update_prefetch)
        """Whether the values are all there is: no default of a column is to be made in Python."""
        expanded = compiled.construct_expanded_state(values)
        self.text = expanded.statement
        self._lists = {name: names for name, names in expanded.parameter_expansion.items() if name in values}
        into: dict[str, _Process] = {}
        for name, bind in compiled.binds.items():
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if process is not None:
                into[name] = process
        self._into = {name: process for name, process in into.items() if name in values}
        given = {*values, *(name for names in self._lists.values() for name in names)}
        self._fixed = {
            name: into[name](value) if name in into else value
            for name, value in expanded.parameters.items()
            if name not in given
        }
        self._order = expanded.positiontup  # where the driver takes them by place
        self._dialect = dialect
        self._columns = statement.exported_columns
        self._row: Any = namedtuple("Row", self._columns.keys())  # type: ignore[misc]  # noqa: PYI024
        self._out: list[tuple[int, _Process]] | None = None

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """As the driver takes them."""
        told = {**self._fixed, **values}
        for name, process in self._into.items():
            value = told[name]
            told[name] = [process(one) for one in value] if name in self._lists else process(value)
        for name, names in self._lists.items():
            told.update(zip(names, told.pop(name), strict=True))
        return told if self._order is None else tuple([told[name] for name in self._order])

    def rows(self, cursor: Any) -> list[Any]:
        """All that the driver has found, by the names of the columns."""
        out = self._out
        if out is None:
            out = self._out = self._reader([one[1] for one in cursor.description])
        if not out:
            return [self._row._make(row) for row in cursor.fetchall()]
        rows = []
        for row in cursor.fetchall():
            values = list(row)
            for place, process in out:
                values[place] = process(values[place])
            rows.append(self._row._make(values))
        return rows

    def _reader(self, types: Sequence[Any]) -> list[tuple[int, _Process]]:
        """What makes of the driver's values those of the tables, given how the driver calls their types."""
        made = [
            column.type.dialect_impl(self._dialect).result_processor(self._dialect, of)
            for column, of in zip(self._columns, types, strict=True)
        ]
        return [(place, one) for place, one in enumerate(made) if one is not None]


class Kept:
    """An engine's connections outside of any session, of which each thread keeps one: to fetch one from the
    pool and to give it back costs as much as the answer. The engine is one whose statements stand for
    themselves.

    What the driver refuses is asked once more SQLAlchemy's way, on another connection: it tells outages from
    defects, and the one that was kept is let go of.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._failure = engine.dialect.loaded_dbapi.Error
        self._mine, self._all = threading.local(), WeakSet[Any]()
        event.listen(engine, "engine_disposed", self._let_go)

    @property
    def dialect(self) -> Dialect:
        return self._engine.dialect

    def rows(self, text: DriverText | None, statement: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        """Raises SQLAlchemyError. `text` is the statement's for this dialect, where it has one."""
        if text is not None:
            try:
                return self._fetched(text, values)
            except self._failure:
                pass
        with self._engine.connect() as connection:
            return connection.execute(statement, values).all()

    def _fetched(self, text: DriverText, values: Mapping[str, Any]) -> Sequence[Any]:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = self._engine.raw_connection()
            self._all.add(connection)
        cursor = connection.cursor()
        try:
            cursor.execute(text.text, text.parameters(values))
            return text.rows(cursor)
        except self._failure:
            del self._mine.connection
            connection.invalidate()
            raise
        finally:
            cursor.close()

    def _let_go(self, _engine: Engine) -> None:
        """The engine's connections are closed: those that threads keep, too."""
        for connection in tuple(self._all):
            if connection.is_valid:
                connection.invalidate()
        self._mine, self._all = threading.local(), WeakSet[Any]()


class Prepared:
    """A statement that is put to the driver on a session's own connection, in its transaction and with all
    that the session has to write written before; by whatever listens to the engine it is heard like others.
    A select also on a connection that a thread keeps, heard by nobody.

    Each call raises SQLAlchemyError as the session's `execute` would. Parameters are named; a list has at
    least one value. Objects already loaded in the session are not brought up to date.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._texts: dict[tuple[object, ...], DriverText] = {}

    def rows(self, session: Session | Kept, **values: Any) -> Sequence[Any]:
        """All rows, with the statement's columns by name."""
        if isinstance(session, Kept):
            return session.rows(self._text(session.dialect, values), self._statement, values)
        connection = _connection(session)
        text = self._text(connection.dialect, values)
        if text is None:
            return session.execute(self._statement, values).all()
        found: Sequence[Any] = _run(connection, text.text, text.parameters(values), text.rows)
        return found

    def first(self, session: Session | Kept, **values: Any) -> Any:
        """The first row, or None."""
        rows = self.rows(session, **values)
        return rows[0] if rows else None

    def value(self, session: Session, **values: Any) -> Any:
        """The first column of the first row, or None."""
        rows = self.rows(session, **values)
        return rows[0][0] if rows else None

    def changed(self, session: Session, **values: Any) -> int:
        """How many rows it wrote."""
        connection = _connection(session)
        text = self._text(connection.dialect, values)
        if text is None:
            return connection.execute(self._statement, values).rowcount
        return int(_run(connection, text.text, text.parameters(values), _COUNT))

    def write(self, session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it with the parameters of each row, which are the same ones: how many rows it wrote in all."""
        if len(rows) == 1:
            return self.changed(session, **rows[0])
        connection = _connection(session)
        text = self._text(connection.dialect, rows[0])
        if text is None:
            return connection.execute(self._statement, rows).rowcount
        return int(_run(connection, text.text, [text.parameters(row) for row in rows], _COUNT, many=True))

    def _text(self, dialect: Dialect, values: Mapping[str, Any]) -> DriverText | None:
        """None where the statement goes SQLAlchemy's way."""
        key: tuple[object, ...] = (dialect.name, *values)
        for value in values.values():
            if type(value) is list:
                if not 0 < len(value) <= LONGEST_LIST:
                    return None
                key += (len(value),)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = DriverText(self._statement, dialect, values)
        return text if text.whole else None


def _connection(session: Session) -> Connection:
    """With what the session has to write written, as before any statement of its own."""
    session.flush()
    return session.connection()


def _run(
    connection: Connection, text: str, parameters: Any, read: Callable[[Any], Any], *, many: bool = False
) -> Any:
    """What `read` makes of the driver's cursor behind a statement. Raises SQLAlchemyError, with the
    connection let go of where it is broken.
    """
    heard, dialect = connection.engine.dispatch, connection.dialect
    driver = connection.connection
    cursor = driver.cursor()
    failure = dialect.loaded_dbapi.Error
    try:
        for hear in heard.before_cursor_execute:
            hear(connection, cursor, text, parameters, None, many)
        (cursor.executemany if many else cursor.execute)(text, parameters)
        for hear in heard.after_cursor_execute:
            hear(connection, cursor, text, parameters, None, many)
        return read(cursor)
    except failure as error:
        broken = dialect.is_disconnect(error, driver, cursor)
        told = DBAPIError.instance(
            text, None, error, failure, hide_parameters=True, connection_invalidated=broken, dialect=dialect
        )
        if broken:
            connection.invalidate(error)
        raise told from error
    finally:
        cursor.close()
