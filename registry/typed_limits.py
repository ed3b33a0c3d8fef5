"""How often a printed look-up code may be tried, wherever it is typed."""

from __future__ import annotations

from registry.buckets import Rate

NETWORK = Rate(burst=10, seconds_each=6.0)  # ten a minute from one network
PAIR = Rate(burst=5, seconds_each=720.0)  # five failures an hour from one network for one licence
IDENTIFIER = Rate(burst=100, seconds_each=36.0)  # a hundred an hour for one licence: 8e-7 hits a year
