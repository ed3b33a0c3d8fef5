"""`vermilion demo --case`: an application from its filing to the archive, by two agencies and through HTTP.

One material is retrieved, one is missing and told once; the other agency says what it thinks; the clock
stands and goes on; the licence is issued, scanned, and the case archived. Then a store loses it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from keys.errors import Kind, VermilionError
from registry.cli.story import Checks, demand
from registry.client import Answer, ApiClient

CASES = "/api/v1/cases"
MATTER = "99011800100011990100MB0104090G"
FOUND, GIVEN, MISSING = "business_licence", ("vehicles", "drivers"), "safety_rules"
GROUND = {"legal_basis": "《中华人民共和国道路运输条例》", "reason_code": "demo"}
OPERATOR = {"operator": "window-03"}
SECONDS = 60  # for what the services do by themselves
STORES = ("first", "second")


class CaseStory(Checks):
    """A permit for road transport, in which the office that registers businesses takes part."""

    def play(self, settings: Any) -> None:
        from registry.sample_registry import TRANSPORT, People, sample_seal

        everybody = People.load(self.data / "credentials", self.api)
        people = everybody.of(TRANSPORT)
        today = datetime.now(UTC).astimezone(settings.tz).date()
        licence = _decided(sample_seal(everybody, today, TRANSPORT), today)
        folder = self.data / "story"
        folder.mkdir()
        case_id = self.apply(people["agency-system"], today)
        self.correct(people["agency-system"], people["officer"], case_id)
        self.join(people, everybody, case_id, licence)
        self.decide(people, case_id, licence)
        self.scan(people["agency-system"], case_id, folder / "permit.pdf")
        self.restore(people["agency-system"], case_id, settings, folder)

    def apply(self, system: ApiClient, today: date) -> str:
        """Filed as a draft, with two of its materials, and submitted."""
        fields = _applicant(today)
        draft = system.post(CASES, fields, idempotency_key="demo-case").expect(201).json()
        case_id = str(draft["id"])
        self.tell("draft filed", f"{case_id}  {len(draft['materials'])} materials")
        for code in GIVEN:
            kept = self.supply(system, case_id, code)
            self.tell(f"supplied: {code}", f"{kept['sha256'][:16]}…")
        filed = self.step(system, case_id, "submit", declaration=True)
        demand(filed["state"] == "submitted" and len(filed["lookup_code"]) == 8, "it was not submitted")
        self.tell("submitted", f"{filed['number']}  due {filed['due_on']}")
        return case_id

    def correct(self, system: ApiClient, officer: ApiClient, case_id: str) -> None:
        """What others have is found and not asked for; what is missing is told once and completely."""
        self.step(officer, case_id, "receive")

        def looked() -> dict[str, Any] | None:
            told = system.get(f"{CASES}/{case_id}/retrievals").expect(200).json()
            states = {one["material"]: one["state"] for one in told["retrievals"]}
            return told if set(states.values()) <= {"found", "not_found"} else None

        told = self.until(looked, "what others have was not looked for")
        found = {one["material"]: one for one in told["retrievals"] if one["state"] == "found"}
        wanted = [one["code"] for one in told["wanted"]]
        demand(list(found) == [FOUND], f"found were {sorted(found)}")
        demand(wanted == [MISSING], f"wanted are {wanted}")
        self.tell(
            f"retrieved: {FOUND}", f"{found[FOUND]['source']['agency']}  {found[FOUND]['sha256'][:16]}…"
        )
        self.refused(officer, case_id, "ask_correction", "items", **_asking(FOUND))
        self.refused(officer, case_id, "accept", "materials_missing")
        self.step(officer, case_id, "ask_correction", **_asking(MISSING))
        self.tell("told once and completely", MISSING)
        self.supply(system, case_id, MISSING)
        self.step(system, case_id, "correct", declaration=True)
        self.refused(officer, case_id, "ask_correction", "told_once", **_asking("vehicles"))
        accepted = self.step(officer, case_id, "accept")
        self.tell(
            "corrected and accepted", f"due {accepted['committed_due']}, by law {accepted['statutory_due']}"
        )

    def join(self, people: Any, others: Any, case_id: str, licence: dict[str, Any]) -> None:
        """The other agency has a sub-case with a clock of its own. The lead's stands, and goes on."""
        officer, decider = people["officer"], people["decider"]
        self.step(officer, case_id, "begin")
        (mine,) = others["officer"].get("/api/v1/sub-cases").expect(200).json()["sub_cases"]
        demand(mine["case"] == case_id, "the other agency has another sub-case")
        self.tell("sub-case", f"{mine['agency']}  due {mine['due_on']}")
        self.refused_decision(decider, case_id, "permit", "opinions_wanted", licence=licence)
        stands = self.decided(decider, case_id, "suspend", days=5)
        demand((stands["state"], stands["due_on"]) == ("suspended", None), "the clock does not stand")
        resumed = self.step(officer, case_id, "resume", **GROUND)
        demand(resumed["state"] == "handling" and resumed["due_on"] is not None, "the clock does not run")
        self.tell("suspended and resumed", f"due {resumed['due_on']}")
        others["officer"].post(f"{mine['href']}/handling", {}).expect(200)
        opinion = {"opinion": "agrees", **GROUND}
        given = others["decider"].post(f"{mine['href']}/opinion", opinion).expect(200).json()
        self.tell("opinion of the other agency", f"{given['state']}: {given['opinion']}")

    def decide(self, people: Any, case_id: str, licence: dict[str, Any]) -> None:
        """Permitted by somebody who has not handled it; the licence is issued once, by itself."""
        self.decided(people["decider"], case_id, "permit", licence=licence)

        def done() -> dict[str, Any] | None:
            case = self.case(people["agency-system"], case_id)
            return case if case["state"] in {"done", "archived"} else None

        case = self.until(done, "the licence was not issued")
        demand(case["licence"]["state"] == "issued", "the case is done without its licence")
        self.tell("permitted, licence issued", case["edition"])

    def scan(self, system: ApiClient, case_id: str, file: Path) -> None:
        """The code is read from the drawn page, as a telephone would."""
        identifier = self.case(system, case_id)["edition"]
        document = system.get(f"/api/v1/licences/{identifier}/document").expect(200).body
        file.write_bytes(document)
        self.everywhere("permit", "valid", {"link": _code_of(document)}, file, exit_code=0)

    def restore(self, system: ApiClient, case_id: str, settings: Any, folder: Path) -> None:
        """The case's package is lost in one store, found there, restored from the other, and repaired."""

        def archived() -> bool:
            return bool(self.case(system, case_id)["state"] == "archived")

        self.until(archived, "the case was not archived")
        number = self.case(system, case_id)["number"]
        kept = system.get(f"/api/v1/archive/packages?identifier={number}").expect(200).json()["packages"]
        demand(len(kept) == 1 and kept[0]["state"] == "kept", f"the case has {len(kept)} packages")
        package = kept[0]["package"]
        self.tell("case archived", kept[0]["number"])
        gone = self.lose(settings, package)
        from_first = self.archive("restore-drill", str(folder / "from-first"), "--store", STORES[0])
        demand(from_first.returncode == 1, "a drill of the store that lost it found nothing amiss")
        self.tell("drill, first store", "fails: it lost a package")
        from_second = self.archive("restore-drill", str(folder / "from-second"), "--store", STORES[1])
        demand(
            from_second.returncode == 0, f"nothing is restored from the second store: {from_second.stderr}"
        )
        demand(any(folder.glob(f"from-second/**/{package}/bagit.txt")), "the case was not restored")
        self.tell("drill, second store", "restored, seals and digests are right")
        audit = self.archive("audit")
        demand(audit.returncode == 1 and gone.exists(), "the lost copy was not repaired")
        demand(self.archive("audit").returncode == 0, "the audit finds fault with what it repaired")
        self.tell("lost copy", "found by the audit, repaired from the second store")

    # --- how it is done ----------------------------------------------------------------------------------

    def tell(self, stage: str, what: object) -> None:
        click.echo(f"{stage:32} {what}")

    def case(self, client: ApiClient, case_id: str) -> dict[str, Any]:
        return client.get(f"{CASES}/{case_id}").expect(200).json()

    def step(self, client: ApiClient, case_id: str, action: str, **more: Any) -> dict[str, Any]:
        body = {"action": action, **(OPERATOR if client.credential.person_id is None else {}), **more}
        return client.post(f"{CASES}/{case_id}/steps", body).expect(200).json()

    def decided(self, client: ApiClient, case_id: str, action: str, **more: Any) -> dict[str, Any]:
        body = {"action": action, **GROUND, **more}
        return client.post(f"{CASES}/{case_id}/decisions", body).expect(200).json()

    def refused(self, client: ApiClient, case_id: str, action: str, reason: str, **more: Any) -> None:
        self._is_refused(
            client.post(f"{CASES}/{case_id}/steps", {"action": action, **more}), f"{action} refused", reason
        )

    def refused_decision(
        self, client: ApiClient, case_id: str, action: str, reason: str, **more: Any
    ) -> None:
        body = {"action": action, **GROUND, **more}
        self._is_refused(client.post(f"{CASES}/{case_id}/decisions", body), f"{action} refused", reason)

    def _is_refused(self, answer: Answer, stage: str, reason: str) -> None:
        said = answer.expect(409, 422).json()["reason"]
        demand(said == reason, f"{stage}: {said} instead of {reason}")
        self.tell(stage, said)

    def supply(self, system: ApiClient, case_id: str, code: str) -> dict[str, Any]:
        path = f"{CASES}/{case_id}/materials/{code}"
        headers = {"Content-Type": "application/pdf", "Operator": OPERATOR["operator"]}
        return system.request("PUT", path, _page(code), headers).expect(200, 201).json()

    def until(self, look: Callable[[], Any], words: str) -> Any:
        """What the services do by themselves, as soon as it is done."""
        deadline = time.monotonic() + SECONDS
        while not (found := look()):
            demand(time.monotonic() < deadline, words)
            time.sleep(0.2)
        return found

    def archive(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VERMILION_")}
        return subprocess.run(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "registry", "archive", *arguments],
            capture_output=True, text=True, timeout=120, check=False,
            env={**environment, "VERMILION_DATA": str(self.data)},
        )  # fmt: skip

    def lose(self, settings: Any, package_id: str) -> Path:
        """The first store's file of a package is gone; where it lay."""
        from registry.archive.stores import named_places

        first = Path(dict(named_places(settings))[STORES[0]])
        (path,) = (one for one in first.rglob("*") if one.is_file() and package_id in one.name)
        path.unlink()
        self.tell("first store loses it", path.name)
        return path


def _applicant(today: date) -> dict[str, Any]:
    """A holder of whom the sample exchange knows."""
    from registry.samples import sample_requests

    known = sample_requests(today, "food-business-licence")[0]["fields"]
    return {
        "matter": MATTER,
        "applicant": {
            "name": known["operator_name"], "id_type": "001", "id_code": known["credit_code"],
        },
        "fields": {
            "operator_name": known["operator_name"], "address": known["domicile"],
            "business_scope": ["道路普通货物运输"], "contact_phone": "0990-1234567",
        },
        **OPERATOR,
    }  # fmt: skip


def _decided(seal: str, today: date) -> dict[str, Any]:
    """What the decision says of the licence."""
    from registry.sample_registry import TRANSPORT, licence_request

    sample = licence_request(seal, today, slug=TRANSPORT)
    until = {"valid_to": sample["fields"]["valid_to"]}
    return {"seal": seal, "number": sample["number"], "fields": until}


def _asking(code: str) -> dict[str, Any]:
    return {**GROUND, "items": [{"code": code, "why": "缺少"}]}


def _page(words: str) -> bytes:
    """A PDF as any program writes it."""
    import io

    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file, invariant=True)
    canvas.drawString(72, 720, words)
    canvas.save()
    return file.getvalue()


def _code_of(document: bytes) -> str:
    """The QR code's text. Raises VermilionError(CONFLICT) unless there is one, on however many pages."""
    import pypdfium2
    import zxingcpp

    kind = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    pdf = pypdfium2.PdfDocument(document)
    try:
        pages = [page.render(scale=200 / 72).to_pil().convert("L") for page in pdf]
    finally:
        pdf.close()
    texts = {code.text for page in pages for code in zxingcpp.read_barcodes(page, formats=kind)}
    if len(texts) != 1:
        raise VermilionError(Kind.CONFLICT, f"{len(texts)} codes are read from the permit", reason="story")
    return texts.pop()
