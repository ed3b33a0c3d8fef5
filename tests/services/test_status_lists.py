"""A running registry signs its status lists by itself, and its public site gives them to whoever asks."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime

from keys.trust_list import read_trust_list
from signing.status_list import read_status_list, uri_of
from tests.services.places import Running
from tests.services.running import until


def test_lists_are_there_and_a_relying_party_believes_them(again: Running) -> None:
    place = again.place

    def get(path: str, accept: str = "*/*") -> tuple[bytes, str]:
        asked = urllib.request.Request(f"{place.public}{path}", headers={"Accept": accept})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            return answer.read(), answer.headers["Content-Type"]

    until(lambda: place.answers(place.public_port, "/status/0"), "the first list")
    now = datetime.now(UTC)
    trust = read_trust_list(get("/.well-known/elicence/trust-list")[0], at=now)
    read = []
    for kind in ("application/statuslist+jwt", "application/statuslist+cwt"):
        token, content_type = get("/status/0", kind)
        assert content_type == kind
        read.append(read_status_list(token, uri=uri_of(trust.status_lists, 0), trust=trust, at=now))
    assert read[0].values == read[1].values
