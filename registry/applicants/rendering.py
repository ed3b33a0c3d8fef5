"""The pages for applicants: their words and templates, beside those of the pages for holders."""

from __future__ import annotations

from pathlib import Path

from registry.holders.rendering import OF_HOLDERS, Pages

PAGES = Pages([OF_HOLDERS, Path(__file__).parent])
