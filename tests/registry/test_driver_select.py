"""Statements put through the driver mean what SQLAlchemy's own way means, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import MetaData, String, bindparam, event, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from registry.agencies.tables import Agency
from registry.database import Base, Database
from registry.driver_select import LONGEST_LIST, Kept, Prepared
from registry.schema import upgrade

AT = datetime(2026, 11, 20, 10, 30, 0, 250_000, tzinfo=UTC)


class _Base(DeclarativeBase):
    metadata = MetaData()
    type_annotation_map = Base.type_annotation_map


class Thing(_Base):
    __tablename__ = "thing"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime | None]
    day: Mapped[date]
    length: Mapped[float]
    flag: Mapped[bool]
    data: Mapped[bytes]
    words: Mapped[list[str]]


class Counted(_Base):
    __tablename__ = "counted"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    count: Mapped[int] = mapped_column(default=7)


def thing(name: str, **changes: Any) -> dict[str, Any]:
    row = {
        "id": name,
        "at": AT,
        "day": date(2026, 11, 20),
        "length": 38.5,
        "flag": True,
        "data": b"\x00\xff",
        "words": ["a", "b"],
    }
    return row | changes


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database.open(database_url)
    _Base.metadata.create_all(database.write)
    yield database
    database.dispose()


INSERT = Prepared(insert(Thing))
ALL = select(*Thing.__table__.columns)
ONE = Prepared(ALL.where(Thing.id == bindparam("name")))
SOME = Prepared(ALL.where(Thing.id.in_(bindparam("names", expanding=True)), Thing.flag).order_by(Thing.id))
MOVE = Prepared(update(Thing).where(Thing.day == bindparam("on")).values(at=bindparam("now"), flag=False))


def test_values_go_in_and_come_out_in_the_types_of_the_table(database: Database) -> None:
    rows = [thing("a"), thing("b", at=None, flag=False, words=[])]
    with database.transaction() as session:
        assert INSERT.write(session, rows[:1]) == 1
        INSERT.write(session, [*rows[1:], thing("c")])
    with Session(database.read) as session:
        for row in rows:
            assert ONE.first(session, name=row["id"])._asdict() == row
            assert (
                ONE.first(session, name=row["id"])._asdict()
                == session.execute(ALL.where(Thing.id == row["id"])).one()._asdict()
            )
        assert ONE.first(session, name="none") is None
        assert ONE.value(session, name="none") is None
        assert ONE.value(session, name="c") == "c"


@pytest.mark.parametrize(
    "words",
    [
        ["证", "\u2028", '"'],
        {"n": [1, -0.5, 1e300, 2**70, None, True, {}]},
        {"": ""},
        "x",
        ["\ud83d"],
        "\ud83d",
    ],
)
@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=8))),
    ],
)
def test_json_and_instants_come_back_as_they_were(database: Database, words: Any, at: datetime) -> None:
    """A lone surrogate too, which only an escape can bring in."""
    with database.transaction() as session:
        INSERT.write(session, [thing("a", words=words, at=at)])
    with Session(database.read) as session:
        for row in (ONE.first(session, name="a"), session.execute(ALL).one()):
            assert (row.words, type(row.words)) == (words, type(words))
            assert (row.at, row.at.tzinfo) == (at, UTC)


def test_a_list_of_any_length(database: Database) -> None:
    names = [f"{number:02}" for number in range(2 * LONGEST_LIST)]
    with database.transaction() as session:
        INSERT.write(session, [thing(name) for name in names])
        for count in (1, 2, LONGEST_LIST, LONGEST_LIST + 1, len(names)):
            assert [row.id for row in SOME.rows(session, names=names[:count])] == names[:count]
        assert list(SOME.rows(session, names=[])) == []


def test_an_update_says_how_many_rows_it_changed(database: Database) -> None:
    later = AT + timedelta(hours=1)
    with database.transaction() as session:
        INSERT.write(session, [thing("a"), thing("b"), thing("c", day=date(2026, 11, 21))])
        assert MOVE.changed(session, on=date(2026, 11, 20), now=later) == 2
        assert MOVE.write(session, [{"on": date(2026, 11, day), "now": later} for day in (21, 22)]) == 1
        assert [ONE.first(session, name=name).at for name in "abc"] == [later] * 3


def test_what_a_column_fills_in_by_itself_is_filled_in(database: Database) -> None:
    statement = Prepared(insert(Counted))
    with database.transaction() as session:
        statement.write(session, [{"id": "a"}])
        statement.write(session, [{"id": "b", "count": 1}])
        assert sorted(session.execute(select(Counted.id, Counted.count)).all()) == [("a", 7), ("b", 1)]


def test_what_the_session_has_to_write_is_written_before(database: Database) -> None:
    with database.transaction() as session:
        session.add(Thing(**thing("a")))
        assert ONE.value(session, name="a") == "a"


def test_failures_are_those_of_sqlalchemy_and_say_no_value(database: Database) -> None:
    missing = Prepared(select(Counted.id).where(Counted.id == bindparam("name")))
    with database.transaction() as session:
        INSERT.write(session, [thing("a")])
    with pytest.raises(IntegrityError) as refused, database.transaction() as session:
        INSERT.write(session, [thing("a", data=b"a secret")])
    assert "a secret" not in str(refused.value)
    with database.transaction() as session:
        _Base.metadata.drop_all(session.connection(), [_Base.metadata.tables["counted"]])
    with pytest.raises((OperationalError, ProgrammingError)), Session(database.read) as session:
        missing.rows(session, name="a")
    with database.transaction() as session:  # nothing is left open
        assert ONE.value(session, name="a") == "a"


@pytest.mark.parametrize("when", ["before_cursor_execute", "after_cursor_execute"])
def test_who_listens_hears_each_and_may_fail_it(database: Database, when: str) -> None:
    heard: list[tuple[str, bool]] = []
    fails: list[bool] = []

    def hear(_c: Any, _cursor: Any, text: str, _parameters: Any, _context: Any, many: bool) -> None:
        heard.append((text.split(maxsplit=1)[0], many))
        if fails:
            raise ZeroDivisionError

    event.listen(database.write, when, hear)
    with database.transaction() as session:
        INSERT.write(session, [thing("a"), thing("b")])
        ONE.rows(session, name="a")
    assert heard[-2:] == [("INSERT", True), ("SELECT", False)]
    fails.append(True)
    with pytest.raises(ZeroDivisionError), database.transaction() as session:
        MOVE.changed(session, on=date(2026, 11, 20), now=AT)
    event.remove(database.write, when, hear)
    with database.transaction() as session:
        assert ONE.first(session, name="a").flag


def test_a_kept_connection_that_broke_is_let_go_of(database: Database) -> None:
    with database.transaction() as session:
        INSERT.write(session, [thing("a")])
    kept, asked = Kept(database.read), Prepared(ALL.where(Thing.id == bindparam("key")))
    (row,) = asked.rows(kept, key="a")
    assert row._asdict() == thing("a")
    for _ in range(2):
        asked.rows(kept, key="a")  # one is kept again
        kept._mine.connection.driver_connection.close()  # as after a server's restart
        (again,) = asked.rows(kept, key="a")
        assert again.id == "a"


def test_what_is_put_off_is_written_by_the_next_transaction_that_commits(database: Database) -> None:
    def later(name: str) -> bool:
        return database.later(lambda session: INSERT.write(session, [thing(name)]))

    def there() -> list[str]:
        with Session(database.read) as session:
            return list(session.scalars(select(Thing.id).order_by(Thing.id)))

    assert not later("nobody carries it")
    with database.carrying():
        assert later("a")
        assert there() == []
        with pytest.raises(ZeroDivisionError), database.transaction():
            raise ZeroDivisionError
        with database.transaction():
            pass
        assert there() == ["a"]
        assert later("b")
    assert there() == ["a", "b"]  # at the end, by itself
    _end_by(ZeroDivisionError, database, lambda: later("c"))
    assert there() == ["a", "b", "c"]
    _end_by(KeyboardInterrupt, database, lambda: later("d"))  # the process is ended
    assert there() == ["a", "b", "c"]
    assert not later("nobody carries it")


def _end_by(failure: type[BaseException], database: Database, act: Callable[[], bool]) -> None:
    def fail() -> None:
        with database.carrying():
            assert act()
            raise failure

    with pytest.raises(failure):
        fail()


def test_what_cannot_be_written_any_more_is_logged(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.carrying():
        database.later(lambda session: INSERT.write(session, [thing("a"), thing("a")]))
    assert "not_written" in "".join(capsys.readouterr())


def test_a_connection_that_a_thread_keeps_goes_with_the_engine(database_url: str) -> None:
    """No connection is left open behind a registry that was closed; asked again, the engine opens a new one."""
    upgrade(database_url)
    database = Database.open(database_url)
    asked = Prepared(select(Agency.name_zh).where(Agency.code == bindparam("key")))
    assert asked.rows(database.kept, key="x") == []
    connection = database.kept._mine.connection
    driver = connection.dbapi_connection
    database.dispose()
    assert connection.dbapi_connection is None
    with pytest.raises(Exception, match="closed"):
        driver.cursor().execute("SELECT 1")
    assert asked.rows(database.kept, key="x") == []
    database.dispose()
