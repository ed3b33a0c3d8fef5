"""Debian's tools as independent judges: a test asks for one by name and is skipped by name without it."""

from __future__ import annotations

import shutil

import pytest

# tool -> Debian package; `.ci/run` installs each of these
PACKAGES = {
    "certtool": "gnutls-bin",
    "chromium": "chromium",
    "nginx": "nginx-light",
    "node": "nodejs",
    "ocsptool": "gnutls-bin",
    "openssl": "openssl",
    "pdfimages": "poppler-utils",
    "pdfsig": "poppler-utils",
    "pdftoppm": "poppler-utils",
    "pdftotext": "poppler-utils",
    "pg_dump": "postgresql",
    "pg_restore": "postgresql",
    "psql": "postgresql",
    "qpdf": "qpdf",
    "softhsm2-util": "softhsm2",
}


def need(tool: str) -> str:
    """The path of a tool. Skips the test, naming tool and package, where it is not installed.

    Raises KeyError for a tool that `PACKAGES` does not know: CI would not install it.
    """
    package = PACKAGES[tool]
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed (Debian package {package})")
    return path
