"""The public site's process: what it was told, and what it still needs once it has become another user."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.places import FirstStart
from tests.services.running import Place, environment, line

LATE = """
import io, json, sys
from pathlib import Path
import verify_web.wsgi as wsgi
wsgi.preload()
known, opened = set(sys.modules), []
roots = tuple(str(Path(p).resolve()) for p in sys.path if p)
watching = False
def watch(event, arguments):
    if watching and event == "open" and str(arguments[0]).startswith(roots):
        opened.append(str(arguments[0]))
sys.addaudithook(watch)
watching = True
link, identifier, code, file = sys.argv[1:]
document = Path(file).read_bytes()
client = wsgi.application().test_client()
api = "/api/v1/verifications"
def sent(data):
    return client.post(api, data=data, content_type="application/pdf")
answers = [
    client.get("/c/" + link.partition("#")[0].rpartition("/c/")[2], headers={"Accept": "application/json"}),
    client.post(api, json={"link": link}),
    client.post(api, json={"identifier": identifier, "lookup_code": code}),
    sent(document),
    client.post(api, json={"link": link[:-1] + ("1" if link[-1] != "1" else "2")}),
    client.post(api, json={"identifier": identifier, "lookup_code": "AAAAAAAA"}),
    sent(document + b"x"), sent(document[:5000]), sent(b"%PDF-1.7"),
]
step = len(document) // 40
answers += [sent(document + document[:at]) for at in range(step, step * 40, step * 13)]
answers += [sent(document[:at] + bytes([document[at] ^ 1]) + document[at + 1:]) for at in range(0, step * 40, step)]
verdicts = [answer.get_json()["verdict"] for answer in answers]
explained = sorted({answer.get_json()["report"]["explained"] for answer in answers if "report" in answer.get_json()})
late = sorted(set(sys.modules) - known)
defects = client.application.extensions["site"].metrics.defects.last
print(json.dumps({"verdicts": verdicts, "late": late, "opened": opened, "defects": defects, "explained": explained}))
"""


def test_the_site_needs_no_code_from_the_disk_once_it_serves(place: Place, first_start: FirstStart) -> None:
    """Whatever it is shown: the user that it becomes may be unable to read any, and would answer
    `cannot_check`.
    """
    out, file = first_start.out, place.data / "sample" / "licence.pdf"
    origin = {"VERMILION_ORIGIN": first_start.place.public}
    shown = [line(out, "link"), line(out, "Licence"), line(out, "look-up"), str(file)]
    done = subprocess.run(
        [sys.executable, "-c", LATE, *shown],
        check=True, capture_output=True, text=True, env=environment(**place.settings | origin), cwd="/",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["late"], found["opened"], found["defects"]) == ([], [], [])
    assert found["verdicts"][:4] == ["valid"] * 4
    # Nor does the validator's process, which may open no file at all: it would have broken off.
    assert found["explained"] == ["done", "known"]
    assert set(found["verdicts"][6:]) <= {"altered", "not_recognised"}


SERVED = """
import json, os
from registry.cli.run import public_environment
from registry.client import call
from registry.processes import Service, free_port
from registry.settings import Settings
settings = Settings()
service = Service(
    "public site", "tests.services.environment_app:application", "127.0.0.1", free_port(),
    environment=public_environment(settings),
)
service.start()
try:
    service.wait_ready()
    print(call("GET", service.address).body.decode())
finally:
    service.stop()
"""


@pytest.mark.parametrize("embedded", [False, True], ids=["two roles", "embedded"])
def test_the_public_site_is_not_told_the_registrys_own_role(tmp_path: Path, embedded: bool) -> None:
    place = Place(tmp_path / "var")
    roles = {
        "VERMILION_DATABASE_URL": "postgresql+psycopg://owner:owners-secret@db/v",
        "VERMILION_PUBLIC_DATABASE_URL": "postgresql+psycopg://public:its-own@db/v",
    }
    given = place.settings | {"VERMILION_PASSPHRASE_FILE": "/etc/passphrase"} | ({} if embedded else roles)
    done = subprocess.run(
        [sys.executable, "-c", SERVED], check=True, capture_output=True, text=True,
        env=environment(**given), cwd="/",
    )  # fmt: skip
    found = json.loads(done.stdout)
    expected = (
        f"sqlite:///{place.data}/database/registry.db" if embedded else roles["VERMILION_PUBLIC_DATABASE_URL"]
    )
    assert found["public_url"] == expected
    assert "VERMILION_DATABASE_URL" not in found["environment"]
    assert "VERMILION_PASSPHRASE_FILE" not in found["environment"]
    assert not [value for value in found["environment"].values() if "owners-secret" in value]


def ran(program: str) -> subprocess.CompletedProcess[str]:
    """A program of ours in a process of its own, which has to end well."""
    return subprocess.run(
        [sys.executable, "-c", program],
        check=True, capture_output=True, text=True, env=environment(), cwd="/",
    )  # fmt: skip


def test_a_change_of_user_that_is_not_permitted_is_said() -> None:
    """As in a container whose root has lost that right."""
    program = (
        "import os\n"
        "from keys.errors import VermilionError\n"
        "from registry.processes import Account, drop_to\n"
        "if os.geteuid() == 0:\n"
        "    drop_to(Account(65534, 65534))\n"
        "try:\n"
        "    drop_to(Account(1, 1))\n"
        "except VermilionError as error:\n"
        "    print(error.kind.value, error.detail)\n"
    )
    done = ran(program)
    assert done.stdout.startswith("unavailable root may not become user 1: ")


def test_a_service_that_meets_a_defect_at_its_start_says_kind_and_place_alone() -> None:
    program = (
        "from registry.processes import Service, free_port\n"
        "service = Service('site', 'tests.services.environment_app:missing', '127.0.0.1', free_port())\n"
        "service.start()\n"
        "service.process.join()\n"
        "print(service.process.exitcode)\n"
    )
    done = ran(program)
    assert done.stdout == "1\n"
    assert done.stderr.startswith("vermilion: a defect: AttributeError at processes.py:")
    assert done.stderr.count("\n") == 1
