"""What was said against what is wanted, as a table, as JSON and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from interop.documents import Document
from interop.readers import CLEAN

VERAPDF, DSS, HARDENED, LEVEL, OURS, OTHERS = CHECKS = (
    "veraPDF", "DSS", "DSS hardened", "level", "our check", "other readers",
)  # fmt: skip
OK, DIFFERS, FAIL = "ok", "differs", "FAIL"
COMPLIANT = "compliant"
ACCEPTED, REFUSED = "accepted", "refused"


@dataclass(frozen=True, slots=True)
class Check:
    """One checker's word on one document. `state` is OK, DIFFERS (otherwise than wanted, for the reason
    given) or FAIL; None where nothing is wanted.
    """

    name: str
    wanted: str | None
    said: str
    state: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    document: str
    checks: tuple[Check, ...]

    @property
    def state(self) -> str:
        states = {check.state for check in self.checks}
        return next((state for state in (FAIL, DIFFERS) if state in states), OK)


@dataclass(frozen=True, slots=True)
class Pace:
    """Processor time of sealing one document, ms: ours and EU DSS's at the same level, in one run.
    `dss_ms` is of its sealing thread alone; `dss_process_ms` has its collector and compiler in it.
    """

    name: str
    level: str
    ours_ms: float
    dss_ms: float
    dss_process_ms: float
    dss_wall_ms: float

    @property
    def vs_dss(self) -> float:
        """Our rate over EU DSS's."""
        return self.dss_ms / self.ours_ms


def judged(judgement: Mapping[str, Any]) -> str:
    """Indication and sub-indication as one text."""
    sub = judgement["sub_indication"]
    return f"{judgement['indication']}/{sub}" if sub else str(judgement["indication"])


def compare(document: Document, answer: Mapping[str, Any]) -> Row:
    """The row of one document, from what the programs answered for it."""
    wanted, dss = document.wanted, answer["dss"]
    said = {
        VERAPDF: _pdfa(answer["verapdf"]),
        DSS: _worst(dss, lambda signature: signature),
        HARDENED: _worst(dss, lambda signature: signature["hardened"]),
        LEVEL: ", ".join(signature["level"] for signature in dss.get("signatures", ())),
        OURS: ACCEPTED if document.ours is None else f"{REFUSED}/{document.ours}",
        OTHERS: answer.get("readers", ""),
    }
    want = {
        VERAPDF: COMPLIANT if wanted.pdfa else None,
        DSS: wanted.dss,
        HARDENED: wanted.dss,
        LEVEL: ", ".join(wanted.levels) or None,
        OURS: ACCEPTED if wanted.ours else REFUSED,
        OTHERS: None if document.genuine is None else CLEAN,
    }
    return Row(document.name, tuple(_check(name, want[name], said[name], document) for name in CHECKS))


def merged(rows: Iterable[Row]) -> list[Row]:
    """Documents of one name of which all was said alike as one row, with their number."""
    counts = Counter(rows)
    return [
        replace(row, document=f"{row.document} ({n} licences)") if n > 1 else row for row, n in counts.items()
    ]


def _check(name: str, wanted: str | None, said: str, document: Document) -> Check:
    known = document.wanted.known.get(name)
    if wanted is None:
        return Check(name, wanted, said, None)
    if said == wanted or said.startswith(wanted + "/"):
        return Check(name, wanted, said, OK)
    if known is not None and said == known.said:
        return Check(name, wanted, said, DIFFERS, known.reason)
    return Check(name, wanted, said, FAIL)


def _pdfa(said: Mapping[str, Any]) -> str:
    if "error" in said:
        return f"error: {said['error']}"
    return COMPLIANT if said["compliant"] else ", ".join(rule["rule"] for rule in said["failed"])


def _worst(said: Mapping[str, Any], judgement: Any) -> str:
    if "error" in said:
        return f"error: {said['error']}"
    verdicts = [judged(judgement(signature)) for signature in said["signatures"]]
    return next(
        (v for v in verdicts if v != "TOTAL_PASSED"), "TOTAL_PASSED" if verdicts else "NO_SIGNATURE_FOUND"
    )


def rules_of(answers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Each rule of PDF/A that failed anywhere, with its text."""
    failed = (rule for answer in answers for rule in answer["verapdf"].get("failed", ()))
    return dict(sorted((rule["rule"], rule.get("message", "")) for rule in failed))


def shown(documents: Iterable[Document]) -> dict[str, int]:
    """How many documents of each kind the checkers were asked about."""
    counts = Counter(
        "altered" if one.altered else "circumstances" if one.genuine is None else "genuine"
        for one in documents
    )
    return {kind: counts[kind] for kind in ("genuine", "altered", "circumstances")}


def as_json(
    *,
    date: str,
    versions: Mapping[str, str],
    machine: str,
    rows: Sequence[Row],
    paces: Sequence[Pace],
    rules: Mapping[str, str],
    documents: Mapping[str, int],
) -> dict[str, Any]:
    """Of the form of `results.schema.json`."""
    return {
        "date": date,
        "versions": dict(versions),
        "machine": machine,
        "documents": dict(documents),
        "rows": [
            {"document": r.document, "state": r.state, "checks": [asdict(check) for check in r.checks]}
            for r in rows
        ],
        "rules": dict(rules),
        "seal": [{**asdict(pace), "vs_dss": pace.vs_dss} for pace in paces],
    }


def table(rows: Sequence[Row]) -> str:
    """For a terminal: each row with what is not as wanted below it."""
    lines = []
    for row in rows:
        lines.append(f"{row.state:8} {row.document}")
        lines += [f"{'':11}{_otherwise(asdict(c))}" for c in row.checks if c.state in {FAIL, DIFFERS}]
    counts = [sum(row.state == state for row in rows) for state in (OK, DIFFERS, FAIL)]
    lines.append("{} as wanted, {} with a known difference, {} not as wanted".format(*counts))
    return "\n".join(lines)


_HEAD = """\
# veraPDF and EU DSS

`make interop` makes sealed documents with the product's own code, alters them, and shows all to veraPDF
(PDF/A-3u) and to EU DSS. Both come by Maven, at the versions that `interop/pom.xml` names. This page is its
last result: it is made, not written. What others say of our other objects stands in
[interoperability.md](interoperability.md).

Made on {date}: {versions}; {machine}. Shown were {genuine} genuine documents, {altered} altered ones, and
{circumstances} under other circumstances than their own: another root, other proofs, a revoked certificate.

EU DSS has our root as its only trust anchor, its own policy, and the CRLs that the authority's site serves.
*Hardened* is the same policy with changes after the signature at FAIL where it only warns. *Our check* is
the strict check of the file alone. *Other readers* are asked of genuine documents: qpdf finds no fault,
pdfsig and pyHanko (under our root) find every seal and time-stamp valid, all of the file signed and
nothing added but what may be, poppler's text and the attached record are those of the licence, and a
scanner reads its code at 150 dpi, or else at 200, wherever it stands.

A row is `ok`, `differs` (otherwise than wanted, for a reason below) or
**FAIL** (not as wanted, and not explained).
"""
_SPEED = """
## Speed

Sealing one page at one level with a P-256 key, in the same run, both sides warm: median processor time of
the thread that seals. EU DSS gets the page drawn, has its time-stamp key and its CRLs at hand and draws no
seal. Its whole process takes more, for its collector and compiler. `seal.vs_dss` is our rate over its rate.

| road | level | ours, ms | EU DSS, ms | its whole process, ms | by its clock, ms | `seal.vs_dss` |
|---|---|---|---|---|---|---|"""


def page(results: Mapping[str, Any]) -> str:
    """docs/interop.md, from what `as_json` made."""
    rows = results["rows"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    out = [
        _HEAD.format(
            date=results["date"], versions=versions, machine=results["machine"], **results["documents"]
        ),
        f"| document | result | {' | '.join(CHECKS)} |",
        "|---" * (len(CHECKS) + 2) + "|",
    ]
    for row in rows:
        cells = [_cell(check) for check in row["checks"]]
        out.append(f"| {row['document']} | {_cell_state(row['state'])} | {' | '.join(cells)} |")
    out += ["", "## Differences", "", *_differences(rows)]
    wrong = [(row["document"], check) for row in rows for check in row["checks"] if check["state"] == FAIL]
    if wrong:
        out += [
            "",
            "## Not as wanted",
            "",
            *(f"- {document}: {_otherwise(check)}" for document, check in wrong),
        ]
    if results["rules"]:
        out += ["", "## Rules of PDF/A that failed, altered documents included", ""]
        out += [f"- {rule}: {text}" for rule, text in results["rules"].items()]
    out.append(_SPEED)
    for pace in results["seal"]:
        names = ("ours_ms", "dss_ms", "dss_process_ms", "dss_wall_ms", "vs_dss")
        figures = " | ".join(f"{pace[name]:.2f}" for name in names)
        out.append(f"| {pace['name']} | {pace['level']} | {figures} |")
    return "\n".join(out) + "\n"


def _differences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each reason once, with the alterations (or documents) that it is of."""
    places: dict[str, dict[str, None]] = {}
    for row in rows:
        for check in row["checks"]:
            if check["state"] == DIFFERS:
                of = row["document"].partition(": ")[2] or row["document"]
                places.setdefault(check["reason"], {})[of] = None
    return [f"- **{'; '.join(of)}.** {reason}" for reason, of in places.items()] or ["None."]


def _otherwise(check: Mapping[str, Any]) -> str:
    return f"{check['name']} says {check['said'] or 'nothing'}; wanted: {check['wanted']}"


def _cell(check: Mapping[str, Any]) -> str:
    said = check["said"].replace("|", "\\|") or "none"
    return f"**{said}**" if check["state"] == FAIL else said


def _cell_state(state: str) -> str:
    return f"**{FAIL}**" if state == FAIL else state
