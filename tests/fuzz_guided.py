"""The same targets under atheris, which keeps the inputs that reach code that none reached before.

`python -m tests.fuzz_guided TARGET [libFuzzer's options] [corpus]`, or `make fuzz`. A finding ends it with a
traceback, and leaves its input beside the corpus (`crash-...`), which the same command makes again when it is
named. The process that explains files is not asked: no coverage comes back from it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

Judge = Callable[[bytes], str | None]


class FindingError(Exception):
    """What was found."""


def judges() -> dict[str, tuple[Judge, bytes]]:
    """By name: what judges an input, and a right one. What is judged is imported here, so that it can be watched."""
    from tests.fuzz import Targets, credential

    targets = Targets(None)
    return {
        "text": (targets.judge_text, targets.code),
        "credential": (targets.judge_credential, credential(targets.code)),
        "cms": (targets.judge_cms, targets.cms),
        "signature": (targets.judge_signature, targets.cms),
        "file": (targets.judge_file, targets.file),
    }


def feeding(judge: Judge) -> Callable[[bytes], None]:
    """What a fuzzer calls. Raises FindingError."""

    def one(data: bytes) -> None:
        found = judge(data)
        if found is not None:
            raise FindingError(found)

    return one


def main() -> None:
    import atheris  # only `make fuzz` installs it

    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["keys", "signing"]):
        judge, right = judges()[name]
    folders = [Path(one) for one in options if not one.startswith("-") and Path(one).is_dir()]
    for folder in folders:
        (folder / "right").write_bytes(right)
    warnings.simplefilter("error")  # as in tests.fuzz
    atheris.Setup([sys.argv[0], *options], feeding(judge))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
