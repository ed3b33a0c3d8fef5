"""The databases that tests are given: real, fresh, and the same promises on both."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import create_engine, inspect, make_url, text


def _with_a_table(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE marks (mark TEXT NOT NULL)"))
        connection.execute(text("INSERT INTO marks VALUES ('from the template')"))
    engine.dispose()


def _tables(url: str) -> list[str]:
    engine = create_engine(url)
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def test_a_database_is_fresh_and_empty(new_database: Callable[..., str]) -> None:
    first, second = new_database(), new_database()
    assert first != second
    _with_a_table(first)
    assert _tables(first) == ["marks"]
    assert _tables(second) == []


def test_a_database_url_is_empty(database_url: str) -> None:
    assert _tables(database_url) == []


def test_copies_of_a_prepared_database_are_independent(new_database: Callable[..., str]) -> None:
    first, second = new_database(_with_a_table), new_database(_with_a_table)
    engine = create_engine(first)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM marks"))
    engine.dispose()
    engine = create_engine(second)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT mark FROM marks")).scalars().all() == ["from the template"]
    engine.dispose()


def test_postgresql_is_a_real_server_of_version_15_or_later(postgres_database: str) -> None:
    engine = create_engine(postgres_database)
    with engine.connect() as connection:
        assert int(connection.execute(text("SHOW server_version_num")).scalar_one()) >= 150000
        assert connection.execute(text("SHOW server_encoding")).scalar_one() == "UTF8"
    engine.dispose()


def test_a_second_role_connects_as_itself(postgres_database: str) -> None:
    engine = create_engine(postgres_database)
    visitor = create_engine(make_url(postgres_database).set(username="visitor"))
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE visitor LOGIN"))
    with visitor.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == "visitor"
    visitor.dispose()
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE visitor"))
    engine.dispose()
