"""A `vermilion verify` that never says `valid`."""

from tests.cli.planted import main

main("cannot_check", 2)
