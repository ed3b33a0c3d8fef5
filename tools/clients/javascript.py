"""A client in JavaScript: an ES module of `fetch` and WebCrypto alone, its types in JSDoc."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tools.clients.described import (
    JSON,
    Described,
    Operation,
    Parameter,
    Schema,
    camel,
    member,
    named,
    template,
)
from tools.clients.python import PARTS
from tools.clients.words import WIDTH, wrapped

BINARY = "Uint8Array"
READ = """
/** @param {Uint8Array} data @param {string} accept @param {boolean} binary */
function read(data, accept, binary) {
  if (binary) return data;
  const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
  if (accept !== JSON_TYPE) return text;
  return text === "" ? null : JSON.parse(text);
}
"""


def agency_module(described: Described) -> str:
    """Its source."""
    head, errors, transport = (PARTS / "agency.mjs.txt").read_text(encoding="utf-8").split("# --- here\n")
    lines = [head.replace("{version}", described.version).rstrip("\n")]
    for name, schema in described.schemas.items():
        lines += ["", *_typedef(name, schema)]
    if described.news:
        lines += ["", f"/** @typedef {{{' | '.join(type_of(one) for one in described.news)}}} News */"]
    lines.append(errors.rstrip("\n"))
    for slug, meaning in described.problems.items():
        lines += ["", *_comment(meaning, ""), f"export class {camel(slug)}Error extends ApiError {{}}"]
    lines += ["", "/** @type {Map<string | undefined, typeof ApiError>} */", "const KINDS = new Map(["]
    lines += [f'  ["{slug}", {camel(slug)}Error],' for slug in described.problems]
    lines += ["]);", READ.rstrip("\n"), transport.rstrip("\n")]
    for operation in described.operations:
        lines += ["", *_method(operation)]
        entries = described.entries(operation)
        if entries is not None:
            lines += ["", *_every(operation, *entries)]
    return "\n".join([*lines, "}", ""])


# --- types ---------------------------------------------------------------------------------------------


def _typedef(name: str, schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield f"/** @typedef {{{type_of(schema)}}} {name} */"
        return
    always = set(schema.get("required", ()))
    yield "/**"
    yield from (f" * {line}".rstrip() for line in wrapped(schema.get("description", ""), WIDTH) if line)
    yield f" * @typedef {{object}} {name}"
    for one, kind in schema.get("properties", {}).items():
        yield f" * @property {{{type_of(kind)}}} {one if one in always else f'[{one}]'}"
    yield " */"


def type_of(schema: Schema) -> str:
    """A schema as a type of JSDoc."""
    if "$ref" in schema:
        return named(schema)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(type_of(one) for one in schema[several]))
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "string")
    if kind == "array":
        return f"Array<{type_of(schema['items'])}>"
    if kind == "object":
        inner = schema.get("additionalProperties", True)
        return f"Record<string, {type_of(inner) if isinstance(inner, dict) and inner else 'any'}>"
    if schema.get("format") == "binary":
        return BINARY
    return "number" if kind == "integer" else str(kind)


def _comment(text: str, indent: str) -> Iterator[str]:
    lines = list(wrapped(text, WIDTH - len(indent) - 6))
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
        return
    yield f"{indent}/**"
    yield from (f"{indent} * {line}".rstrip() for line in lines)
    yield f"{indent} */"


# --- operations ----------------------------------------------------------------------------------------


def _taken(operation: Operation) -> str:
    assert operation.sends is not None
    media, schema = operation.sends
    if media == JSON:
        return type_of(schema)
    return f"Iterable<object> | {BINARY}" if media == "application/x-ndjson" else BINARY


def _options(operation: Operation, *, every: bool = False) -> list[Parameter]:
    chosen = [one for one in operation.parameters if one.where != "path"]
    if every:
        chosen = [one for one in chosen if one.where == "query" and one.name != "after"]
    return chosen


def _result(operation: Operation) -> str:
    return " | ".join(dict.fromkeys(type_of(one) for one in operation.answers)) or "null"


def _described(operation: Operation, words: str, result: str, *, every: bool = False) -> Iterator[str]:
    yield "  /**"
    yield from (f"   * {line}".rstrip() for line in wrapped(words, WIDTH - 8))
    yield "   *"
    for one in operation.of("path"):
        yield f"   * @param {{string}} {member(one.name)}"
    if operation.sends is not None:
        yield f"   * @param {{{_taken(operation)}}} request"
    options = _options(operation, every=every)
    if options:
        must = any(one.required and one.where == "query" for one in options)
        members = ", ".join(
            f"{member(one.name)}{'' if one.required and one.where == 'query' else '?'}: "
            f"{'boolean' if one.is_switch else type_of(one.schema)}"
            for one in options
        )
        yield f"   * @param {{{{{members}}}}} {'options' if must else '[options]'}"
    yield f"   * @returns {{{result}}}"
    yield "   */"


def _arguments(operation: Operation, *, every: bool = False) -> str:
    given = [member(one.name) for one in operation.of("path")]
    if operation.sends is not None:
        given.append("request")
    if _options(operation, every=every):
        given.append("options = {}")
    return ", ".join(given)


def _method(operation: Operation) -> Iterator[str]:
    words = operation.words
    if operation.conditional:
        words += "\n\nThrows NotModified where `ifNoneMatch` is the `etag` that it still has."
    yield from _described(operation, words, f"Promise<Answer<{_result(operation)}>>")
    yield f"  {operation.id}({_arguments(operation)}) {{"
    path = template(operation.path, "${part(%s)}")
    for one in operation.of("path"):
        path = path.replace(f"part({one.name})", f"part({member(one.name)})")
    quote = "`" if "${" in path else '"'
    wanted = list(_asked(operation))
    more = f", {{ {', '.join(wanted)} }}" if wanted else ""
    line = f"    return this.#ask({json.dumps(operation.method)}, {quote}{path}{quote}{more});"
    if len(line) <= WIDTH + 10:
        yield line
    else:
        yield f"    return this.#ask({json.dumps(operation.method)}, {quote}{path}{quote}, {{"
        yield from (f"      {one}," for one in wanted)
        yield "    });"
    yield "  }"


def _asked(operation: Operation) -> Iterator[str]:
    if operation.queried:
        sent = ", ".join(f"{one.name}: options.{member(one.name)}" for one in operation.queried)
        yield f"query: {{ {sent} }}"
    if operation.sends is not None:
        media = operation.sends[0]
        write = {JSON: "JSON.stringify(request)", "application/x-ndjson": "lines(request)"}
        yield f"body: {write.get(media, 'request')}"
        if media != JSON:
            yield f"media: {json.dumps(media)}"
    if operation.accepts not in (None, JSON):
        yield f"accept: {json.dumps(operation.accepts)}"
    if _result(operation) == BINARY:
        yield "binary: true"
    if operation.keyed:
        yield "key: options.idempotencyKey ?? newKey()"
    if operation.conditional:
        yield "etag: options.ifNoneMatch"
    if operation.other_headers:
        others = operation.other_headers
        sent = ", ".join(f"{json.dumps(one.name)}: options.{member(one.name)}" for one in others)
        yield f"more: {{ {sent} }}"
    if operation.open:
        yield "openToAll: true"


def _every(operation: Operation, listed: str, entry: Schema) -> Iterator[str]:
    words = f"What `{operation.id}` lists, page after page."
    yield from _described(operation, words, f"AsyncGenerator<{type_of(entry)}>", every=True)
    yield f"  async *{operation.id}All({_arguments(operation, every=True)}) {{"
    given = [member(one.name) for one in operation.of("path")]
    if _options(operation, every=True):
        given.append("options")
    yield f"    yield* this.#pages(await this.{operation.id}({', '.join(given)}), {json.dumps(listed)});"
    yield "  }"
