"""Fetch each vendored package anew by npm, and compare: `python -m tools.vendor`.

With `--take VERSION` the files of another version are put in their place, and their digests are said.
Nothing that runs, tests or serves needs npm: this command alone does.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parents[1] / "verify_web" / "vendor"


def lists() -> list[tuple[Path, dict[str, Any]]]:
    """The folder and the list of each package."""
    return [
        (path.parent, tomllib.loads(path.read_text("utf-8"))) for path in sorted(VENDOR.glob("*/vendor.toml"))
    ]


def differences(folder: Path, listed: dict[str, Any]) -> list[str]:
    """What lies in the folder and is not what its list says."""
    named = {file["name"]: file["sha256"] for file in listed["file"]}
    found = {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "vendor.toml"
    }
    return sorted(name for name in named.keys() | found.keys() if named.get(name) != found.get(name))


def fetch(package: str, version: str, wanted: list[str]) -> dict[str, bytes]:
    """Files of a package by their paths in it, from what npm packs."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["npm", "pack", "--silent", "--pack-destination", scratch, f"{package}@{version}"]
        subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(scratch).glob("*.tgz")
        data = archive.read_bytes()
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as packed:
        for path in wanted:
            member = packed.extractfile(f"package/{path}")
            if member is None:
                raise SystemExit(f"{package} {version} has no {path}")
            found[path] = member.read()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--take", metavar="VERSION", help="put this version's files in place")
    take = parser.parse_args().take
    wrong = 0
    for folder, listed in lists():
        files = [file for file in listed["file"] if "from" in file]
        found = fetch(listed["package"], take or listed["version"], [file["from"] for file in files])
        for file in files:
            digest = sha256(found[file["from"]]).hexdigest()
            if take:
                (folder / file["name"]).write_bytes(found[file["from"]])
                print(f"{file['name']} sha256 = {digest!r}")
            elif digest != file["sha256"]:
                wrong += 1
                print(f"{folder.name}/{file['name']}: the package has {digest}")
        if not take:
            for name in differences(folder, listed):
                wrong += 1
                print(f"{folder.name}/{name}: lies here otherwise than vendor.toml says")
            print(f"{listed['package']} {listed['version']}: {'differs' if wrong else 'the same'}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
