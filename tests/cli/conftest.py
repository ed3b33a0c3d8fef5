"""The commands are tried on the data directory of one first start."""

from tests.services.conftest import again, empty_place, first_start, place, sample

__all__ = ["again", "empty_place", "first_start", "place", "sample"]
