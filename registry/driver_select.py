"""A select asked through the driver, for the one question that is asked more often than all others."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Select


class DriverSelect:
    """A select with one parameter, `key`, compiled once for an engine. Its rows have the statement's columns
    by name, in the types of its tables.

    SQLAlchemy's own way, with a connection, a context and a result of its own for each execution, costs
    several times what a database takes to find a row. What the driver refuses is asked once more that way: it
    tells outages from defects, and lets go of connections that are broken.
    """

    def __init__(self, engine: Engine, statement: Select[*tuple[Any, ...]]) -> None:
        self._engine, self._statement = engine, statement
        dialect = engine.dialect
        compiled = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._parameters = compiled.params  # the others' values stand in the statement
        self._order = getattr(compiled, "positiontup", None)  # where the driver takes them by place
        columns = statement.selected_columns
        self._row: Any = namedtuple("Row", columns.keys())  # type: ignore[misc]  # noqa: PYI024
        processors = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._processors = [(place, one) for place, one in enumerate(processors) if one is not None]

    def rows(self, key: object) -> Sequence[Any]:
        """Raises SQLAlchemyError."""
        parameters: Any = {**self._parameters, "key": key}
        if self._order is not None:
            parameters = [parameters[name] for name in self._order]
        failure = self._engine.dialect.loaded_dbapi.Error
        try:
            found = self._fetched(parameters, failure)
        except failure:
            with self._engine.connect() as connection:
                return connection.execute(self._statement, {"key": key}).all()
        return [self._read(row) for row in found]

    def _fetched(self, parameters: Any, failure: type[Exception]) -> Sequence[Any]:
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(self._text, parameters)
            return cursor.fetchall()
        except failure:
            connection.invalidate()
            raise
        finally:
            connection.close()

    def _read(self, row: Sequence[Any]) -> Any:
        values = list(row)
        for place, process in self._processors:
            values[place] = process(values[place])
        return self._row._make(values)
