"""Faults at the ports of issuing: every call to database, store, custodian and time-stamp, one by one.

Both engines are watched: what is read outside a transaction (idempotency key, entitlement, type, agency,
the custodian's policy, trust list) can be out as well as what is written. A call can fail before its effect, after it, or the process can be killed there. Run as a module, this file
is the parent of the processes that are killed: it loads everything once, forks for each call, and never
uses a store or keeps a connection itself, so that no child inherits a thread's lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from keys.custodian import Custodian, KeyRef, SignRequest
from keys.errors import Kind, VermilionError
from keys.suite import SuiteName
from registry.ports import EvidenceStamper, Ports, SharingDocumentStore
from registry.shared_parts import Part
from tests.postgres import Backend

When = Literal["before", "after"]
Point = tuple[int, When]  # the number of a call, from 1, and which side of it
Result = TypeVar("Result")


@dataclass
class Faults:
    """Counts the calls; strikes at the one it is armed for."""

    calls: list[str] = field(default_factory=list)
    at: int = 0  # from 1; 0: never
    when: When = "before"
    strike: Callable[[str], None] = lambda name: None
    struck: bool = False

    def around(self, name: str, work: Callable[[], Result]) -> Result:
        number = self.begin(name)
        result = work()
        self.end(name, number)
        return result

    def begin(self, name: str) -> int:
        """A call begins; calls may nest (the custodian writes its ledger)."""
        self.calls.append(name)
        number = len(self.calls)
        self._reach(name, number, "before")
        return number

    def end(self, name: str, number: int) -> None:
        self._reach(name, number, "after")

    def _reach(self, name: str, number: int, when: When) -> None:
        if (number, when) == (self.at, self.when):
            self.struck = True
            self.strike(name)


def has_effect(name: str) -> bool:
    """Whether a call may leave something behind: to fail after another is to fail before its successor."""
    return not name.startswith(("read", "sql SELECT"))


def whens(name: str) -> list[When]:
    """On which sides of it a call is to fail."""
    return ["before", "after"] if has_effect(name) else ["before"]


def points_of(calls: Sequence[str], when: When) -> list[Point]:
    """Each call that is to fail on that side."""
    return [(at, when) for at, name in enumerate(calls, 1) if when in whens(name)]


def by_turns(
    calls: Mapping[Backend, Sequence[str]],
    possible: Callable[[str], Sequence[When]] = whens,
    first: int = 0,
) -> dict[Backend, list[Point]]:
    """Each call once: on one of the databases and on one side of it, by turns; `first` is where they begin.

    A call is known by its name and how often that was made before, so that what both databases are asked is one.
    """
    where: dict[tuple[str, int], dict[Backend, int]] = {}
    for backend, names in calls.items():
        made: Counter[str] = Counter()
        for at, name in enumerate(names, 1):
            where.setdefault((name, made[name]), {})[backend] = at
            made[name] += 1
    points: dict[Backend, list[Point]] = {backend: [] for backend in calls}
    for turn, ((name, _), there) in enumerate(where.items(), first):
        if sides := possible(name):
            backend = list(there)[turn % len(there)]
            points[backend].append((there[backend], sides[turn // 2 % len(sides)]))
    return points


def fail(name: str) -> None:
    """What the part behind the port raises when it is out."""
    if name.startswith(("sql", "read")):
        raise OperationalError("", None, Exception("injected"))
    raise VermilionError(Kind.UNAVAILABLE, f"injected: {name}")


def kill(name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class FaultyStore:
    inner: SharingDocumentStore
    faults: Faults

    def put_new(self, key: str, data: bytes) -> None:
        self.faults.around("store put", lambda: self.inner.put_new(key, data))

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        try:
            return self.faults.around("store put", lambda: self.inner.put_many(documents))
        except VermilionError as error:
            return [error] * len(documents)

    def share(self, *parts: Part) -> None:
        self.inner.share(*parts)

    def get(self, key: str) -> bytes | None:
        return self.faults.around("store get", lambda: self.inner.get(key))


@dataclass(frozen=True)
class FaultyCustodian:
    inner: Custodian
    faults: Faults

    def generate(self, purpose: Any, suite: SuiteName) -> KeyRef:
        return self.inner.generate(purpose, suite)

    def public_key(self, ref: KeyRef) -> Any:
        return self.inner.public_key(ref)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        return self.faults.around(f"custodian {ref.purpose.value}", lambda: self.inner.sign(ref, requests))


@dataclass(frozen=True)
class FaultyStamper:
    inner: EvidenceStamper
    faults: Faults

    def stamp(self, digest: bytes, record: str, algorithm: str = "sha256") -> bytes:
        return self.faults.around("time-stamp", lambda: self.inner.stamp(digest, record, algorithm))

    def stamp_many(self, asked: Sequence[tuple[bytes, str]]) -> list[bytes | VermilionError]:
        try:
            return self.faults.around("time-stamp", lambda: self.inner.stamp_many(asked))
        except VermilionError as error:
            return [error] * len(asked)


@contextmanager
def faulty(ports: Ports, faults: Faults) -> Iterator[Ports]:
    """The ports, each call of which passes through `faults`: every statement and commit of both engines (the
    custodian's policy and ledger among them), the store, the custodian, the time-stamper.
    """
    undo = [
        _watch(ports.database.read, faults, "read"),
        _watch(ports.database.write, faults, "sql"),
    ]
    try:
        yield replace(
            ports,
            documents=FaultyStore(ports.documents, faults),
            custodian=FaultyCustodian(ports.custodian, faults),
            timestamper=FaultyStamper(ports.timestamper, faults),
        )
    finally:
        for one in undo:
            one()


def _watch(engine: Engine, faults: Faults, prefix: str) -> Callable[[], None]:
    numbers: list[int] = []

    def name_of(statement: str) -> str:
        words = statement.replace('"', "").split()
        table = words[words.index("FROM") + 1] if words[0] == "SELECT" and "FROM" in words else ""
        return f"{prefix} {' '.join(words[:1] if table else words[:3])} {table}".rstrip()

    def before(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        numbers[:] = [faults.begin(name_of(statement))]

    def after(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        faults.end(name_of(statement), numbers[0])

    commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        faults.around(f"{prefix} COMMIT", lambda: commit(connection))

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    engine.dialect.do_commit = do_commit  # type: ignore[method-assign,assignment]

    def undo() -> None:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)
        del engine.dialect.do_commit

    return undo


class NoStore:
    """A store that is out; it starts none of the real one's threads."""

    def put_new(self, key: str, data: bytes) -> None:
        raise VermilionError(Kind.UNAVAILABLE, "out")

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        return [VermilionError(Kind.UNAVAILABLE, "out") for _ in documents]

    def share(self, *parts: Part) -> None:
        raise VermilionError(Kind.UNAVAILABLE, "out")

    def get(self, key: str) -> bytes | None:
        raise VermilionError(Kind.UNAVAILABLE, "out")


def main() -> None:
    """Fork one child for each job on standard input; print how each ended, as JSON."""
    from keys.envelope import ScryptCost
    from registry.actor import Actor
    from registry.composition import open_ports
    from registry.licences.issue import issue
    from registry.licences.issue_many import Ordered, issue_many
    from registry.settings import Settings
    from tests.registry.issuing import to_request

    plan = json.load(sys.stdin)
    now = datetime.fromisoformat(plan["now"])
    settings = Settings(data=Path(plan["data"]), database_url=plan["url"], demo=True)
    actor = Actor(plan["client"], plan["agency"], frozenset({"licence"}))

    ports = open_ports(settings, clock=lambda: now, cost=ScryptCost(n=2**10))

    def attempt(watched: Ports, bodies: list[dict[str, Any]]) -> None:
        keys = [f"key-{body['number']}" for body in bodies]
        digests = [key.encode().ljust(32)[:32] for key in keys]
        if len(bodies) == 1:
            issue(watched, actor, to_request(bodies[0]), keys[0], digests[0])
        else:
            made = zip(bodies, keys, digests, strict=True)
            issue_many(watched, actor, [Ordered(to_request(body), key, digest) for body, key, digest in made])

    with contextlib.suppress(VermilionError):  # keys, glyphs and artwork once; the intent is abandoned
        attempt(replace(ports, documents=NoStore()), [plan["warm"]])
    ports.database.dispose()

    def child(job: dict[str, Any]) -> int:
        faults = Faults(at=job["at"], when=job["when"], strike=kill)
        with faulty(ports, faults) as watched:
            attempt(watched, job["bodies"])
        return 0

    statuses = []
    for job in plan["jobs"]:
        process = os.fork()
        if process == 0:
            code = 70
            try:
                code = child(job)
            finally:
                os._exit(code)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
    json.dump(statuses, sys.stdout)


if __name__ == "__main__":
    main()
