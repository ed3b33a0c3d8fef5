"""A register of very many licences, copies of one that was really issued: for what reads the register, and
opens neither record nor document.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import Any

from psycopg import sql
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from registry.database import Base, Database
from registry.licences.digests import link_digest, lookup_digest
from registry.tables import licences, seals
from signing.codes import make_identifier

Document, Edition, Intent = licences.Document, licences.Edition, licences.Intent
Licence, Number, StatusIndex = licences.Licence, licences.Number, licences.StatusIndex
SealUse = seals.SealUse
CHUNK = 20_000
LOOKUP_CODE = "2Q9TK4WM"
IN_A_LIST = 650_000  # where a list is left, about
ENDED, SUSPENDED = 50, 500  # one in so many


def fill(database: Database, count: int) -> None:
    """Bring the register to `count` licences, from one that was issued, or from those of an earlier call. One
    in fifty has ended, one in five hundred is suspended; slots are spread over their list as random ones are.
    """
    with Session(database.read) as session:
        there = session.scalars(select(func.count()).select_from(Licence)).one()
        first = session.scalars(select(Edition).order_by(Edition.registered_at).limit(1)).one()
        rows = {
            Licence: _row(session.get_one(Licence, first.licence_id)),
            Number: _row(session.scalars(select(Number).where(Number.licence_id == first.licence_id)).one()),
            Intent: _row(session.get_one(Intent, first.id)),
            Edition: _row(first),
            StatusIndex: _row(
                session.scalars(select(StatusIndex).where(StatusIndex.intent_id == first.id)).one()
            ),
            Document: _row(session.scalars(select(Document).where(Document.edition_id == first.id)).one()),
            SealUse: _row(session.scalars(select(SealUse).where(SealUse.intent_id == first.id)).one()),
        }
    slots = islice(_slots(taken=(rows[StatusIndex]["list"], rows[StatusIndex]["index"])), there - 1, None)
    for begin in range(there, count, CHUNK):
        numbers = range(begin, min(begin + CHUNK, count))
        made = [_copies(rows, number, next(slots)) for number in numbers]
        with database.transaction() as session:
            for table in rows:
                _insert(session, table, [one[table] for one in made])
    if database.write.dialect.name == "postgresql" and count > there:
        _settle(database)


def _settle(database: Database) -> None:
    """What a server does by itself in the hours after so many rows came: else the first readers do it."""
    with database.write.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")
        connection.exec_driver_sql("CHECKPOINT")


def _insert(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """By COPY where the database has it: a million licences are six million rows."""
    if session.get_bind().dialect.name != "postgresql":
        session.execute(insert(table), rows)
        return
    names = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.__tablename__), names)
    cursor: Any = session.connection().connection.cursor()
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))


def _row(entity: Base) -> dict[str, Any]:
    return {column.key: getattr(entity, column.key) for column in entity.__table__.columns}


def _slots(taken: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Each slot of a list once, in an order that jumps about: an odd step leads through all of 2^20."""
    number, index, used = 0, 0, 0
    while True:
        index, used = (index + 669_607) % 2**20, used + 1
        if used > IN_A_LIST:
            number, used = number + 1, 1
        if (number, index) != taken:
            yield number, index


def link_id(number: int) -> bytes:
    """Of the licence of that number, from 1."""
    return sha256(b"link %d" % number).digest()[:16]


def number_mark(number: int) -> bytes:
    """What stands for the number of the licence of that number."""
    return sha256(b"number %d" % number).digest()


def holder_mark(number: int) -> bytes:
    """What stands for the holder's code of the licence of that number; each holder has a few."""
    return sha256(b"holder %d" % (number // 3)).digest()


def serial(number: int) -> str:
    """Of the licence of that number, unlike those that the registry gives."""
    return f"9{number:06}"


def identifier(type_code: str, issuer_code: str, number: int) -> str:
    """Of the licence of that number; type and issuer are those of the one that they are copies of."""
    return make_identifier(type_code, issuer_code, serial(number), 1)


def _copies(
    rows: dict[type[Base], dict[str, Any]], number: int, slot: tuple[int, int]
) -> dict[type[Base], dict[str, Any]]:
    name = sha256(b"licence %d" % number)
    own, licence = name.hexdigest()[:32], name.hexdigest()[32:]
    status: dict[str, Any] = {"status": "in_force"}
    chance = int.from_bytes(name.digest()[:4])  # a regular pattern would cost nothing to compress
    if chance % ENDED == 0:
        status = {"status": "ended", "how": "revoked"}
    elif chance % SUSPENDED == 1:
        status = {"status": "suspended", "ground": "other"}
    named = identifier(rows[Licence]["type_code"], rows[Licence]["issuer_code"], number)
    keys = {
        "link_id_sha256": link_digest(link_id(number)),
        "lookup_sha256": lookup_digest(named, LOOKUP_CODE),
    }
    document = sha256(name.digest()).digest()
    return {
        Licence: {**rows[Licence], "id": licence, "serial": serial(number)},
        Number: {**rows[Number], "number_mac": number_mark(number), "licence_id": licence},
        Intent: {
            **rows[Intent], "id": own, "licence_id": licence, "record": b"", **keys,
            "holder_mac": holder_mark(number),
        },
        Edition: {
            **rows[Edition], "id": own, "licence_id": licence, **keys, **status,
            "identifier": named,
        },
        StatusIndex: {**rows[StatusIndex], "list": slot[0], "index": slot[1], "intent_id": own},
        Document: {**rows[Document], "sha256": document, "edition_id": own},
        SealUse: {**rows[SealUse], "id": licence, "intent_id": own, "document_sha256": document},
    }  # fmt: skip
