"""docs/operate.md walked: its shell blocks run as they stand, on services that are up."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests import warm
from tests.services.running import ROOT, Place, environment

PAGE = ROOT / "docs" / "operate.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def walk(api: Place, site: Place, settings: Mapping[str, Any], folder: Path) -> Path:
    """Run the page's commands in bash; the folder where they left what they made.

    Nothing of the page is changed but the two services' addresses.
    """
    script = "\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    for shown, real in (("http://localhost:8800", api.api), ("http://localhost:8801", site.public)):
        assert shown in script
        script = script.replace(shown, real)
    programs = folder / "bin"
    programs.mkdir()
    warm.program(programs)
    own = environment(**settings, TMPDIR=folder)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{script}\npwd > {folder}/where"],
        env=own | {"PATH": f"{programs}:{own['PATH']}"},
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return Path((folder / "where").read_text().strip())
