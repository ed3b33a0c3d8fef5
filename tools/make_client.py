"""Make the clients of both APIs from their descriptions: `python tools/make_client.py`.

From `docs/openapi.json`, the public API's, a client in Python; from `docs/agency-openapi.json` one in Python
and one in JavaScript. Each is one file, to be copied into whatever asks: a method an operation, a type a
schema. What is the same whatever a description says stands in `tools/clients/parts`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # called by its path, too

from tools.clients.described import described  # noqa: E402
from tools.clients.javascript import agency_module  # noqa: E402
from tools.clients.public_python import public_client  # noqa: E402
from tools.clients.python import agency_client  # noqa: E402

PUBLIC = ROOT / "clients" / "python" / "vermilion_client.py"
AGENCY = ROOT / "clients" / "python" / "vermilion_agency_client.py"
MODULE = ROOT / "clients" / "javascript" / "vermilion_agency_client.mjs"


def clients() -> dict[Path, str]:
    """The source of each client, by its file."""
    public, agency = (_read(name) for name in ("openapi.json", "agency-openapi.json"))
    found = described(agency)
    return {
        PUBLIC: public_client(public),
        AGENCY: agency_client(found),
        MODULE: agency_module(found),
    }


def _read(name: str) -> Any:
    return json.loads((ROOT / "docs" / name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    for path, text in clients().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
