"""A client in Python, of the standard library (and `cryptography`, to sign who asks)."""

from __future__ import annotations

import json
import keyword
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.clients.described import (
    JSON,
    Described,
    Operation,
    Parameter,
    Schema,
    camel,
    named,
    snake,
    template,
)
from tools.clients.words import WIDTH, wrapped

PARTS = Path(__file__).parent / "parts"
BINARY = "bytes"


def agency_client(described: Described) -> str:
    """Its source."""
    head, errors, transport = (PARTS / "agency.py.txt").read_text(encoding="utf-8").split("# --- here\n")
    lines = [head.replace("{version}", described.version)]
    for name, schema in described.schemas.items():
        lines += ["", *schema_lines(name, schema)]
    if described.news:
        lines += ["", f"News = {' | '.join(type_of(one) for one in described.news)}"]
    lines.append(errors)
    for slug, meaning in described.problems.items():
        lines += ["", "", f"class {camel(slug)}Error(ApiError):", *docstring(meaning, "    ")]
        lines += ["", f'    kind = "{slug}"']
    lines.append(transport.rstrip("\n"))
    for operation in described.operations:
        lines += _method(operation)
        entries = described.entries(operation)
        if entries is not None:
            lines += _every(operation, *entries)
    return formatted("\n".join(lines) + "\n")


def formatted(source: str) -> str:
    """As the rest of the repository is."""
    ruff = Path(sys.executable).with_name("ruff")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [ruff, "format", "--stdin-filename", root / "clients" / "python" / "client.py", "-"],
        input=source, check=True, capture_output=True, text=True, cwd=root,
    )  # fmt: skip
    return done.stdout


# --- types ---------------------------------------------------------------------------------------------


def schema_lines(name: str, schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield f"{name} = {type_of(schema)}"
        return
    always = set(schema.get("required", ()))
    members = {
        member: kind if member in always else f"NotRequired[{kind}]"
        for member, one in schema.get("properties", {}).items()
        for kind in [type_of(one)]
    }
    words = schema.get("description", "What its members say.")
    if any(keyword.iskeyword(member) for member in members):  # which cannot be a name in a class
        yield f"# {' '.join(words.split())}"
        shown = ", ".join(f"{json.dumps(member)}: {json.dumps(kind)}" for member, kind in members.items())
        yield f"{name} = TypedDict({json.dumps(name)}, {{{shown}}})"
        return
    yield ""
    yield f"class {name}(TypedDict):"
    yield from docstring(words, "    ")
    if members:
        yield ""
    yield from (f"    {member}: {kind}" for member, kind in members.items())


def type_of(schema: Schema) -> str:
    """A schema as a type of Python."""
    if "$ref" in schema:
        return named(schema)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(type_of(one) for one in schema[several]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(_literal(value) for value in values)}]"
    kind = schema.get("type", "string")
    if kind == "array":
        return f"list[{type_of(schema['items'])}]"
    if kind == "object":
        inner = schema.get("additionalProperties", True)
        return f"dict[str, {type_of(inner) if isinstance(inner, dict) and inner else 'Any'}]"
    if schema.get("format") == "binary":
        return BINARY
    return {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}[kind]


def _literal(value: object) -> str:
    return repr(value) if isinstance(value, bool) or value is None else json.dumps(value)


def docstring(text: str, indent: str) -> Iterator[str]:
    lines = list(wrapped(text, WIDTH - len(indent) - 6))
    if len(lines) == 1:
        yield f'{indent}"""{lines[0]}"""'
        return
    yield f'{indent}"""{lines[0]}'
    yield from (f"{indent}{line}".rstrip() for line in lines[1:])
    yield f'{indent}"""'


# --- operations ----------------------------------------------------------------------------------------


def _name(parameter: Parameter) -> str:
    name = snake(parameter.name.lower())
    return f"{name}_" if keyword.iskeyword(name) else name


def _taken(operation: Operation) -> str:
    """What the body is given as."""
    assert operation.sends is not None
    media, schema = operation.sends
    if media == JSON:
        return type_of(schema)
    return "Iterable[Mapping[str, Any]] | bytes" if media == "application/x-ndjson" else "bytes"


def _arguments(operation: Operation, *, every: bool = False) -> Iterator[str]:
    yield "self"
    yield from (f"{_name(one)}: str" for one in operation.of("path"))
    if operation.sends is not None:
        yield f"request: {_taken(operation)}"
    named_only = [one for one in operation.parameters if one.where != "path"]
    if every:
        named_only = [one for one in named_only if one.where == "query"]
    if named_only:
        yield "*"
    for one in sorted(named_only, key=lambda each: not each.required):
        if one.is_switch:
            yield f"{_name(one)}: bool = False"
        elif one.required and one.where == "query":
            yield f"{_name(one)}: {type_of(one.schema)}"
        else:
            yield f"{_name(one)}: {type_of(one.schema)} | None = None"


def _result(operation: Operation) -> str:
    if operation.accepts is None:
        return "None"
    kinds = dict.fromkeys(type_of(one) for one in operation.answers)
    return " | ".join(kinds)


def _method(operation: Operation) -> Iterator[str]:
    yield ""
    arguments, result = ", ".join(_arguments(operation)), _result(operation)
    yield f"    def {snake(operation.id)}({arguments}) -> Answer[{result}]:"
    words = operation.words
    if operation.conditional:
        words += "\n\nRaises NotModified where `if_none_match` is the `etag` that it still has."
    yield from docstring(words, "        ")
    yield f"        return self._ask({', '.join(_asked(operation))})"


def _asked(operation: Operation) -> Iterator[str]:
    yield json.dumps(operation.method)
    path = template(operation.path, "{_part(%s)}")
    yield ("f" if "{" in path else "") + json.dumps(path)
    if operation.queried:
        sent = ", ".join(f"{json.dumps(one.name)}: {_name(one)}" for one in operation.queried)
        yield f"query={{{sent}}}"
    if operation.sends is not None:
        media = operation.sends[0]
        write = {JSON: "_json(request)", "application/x-ndjson": "_lines(request)"}.get(media, "request")
        yield f"body={write}"
        if media != JSON:
            yield f"media={json.dumps(media)}"
    if operation.accepts not in (None, JSON):
        yield f"accept={json.dumps(operation.accepts)}"
    if _result(operation) == BINARY:
        yield "binary=True"
    if operation.keyed:
        yield "key=idempotency_key or new_key()"
    if operation.conditional:
        yield "etag=if_none_match"
    if operation.other_headers:
        sent = ", ".join(f"{json.dumps(one.name)}: {_name(one)}" for one in operation.other_headers)
        yield f"more={{{sent}}}"
    if operation.open:
        yield "open_to_all=True"


def _every(operation: Operation, listed: str, entry: Schema) -> Iterator[str]:
    """Entries of all pages."""
    arguments = [one for one in _arguments(operation, every=True) if not one.startswith("after:")]
    if arguments[-1] == "*":
        arguments.pop()
    given = [f"{_name(one)}" for one in operation.of("path")]
    given += [f"{_name(one)}={_name(one)}" for one in operation.queried if one.name != "after"]
    name = snake(operation.id)
    yield ""
    yield f"    def {name}_all({', '.join(arguments)}) -> Iterator[{type_of(entry)}]:"
    yield from docstring(f"What `{name}` lists, page after page.", "        ")
    yield f"        yield from self._pages(self.{name}({', '.join(given)}), {json.dumps(listed)})"
