"""What a ceremony's file says, read strictly. `registry.ceremony` holds what it describes."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from keys.shares import require_scheme
from keys.transcript import FORMER_ROOT, OPERATIONS, RETIRED, Present
from registry.seals.authority import AuthorityNames
from signing.toml_table import Table

ESTABLISH, ISSUING, DELEGATE, SUCCESSOR = OPERATIONS
FORMER = ("kept", "compromised")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a ceremony's file says."""

    operation: str
    title: str
    present: tuple[Present, ...]
    root_directory: Path
    names: AuthorityNames
    test: bool  # the names of the certificates say TEST
    threshold: int  # of the shares; 0 where the operation makes none
    total: int
    shares_directory: Path | None
    file_sha256: str
    compromised: bool = False  # of another issuing CA: it takes the place of one whose key others may have
    former_root: str = ""  # of a successor: how the root before it ends, by FORMER_ROOT
    former_directory: Path | None = None  # of a successor: where a root that is retired lies


def load_plan(path: Path) -> Plan:
    """Read a ceremony's file; relative paths lie beside it. Raises VermilionError(NOT_FOUND, TOO_LARGE,
    MALFORMED, INVALID).
    """
    table = Table.load(path)
    operation = table.choice("operation", OPERATIONS)
    title = table.text("title")
    root_directory = path.parent / table.text("root_directory")
    present = tuple(_present(entry) for entry in table.tables("present"))
    if len(present) < 2:
        table.refuse("present", "must name two people at least")
    compromised = operation == ISSUING and table.choice("former", FORMER) == "compromised"
    former_root, former_directory = "", None
    if operation == SUCCESSOR:
        former_root = table.choice("former_root", FORMER_ROOT)
        if former_root == RETIRED:
            former_directory = path.parent / table.text("former_root_directory")
            if former_directory.resolve() == root_directory.resolve():
                table.refuse("former_root_directory", "must be another than the new root's")
    names, test = AuthorityNames(""), False
    if operation != DELEGATE:
        names, test = _names(table, operation), table.flag("test")
    threshold = total = 0
    shares_directory = None
    if operation in (ESTABLISH, SUCCESSOR):
        shares = table.table("shares")
        threshold, total = shares.integer("threshold"), shares.integer("total")
        shares_directory = path.parent / shares.text("directory")
        shares.finish()
        require_scheme(threshold, total)
    table.finish()
    digest = sha256(path.read_bytes()).hexdigest()
    return Plan(
        operation, title, present, root_directory, names, test, threshold, total, shares_directory, digest,
        compromised, former_root, former_directory,
    )  # fmt: skip


def _present(entry: Table) -> Present:
    found = Present(entry.text("name"), entry.text("role"))
    entry.finish()
    return found


def _names(table: Table, operation: str) -> AuthorityNames:
    names = table.table("names")
    organisation = names.text("organisation")
    if operation == ISSUING:
        found = AuthorityNames(organisation, issuing=names.text("issuing"))
    elif operation == SUCCESSOR:
        found = AuthorityNames(
            organisation, root=names.text("root"), issuing=names.text("issuing"),
            trust_list=names.text("trust_list"),
        )  # fmt: skip
    else:
        found = AuthorityNames(
            organisation, root=names.text("root"), issuing=names.text("issuing"),
            trust_list=names.text("trust_list"), tsa=names.text("tsa"),
        )  # fmt: skip
    names.finish()
    return found
