"""How many scans in a day an issuer is told of: the public site counts, the registry tells."""

from __future__ import annotations

SCANNED_OFTEN = (1_000, 10_000, 100_000)
"""Scans of one licence in a day that its issuer is to be told of: more than any counter sees customers."""
