"""What Hypothesis sends where JSON is expected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
"""Any JSON and what only looks like it: NaN, infinities, numbers that are no integers."""

near_misses = st.sampled_from(
    ["", "\x00", " ", "a\nb", "𠮷\u200b", "special", "样本", "approve", "0" * 14, "0" * 32, "0" * 64, "A" * 21, 0, 10**16,
     "2026-11-20", "2026-02-30", "0000-01-01", "9999-12-31", "2026-11-20T00:00:00Z", "0001-01-01T00:00:00Z"]
)  # fmt: skip
"""Values that some member of some body takes, and their neighbours."""


@st.composite
def mutated(draw: st.DrawFn, right: Mapping[str, Any]) -> dict[str, Any]:
    """A right object with up to two of its members replaced or dropped, and perhaps one added."""
    body = dict(right)
    for name in draw(st.permutations(sorted(body)))[: draw(st.integers(0, 2))]:
        if draw(st.booleans()):
            body[name] = draw(near_misses | json_values)
        else:
            del body[name]
    return body | draw(st.dictionaries(st.text(max_size=12), json_values, max_size=1))


def json_bodies(right: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """The bytes of a request: most often a right object mutated, else any JSON, else anything."""
    objects = mutated(right)
    return st.one_of(
        *(
            strategy.map(lambda value: json.dumps(value).encode())
            for strategy in (objects, objects, json_values)
        ),
        st.binary(max_size=60),
    )
