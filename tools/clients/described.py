"""What an OpenAPI document says, as far as a client needs to know: its operations, its kinds of problems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
KEY, UNLESS = "Idempotency-Key", "If-None-Match"
SUFFIXES = {
    "application/pdf": "file",
    "application/zip": "zip",
    "application/x-ndjson": "lines",
    "text/csv": "csv",
    "application/jwt": "signed",
}
"""What is put behind an operation's name for a media type that is not its first; else its subtype."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    where: str  # path, query, header
    required: bool
    schema: Schema

    @property
    def is_switch(self) -> bool:
        return self.where == "query" and list(self.schema.get("enum", ())) == ["0", "1"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to ask: an operation, for a media type of its body and one of its answer."""

    id: str
    method: str
    path: str
    words: str
    open: bool  # whoever asks shows nothing
    parameters: tuple[Parameter, ...]
    sends: tuple[str, Schema] | None  # media type and schema
    accepts: str | None  # media type of the answer; None: it has no body
    answers: tuple[Schema, ...]

    def of(self, where: str) -> list[Parameter]:
        return [one for one in self.parameters if one.where == where]

    @property
    def other_headers(self) -> list[Parameter]:
        return [one for one in self.of("header") if one.name not in {KEY, UNLESS}]

    @property
    def queried(self) -> list[Parameter]:
        return self.of("query")

    @property
    def keyed(self) -> bool:
        return any(one.name == KEY for one in self.parameters)

    @property
    def conditional(self) -> bool:
        return any(one.name == UNLESS for one in self.parameters)


@dataclass(frozen=True, slots=True)
class Described:
    """A document. `problems`: what each kind means, by its slug; `news`: schemas of what is posted."""

    version: str
    schemas: Mapping[str, Schema]
    operations: tuple[Operation, ...]
    problems: Mapping[str, str]
    news: tuple[Schema, ...]

    def entries(self, operation: Operation) -> tuple[str, Schema] | None:
        """Of an answer that is a page: the member that lists, and what is listed."""
        if len(operation.answers) != 1 or operation.accepts != JSON or operation.method != "GET":
            return None
        members = self.resolved(operation.answers[0]).get("properties", {})
        lists = [(name, one["items"]) for name, one in members.items() if one.get("type") == "array"]
        return lists[0] if "next" in members and len(lists) == 1 else None

    def resolved(self, schema: Schema) -> Schema:
        return self.schemas[named(schema)] if "$ref" in schema else schema


def named(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def described(document: Mapping[str, Any]) -> Described:
    """Raises KeyError, ValueError for what a client cannot be made from."""
    parts = document["components"]
    tokens = {
        flow["tokenUrl"]
        for scheme in parts.get("securitySchemes", {}).values()
        for flow in scheme.get("flows", {}).values()
    }
    operations = tuple(
        way
        for path, methods in document["paths"].items()
        if path not in tokens  # which the client asks by itself
        for method, one in methods.items()
        for way in _ways(path, method.upper(), one)
    )
    names = [one.id for one in operations]
    if len(set(names)) != len(names):
        raise ValueError("two ways to ask have one name")
    return Described(
        version=document["info"]["version"],
        schemas=parts["schemas"],
        operations=operations,
        problems=_problems(parts.get("responses", {})),
        news=tuple(
            post["post"]["requestBody"]["content"][JSON]["schema"]
            for post in document.get("webhooks", {}).values()
        ),
    )


def _ways(path: str, method: str, one: Mapping[str, Any]) -> Iterator[Operation]:
    parameters = tuple(
        Parameter(each["name"], each["in"], bool(each.get("required")), each["schema"])
        for each in one.get("parameters", ())
    )
    sent = [(media, body["schema"]) for media, body in one.get("requestBody", {}).get("content", {}).items()]
    answered: dict[str | None, list[Schema]] = {}
    for status, response in one["responses"].items():
        if status.startswith("2"):
            for media, body in response.get("content", {}).items():
                answered.setdefault(media, []).append(body["schema"])
    nothing: dict[str | None, list[Schema]] = {None: []}
    for sends in sent or (None,):
        for accepts, answers in (answered or nothing).items():
            suffixes = [_suffix(sends[0])] if sends is not None and sends is not sent[0] else []
            if accepts is not None and accepts != next(iter(answered)):
                suffixes.append(_suffix(accepts))
            yield Operation(
                id=one["operationId"] + "".join(word.capitalize() for word in suffixes),
                method=method,
                path=path,
                words="\n\n".join(filter(None, (one["summary"] + ".", one.get("description")))),
                open=one.get("security") == [],
                parameters=parameters,
                sends=sends,
                accepts=accepts,
                answers=tuple(answers),
            )


def _suffix(media: str) -> str:
    return SUFFIXES.get(media, re.sub(r"[^a-z0-9]+", "_", media.partition("/")[2].lower()))


def _problems(responses: Mapping[str, Any]) -> dict[str, str]:
    """A response of several kinds has their meanings one behind the other."""
    found: dict[str, str] = {}
    for response in responses.values():
        slugs = [str(uri).rpartition("/")[2] for uri in response.get("x-problem-types", ())]
        meanings = str(response["description"]).split(" Or: ")
        if len(meanings) == len(slugs):
            found |= dict(zip(slugs, meanings, strict=True))
    return dict(sorted(found.items()))


def camel(slug: str) -> str:
    """As classes are called."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", slug))


def snake(name: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())


def member(name: str) -> str:
    """A parameter's name as JavaScript writes one: `dry_run` is `dryRun`, `If-None-Match` `ifNoneMatch`."""
    first, *rest = re.split(r"[^A-Za-z0-9]+", name)
    return first[:1].lower() + first[1:] + "".join(word.capitalize() for word in rest)


def template(path: str, write: str) -> str:
    """A path, each variable put as `write` says, where `%s` stands for its name."""
    return re.sub(r"{([^{}]+)}", lambda found: write % found[1], path)
