"""A site that says what it was told, in place of the public one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from registry.settings import Settings


def application() -> Callable[..., Iterable[bytes]]:
    told = {"environment": dict(os.environ), "public_url": Settings().public_url}

    def answer(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(told).encode()]

    return answer
