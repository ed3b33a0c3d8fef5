"""Show documents to veraPDF and EU DSS.

`python -m interop --files a.pdf … --root root.der [--crl FILE]… [--ocsp FILE]… [--at INSTANT]` prints what
the two say of these files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from interop import java


def told(answer: dict[str, Any]) -> str:
    """What the two said of one file, for a person to read."""
    pdfa, dss = answer["verapdf"], answer["dss"]
    lines = [answer["file"]]
    if "error" in pdfa:
        lines.append(f"  veraPDF {pdfa['profile']}: {pdfa['error']}")
    else:
        verdict = "compliant" if pdfa["compliant"] else "not compliant"
        lines.append(f"  veraPDF {pdfa['profile']}: {verdict}")
        for rule in pdfa["failed"]:
            lines.append(f"    {rule['rule']} ({rule['times']} times) {rule.get('message', '')}")
            lines += [f"      {place}" for place in rule["where"]]
    if "error" in dss:
        lines.append(f"  DSS: {dss['error']}")
    elif not dss["signatures"]:
        lines.append("  DSS: no signature")
    for signature in dss.get("signatures", ()):
        lines.append(f"  DSS: {verdict_of(signature)} {signature['level']} by {signature['by']}")
        lines += [f"    {kind[:-1]}: {text}" for kind in ("errors", "warnings") for text in signature[kind]]
        for stamp in signature["time_stamps"]:
            lines.append(f"    time-stamp: {verdict_of(stamp)}")
            lines += [f"      {kind[:-1]}: {text}" for kind in ("errors", "warnings") for text in stamp[kind]]
    return "\n".join(lines)


def verdict_of(judged: dict[str, Any]) -> str:
    sub = judged["sub_indication"]
    return f"{judged['indication']}/{sub}" if sub else str(judged["indication"])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m interop")
    parser.add_argument("--files", nargs="+", type=Path, required=True, help="PDF files")
    parser.add_argument("--root", nargs="+", type=Path, default=[], help="the trust anchors, DER or PEM")
    parser.add_argument("--crl", nargs="+", type=Path, default=[], help="CRLs beside those in the file")
    parser.add_argument("--ocsp", nargs="+", type=Path, default=[], help="OCSP answers beside those in it")
    parser.add_argument("--at", help="validate at this instant, such as 2026-11-20T02:40:00Z")
    chosen = parser.parse_args(arguments)
    try:
        answers = java.check(
            java.prepare(), chosen.files, roots=chosen.root, crls=chosen.crl, ocsps=chosen.ocsp, at=chosen.at
        )
    except java.SkippedError as reason:
        print(f"SKIPPED: {reason}")
        return 0
    except java.JavaError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(map(told, answers)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
