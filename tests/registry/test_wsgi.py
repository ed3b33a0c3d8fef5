"""The agency API as its WSGI server starts it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.examining import licensed
from tests.registry.licensed_ca import PEM
from tests.registry.world import World, on_sqlite

ROOT = Path(__file__).parents[2]
PROGRAM = """
import ctypes, os, sys
from keys.errors import VermilionError
from registry.wsgi import application
ports = application().extensions["vermilion"].ports
said = [ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)]  # PR_GET_DUMPABLE
for data in (b"%PDF-1.7 nothing", open(sys.argv[1], "rb").read()):
    try:
        ports.examiner.require_harmless(data, "application/pdf")
        said.append("taken")
    except VermilionError as error:
        said.append(error.reason)
print(*said, len(ports.examiner.validator.licensed), flush=True)
os._exit(0)
"""


@on_sqlite
def test_it_examines_uploads_and_is_read_by_no_other_process(world: World) -> None:
    """Its keys are in its memory, and what examines a stranger's file has the same user."""
    settings = world.ports.settings
    roots = settings.data / "roots.pem"
    roots.write_bytes(licensed().certificate.public_bytes(PEM))
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "registry/samples/food-business-licence/face.pdf")],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "VERMILION_DATA": str(settings.data),
            "VERMILION_DATABASE_URL": settings.database_url,
            "VERMILION_LICENSED_ROOTS": str(roots),
            "VERMILION_CHECK_SITES": "none",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == ["0", "material_format", "taken", "1"]
