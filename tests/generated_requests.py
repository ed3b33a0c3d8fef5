"""Requests that schemathesis makes from a served description, and how it judges the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.core.result import Ok

from registry.intake.matters import MEDIA

for media in MEDIA:  # a file is sent as the bytes that it is
    schemathesis.serializer.alias(media, "application/octet-stream")

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
FEW, MANY = 2, 60
"""Of each operation and caller, in every run and in a long one: the simplest, and others that no other caller sends."""


def asked_as_described(
    app: Flask,
    document: str,
    callers: Sequence[Mapping[str, str]],
    about: Mapping[str, Mapping[str, Any]],
    examples: int,
) -> int:
    """Ask each operation as each caller (their headers) so often; how many requests that were.

    `about`: path parameters that name something, by operation id; half of the requests have them.
    """
    schema, asked = schemathesis.openapi.from_wsgi(document, app), 0
    generated = settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        known = about.get(operation.definition.raw["operationId"], {})
        for number, headers in enumerate(callers):

            @seed(number)
            @generated
            @given(operation.as_strategy(), st.booleans())
            def ask(case: Any, there: bool) -> None:
                nonlocal asked
                asked += 1
                if there and known:  # noqa: B023  (asked below, before the next one)
                    case.path_parameters.update(known)  # noqa: B023
                case.call_and_validate(headers=dict(headers), checks=CHECKS)  # noqa: B023

            ask()
    return asked
