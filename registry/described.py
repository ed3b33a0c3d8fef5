"""What a route says of itself, in a declaration beside it.

The description of an API (`registry.openapi_document`) is derived from these and from the application's own
table of routes, so a route and what is told of it stand in one place. A declaration costs nothing when the
route is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import cleandoc
from typing import Annotated, Any, TypeVar

from flask import Flask
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from werkzeug.routing import Rule

from keys.errors import Kind

JSON = "application/json"
TEXT: Mapping[str, Any] = {"type": "string"}
BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}

Body = type[BaseModel] | tuple[type[BaseModel], ...] | Mapping[str, Any]
"""A form, one of several forms, or a schema of its own."""

Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Date = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, hex.")]
Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Reference = Annotated[str, WithJsonSchema({"type": "string", "format": "uri-reference"})]


class Told(BaseModel):
    """Base of what is answered. It describes: no answer is made by it, so it costs none anything."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of the query, or a header (`where`)."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    required: bool = False
    where: str = "query"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered with one status: bodies by media type, and headers with what they say."""

    description: str
    bodies: Mapping[str, Body] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def told(description: str, form: Body, **headers: str) -> Answer:
    """A JSON answer. A header's name is written with `_` for `-`."""
    return Answer(description, {JSON: form}, {name.replace("_", "-"): said for name, said in headers.items()})


UNCHANGED = Answer("Nothing of it has changed.", headers={"ETag": "As you have it."})


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call: the security requirements of OpenAPI, any one of which will do; the roles of which a
    person who acts has one; and the rest in words.
    """

    security: tuple[Mapping[str, Sequence[str]], ...] = ()
    roles: tuple[str, ...] = ()
    words: str = ""


EVERYBODY = Access()

PDF = "application/pdf"
DRY_RUN = Parameter("dry_run", "1: everything is checked, and nothing done.", {"enum": ["0", "1"]})
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "1 to 255 visible ASCII characters. The same key with the same body is answered with the same result, "
    "however often it is sent.",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    where="header",
)
IF_NONE_MATCH = Parameter("If-None-Match", "The ETag of what you have.", where="header")
ADDRESS = "Its address."
ETAG = "Names these very bytes."
REPLAYED = "`true` where this key and body were answered before."


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route declares."""

    operation_id: str
    summary: str
    description: str
    access: Access | None  # None: the API says it of all its routes
    answers: Mapping[int, Answer]
    sends: Mapping[str, Body]
    parameters: tuple[Parameter, ...]
    refuses: frozenset[Kind]


View = TypeVar("View", bound=Callable[..., Any])
_DECLARED = "declared_operation"


def described(
    operation_id: str,
    summary: str,
    *,
    answers: Mapping[int, Answer],
    sends: Mapping[str, Body] | type[BaseModel] | None = None,
    parameters: tuple[Parameter, ...] = (),
    refuses: Sequence[Kind] = (),
    access: Access | None = None,
    description: str | None = None,
) -> Callable[[View], View]:
    """Declare an operation on the view below. Its description is the view's docstring, unless one is given.

    `sends`: a form alone is sent as JSON. `refuses`: the kinds of problems beyond those that the API implies
    by what else is declared.
    """
    bodies = {JSON: sends} if isinstance(sends, type) else sends or {}
    if any(one.name == IDEMPOTENCY_KEY.name for one in parameters):
        answers = {status: _repeated(one) if status < 300 else one for status, one in answers.items()}
    if IF_NONE_MATCH in parameters:
        tagged = replace(answers[200], headers={**answers[200].headers, "ETag": ETAG})
        answers = {**answers, 200: tagged, 304: UNCHANGED}

    def declare(view: View) -> View:
        words = description if description is not None else _paragraphs(view.__doc__ or "")
        operation = Operation(
            operation_id, summary, words, access, answers, bodies, parameters, frozenset(refuses)
        )
        setattr(view, _DECLARED, operation)
        return view

    return declare


def _repeated(answer: Answer) -> Answer:
    return replace(answer, headers={**answer.headers, "Idempotency-Replayed": REPLAYED})


def _paragraphs(text: str) -> str:
    """A docstring without its line breaks."""
    return "\n\n".join(" ".join(part.split()) for part in cleandoc(text).split("\n\n"))


def operations(app: Flask) -> Iterator[tuple[Rule, str, Operation | None]]:
    """(rule, method, what it declares) of every route, in the order of their addresses."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda one: (one.rule, one.endpoint)):
        operation = getattr(app.view_functions[rule.endpoint], _DECLARED, None)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method, operation
