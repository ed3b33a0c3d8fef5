"""Who may read a service's measurements: a collector on the same machine."""

from __future__ import annotations

from flask import Request

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


def is_local(request: Request) -> bool:
    """From a loopback address, and not passed on by a proxy for somebody else."""
    return request.remote_addr in _LOOPBACK and not any(name in request.headers for name in _FORWARDED)
