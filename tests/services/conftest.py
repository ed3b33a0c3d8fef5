"""The places of `tests.services.places`, for the tests of the services alone."""

from __future__ import annotations

from tests.services.places import again, empty_place, first_start, place, sample

__all__ = ["again", "empty_place", "first_start", "place", "sample"]
