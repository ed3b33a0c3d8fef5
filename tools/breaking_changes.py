"""What of one API description (OpenAPI 3.1) breaks who relied on another: `python tools/breaking_changes.py
OLD NEW`, a line each, and exit 1 where there is any. `-` is standard input:

    git show v1:docs/agency-openapi.json | python tools/breaking_changes.py - docs/agency-openapi.json

A request that was accepted must go on being accepted; what was always in an answer must go on being there,
of a type that was known. More may be accepted; members, values of enumerations and kinds of problems may be
added to answers, which the description tells its readers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

METHODS = ("get", "put", "post", "delete", "patch")
LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
FIXED = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding", "contentMediaType")

Schema = dict[str, Any]


def main() -> int:
    old, new = (json.loads(_read(name)) for name in sys.argv[1:3])
    found = breaking_changes(old, new)
    print("".join(f"{line}\n" for line in found), end="")
    return 1 if found else 0


def _read(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


def breaking_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """A line for each, in the order of the old document."""
    return list(dict.fromkeys(_Comparison(old, new).paths()))


@dataclass
class _Comparison:
    old: dict[str, Any]
    new: dict[str, Any]
    within: set[tuple[str, str, bool]] = field(default_factory=set)  # references that are being compared

    def paths(self) -> Iterator[str]:
        for path, methods in self.old["paths"].items():
            if path not in self.new["paths"]:
                yield f"{path}: removed"
                continue
            for method in METHODS:
                if method not in methods:
                    continue
                where, after = f"{method.upper()} {path}", self.new["paths"][path].get(method)
                if after is None:
                    yield f"{where}: removed"
                else:
                    yield from self.operation(where, methods[method], after)

    def operation(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{where}: is called {new['operationId']} now, and was {old['operationId']}"
        yield from _security(where, old.get("security", []), new.get("security", []))
        yield from self.parameters(where, old.get("parameters", []), new.get("parameters", []))
        yield from self.request(where, old.get("requestBody"), new.get("requestBody"))
        yield from self.answers(where, old["responses"], new["responses"])

    def parameters(self, where: str, old: list[Schema], new: list[Schema]) -> Iterator[str]:
        before = {(one["in"], one["name"].lower()): one for one in old}
        after = {(one["in"], one["name"].lower()): one for one in new}
        for key, one in before.items():
            named = f"{where}: {one['in']} parameter {one['name']}"
            if key not in after:
                yield f"{named}: no longer taken"
                continue
            if after[key].get("required") and not one.get("required"):
                yield f"{named}: needed now"
            yield from self.taken(named, one["schema"], after[key]["schema"])
        for key, one in after.items():
            if key not in before and one.get("required"):
                yield f"{where}: {one['in']} parameter {one['name']}: new, and needed"

    def request(self, where: str, old: Schema | None, new: Schema | None) -> Iterator[str]:
        if old is None:
            if new is not None and new.get("required"):
                yield f"{where}: a body is needed now"
            return
        if new is None:
            yield f"{where}: no body is taken any more"
            return
        if new.get("required") and not old.get("required"):
            yield f"{where}: a body is needed now"
        for media, body in old["content"].items():
            if media not in new["content"]:
                yield f"{where}: {media} is no longer taken"
            else:
                yield from self.taken(f"{where}: body", body["schema"], new["content"][media]["schema"])

    def answers(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        for status, before in old.items():
            if not status.startswith(("2", "3")):
                continue
            named = f"{where}: answer {status}"
            if status not in new:
                yield f"{named}: removed"
                continue
            one, other = self.resolve(self.old, before), self.resolve(self.new, new[status])
            for header in one.get("headers", {}):
                if header not in other.get("headers", {}):
                    yield f"{named}: header {header} removed"
            for media, body in one.get("content", {}).items():
                if media not in other.get("content", {}):
                    yield f"{named}: {media} removed"
                else:
                    yield from self.said(named, body["schema"], other["content"][media]["schema"])

    # --- schemas: what a request may be ----------------------------------------------------------------

    def taken(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """What was accepted and is no more."""
        yield from self.each(where, old, new, request=True)

    def said(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """What a reader relied on and does not find."""
        yield from self.each(where, old, new, request=False)

    def each(self, where: str, old: Schema, new: Schema, *, request: bool) -> Iterator[str]:
        """Of several forms: in a request each old one fits a new one; in an answer each new one an old."""
        pair = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True), request)
        if pair in self.within:
            return
        self.within.add(pair)
        try:
            before, after = self.forms(self.old, old), self.forms(self.new, new)
            for one in before if request else after:
                tried = [
                    list(self.form(where, *((one, other) if request else (other, one)), request=request))
                    for other in (after if request else before)
                ]
                if tried and all(tried):
                    yield from min(tried, key=len)
        finally:
            self.within.discard(pair)

    def forms(self, document: dict[str, Any], schema: Schema) -> list[Schema]:
        """The single forms of which a value has one."""
        schema = self.resolve(document, schema)
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return [form for one in schema[several] for form in self.forms(document, one)]
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return [{**schema, "type": kind} for kind in kinds]
        return [schema]

    def form(self, where: str, old: Schema, new: Schema, *, request: bool) -> Iterator[str]:
        before, after = _type(old), _type(new)
        wider = before == "integer" and after == "number" if request else (
            before == "number" and after == "integer"
        )  # fmt: skip
        anything = (after if request else before) is None
        if before != after and not wider and not anything:
            yield f"{where}: {before or 'anything'} became {after or 'anything'}"
            return
        yield from _limits(where, old, new) if request else _values(where, old, new)
        yield from self.members(where, old, new, request=request)
        if "items" in old and "items" in new:
            yield from self.each(f"{where}[]", old["items"], new["items"], request=request)
        one, other = old.get("additionalProperties"), new.get("additionalProperties")
        if isinstance(one, dict) and isinstance(other, dict):
            yield from self.each(f"{where}/*", one, other, request=request)

    def members(self, where: str, old: Schema, new: Schema, *, request: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, promised = set(new.get("required", ())), set(old.get("required", ()))
        closed = new.get("additionalProperties") is False
        if request:
            if closed and old.get("additionalProperties", True) is not False and "properties" in old:
                yield f"{where}: members that are not named are refused now"
            yield from (f"{where}/{name}: needed now" for name in sorted(needed - promised))
        else:
            yield from (
                f"{where}/{name}: may be missing now" for name in sorted(promised - needed) if name in after
            )
        for name, schema in before.items():
            if name in after:
                yield from self.each(f"{where}/{name}", schema, after[name], request=request)
            elif not request or closed:
                yield f"{where}/{name}: removed"

    def resolve(self, document: dict[str, Any], schema: Schema) -> Schema:
        while "$ref" in schema:
            target: Any = document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema


def _type(schema: Schema) -> str | None:
    """JSON's type; of an enumeration that names none, its values'."""
    if "type" in schema:
        return str(schema["type"])
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    kinds = {_KINDS.get(type(value), "object") for value in values}
    return kinds.pop() if len(kinds) == 1 else None


_KINDS: dict[type, str] = {
    str: "string", bool: "boolean", int: "integer", float: "number", list: "array", type(None): "null",
}  # fmt: skip


def _enum(schema: Schema) -> list[Any] | None:
    found: list[Any] | None = [schema["const"]] if "const" in schema else schema.get("enum")
    return found


def _limits(where: str, old: Schema, new: Schema) -> Iterator[str]:
    before, after = _enum(old), _enum(new)
    if after is not None and before is None:
        yield f"{where}: only {', '.join(map(str, after))} now"
    elif after is not None and before is not None:
        yield from (f"{where}: {value} is no longer taken" for value in before if value not in after)
    for name, sign in (*((one, 1) for one in LOWER), *((one, -1) for one in UPPER)):
        if name in new and (name not in old or sign * new[name] > sign * old[name]):
            yield f"{where}: {name} is {new[name]} now" + (f", and was {old[name]}" if name in old else "")
    for name in FIXED:
        if name in new and old.get(name) != new[name]:
            yield f"{where}: {name} is {new[name]} now"


def _values(where: str, old: Schema, new: Schema) -> Iterator[str]:
    for name in ("format", "contentEncoding", "contentMediaType"):
        if name in old and new.get(name) != old[name]:
            yield f"{where}: {name} is {new.get(name, 'none')} now, and was {old[name]}"


def _security(where: str, old: list[Schema], new: list[Schema]) -> Iterator[str]:
    """Each way in must go on leading in; none at all is a way in for everybody."""
    for way in old or [{}]:
        if not any(_covers(way, other) for other in new or [{}]):
            said = " and ".join(" ".join((name, *scopes)) for name, scopes in way.items())
            yield f"{where}: {said or 'no credential'} no longer suffices"


def _covers(way: Schema, wanted: Schema) -> bool:
    return all(name in way and set(scopes) <= set(way[name]) for name, scopes in wanted.items())


if __name__ == "__main__":
    sys.exit(main())
