"""The same targets under atheris, which keeps the inputs that reach code that none reached before.

`python -m tests.fuzz_guided TARGET [libFuzzer's options] [corpus]`, or `make fuzz`. A finding ends it with a
traceback, and leaves its input beside the corpus (`crash-...`), which the same command makes again when it is
named. The process that explains files is not asked: no coverage comes back from it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["keys", "signing"]):
    from tests.fuzz import Targets, credential


class FindingError(Exception):
    """What was found."""


def judges(targets: Targets) -> dict[str, tuple[Callable[[bytes], str | None], bytes]]:
    """By name: what judges an input, and a right one."""
    return {
        "text": (targets.judge_text, targets.code),
        "credential": (targets.judge_credential, credential(targets.code)),
        "signature": (targets.judge_signature, targets.cms),
        "file": (targets.judge_file, targets.file),
    }


def main() -> None:
    name, *options = sys.argv[1:]
    judge, right = judges(Targets(None))[name]
    folders = [Path(one) for one in options if not one.startswith("-") and Path(one).is_dir()]
    for folder in folders:
        (folder / "right").write_bytes(right)

    def one(data: bytes) -> None:
        found = judge(data)
        if found is not None:
            raise FindingError(found)

    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
