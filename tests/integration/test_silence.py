"""Neither log says who holds what: the whole story is told, and nothing secret or personal is in any line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from registry.custodians import passphrase_path
from tests.integration.province import LICENCES, OWN_SYSTEM, Paper, Province
from tests.integration.thief import Thief
from tests.registry.world import World
from verify_web.access_log import JsonLines

PERSONAL = (
    "holder_name",
    "citizen_id",
    "operator_name",
    "credit_code",
    "representative",
    "domicile",
    "photo",
)


@dataclass
class Ear:
    """Hears both services: the API's standard error, the site's log records as they would be written."""

    province: Province
    read: Callable[[], tuple[str, str]]
    caplog: pytest.LogCaptureFixture
    tokens: list[str] = field(default_factory=list)

    def heard(self) -> str:
        out, err = self.read()
        site = [JsonLines().format(record) for record in self.caplog.records]
        raw = [record.getMessage() for record in self.caplog.records]
        return "\n".join([out, err, *site, *raw])

    def secrets(self, *papers: Paper) -> dict[str, str]:
        """What no log may say, by name. A fragment is looked for by a piece of it."""
        found = {f"token {n}": token[-40:] for n, token in enumerate(self.tokens)}
        found["passphrase"] = passphrase_path(self.province.world.ports.settings).read_text().strip()
        for paper in papers:
            found |= {name: str(v)[:60] for name, v in paper.request["fields"].items() if name in PERSONAL}
            found |= {
                "number": paper.request["number"],
                "link id": paper.path.removeprefix("/c/"),
                "fragment": paper.fragment[:24],
                "end of the fragment": paper.fragment[-24:],
                "look-up code": paper.answer["lookup_code"],
                "look-up code as typed": paper.answer["lookup_code"].replace(" ", "").replace("-", ""),
            }
        return found

    def says_nothing_of(self, *papers: Paper) -> str:
        text = self.heard()
        assert [name for name, secret in self.secrets(*papers).items() if secret in text] == []
        return text


@pytest.fixture
def ear(
    province: Province,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ear]:
    caplog.set_level(logging.DEBUG)
    capfd.readouterr()
    caplog.clear()
    ear = Ear(province, lambda: tuple(capfd.readouterr()), caplog)  # type: ignore[arg-type,return-value]
    plain = World.token

    def noted(world: World, client: str, person: str | None = None) -> str:
        ear.tokens.append(plain(world, client, person))
        return ear.tokens[-1]

    monkeypatch.setattr(World, "token", noted)
    yield ear
    assert province.world.defects.total == 0
    assert province.here.metrics.defects.total == 0


@pytest.mark.parametrize("agency", ["own", "other"])
def test_the_logs_of_a_whole_life(province: Province, ear: Ear, agency: str) -> None:
    paper = province.issue(agency)
    province.ask_to_issue(paper.request, agency)  # the number is taken
    province.check_file(paper.pdf)
    province.check_file(paper.pdf + b"\n")
    province.check_link(paper.link)
    province.check_link(paper.link[:-1])
    province.look(paper)
    province.page(paper)
    province.site.test_client().get(f"{paper.path}?lang=zh&{paper.answer['lookup_code']}")
    province.site.test_client().get(f"/c/{paper.path[3:]}/{paper.fragment[:40]}")
    province.check_typed(paper.identifier, paper.answer["lookup_code"])
    province.check_typed(paper.identifier, "7K3MQ8ZT")
    thief = Thief(province, paper)
    name = "operator_name" if agency == "own" else "holder_name"
    forged, cose = thief.credential(thief.record(**{name: "样本市另一家"}))
    province.check_link(forged)
    province.check_file(thief.document(thief.record(**{name: "样本市另一家"}), cose))
    province.change(paper, "suspension", ground="penalty")
    province.change(paper, "ending", how="revoked")
    province.page(paper)
    text = ear.says_nothing_of(paper)
    assert "样本市另一家" not in text
    assert forged[-24:] not in text
    # The ear does hear: both services wrote their lines, and the alarms are among them.
    assert '"endpoint":"licences.create"' in text
    assert '"route": "/c/<link_id>"' in text
    assert '"credential_not_registered"' in text
    assert '"document_not_registered"' in text


def bad_requests(province: Province, paper: Paper) -> Iterator[tuple[str, Any]]:
    """Requests of every kind that must be refused, each carrying what must not come back or be logged."""
    world, system = province.world, OWN_SYSTEM[paper.agency]
    right = dict(paper.request)
    fields = dict(right["fields"])
    key = {"Idempotency-Key": "bad-request"}

    def licence(name: str, **changes: Any) -> tuple[str, Any]:
        return name, world.post(LICENCES, province.request(paper.agency) | changes, system, **key)

    citizen = fields["citizen_id"]
    wrong = citizen[:-1] + ("0" if citizen[-1] != "0" else "1")
    yield licence("wrong check character", fields=fields | {"citizen_id": wrong})
    yield licence("a list for a name", fields=fields | {"holder_name": [fields["holder_name"]]})
    yield licence("a name too long", fields=fields | {"holder_name": fields["holder_name"] * 40})
    yield licence(
        "a name that cannot be printed", fields=fields | {"holder_name": fields["holder_name"] + "\ue000"}
    )
    yield licence("no choice", fields=fields | {"sex": fields["holder_name"]})
    yield licence("a date that is none", fields=fields | {"issue_date": citizen})
    yield licence("a photo that is none", fields=fields | {"photo": citizen})
    yield licence("an unknown member", holder=fields["holder_name"])
    yield licence("an unknown field", fields=fields | {"nickname": fields["holder_name"]})
    yield licence("a number that is none", number=citizen)
    yield licence("a number taken", number=right["number"], fields=fields)
    yield licence("the operator in several lines", operator=f"{citizen}\n")
    yield licence("a foreign seal", seal=province.seals["own"], fields=fields)
    headers = world.headers(system) | key | {"Content-Type": "application/json"}
    cut = f'{{"holder_name": "{fields["holder_name"]}", "citizen_id": "{citizen}'.encode()
    yield "malformed JSON", world.http.post(LICENCES, data=cut, headers=headers)
    yield "not JSON", world.http.post(LICENCES, data=cut, headers=headers | {"Content-Type": "text/plain"})
    yield "a huge body", world.http.post(LICENCES, data=cut * 20_000, headers=headers)
    yield "a path with secrets", world.get(f"{LICENCES}/{paper.path[3:]}-{citizen}", system)
    yield "a query with secrets", world.get(f"{LICENCES}/{paper.identifier}?code={citizen}", system)
    token = {"Authorization": f"Bearer {world.token(system)}x"}
    yield "a wrong token", world.http.get(f"{LICENCES}/{paper.identifier}", headers=token)
    form = {"grant_type": "client_credentials", "client_assertion": citizen, "client_assertion_type": citizen}
    yield "a wrong assertion", world.http.post("/oauth2/token", data=form)
    site = province.site.test_client()
    check = "/api/v1/verifications"
    code = paper.answer["lookup_code"]
    yield "details of no shape", site.post(check, json={"identifier": citizen, "lookup_code": code + "!!"})
    yield "too many members", site.post(check, json={"link": paper.link, "lookup_code": code})
    yield (
        "cut JSON",
        site.post(check, data=f'{{"link": "{paper.link}'.encode(), content_type="application/json"),
    )
    yield "a link too long", site.post(check, json={"link": paper.link * 9})
    yield "another method", site.put(f"{check}?{citizen}", data=citizen.encode())
    yield "another type", site.post(check, data=citizen.encode(), content_type="text/plain")


def test_no_problem_document_and_no_log_line_of_a_bad_request_repeats_it(
    province: Province, ear: Ear
) -> None:
    paper = province.issue("other")
    fields = paper.request["fields"]
    answers = list(bad_requests(province, paper))
    secrets = ear.secrets(paper)
    number = secrets.pop("number")
    for name, answer in answers:
        assert 400 <= answer.status_code < 500, (name, answer.status_code, answer.text)
        # The token endpoint answers in the form of RFC 6749, section 5.2.
        form = "application/json" if name == "a wrong assertion" else "application/problem+json"
        assert answer.mimetype == form, name
        assert [what for what, secret in secrets.items() if secret in answer.text] == [], name
        assert number not in answer.text, name
        assert fields["citizen_id"][:-1] not in answer.text, name
    text = ear.says_nothing_of(paper)
    assert fields["citizen_id"][:-1] not in text
    assert "\ue000" not in text
