"""The public site's own store: limits, counts, alarms, and the key that makes log entries unlinkable.

One SQLite file that the site makes for itself; it is shared by all its processes and holds no personal
data: networks, links and typed identifiers are kept only as keyed hashes, and only an alarm or an alert names
the licence it is about. The registry's database is never written from here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from keys.clock import Clock, system_clock
from keys.errors import Kind, VermilionError
from registry.database import write_engine

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS bucket (key BLOB PRIMARY KEY, empty_at REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS bucket_empty_at ON bucket (empty_at)",
    (
        "CREATE TABLE IF NOT EXISTS alarm (id INTEGER PRIMARY KEY, raised_at TEXT NOT NULL,"
        " reason TEXT NOT NULL, key_id TEXT NOT NULL, identifier TEXT, digest BLOB NOT NULL,"
        " times INTEGER NOT NULL DEFAULT 1, UNIQUE (reason, digest))"
    ),
    (
        "CREATE TABLE IF NOT EXISTS scans (link BLOB NOT NULL, day TEXT NOT NULL, scans INTEGER NOT NULL,"
        " PRIMARY KEY (day, link)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS alert (day TEXT NOT NULL, issuer TEXT NOT NULL, identifier TEXT NOT NULL,"
        " scans INTEGER NOT NULL, PRIMARY KEY (day, issuer, identifier, scans)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS checks (day TEXT NOT NULL, agency TEXT NOT NULL, verdict TEXT NOT NULL,"
        " checks INTEGER NOT NULL, PRIMARY KEY (day, agency, verdict)) WITHOUT ROWID"
    ),
)
_TAKE_SECRET = text("INSERT INTO secret (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING")
_READ_SECRET = text("SELECT value FROM secret WHERE name = :name")
_POUR = text(
    "INSERT INTO bucket (key, empty_at) VALUES (:key, :now + :drops) ON CONFLICT (key) DO UPDATE"
    " SET empty_at = max(empty_at, :now) + :drops WHERE max(empty_at, :now) + :drops - :now <= :size"
)
_FULL_FOR = text("SELECT max(empty_at, :now) + :drops - :now - :size FROM bucket WHERE key = :key")
_RETURN = text("UPDATE bucket SET empty_at = empty_at - :drops WHERE key = :key")
_FORGET = text("DELETE FROM bucket WHERE empty_at < :now")
_ALARM = text(
    "INSERT INTO alarm (raised_at, reason, key_id, identifier, digest)"
    " VALUES (:raised_at, :reason, :key_id, :identifier, :digest)"
    " ON CONFLICT (reason, digest) DO UPDATE SET times = times + 1"
)
_ALARMS = text("SELECT count(*) FROM alarm")
_ADD_SCANS = text(
    "INSERT INTO scans (link, day, scans) VALUES (:link, :day, :scans)"
    " ON CONFLICT (day, link) DO UPDATE SET scans = scans + excluded.scans"
)
_SCANS = text("SELECT link, scans FROM scans WHERE day = :day AND link IN :links").bindparams(
    bindparam("links", expanding=True)
)
_COARSEN = text(
    "UPDATE scans SET scans = CASE WHEN scans >= 100000 THEN 100000 WHEN scans >= 10000 THEN 10000"
    " WHEN scans >= 1000 THEN 1000 WHEN scans >= 100 THEN 100 WHEN scans >= 10 THEN 10 ELSE 1 END"
    " WHERE day = (SELECT max(day) FROM scans WHERE day < :day)"
)
_LINKS = 500  # in one statement
_FORGET_SCANS = text("DELETE FROM scans WHERE day < :day")
_ALERT = text(
    "INSERT INTO alert (day, issuer, identifier, scans) VALUES (:day, :issuer, :identifier, :scans)"
    " ON CONFLICT DO NOTHING"
)
_ALERTS = text(
    "SELECT day, issuer, identifier, scans FROM alert WHERE day >= :day"
    " ORDER BY day, issuer, identifier, scans"
)
_ADD_CHECKS = text(
    "INSERT INTO checks (day, agency, verdict, checks) VALUES (:day, :agency, :verdict, :checks)"
    " ON CONFLICT (day, agency, verdict) DO UPDATE SET checks = checks + excluded.checks"
)
_CHECKS = text(
    "SELECT day, agency, verdict, checks FROM checks WHERE day >= :day ORDER BY day, agency, verdict"
)
_FORGET_CHECKS = text("DELETE FROM checks WHERE day < :day")


class Store:
    """Open, or make, the store at `path`. Raises VermilionError(UNAVAILABLE) where that cannot be done."""

    def __init__(
        self, path: Path, clock: Clock = system_clock, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._clock = clock
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise VermilionError(Kind.UNAVAILABLE, "the site's own store cannot be opened") from error
        self._engine = write_engine(f"sqlite:///{path.absolute()}")
        with self.begin() as connection:
            for statement in _SCHEMA:
                connection.execute(text(statement))
            connection.execute(_FORGET, {"now": self.now()})
            connection.execute(_TAKE_SECRET, {"name": "hash", "value": random(32)})
            key = bytes(connection.execute(_READ_SECRET, {"name": "hash"}).scalar_one())
        # HMAC-SHA-256 (RFC 2104) with the key's own blocks digested once; OpenSSL does so each time.
        padded = key.ljust(hashlib.sha256().block_size, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def now(self) -> float:
        """Seconds since 1970, by the injected clock."""
        return self._clock().timestamp()

    def keyed_hash(self, kind: str, value: str) -> bytes:
        """16 bytes that stand for `value` in this store and its logs, and cannot be reversed or guessed
        without the store's key.
        """
        message = kind.encode() + b"\0" + value.encode("utf-8", "surrogatepass")
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()[:16]

    def pour(self, connection: Connection, key: bytes, seconds: float, size: float) -> bool:
        """Add to a bucket what takes `seconds` to drain; False, and nothing added, if it would run over
        `size` seconds. With 0 seconds it only asks whether there is more in it than `size`.
        """
        row = {"key": key, "now": self.now(), "drops": seconds, "size": size}
        return connection.execute(_POUR, row).rowcount == 1

    def room_after(self, connection: Connection, key: bytes, seconds: float, size: float) -> float:
        """After how many seconds a bucket has room for what takes `seconds` to drain; 0 or less: it has."""
        row = {"key": key, "now": self.now(), "drops": seconds, "size": size}
        found = connection.execute(_FULL_FOR, row).scalar_one_or_none()
        return seconds - size if found is None else float(found)

    def give_back(self, connection: Connection, key: bytes, seconds: float) -> None:
        """Take back what `pour` added."""
        connection.execute(_RETURN, {"key": key, "drops": seconds})

    def forget_empty(self, connection: Connection) -> None:
        """Remove the buckets that have drained; they say nothing any more."""
        connection.execute(_FORGET, {"now": self.now()})

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction. Raises VermilionError(UNAVAILABLE) when the store does not answer."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise VermilionError(Kind.UNAVAILABLE, "the site's own store does not answer") from error

    def add_scans(self, connection: Connection, day: date, scans: Mapping[bytes, int]) -> dict[bytes, int]:
        """Add to the day's counts, by keyed hash of the link; what each has come to. Some scan waits for it,
        and it may be of thousands: so it is one statement for all, and one for each five hundred.
        """
        links, on = sorted(scans), day.isoformat()
        connection.execute(_ADD_SCANS, [{"link": link, "day": on, "scans": scans[link]} for link in links])
        totals: dict[bytes, int] = {}
        for begin in range(0, len(links), _LINKS):
            found = connection.execute(_SCANS, {"day": on, "links": links[begin : begin + _LINKS]})
            totals.update({row.link: row.scans for row in found})
        return totals

    def coarsen_scans(self, connection: Connection, day: date, kept_days: int) -> None:
        """Of the last day before this one only powers of ten are kept; what is older than that goes."""
        connection.execute(_COARSEN, {"day": day.isoformat()})
        connection.execute(_FORGET_SCANS, {"day": (day - timedelta(days=kept_days)).isoformat()})

    def write_alert(
        self, connection: Connection, day: date, scans: int, issuer: str, identifier: str
    ) -> None:
        row = {"day": day.isoformat(), "issuer": issuer, "identifier": identifier, "scans": scans}
        connection.execute(_ALERT, row)

    def alerts(self, since: date) -> list[tuple[str, str, str, int]]:
        """Day, issuer, identifier and scans of each alert of that day or later."""
        with self.begin() as connection:
            return [tuple(row) for row in connection.execute(_ALERTS, {"day": since.isoformat()})]

    def add_checks(self, connection: Connection, counted: Mapping[tuple[str, str, str], int]) -> None:
        """Add to the sums, by day, agency and verdict."""
        rows = [
            {"day": day, "agency": agency, "verdict": verdict, "checks": checks}
            for (day, agency, verdict), checks in sorted(counted.items())
        ]
        connection.execute(_ADD_CHECKS, rows)

    def checks(self, since: date) -> list[tuple[str, str, str, int]]:
        """Day, agency, verdict and checks of each sum of that day or later."""
        with self.begin() as connection:
            return [tuple(row) for row in connection.execute(_CHECKS, {"day": since.isoformat()})]

    def forget_checks(self, connection: Connection, before: date) -> None:
        """Sums of days before that one go."""
        connection.execute(_FORGET_CHECKS, {"day": before.isoformat()})

    def alarms(self) -> int:
        """How many different alarms were ever written down; the same bytes shown again count in their row."""
        with self.begin() as connection:
            return int(connection.execute(_ALARMS).scalar_one())

    def write_alarm(self, reason: str, key_id: str, identifier: str | None, digest: bytes) -> None:
        row = {
            "raised_at": datetime.fromtimestamp(self.now(), UTC).isoformat(),
            "reason": reason,
            "key_id": key_id,
            "identifier": identifier,
            "digest": digest,
        }
        with self.begin() as connection:
            connection.execute(_ALARM, row)

    def close(self) -> None:
        self._engine.dispose()
