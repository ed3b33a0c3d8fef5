"""`vermilion demo`: the whole story in a throw-away directory, through HTTP as everybody else.

Every line printed is built from an answer. Each answer is compared with what the law of the story
demands; the first that differs ends the demo with exit code 1.
"""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from keys.errors import Kind, VermilionError
from registry.client import Answer, call, pdf_headers

PAGE_VERDICT = re.compile(r'data-verdict="([a-z_]+)"')
PAGE_HEADING = re.compile(r'<h1 id="heading">([^<]*)</h1>')
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
def demo(public_app: str, verifier: str) -> None:
    """Play the story: a seal, a licence, its checks, an altered file, suspension and end."""
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
            story = Story(site.api, site.public, settings.data, verifier)
            story.play(settings)
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(story.verdicts.items()))
    click.echo(f"Verdicts, each as it must be: {told}")


def demand(true: bool, words: str) -> None:
    """Raises VermilionError when the story goes wrong."""
    if not true:
        raise VermilionError(Kind.CONFLICT, f"the story went wrong: {words}", reason="story")


def _outcome(body: dict[str, Any]) -> str:
    """What a step of the seal's life led to: a state, or the terms of an authorisation."""
    if "state" in body:
        return str(body["state"])
    return f"{body['valid_from']} to {body['valid_to']}, at most {body['daily_limit']} a day"


@dataclass
class Story:
    """The services and where the registry's data lies."""

    api: str
    public: str
    data: Path
    verifier: str
    verdicts: Counter[str] = field(default_factory=Counter)  # as answered

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

    def everywhere(
        self,
        stage: str,
        verdict: str,
        issued: dict[str, Any],
        file: Path,
        *,
        exit_code: int,
        how: str | None = None,
    ) -> None:
        """The same verdict as page, as JSON, by upload and by command."""
        link = issued["link"].partition("#")[0]
        link = self.public + "/c/" + link.rpartition("/c/")[2]
        page = call("GET", link, headers={"Accept": "text/html", "Accept-Language": "zh-CN"}).expect(200, 404)
        self.page(f"{stage}: page as a phone sees it", verdict, page)
        answers = {
            "JSON": call("GET", link, headers={"Accept": "application/json"}),
            "scanned code": self.post_link(issued["link"]),
            "upload": self.upload(file.read_bytes()),
        }
        for name, answer in answers.items():
            self.answer(f"{stage}: {name}", verdict, answer.json(), how)
        self.command(
            f"{stage}: vermilion verify", verdict, exit_code, str(file), "--data", str(self.data), how=how
        )

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

    def upload(self, document: bytes) -> Answer:
        return call("POST", f"{self.public}/api/v1/verifications", body=document, headers=pdf_headers())

    def post_link(self, text: str) -> Answer:
        return call(
            "POST",
            f"{self.public}/api/v1/verifications",
            body=json.dumps({"link": text}).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )

    def page(self, stage: str, verdict: str, answer: Answer) -> None:
        text = answer.body.decode("utf-8")
        shown, heading = PAGE_VERDICT.search(text), PAGE_HEADING.search(text)
        if shown is None or heading is None:
            raise VermilionError(Kind.CONFLICT, f"{stage}: the page shows no verdict", reason="story")
        click.echo(f"{stage:32} {shown[1]}: {html.unescape(heading[1])}")
        self.verdicts[shown[1]] += 1
        demand(shown[1] == verdict, f"{stage}: {shown[1]} instead of {verdict}")

    def answer(self, stage: str, verdict: str, body: dict[str, Any], how: str | None) -> None:
        checks = ", ".join(f"{name} {check['result']}" for name, check in body["checks"].items())
        ended = f" ({body['how']})" if body.get("how") else ""
        click.echo(f"{stage:32} {body['verdict']}{ended}  {checks}")
        self.verdicts[body["verdict"]] += 1
        demand(body["verdict"] == verdict, f"{stage}: {body['verdict']} instead of {verdict}")
        demand(body.get("how") == how, f"{stage}: how is {body.get('how')} instead of {how}")

    def command(
        self, stage: str, verdict: str, exit_code: int, *arguments: str, how: str | None = None
    ) -> None:
        """Run `vermilion verify` as a relying party does; its answer and its exit code count."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VERMILION_")}
        result = subprocess.run(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", self.verifier, "verify", *arguments, "--json"],
            capture_output=True,
            env=environment,
            timeout=120,
            check=False,
        )
        try:
            body = json.loads(result.stdout)
        except ValueError:
            words = result.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise VermilionError(Kind.CONFLICT, f"{stage}: no answer; {words}", reason="story") from None
        self.answer(stage, verdict, body, how)
        demand(result.returncode == exit_code, f"{stage}: exit {result.returncode} instead of {exit_code}")
