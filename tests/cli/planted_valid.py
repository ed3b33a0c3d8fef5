"""A `vermilion verify` that always says `valid`."""

from tests.cli.planted import main

main("valid", 0)
