"""What the stories of `vermilion demo` have in common: the same verdict wherever a licence is shown.

Every line printed is built from an answer. Each answer is compared with what the law of the story
demands; the first that differs ends the demo with exit code 1.
"""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from keys.errors import Kind, VermilionError
from registry.client import Answer, call, pdf_headers

PAGE_VERDICT = re.compile(r'data-verdict="([a-z_]+)"')
PAGE_HEADING = re.compile(r'<h1 id="heading">([^<]*)</h1>')


def demand(true: bool, words: str) -> None:
    """Raises VermilionError when the story goes wrong."""
    if not true:
        raise VermilionError(Kind.CONFLICT, f"the story went wrong: {words}", reason="story")


@dataclass
class Checks:
    """The services and where the registry's data lies; what is shown to verifiers, and what they say."""

    api: str
    public: str
    data: Path
    verifier: str
    verdicts: Counter[str] = field(default_factory=Counter)  # as answered

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
