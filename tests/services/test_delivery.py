"""A holder's document, as it reaches them from services that run: the link, the page, the file, what `verify` says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from registry.client import call
from tests.services.places import FirstStart, Running
from tests.services.running import environment, line


def test_a_holder_takes_their_document_from_a_running_registry(
    first_start: FirstStart, again: Running, tmp_path: Path
) -> None:
    """By a link that the agency hands over; the file is the very one that was sealed, and `verify` accepts it."""
    api, data = again.place.api, first_start.place.data
    form = (data / "credentials" / "demo-secret.form").read_bytes()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    token = call("POST", f"{api}/oauth2/token", body=form, headers=headers).expect(200).json()["access_token"]
    identifier = line(first_start.out, "Licence")
    asked = call(
        "POST",
        f"{api}/api/v1/licences/{identifier}/pick-ups",
        body=json.dumps({"channel": "none", "operator": "window-03"}).encode(),
        headers={
            "Content-Type": "application/json", "Authorization": f"Bearer {token}", "Idempotency-Key": "delivery",
        },
    )  # fmt: skip
    link = asked.expect(201).json()["link"]
    assert link.startswith(f"http://localhost:{api.rpartition(':')[2]}/holder/pick-up/")
    page = call("GET", link).expect(200)
    assert b"<button" in page.body
    cookie = page.headers["set-cookie"].partition(";")[0]
    answer = call("POST", link, body=b"", headers={"Cookie": cookie, **headers}).expect(200)
    assert answer.body == first_start.pdf
    assert call("POST", link, body=b"", headers=headers).status == 404
    file = tmp_path / "licence.pdf"
    file.write_bytes(answer.body)
    said = subprocess.run(
        [sys.executable, "-m", "registry", "verify", str(file), "--service", again.place.public],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    secret = link.rpartition("/")[2]
    assert secret not in again.command.out + again.command.err
    logged = [json.loads(row) for row in again.command.err.splitlines() if row.startswith("{")]
    assert {"holder.pick_up", "holder.take"} <= {row.get("endpoint") for row in logged}
    uses = call(
        "POST",
        f"{api}/holder/uses?lang=en",
        body=b"licence="
        + identifier.encode()
        + b"&code="
        + line(first_start.out, "look-up").replace(" ", "").encode(),
        headers=headers,
    ).expect(200)
    assert re.search(rb"The holder took the file", uses.body)
