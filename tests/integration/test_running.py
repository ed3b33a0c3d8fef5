"""`vermilion run` as a newcomer starts it: two processes, and what they write while a licence lives."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.client import call, pdf_headers
from registry.sample_registry import People
from tests.ports import own_port

CHANGE = {"legal_basis": "行政许可法 第七十条", "reason_code": "inspection", "operator": "window-03"}


@dataclass
class Running:
    """A registry that `vermilion run` started, and the lines it printed."""

    data: Path
    api: str
    public: str
    link: str
    lookup_code: str
    written: Path  # its standard error

    def logs(self) -> str:
        files = [self.written, *self.data.rglob("*.log")]
        return "\n".join(path.read_text("utf-8", "replace") for path in files)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        data, written = Path(name) / "var", Path(name) / "stderr"
        ports = {f"VERMILION_{name}_PORT": str(own_port()) for name in ("API", "AUTHORITY", "PUBLIC")}
        with written.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", "registry", "run", "--data", str(data)],
                stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **ports},
            )  # fmt: skip
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if "Ctrl-C" in line:
                    break
            found = {
                name: re.search(rf"{name}\s+(\S+)", said)
                for name in ("Agency API", "Public site", "link", "look-up")
            }
            assert all(found.values()), said + written.read_text()
            api, public, link, code = (match[1] for match in found.values() if match)
            yield Running(data, api.rstrip("/"), public.rstrip("/"), link, code, written)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
        assert process.returncode == 0


def verdict(running: Running, body: bytes, headers: dict[str, str]) -> str:
    answer = call("POST", f"{running.public}/api/v1/verifications", body=body, headers=headers)
    return str(answer.expect(200).json()["verdict"])


def test_a_life_over_http_and_nothing_of_it_in_the_logs(running: Running) -> None:
    people = People.load(running.data / "credentials", running.api)
    as_json = {"Content-Type": "application/json"}
    scanned = json.dumps({"link": running.link}).encode()
    pdf = (running.data / "sample" / "licence.pdf").read_bytes()
    request = json.loads((running.data / "sample" / "request.json").read_bytes())
    identifier = call("GET", running.link.partition("#")[0], headers={"Accept": "application/json"}).json()[
        "identifier"
    ]
    path = f"/api/v1/licences/{identifier}"

    def everywhere() -> set[str]:
        page = call("GET", running.link.partition("#")[0], headers={"Accept": "text/html"}).expect(200)
        shown = re.search(r'data-verdict="([a-z_]+)"', page.body.decode())
        assert shown is not None
        return {verdict(running, scanned, as_json), verdict(running, pdf, pdf_headers()), shown[1]}

    assert everywhere() == {"valid"}
    assert verdict(running, pdf + b"\n", pdf_headers()) == "altered"
    people["officer"].post(f"{path}/suspension", CHANGE | {"ground": "penalty"}).expect(200)
    assert everywhere() == {"suspended"}
    people["officer"].post(f"{path}/resumption", CHANGE).expect(200)
    people["officer"].post(f"{path}/ending", CHANGE | {"how": "revoked"}).expect(200)
    assert everywhere() == {"ended"}
    wrong = people["agency-system"].post(
        "/api/v1/licences", request | {"number": "JY"}, idempotency_key="wrong"
    )
    assert wrong.status == 422
    typed = {"identifier": identifier, "lookup_code": running.lookup_code}
    assert verdict(running, json.dumps(typed).encode(), as_json) == "ended"

    logs = running.logs()
    assert '"licences.create"' in logs
    assert '"/c/<link_id>"' in logs
    address, _, fragment = running.link.partition("#")
    secrets = {
        "passphrase": (running.data / "keys" / "passphrase").read_text().strip(),
        "link id": address.rpartition("/")[2],
        "fragment": fragment[:30],
        "look-up code": running.lookup_code,
        "number": request["number"],
        **{name: str(value) for name, value in request["fields"].items() if len(str(value)) > 5},
    }
    dates = {"issue_date", "valid_to"}
    assert [name for name, secret in secrets.items() if secret in logs and name not in dates] == []
    assert '"defect"' not in logs
    for origin in (running.api, running.public):
        metrics = call("GET", f"{origin}/metrics").expect(200).body.decode()
        assert "vermilion_defects_total{" not in metrics
