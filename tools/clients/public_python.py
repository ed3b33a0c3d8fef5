"""The relying parties' client of the public API, in Python: a method for what is sent as JSON or as a token,
one for a file, and each again for the signed answer and for its page; one for each page of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.clients.described import JSON, snake
from tools.clients.python import PARTS, docstring, formatted, schema_lines, type_of
from tools.clients.words import WIDTH

TOKEN, PDF = "application/jwt", "application/pdf"


def public_client(document: Mapping[str, Any]) -> str:
    """Its source."""
    head, transport = (PARTS / "public.py.txt").read_text(encoding="utf-8").split("# --- here\n")
    lines = [head.replace("{version}", document["info"]["version"])]
    for name, schema in document["components"]["schemas"].items():
        lines += ["", *schema_lines(name, schema)]
    lines.append(transport.rstrip("\n"))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += _page(path, operation) if method == "get" else _operation(path, operation)
    return formatted("\n".join(lines) + "\n")


def _page(path: str, operation: dict[str, Any]) -> Iterator[str]:
    """A method for what is read in pages, by anybody."""
    result = type_of(operation["responses"]["200"]["content"][JSON]["schema"])
    places = re.findall(r"\{(\w+)\}", path)
    for place in places:
        path = path.replace(f"{{{place}}}", f"{{urllib.parse.quote({place}, safe='')}}")
    words = f"{operation['summary']}.\n\n{operation['description']}"
    said = "`after`: what the page before ended with.\n\nRaises ApiError; OSError where it is not reached."
    yield ""
    named = "".join(f"{place}: str, " for place in places)
    yield f"    def {snake(operation['operationId'])}("
    yield f"        self, {named}*, after: str | None = None"
    yield f"    ) -> {result}:"
    yield from docstring(f"{words}\n\n{said}", "        ")
    yield f'        data = self._get({"f" if places else ""}"{path}", after)'
    yield f"        return cast({result}, json.loads(data))"


def _operation(path: str, operation: dict[str, Any]) -> Iterator[str]:
    """A method for what is sent as JSON or as a token, one for a file; and each again for the signed answer
    and for its page.
    """
    name = snake(operation["operationId"])
    sent = operation["requestBody"]["content"]
    answered = operation["responses"]["200"]["content"]
    also = tuple(
        int(status)
        for status, response in operation["responses"].items()
        if status != "200" and JSON in response.get("content", {})
    )
    words = operation["summary"] + ".\n\n" + operation["description"]
    for media, schema in sent.items():
        if media == "multipart/form-data":
            continue  # the same as a file by itself
        called = {JSON: name, PDF: f"{name}_file", TOKEN: name}[media]
        argument, taken, body = {
            JSON: ("request", type_of(schema["schema"]), "json.dumps(request).encode()"),
            PDF: ("file", "bytes", "file"),
            TOKEN: ("token", "str", "token.encode()"),
        }[media]
        for accept, answer in answered.items():
            signed = accept != JSON
            result = {TOKEN: "str", PDF: "bytes"}.get(accept) or type_of(answer["schema"])
            more = {TOKEN: "signed: a compact JWS.", PDF: "signed: a page (PDF), to be filed."}
            yield ""
            yield f"    def {called}{ {TOKEN: '_signed', PDF: '_page'}.get(accept, '') }("
            yield from _argument(argument, taken)
            yield f"    ) -> {result}:"
            said = f"As `{called}`, {more[accept]}" if signed else words
            yield from docstring(said + "\n\nRaises ApiError; OSError where it is not reached.", "        ")
            yield f"        {'return' if accept == PDF else 'data ='} self._post("
            yield f'            "{path}",'
            yield f"            {body},"
            yield f'            "{media}",'
            yield f'            "{accept}",'
            yield f"            {() if signed else also!r},"
            yield "        )"
            if accept != PDF:
                read = {TOKEN: 'data.decode("ascii")', JSON: f"cast({result}, json.loads(data))"}
                yield f"        return {read[accept]}"


def _argument(name: str, taken: str) -> Iterator[str]:
    line = f"        self, {name}: {taken}"
    if len(line) <= WIDTH:
        yield line
        return
    yield "        self,"
    first, *rest = taken.split(" | ")
    yield f"        {name}: {first}"
    yield from (f"        | {one}" for one in rest[:-1])
    yield f"        | {rest[-1]},"
