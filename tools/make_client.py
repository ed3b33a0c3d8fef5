"""Make the Python client of the public API from its description: `python tools/make_client.py`.

Reads `docs/openapi.json`, writes `clients/python/vermilion_client.py`: one file of the standard library,
to be copied into whatever asks. A method an operation, a `TypedDict` a schema.
"""

from __future__ import annotations

import json
import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DESCRIPTION = ROOT / "docs" / "openapi.json"
CLIENT = ROOT / "clients" / "python" / "vermilion_client.py"
WIDTH = 100
JSON, TOKEN, PDF = "application/json", "application/jwt", "application/pdf"

HEAD = '''"""A client of the public API of Vermilion, version {version}: checks of electronic licences.

Made from its OpenAPI description; do not edit. It needs Python 3.11 and nothing else.

    client = Client("https://verify.example", key="vk_...")
    answer = client.verify({{"qr": scanned}})
    if answer["verdict"] == "valid": ...

A licence is good only where the verdict is "valid" and all three checks are "passed".
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Literal, NotRequired, TypedDict, cast

MAX_ANSWER = 32 * 1024 * 1024
'''

TRANSPORT = '''
class ApiError(Exception):
    """The service refused: `status` is HTTP's, `problem` its problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Problem, retry_after: int | None) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'refused'}")
        self.status = status
        self.problem = problem
        self.retry_after = retry_after


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A key is sent to the origin that it is meant for, and nowhere else."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


class Client:
    """`origin`: of the public site, such as "https://verify.example". `key`: a relying party's. `language`:
    of pages, such as "zh", "en" or "es".
    """

    def __init__(
        self, origin: str, key: str | None = None, *, language: str = "zh", timeout: float = 30.0
    ) -> None:
        if not origin.startswith(("https://", "http://")):
            raise ValueError("an origin begins with https:// or http://")
        self._origin = origin.rstrip("/")
        self._key = key
        self._language = language
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_StayHere)

    def _post(
        self, path: str, body: bytes, media_type: str, accept: str, answers: tuple[int, ...]
    ) -> bytes:
        headers = {"Content-Type": media_type, "Accept": accept, "Accept-Language": self._language}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._origin + path, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return cast(bytes, response.read(MAX_ANSWER))
        except urllib.error.HTTPError as error:
            data = error.read(MAX_ANSWER)
            kind = error.headers.get_content_type()
            if error.code in answers and kind == "application/json":
                return data
            raise self._refused(error, data) from None

    @staticmethod
    def _refused(error: urllib.error.HTTPError, data: bytes) -> ApiError:
        try:
            problem = json.loads(data)
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            problem = {"type": "about:blank", "title": str(error.reason), "status": error.code}
        after = error.headers.get("Retry-After", "")
        seconds = int(after) if after.isascii() and after.isdigit() else None
        return ApiError(error.code, cast("Problem", problem), seconds)
'''


def main() -> None:
    text = client(json.loads(DESCRIPTION.read_text(encoding="utf-8")))
    if sys.argv[1:] == ["--print"]:
        print(text, end="")
    else:
        CLIENT.write_text(text, encoding="utf-8")


def client(document: dict[str, Any]) -> str:
    """The client's source."""
    lines = [HEAD.format(version=document["info"]["version"])]
    schemas: dict[str, Any] = document["components"]["schemas"]
    for name, schema in schemas.items():
        lines += ["", *_schema(name, schema)]
    lines.append(TRANSPORT.rstrip("\n"))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            lines += _operation(path, operation)
    return _formatted("\n".join(lines) + "\n")


def _formatted(source: str) -> str:
    """As the rest of the repository is."""
    ruff = Path(sys.executable).with_name("ruff")
    done = subprocess.run(
        [ruff, "format", "--stdin-filename", CLIENT, "-"],
        input=source, check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    return done.stdout


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    if "enum" in schema:
        yield f"{name} = {_type(schema)}"
        return
    yield ""
    yield f"class {name}(TypedDict):"
    yield from _docstring(schema.get("description", "What its members say."), "    ")
    always = set(schema.get("required", ()))
    members = list(schema.get("properties", {}).items())
    if members:
        yield ""
    for member, one in members:
        if keyword.iskeyword(member):
            raise ValueError(f"{name}.{member} cannot be a member of a class")
        kind = _type(one)
        yield f"    {member}: {kind if member in always else f'NotRequired[{kind}]'}"


def _type(schema: dict[str, Any]) -> str:
    """A schema as a type of Python."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(_type(one) for one in schema[several])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(json.dumps(value) for value in values)}]"
    if schema["type"] == "array":
        return f"list[{_type(schema['items'])}]"
    if schema["type"] == "object":
        return f"dict[str, {_type(schema['additionalProperties'])}]"
    return {"string": "str", "integer": "int", "boolean": "bool", "null": "None"}[schema["type"]]


def _operation(path: str, operation: dict[str, Any]) -> Iterator[str]:
    """A method for what is sent as JSON or as a token, one for a file; and each again for the signed answer
    and for its page.
    """
    name = _snake(operation["operationId"])
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
            JSON: ("request", _type(schema["schema"]), "json.dumps(request).encode()"),
            PDF: ("file", "bytes", "file"),
            TOKEN: ("token", "str", "token.encode()"),
        }[media]
        for accept, answer in answered.items():
            signed = accept != JSON
            result = {TOKEN: "str", PDF: "bytes"}.get(accept) or _type(answer["schema"])
            more = {TOKEN: "signed: a compact JWS.", PDF: "signed: a page (PDF), to be filed."}
            yield ""
            yield f"    def {called}{ {TOKEN: '_signed', PDF: '_page'}.get(accept, '') }("
            yield from _argument(argument, taken)
            yield f"    ) -> {result}:"
            said = f"As `{called}`, {more[accept]}" if signed else words
            yield from _docstring(said + "\n\nRaises ApiError; OSError where it is not reached.", "        ")
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


def _docstring(text: str, indent: str) -> Iterator[str]:
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    wrapped = [textwrap.wrap(part, WIDTH - len(indent) - 6, break_on_hyphens=False) for part in paragraphs]
    lines = wrapped[0]
    for more in wrapped[1:]:
        lines += ["", *more]
    if len(lines) == 1:
        yield f'{indent}"""{lines[0]}"""'
        return
    yield f'{indent}"""{lines[0]}'
    yield from (f"{indent}{line}".rstrip() for line in lines[1:])
    yield f'{indent}"""'


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    main()
