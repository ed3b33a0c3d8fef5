"""Every expected failure has one HTTP status, and its document says nothing it should not; each kind is
explained at the address that is its type.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.errors import Fault, Kind, VermilionError
from registry.problems import ADDRESS, LANGUAGES, TABLE, defect, problem
from tests.registry.world import World, on_sqlite

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_mapped(kind: Kind) -> None:
    fault = Fault("/name", "too_long", "at most 30 characters")
    error = VermilionError(kind, "what is wrong", reason="slug", faults=(fault,), retry_after=5)
    body, status, headers = problem(error, "0" * 32)
    assert body["status"] == status
    assert 400 <= status < 600
    assert status != 500
    assert body["type"] == f"/problems/{kind.value}"
    assert body["request_id"] == "0" * 32
    assert body["errors"] == [{"pointer": "/name", "reason": "too_long", "detail": "at most 30 characters"}]
    assert headers == {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        "Retry-After": "5",
    }


def test_a_defect_says_nothing() -> None:
    assert defect()[0] == {"type": "/problems/internal-error", "title": "Internal error", "status": 500}


def test_the_table_has_every_kind_and_words_for_each_in_each_language() -> None:
    assert set(TABLE) == {kind.value for kind in Kind} | {"internal-error", "method-not-allowed"}
    for kind in TABLE.values():
        for words in (kind.title, kind.meaning, kind.advice, *kind.reasons.values()):
            assert set(words) == set(LANGUAGES)
            assert re.search("[\u4e00-\u9fff]", words["zh"])
            assert all(text == text.strip() != "" for text in words.values())
        assert kind.slug not in kind.reasons


@on_sqlite
@pytest.mark.parametrize("slug", TABLE)
def test_the_address_of_each_kind_explains_it(world: World, slug: str) -> None:
    path, kind = ADDRESS + slug, TABLE[slug]
    told = world.http.get(path)
    assert (told.status_code, told.mimetype) == (200, "application/json")
    assert told.get_json()["type"] == path
    assert told.get_json()["status"] == kind.status
    assert told.get_json()["reasons"] == kind.reasons
    for language, lang in (("zh-CN,zh;q=0.9", "zh"), ("en", "en"), ("fr", "zh")):
        page = world.http.get(path, headers={"Accept": "text/html,*/*;q=0.8", "Accept-Language": language})
        assert (page.status_code, page.mimetype) == (200, "text/html")
        for words in (kind.title[lang], kind.advice[lang], f"<code>{path}</code>"):
            assert words.replace("&", "&amp;") in page.text
        assert all(f"<code>{reason}</code>" in page.text for reason in kind.reasons)
        assert "default-src 'none'; style-src 'sha256-" in page.headers["Content-Security-Policy"]
    assert world.http.get(path, headers={"If-None-Match": told.headers["ETag"]}).status_code == 304


@on_sqlite
def test_all_kinds_are_listed_and_there_are_no_others(world: World) -> None:
    listed = world.http.get(ADDRESS)
    assert {one["type"] for one in listed.get_json()["problems"]} == {ADDRESS + slug for slug in TABLE}
    page = world.http.get(f"{ADDRESS}?lang=en", headers={"Accept": "text/html"}).text
    assert all(f'href="{ADDRESS}{slug}"' in page for slug in TABLE)
    assert world.http.get(f"{ADDRESS}none").status_code == 404


REACHED = (
    "registry/*.py", "registry/agencies/parties.py", "registry/batches/*.py", "registry/delivery/*.py",
    "registry/holders/proof.py", "registry/intake/*.py", "registry/licences/*.py", "registry/log/*.py", "registry/notices/*.py", "registry/seals/*.py",
    "registry/uses/*.py", "registry/webhooks/*.py", "verify_web/*.py",
)  # fmt: skip
"""What answers requests, and what that calls."""

ELSEWHERE = frozenset(
    {
        # what commands, services and first starts do, and no request
        *(f"registry/{name}.py" for name in (
            "backup", "ceremony", "client", "custodians", "first_start", "processes", "publication",
            "sample_registry", "schema", "signer", "outside_http", "outside_addresses", "receipt_socket",
            "secret_files",
        )),
        "registry/notices/administration.py",
        # what connectors say is put down, and told by its reason
        *(f"registry/intake/{name}.py" for name in (
            "connector_register", "exchanged", "folder_connector", "http_connector", "retrieving",
            "signed_messages",
        )),
        *(f"registry/licences/{name}.py" for name in (
            "archive", "document_stamps", "previews", "publish", "recovery", "status_lists", "types",
        )),
        "registry/log/views.py",  # the console's
        *(f"registry/seals/{name}.py" for name in (
            "anchor", "answer_pages", "answer_policy", "authority", "drawn_pages", "keys", "maker", "outside_ca", "outside_fetch", "outside_record",
            "outside_request", "outside_status", "outside_tsa", "renewal", "retirement", "revocation",
            "revocation_list", "status_policy", "succession", "time_stamp_policy", "trust", "validation",
        )),
    }
)  # fmt: skip
WITHIN = frozenset(
    {
        "ca_unknown",
        "data_key_changed",
        "document_damaged",
        "document_exists",
        "document_key",
        "group",
        "no_answer",
        "no_pick_up",
        "seal_use",
        "too_long",
    }
)
"""Reasons of failures that end within the registry, or are a defect where they do not."""


def reasons_in_code() -> Iterator[tuple[str, str, str]]:
    """(file, kind, reason) of each expected failure whose kind and reason are written out."""
    for pattern in REACHED:
        for path in ROOT.glob(pattern):
            name = path.relative_to(ROOT).as_posix()
            if name in ELSEWHERE:
                continue
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                    yield from ((name, *found) for found in _raised(call.func.id, call))


def _raised(function: str, call: ast.Call) -> Iterator[tuple[str, str]]:
    kinds = [
        Kind[one.attr].value
        for one in (*call.args, *(keyword.value for keyword in call.keywords))
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "Kind"
    ]
    reasons = [one.value for one in call.keywords if one.arg == "reason"] if function == "VermilionError" else (
        call.args[1:2] if function == "field_fault" else []
    )  # fmt: skip
    for reason in reasons:
        if isinstance(reason, ast.Constant):
            yield (kinds or [Kind.INVALID.value])[0], str(reason.value)


def test_every_reason_that_the_code_gives_is_explained() -> None:
    """Of those written out. What the tests of both APIs meet is held by `tests.describing`."""
    found = set(reasons_in_code())
    assert len(found) > 60
    missing = {
        (name, kind, reason)
        for name, kind, reason in found
        if reason not in TABLE[kind].reasons and reason not in WITHIN
    }
    assert missing == set()
    assert {name for name in ELSEWHERE if not (ROOT / name).is_file()} == set()
