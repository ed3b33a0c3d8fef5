"""`vermilion demo`: the whole story in a throw-away directory, through HTTP as everybody else.

What is printed and demanded, `registry.cli.story` says.
"""

from __future__ import annotations

import json
import signal
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from registry.cli.story import Checks, demand
from registry.client import call

LEGAL_BASIS = "中华人民共和国食品安全法实施条例(样本)"


@click.command()
@click.option(
    "--public-app",
    default="verify_web.wsgi:application",
    hidden=True,
    help="WSGI factory of the public site.",
)
@click.option(
    "--verifier", default="registry", hidden=True, help="Module run as the `vermilion verify` command."
)
@click.option("--case", "case", is_flag=True, help="Play an application from its filing to the archive.")
def demo(public_app: str, verifier: str, *, case: bool) -> None:
    """Play the story: a seal, a licence, its checks, an altered file, suspension and end. With --case the
    story of an application: retrieved, corrected, joint, suspended, permitted, scanned, archived, restored.
    """
    from registry.cli.demo_case import CaseStory
    from registry.cli.run import started
    from registry.processes import free_port
    from registry.settings import Settings

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="vermilion-demo-") as folder:
        Path(folder).chmod(0o711)  # the public site's user passes through; what is inside guards itself
        logs = Path(folder) / "logs"
        logs.mkdir(mode=0o700)
        settings = Settings(
            data=Path(folder) / "var", database_url="", public_database_url="", origin="",
            authority_origin="", api_port=free_port(), public_port=free_port(), authority_port=free_port(),
            demo=True, passphrase_file=None,
        )  # fmt: skip
        with started(settings, public_app=public_app, logs=logs) as site:
            story = (CaseStory if case else Story)(site.api, site.public, settings.data, verifier)
            story.play(settings)
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(story.verdicts.items()))
    click.echo(f"Verdicts, each as it must be: {told}")


def _outcome(body: dict[str, Any]) -> str:
    """What a step of the seal's life led to: a state, or the terms of an authorisation."""
    if "state" in body:
        return str(body["state"])
    return f"{body['valid_from']} to {body['valid_to']}, at most {body['daily_limit']} a day"


class Story(Checks):
    """A seal, a licence and its checks."""

    def play(self, settings: Any) -> None:
        from registry.sample_registry import People, licence_request, open_seal

        people = People.load(self.data / "credentials", self.api)
        today = datetime.now(UTC).astimezone(settings.tz).date()
        steps = open_seal(people, today)
        for step in steps:
            body = step.json()
            click.echo(f"{step.act:32} {body.get('code') or body['id']}  {_outcome(body)}")
        seal_code = steps[1].json()["seal"]

        agency = people["agency-system"]
        request = licence_request(seal_code, today)
        preview = (
            agency.post("/api/v1/licences?dry_run=1", request, idempotency_key="demo-dry").expect(200).json()
        )
        click.echo(f"{'dry run':32} {preview['number']}  dry_run {json.dumps(preview['dry_run'])}")
        issued = agency.post("/api/v1/licences", request, idempotency_key="demo-1").expect(201).json()
        demand(issued["number"] == preview["number"], "the dry run took the number")
        click.echo(f"{'licence issued':32} {issued['identifier']}  level {issued['document']['level']}")
        again = agency.post("/api/v1/licences", request, idempotency_key="demo-1").expect(200, 201).json()
        demand(again["document"]["sha256"] == issued["document"]["sha256"], "a retry made another document")
        click.echo(f"{'same request again':32} the same document {again['document']['sha256'][:16]}…")
        document = agency.get(issued["document"]["href"]).expect(200).body
        folder = Path(tempfile.mkdtemp(dir=self.data))
        file = folder / "licence.pdf"
        file.write_bytes(document)

        self.everywhere("in force", "valid", issued, file, exit_code=0)
        trust = folder / "trust-list.jwt"
        trust.write_bytes(call("GET", f"{self.public}/.well-known/elicence/trust-list").expect(200).body)
        self.command("offline, trust list alone", "genuine_offline", 2, str(file), "--trust", str(trust))
        self.altered(issued, document, folder, trust)

        self.change(people, issued, "suspension", {"ground": "penalty"})
        self.everywhere("suspended", "suspended", issued, file, exit_code=1)
        self.change(people, issued, "resumption", {})
        self.everywhere("resumed", "valid", issued, file, exit_code=0)
        self.change(people, issued, "ending", {"how": "revoked"})
        self.everywhere("ended", "ended", issued, file, exit_code=1, how="revoked")
        self.permit(people, today, folder)

    def permit(self, people: Any, today: date, folder: Path) -> None:
        """Another agency and seal, and a face of two pages: original and duplicate."""
        from registry.sample_registry import TRANSPORT, licence_request, open_seal

        seal_code = open_seal(people, today, TRANSPORT)[1].json()["seal"]
        agency = people.of(TRANSPORT)["agency-system"]
        request = licence_request(seal_code, today, slug=TRANSPORT)
        issued = agency.post("/api/v1/licences", request, idempotency_key="demo-2").expect(201).json()
        click.echo(f"{'permit issued':32} {issued['identifier']}  level {issued['document']['level']}")
        file = folder / "permit.pdf"
        file.write_bytes(agency.get(issued["document"]["href"]).expect(200).body)
        self.everywhere("permit", "valid", issued, file, exit_code=0)

    def change(self, people: Any, issued: dict[str, Any], what: str, more: dict[str, str]) -> None:
        body = {"legal_basis": LEGAL_BASIS, "reason_code": "demo", "operator": "window-03", **more}
        path = f"/api/v1/licences/{issued['identifier']}/{what}"
        answer = people["officer"].post(path, body, idempotency_key=f"demo-{what}").expect(200).json()
        click.echo(f"{what:32} {answer['identifier']}  {answer['status']}")

    def altered(self, issued: dict[str, Any], document: bytes, folder: Path, trust: Path) -> None:
        """One byte of the file, one digit of the code: refused wherever they are shown."""
        position = len(document) // 2
        forged = document[:position] + bytes([document[position] ^ 1]) + document[position + 1 :]
        file = folder / "altered.pdf"
        file.write_bytes(forged)
        self.answer("one byte altered: upload", "altered", self.upload(forged).json(), None)
        self.command("one byte altered: verify", "altered", 1, str(file), "--data", str(self.data))
        self.command("one byte altered: offline", "altered", 1, str(file), "--trust", str(trust))
        text = issued["link"]
        digit = "1" if text[-1] != "1" else "2"
        self.answer(
            "one digit of the code altered", "altered", self.post_link(text[:-1] + digit).json(), None
        )
