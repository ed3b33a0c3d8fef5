"""The page's script under Node, with the vectors that Python runs."""

from __future__ import annotations

import json
import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from signing.verdict import Verdict
from tests.authority import issue_trust_list, make_authority
from tests.js.conftest import SCRIPTS, STATIC, run
from tests.signing.listing import Lister
from tests.signing.offline_cases import offline_cases
from tests.signing.test_offline import as_json
from tests.tools import need
from verify_web import page

ASKING = ("lists.js", "worker.js")
"""The scripts that ask the site for something: lists, and the set that a device keeps."""


@pytest.mark.parametrize("suite", ["verdict", "credential", "check"])
def test_suite(folder: Path, suite: str) -> None:
    done = run(folder, suite)
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"^[#ℹ] pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 1


def test_offline_as_python_answers(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Trust list, status list, code: every case of `tests.signing.offline_cases`, by scripts alone."""
    cases = list(offline_cases(tmp_path_factory.mktemp("offline")))
    (folder / "offline.json").write_text(json.dumps(as_json(cases)))
    done = run(folder, "offline")
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"^[#ℹ] pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) == len(cases) + 3


def test_a_client_of_its_own_reads_our_status_lists(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One that knows the draft alone, and reads the draft's own tokens first."""
    lister = Lister(make_authority(tmp_path_factory.mktemp("authority")))
    values = {0: 1, 1993: 2, 25460: 1, 159495: 3, 2**20 - 1: 2}
    content = lister.content(values, number=7)
    jwt, cwt = lister.sign(content)
    wanted = {
        "sub": content.uri, "iat": int(content.issued_at.timestamp()), "exp": int(content.expires_at.timestamp()),
        "ttl": 3600, "bits": 2, "bytes": 2**18, "statuses": values,
    }  # fmt: skip
    authority = lister.authority
    trust = issue_trust_list(
        lister.trust(), authority.custodian, authority.delegate_key, authority.delegate, authority.root
    )
    pin = sha256(authority.root).hexdigest()
    ours = {"jwt": jwt.decode(), "cwt": cwt.hex(), "trust": trust, "root_sha256": pin}
    (folder / "our_status_list.json").write_text(json.dumps({**ours, "wanted": wanted}))
    done = run(folder, "status_list")
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"^[#ℹ] pass 3$", done.stdout, re.MULTILINE)


def test_the_suites_notice_a_script_that_says_valid_to_everything(folder: Path) -> None:
    script = (folder / "verdict.js").read_text()
    assert script.count("first(table.verdict, facts).then") == 1
    (folder / "verdict.js").write_text(script.replace("first(table.verdict, facts).then", '"valid"'))
    for suite in ("verdict", "check"):
        assert run(folder, suite).returncode != 0


def test_the_script_and_the_server_colour_alike(folder: Path) -> None:
    code = """
      import { decide } from "./verdict.js";
      import { read } from "./setup.mjs";
      const { axes, rows } = read("./verdict.json");
      const tones = {};
      for (const row of rows) {
        const words = row.split(" ");
        const found = decide(read("./verdict_table.json"), Object.fromEntries(axes.map((axis, i) => [axis, words[i]])));
        (tones[found.verdict] ??= new Set()).add(found.tone);
      }
      console.log(JSON.stringify(tones, (_, value) => (value instanceof Set ? [...value].sort() : value)));
    """
    (folder / "tones.mjs").write_text(code)
    done = subprocess.run([need("node"), "tones.mjs"], cwd=folder, capture_output=True, text=True, check=True)
    expected = {verdict.value: [tone] for verdict, tone in page.TONES.items()}
    expected[Verdict.VALID] = sorted(["good", *expected[Verdict.VALID]])
    assert json.loads(done.stdout) == expected


def test_the_scripts_obey_the_content_security_policy() -> None:
    """No markup from text, no code from text; and what checks asks nobody, whatever it is given."""
    for name in SCRIPTS:
        text = (STATIC / name).read_text(encoding="utf-8")
        asking = () if name in ASKING else ("fetch(", "XMLHttpRequest", "sendBeacon", "WebSocket")
        for forbidden in (
            *asking,
            "eval(",
            "new Function",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            ".style",
            'setAttribute("on',
        ):
            assert forbidden not in text, f"{name}: {forbidden}"
        for source in re.findall(r'^import .* from "(.*)";$', text, re.MULTILINE):
            assert source.removeprefix("./") in SCRIPTS
