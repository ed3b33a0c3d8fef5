"""`vermilion case …`: applications and cases from a terminal, each act by whoever's part it is."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from registry.cli.asking import credential_option, get, post, put_file, save_file
from registry.cli.issue import json_file
from registry.cli.options import ground_options

CASES, SUB_CASES, MATTERS = "/api/v1/cases", "/api/v1/sub-cases", "/api/v1/matters"
STEPS = (
    "submit", "receive", "ask_correction", "correct", "accept", "refuse_acceptance", "return", "begin",
    "resume", "withdraw",
)  # fmt: skip
DECISIONS = ("suspend", "extend", "permit", "refuse", "terminate")
OPINIONS = ("agrees", "agrees_with_conditions", "refuses")
DUE = click.Choice(["today", "overdue"])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _words_option(command: Any) -> Any:
    return click.option("--words", help="What is told to the applicant.")(command)


def _operator_option(command: Any) -> Any:
    return click.option("--operator", help="Who acts, where the credential is a system's.")(command)


def _without_none(**body: Any) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


@click.group()
def case() -> None:
    """File applications, handle and decide cases, and give opinions on other agencies' cases."""


@case.command("matters")
@click.argument("code", required=False)
@credential_option
def matters(code: str | None, credential: Path) -> None:
    """List the matters that one's agency handles, or show the guide of the one with CODE."""
    get(credential, MATTERS, *([code] if code else []))


@case.command("file")
@click.argument("file", type=_FILE)
@click.option("--idempotency-key", help="Key of this application; a retry with the same key files one case.")
@credential_option
def file_case(file: Path, idempotency_key: str | None, credential: Path) -> None:
    """File the application in FILE (a JSON request body): submitted with `declaration`, else a draft."""
    post(credential, json_file(file), CASES, idempotency_key=idempotency_key or secrets.token_hex(16))


@case.command("list")
@click.option("--state", help="Only cases of this state.")
@click.option("--due", type=DUE, help="What is to be done by today, or should have been.")
@click.option("--after", help="Go on behind this case, as `next` of a full page says.")
@credential_option
def listing(state: str | None, due: str | None, after: str | None, credential: Path) -> None:
    """List the cases of one's agency."""
    get(credential, CASES, query=_query(state=state, due=due, after=after))


@case.command("show")
@click.argument("case_id", metavar="CASE")
@credential_option
def show(case_id: str, credential: Path) -> None:
    """Show a case: the application, every step, the clocks, the licence."""
    get(credential, CASES, case_id)


@case.command("supply")
@click.argument("case_id", metavar="CASE")
@click.argument("code")
@click.argument("file", type=_FILE)
@_operator_option
@credential_option
def supply(case_id: str, code: str, file: Path, operator: str | None, credential: Path) -> None:
    """Supply the material CODE of a case, a PDF, JPEG or PNG in FILE: with a draft, or for a correction."""
    headers = {} if operator is None else {"Operator": quote(operator, safe="")}
    put_file(credential, file, headers, CASES, case_id, "materials", code)


@case.command("step")
@click.argument("case_id", metavar="CASE")
@click.argument("action", type=click.Choice(STEPS))
@click.option("--legal-basis", help="The words of the law that the step rests on, where it wants one.")
@click.option("--reason", "reason_code", help="Reason code, with it.")
@click.option("--item", "items", multiple=True, help="What is to be corrected: CODE=WHY; may be repeated.")
@click.option("--declaration", is_flag=True, help="The applicant declares that all of it is true.")
@_words_option
@_operator_option
@credential_option
def step(
    case_id: str,
    action: str,
    legal_basis: str | None,
    reason_code: str | None,
    items: tuple[str, ...],
    declaration: bool,
    words: str | None,
    operator: str | None,
    credential: Path,
) -> None:
    """Take a step of a case: the window's, the handler's, or what the applicant did."""
    told = [{"code": code, "why": why} for code, _, why in (one.partition("=") for one in items)]
    body = _without_none(
        action=action,
        legal_basis=legal_basis,
        reason_code=reason_code,
        words=words,
        items=told or None,
        declaration=declaration or None,
        operator=operator,
    )
    post(credential, body, CASES, case_id, "steps")


@case.command("decide")
@click.argument("case_id", metavar="CASE")
@click.argument("action", type=click.Choice(DECISIONS))
@click.option("--days", type=int, help="For how long it is suspended or extended.")
@click.option("--licence", type=_FILE, help="JSON: seal, number and fields that the decision says.")
@_words_option
@ground_options
@credential_option
def decide(
    case_id: str,
    action: str,
    days: int | None,
    licence: Path | None,
    words: str | None,
    legal_basis: str,
    reason_code: str,
    credential: Path,
) -> None:
    """Decide a case, or suspend or extend it: by somebody who decides and has not handled it."""
    body = _without_none(
        action=action,
        legal_basis=legal_basis,
        reason_code=reason_code,
        words=words,
        days=days,
        licence=None if licence is None else json_file(licence),
    )
    post(credential, body, CASES, case_id, "decisions")


@case.command("parts")
@click.option("--state", help="Only sub-cases of this state.")
@click.option("--due", type=DUE, help="Whose opinion is due today, or overdue.")
@click.option("--lead", is_flag=True, help="Those of others in the cases of one's agency.")
@click.option("--after", help="Go on behind this sub-case, as `next` of a full page says.")
@credential_option
def parts(state: str | None, due: str | None, lead: bool, after: str | None, credential: Path) -> None:
    """List the sub-cases in which one's agency takes part."""
    side = "lead" if lead else None
    get(credential, SUB_CASES, query=_query(state=state, due=due, after=after, side=side))


@case.command("part")
@click.argument("sub_case")
@credential_option
def part(sub_case: str, credential: Path) -> None:
    """Show a sub-case: on what an opinion is wanted, and what there is to judge by."""
    get(credential, SUB_CASES, sub_case)


@case.command("part-material")
@click.argument("sub_case")
@click.argument("code")
@click.argument("version", type=click.IntRange(1, 9999))
@click.option(
    "--save", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where to write the file."
)
@credential_option
def part_material(sub_case: str, code: str, version: int, save: Path, credential: Path) -> None:
    """Fetch a material that one's agency needs to give its opinion."""
    save_file(credential, save, SUB_CASES, sub_case, "materials", code, str(version))


@case.command("take-up")
@click.argument("sub_case")
@_operator_option
@credential_option
def take_up(sub_case: str, operator: str | None, credential: Path) -> None:
    """Take up a sub-case of one's agency; somebody else gives the opinion."""
    post(credential, _without_none(operator=operator), SUB_CASES, sub_case, "handling")


@case.command("opinion")
@click.argument("sub_case")
@click.argument("opinion", type=click.Choice(OPINIONS))
@_words_option
@ground_options
@credential_option
def give(
    sub_case: str, opinion: str, words: str | None, legal_basis: str, reason_code: str, credential: Path
) -> None:
    """Give the opinion of one's agency: by somebody who decides and has not handled the sub-case."""
    body = _without_none(opinion=opinion, legal_basis=legal_basis, reason_code=reason_code, words=words)
    post(credential, body, SUB_CASES, sub_case, "opinion")


@case.command("missed")
@click.argument("sub_case")
@_words_option
@ground_options
@credential_option
def missed(sub_case: str, words: str | None, legal_basis: str, reason_code: str, credential: Path) -> None:
    """Put down that an opinion is overdue and the case is decided without: by a decider of the lead."""
    body = _without_none(legal_basis=legal_basis, reason_code=reason_code, words=words)
    post(credential, body, SUB_CASES, sub_case, "missed")


def _query(**asked: str | None) -> str:
    query = urlencode(_without_none(**asked))
    return f"?{query}" if query else ""
