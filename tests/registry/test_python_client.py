"""The Python client, made from the description, against a real site on loopback: every operation, and each
answer as the description says.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from werkzeug.serving import make_server

from keys.base64url import unb64url
from keys.errors import Kind, VermilionError
from registry.seals.trust import publish_trust_list
from signing.answer_page import read_page
from signing.credential import normal_origin
from tests.registry.issuing import issue_one
from tests.registry.relying import Front, front, moment
from tests.registry.test_status import change
from tests.registry.world import START, Ticker, World
from tests.verify_web.test_openapi import ROOT, load
from verify_web import openapi

pytestmark = pytest.mark.parametrize("database_backend", ["sqlite"])
VermilionClient = load(ROOT / "clients" / "python" / "vermilion_client.py")


@pytest.fixture
def site(world: World) -> Iterator[Front]:
    with front(world, per_minute=30, per_day=300) as made:
        yield made


@pytest.fixture
def origin(site: Front) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, site.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def as_described(value: Any, schema: str) -> Any:
    document = json.loads(openapi.text())
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)
    return value


def test_every_operation(site: Front, origin: str, clock: Ticker) -> None:
    world = site.world
    issued = issue_one(world)
    printout, record = issued.printout, issued.printout.record
    client = VermilionClient.Client(origin, site.key)
    requests = [
        {"link": printout.link},
        {"qr": issued.link},
        {"id": printout.link.rpartition("/")[2]},
        {"identifier": record.identifier, "lookup_code": printout.lookup_code},
        {"sha256": issued.sha256.hex()},
    ]
    for request in requests:
        assert as_described(client.verify(request), "Answer")["verdict"] == "valid"
    answers = as_described(client.verify_many({"items": [*requests, {"sha256": "0" * 64}]}), "BulkAnswer")
    assert [one["verdict"] for one in answers["answers"]] == ["valid"] * 5 + ["unknown"]
    assert as_described(client.verify_file(b"%PDF-1.7 of somebody"), "Answer")["verdict"] != "valid"

    token = client.verify_signed({"qr": issued.link, "reference": "file 12"})
    claims = as_described(json.loads(unb64url(token.split(".")[1].encode())), "SignedAnswer")
    assert claims["ref"] == "file 12"
    signed = site.read(token.encode())
    assert signed.content.answers[0]["verdict"] == "valid"
    assert normal_origin(signed.content.issuer) == signed.content.issuer
    many = site.read(client.verify_many_signed({"items": requests}).encode())
    assert [one["verdict"] for one in many.content.answers] == ["valid"] * 5
    assert site.read(client.verify_file_signed(b"%PDF-1.7 of somebody").encode()).content.answers

    page = client.verify_page({"qr": issued.link})
    assert read_page(page, trust=site.trust, at=clock.now).content.answers[0]["verdict"] == "valid"
    assert client.verify_receipt_file(page)["genuine"] is True
    clock.advance(timedelta(minutes=1))  # a page counts as ten checks
    (of_file,) = read_page(
        client.verify_file_page(b"%PDF-1.7 of somebody"), trust=site.trust, at=clock.now
    ).content.answers
    assert of_file["verdict"] != "valid"

    clock.advance(timedelta(days=1))
    publish_trust_list(world.ports)
    change(world, "suspend", record.identifier, suspension="other")
    now = as_described(client.verify_receipt(token), "ReceiptAnswer")
    assert (now["genuine"], now["answers"][0]["now"]["verdict"]) == (True, "suspended")
    then = client.verify(
        {"qr": issued.link, "as_of": moment(START + timedelta(seconds=1)), "clock": "recorded"}
    )
    assert as_described(then, "Answer")["verdict"] == "valid"
    assert as_described(client.verify_receipt("x.y.z"), "ReceiptAnswer")["genuine"] is False


def test_what_is_refused_is_an_error_with_its_problem(site: Front, origin: str) -> None:
    for key, status, reason in ((None, 401, "no_key"), ("vk_wrong", 401, "key")):
        client = VermilionClient.Client(origin, key)
        with pytest.raises(VermilionClient.ApiError) as refused:
            client.verify_many({"items": [{"link": "x"}]})
        assert (refused.value.status, refused.value.problem["reason"]) == (status, reason)
        as_described(refused.value.problem, "Problem")
    client = VermilionClient.Client(origin, site.key)
    with pytest.raises(VermilionClient.ApiError) as refused:
        client.verify({"sha256": "x"})
    assert refused.value.problem["errors"][0]["pointer"] == "/sha256"
    as_described(refused.value.problem, "Problem")
    client.verify_many({"items": [{"link": "x"}] * 29})
    with pytest.raises(VermilionClient.ApiError) as refused:
        client.verify_many({"items": [{"link": "x"}] * 30})
    assert (refused.value.status, refused.value.retry_after) == (429, 58)


def test_a_check_that_cannot_be_made_is_an_answer(
    site: Front, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with a verdict: `cannot_check` is no error of the client's."""

    def out(_key: bytes) -> None:
        raise VermilionError(Kind.UNAVAILABLE, "it is out")

    monkeypatch.setattr(site.app.extensions["site"].live, "by_link_id", out)
    answer = VermilionClient.Client(origin).verify(
        {"link": f"{site.world.ports.settings.public_origin}/c/{'A' * 22}"}
    )
    assert as_described(answer, "Answer")["verdict"] == "cannot_check"
