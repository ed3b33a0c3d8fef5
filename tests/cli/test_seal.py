"""The life of a seal by commands alone, each act with the credential of the person whose duty it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from registry.client import Credential, new_person_key
from registry.sample_registry import SEAL_AUTHORITY, licence_request
from registry.settings import Settings
from tests.cli.conftest import Run, person_file
from tests.services.places import READY, Running
from tests.services.running import Place, command

GROUND = ("--legal-basis", "党政机关电子印章应用规范 GB/T 33481", "--reason", "inspection")


@dataclass(frozen=True)
class Office:
    """Runs `vermilion seal …` on a registry as one of its people."""

    vermilion: Run
    place: Place
    folder: Path  # credential files that lead to this registry

    def credential(self, who: str) -> Path:
        path = self.folder / f"{who}.json"
        if not path.exists():
            kept = Credential.load(self.place.data / "credentials" / f"{who}.json")
            replace(kept, api=self.place.api).save(path)
        return path

    def does(self, who: str, act: str, *arguments: str) -> dict[str, Any]:
        """The answer to an act that must be done."""
        code, out, err = self.vermilion(None, "seal", act, *arguments, "--credential", self.credential(who))
        assert (code, err) == (0, ""), f"{who}: {act}"
        value: dict[str, Any] = json.loads(out)
        return value

    def may_not(self, who: str, act: str, *arguments: str) -> str:
        """What is said about an act that must be refused."""
        code, out, err = self.vermilion(None, "seal", act, *arguments, "--credential", self.credential(who))
        assert (code, out) == (1, ""), f"{who}: {act}"
        assert err.startswith("vermilion: 4")
        assert "Traceback" not in err
        return err

    def reads(self, who: str, act: str, *arguments: str) -> list[str]:
        """The lines of a listing."""
        code, out, err = self.vermilion(None, "seal", act, *arguments, "--credential", self.credential(who))
        assert (code, err) == (0, ""), f"{who}: {act}"
        return out.splitlines()

    def decides(self, who: str, act: str, asked: dict[str, Any], *more: str) -> dict[str, Any]:
        return self.does(who, act, asked["id"], "--payload-sha256", asked["payload_sha256"], *more)

    def may_not_decide(self, who: str, act: str, asked: dict[str, Any]) -> str:
        return self.may_not(who, act, asked["id"], "--payload-sha256", asked["payload_sha256"])

    def enrols(self, what: str, *options: str) -> tuple[str, dict[str, Any]]:
        """One more person or client of the seal authority, and the key that signs for it."""
        private, public = new_person_key()
        whose = ("--agency", SEAL_AUTHORITY, *options)
        if what == "person":
            named: tuple[object, ...] = (person_file(self.folder, public),)
        else:
            key = self.folder / "public.json"
            key.write_text(json.dumps(public))
            named = ("--name", "one more", "--jwk", key)
        code, out, err = self.vermilion(self.place, what, "add", *named, *whose)
        assert (code, err) == (0, "")
        enrolled = out.strip()
        assert self.vermilion(self.place, "admin", "approve", f"{enrolled}={public['kid']}")[0] == 0
        return enrolled, private


@pytest.fixture
def office(vermilion: Run, place: Place, tmp_path: Path) -> Iterator[Office]:
    """A registry of the test's own, running."""
    with command("run", settings=place.settings) as run:
        run.said(READY)
        yield Office(vermilion, place, tmp_path)
        assert run.stop() == 0


def test_the_whole_life_of_a_seal(office: Office) -> None:
    (kept,) = office.does("keeper", "list")["seals"]

    # Applied for by one person, approved by another, whoever the first is.
    wanted = ("--kind", "special", "--name", "样本市市场监督管理局", "--bottom-text", "样本专用章")
    applied = office.does("applicant", "apply", *wanted)
    assert applied["payload"]["bottom_text"] == "样本专用章"
    office.may_not_decide("applicant", "approve", applied)
    assert office.does("approver", "request", applied["id"]) == applied
    wrong = "0" * 64
    assert "digest" in office.may_not("approver", "approve", applied["id"], "--payload-sha256", wrong)
    approved = office.decides("approver", "approve", applied)
    code = approved["seal"]
    assert (approved["state"], approved["seal_state"]) == ("approved", "approved")

    # Made and filed by a maker, put into use by the keeper.
    office.may_not("approver", "make", code)
    assert office.does("maker", "make", code)["state"] == "made"
    assert office.does("maker", "file", code)["state"] == "filed"
    office.may_not("maker", "activate", code)
    assert office.does("keeper", "activate", code)["state"] == "active"
    shown = office.does("keeper", "show", code)
    assert [row["state"] for row in shown["history"]] == ["approved", "made", "filed", "active"]
    assert [edition["width_mm"] for edition in shown["editions"]] == [38.0]
    assert shown["authorisations"] == []

    # Each agency's people see its own seals, a seal authority's people all; by pages.
    for who in ("keeper", "applicant"):
        listed = [seal["code"] for seal in office.does(who, "list")["seals"]]
        assert listed == sorted([kept["code"], code])
    (other,) = office.does("transport-keeper", "list")["seals"]
    listed = [seal["code"] for seal in office.does("approver", "list")["seals"]]
    assert listed == sorted([kept["code"], code, other["code"]])
    assert office.does("keeper", "list", "--after", max(kept["code"], code))["seals"] == []

    # Used under the keeper's authorisation alone.
    today = datetime.now(UTC).astimezone(Settings().tz).date()
    request = office.folder / "request.json"
    wish = licence_request(code, today, 1)
    request.write_text(json.dumps(wish))

    def may_issue() -> bool:
        credential = office.credential("agency-system")
        exit_code, _, err = office.vermilion(None, "issue", request, "--credential", credential, "--dry-run")
        assert exit_code == 0 or err.startswith("vermilion: 4"), err
        return exit_code == 0

    system = Credential.load(office.credential("agency-system")).client_id
    terms = ("--client", system, "--type", wish["type"], "--daily-limit", "5")
    days = ("--from", today.isoformat(), "--to", (today + timedelta(days=30)).isoformat())
    assert not may_issue()
    office.may_not("approver", "authorise", code, *terms, *days)
    authorised = office.does("keeper", "authorise", code, *terms, *days)
    assert office.does("keeper", "show", code)["authorisations"] == [authorised]
    assert may_issue()

    # Suspended by one, resumed by two.
    assert office.does("keeper", "suspend", code, *GROUND)["state"] == "suspended"
    assert not may_issue()
    asked = office.does("keeper", "resume", code, *GROUND)
    office.may_not_decide("keeper", "decide", asked)
    assert office.decides("approver", "decide", asked, "--refuse")["seal_state"] == "suspended"
    office.may_not_decide("approver", "decide", asked)
    asked = office.does("keeper", "resume", code, *GROUND)
    assert office.decides("approver", "decide", asked)["seal_state"] == "active"
    assert may_issue()

    # The keeper takes the permission back.
    assert office.does("keeper", "withdraw", code, authorised["id"])["withdrawn_at"]
    assert not may_issue()
    assert office.does("keeper", "show", code)["authorisations"] == []
    office.may_not("keeper", "withdraw", code, authorised["id"])

    # Cancelled by two, as compromised.
    since = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = office.does("keeper", "cancel", code, *GROUND, "--compromised-since", since)
    office.may_not_decide("keeper", "decide", asked)
    assert office.does("keeper", "show", code)["state"] == "active"
    assert office.decides("approver", "decide", asked)["seal_state"] == "cancelled"
    ended = office.does("keeper", "show", code)
    assert ended["state"] == "cancelled"
    assert datetime.fromisoformat(ended["compromised_since"]) == datetime.fromisoformat(since)
    office.may_not("keeper", "resume", code, *GROUND)
    assert office.does("keeper", "show", kept["code"])["state"] == "active"


def test_a_seal_is_renewed_read_and_reported_lost(office: Office) -> None:
    (kept,) = office.does("keeper", "list")["seals"]
    code = kept["code"]
    request = office.folder / "request.json"
    today = datetime.now(UTC).astimezone(Settings().tz).date()
    request.write_text(json.dumps(licence_request(code, today, 1)))
    system = office.credential("agency-system")
    exit_code, out, err = office.vermilion(None, "issue", request, "--credential", system)
    assert (exit_code, err) == (0, "")
    issued = json.loads(out)

    # The same picture under a new key: each by the person whose duty it is.
    office.may_not("keeper", "renew", code)
    asked = office.does("applicant", "renew", code)
    seen = office.folder / "picture.pdf"
    told = office.does("approver", "picture", asked["id"], "--save", str(seen))
    assert told["sha256"] == asked["payload"]["picture"]["sha256"] == sha256(seen.read_bytes()).hexdigest()
    office.decides("approver", "approve", asked)
    assert office.does("maker", "make", code)["state"] == "active"
    office.does("maker", "file", code)
    assert "not every verifier knows" in office.may_not("keeper", "activate", code)
    editions = office.does("keeper", "show", code)["editions"]
    assert [(e["state"], e["maker"]["signature"]) for e in editions] == [
        ("in_use", "right"),
        ("filed", "right"),
    ]
    assert len({e["picture_sha256"] for e in editions}) == 1
    office.may_not("maker", "seal-away", code, "1", *GROUND)

    # A picture that is brought has to be one.
    bad = office.folder / "picture.png"
    bad.write_bytes(b"no picture")
    face = ("--kind", kept["kind"], "--name", "样本市样本局", "--picture", str(bad))
    assert "/picture: a seal picture is a PNG" in office.may_not("applicant", "change", code, *face)

    # What the seal has sealed.
    office.may_not("officer", "uses", code)
    rows = office.reads("keeper", "uses", code, "--from", today.isoformat())
    assert [(row["state"], row["licence"]) for row in map(json.loads, rows)][-1] == (
        "applied",
        issued["identifier"],
    )
    columns, *uses = office.reads("approver", "uses", code, "--format", "csv")
    assert columns.startswith("begun_at,ended_at,state,")
    assert len(uses) == len(rows)
    head, *sealed = map(json.loads, office.reads("approver", "impact", code))
    assert head["totals"] == {"proven": 0, "own_word": len(rows), "unproven": 0, "after": 0}
    assert issued["identifier"] in {row["identifier"] for row in sealed}

    lost = office.does("keeper", "report-lost", code, "--legal-basis", GROUND[1])
    assert lost["state"] == "suspended"


@pytest.fixture
def standing(vermilion: Run, again: Running, tmp_path: Path) -> Office:
    """The registry that tests share: no seal of it is changed, and none is added."""
    return Office(vermilion, again.place, tmp_path)


def test_whoever_may_apply_and_approve_does_not_approve_what_they_asked_for(standing: Office) -> None:
    """Not for want of the role, but for being the same person, through whichever client."""
    person, person_key = standing.enrols("person", "--role", "applicant", "--role", "approver")
    client, client_key = standing.enrols("client", "--scope", "seal")
    known = Credential.load(standing.credential("approver"))
    both = replace(known, person_id=person, person_key=person_key)
    both.save(standing.folder / "both.json")
    replace(both, client_id=client, client_key=client_key).save(standing.folder / "elsewhere.json")
    applied = standing.does("both", "apply", "--kind", "name", "--name", "云溪省电子印章管理中心")
    for who in ("both", "elsewhere"):
        said = standing.may_not_decide(who, "approve", applied)
        assert "whoever asked for something may not decide it" in said
    assert standing.decides("approver", "approve", applied, "--refuse")["state"] == "refused"
    standing.may_not_decide("approver", "approve", applied)


def test_what_is_wrong_is_named(standing: Office) -> None:
    code = standing.does("keeper", "list")["seals"][0]["code"]
    unknown = standing.may_not("applicant", "apply", "--kind", "square", "--name", "样本市样本局")
    assert "\n  /kind: " in unknown
    long_line = ("--bottom-text", "样" * 60)
    assert "\n  /bottom_text: " in standing.may_not(
        "applicant", "apply", "--kind", "special", "--name", "样本市样本局", *long_line
    )
    for moment in ("yesterday", "2999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z"):
        since = ("--compromised-since", moment)
        assert "/compromised_since" in standing.may_not("keeper", "cancel", code, *GROUND, *since)
    for stranger in ("0" * 14, "../licences", "x?y#z", "样本", "a b", " "):
        standing.may_not("keeper", "show", stranger)
    standing.may_not("keeper", "withdraw", code, "0" * 32)
    standing.may_not("approver", "request", "0" * 32)
    assert standing.does("keeper", "show", code)["state"] == "active"


@pytest.mark.parametrize(
    "arguments",
    [
        ("seal", "apply", "--kind", "name"),
        ("seal", "cancel", "1"),
        ("seal", "withdraw", "1"),
        ("seal", "end"),
    ],
    ids=["no name", "no ground", "no authorisation", "no such act"],
)
def test_wrong_usage_is_64(vermilion: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = vermilion(None, *arguments)
    assert (code, out) == (64, "")
    assert "Error: " in err


@pytest.mark.parametrize("content", ["{}", "[" * 100_000, '{"api": 1}'], ids=["empty", "deep", "wrong"])
def test_a_file_that_is_no_credential_is_one_line(vermilion: Run, tmp_path: Path, content: str) -> None:
    path = tmp_path / "credential.json"
    path.write_text(content)
    code, out, err = vermilion(None, "seal", "list", "--credential", path)
    assert (code, out) == (1, "")
    assert err.startswith(f"vermilion: {path} is not a credential file")
    assert err.count("\n") == 1
