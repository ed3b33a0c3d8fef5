"""An edition's package out of a real registry: everything of it is there, and proves itself without us."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import bagit

from keys.canonical import canonical_json
from keys.errors import VermilionError
from keys.path import issuer_among
from keys.time_stamp import verify_token
from registry.archive.contents import Gathered, Part
from registry.archive.edition import gather_editions
from registry.archive.package import Package, make_package
from registry.documents import open_store
from registry.licences.document_stamps import stamp_due
from registry.licences.trust import trust_now
from registry.shared_parts import SharingStore
from signing.cms import leading_element, parse_seal
from signing.held_evidence import DocumentReader, held_evidence
from signing.record import record_from_json
from signing.strict_check import strict_check
from tests.archive.packages import ABOUT, unpacked
from tests.registry.issuing import issue_one
from tests.registry.test_document_stamps import download
from tests.registry.world import Ticker, World
from tests.signing.sealing import NoStamps


def gathered(world: World, edition_id: str) -> Gathered:
    found = gather_editions(world.ports, [edition_id], trust_now(world.ports), DocumentReader())[edition_id]
    assert isinstance(found, Gathered)
    return found


def documents(found: Gathered) -> list[bytes]:
    return [one.data for one in found.items if one.part is Part.DOCUMENTS]


def packed(found: Gathered) -> Package:
    return make_package(ABOUT, found.items, found.acts, found.agents)


def item_of(found: Gathered, part: Part, name: str) -> bytes:
    (data,) = (one.data for one in found.items if (one.part, one.name) == (part, name))
    return data


def of_format(found: Gathered, ending: str) -> list[bytes]:
    return [one.data for one in found.items if one.format == ending]


def test_an_edition_is_whole_in_its_package(world: World, tmp_path: Path) -> None:
    issued = issue_one(world)
    found = gathered(world, issued.edition_id)
    assert documents(found) == [download(world, issued)]
    record = record_from_json(json.loads(item_of(found, Part.RECORD, "record.json")))
    assert record == issued.printout.record
    assert (found.document_number, found.identifier) == (record.number, record.identifier)
    assert found.title.endswith(record.number)
    assert found.applicant
    folder = unpacked(packed(found).tar, tmp_path)
    assert bagit.Bag(str(folder)).validate(processes=1)
    kept = (folder / "data/documents/licence.pdf").read_bytes()
    evidence = strict_check(kept, trust_now(world.ports), at=world.ports.clock())
    assert (evidence.sha256, evidence.level) == (issued.sha256, "B-LT")


def test_its_evidence_lies_beside_it_as_any_tool_reads_it(world: World) -> None:
    issued = issue_one(world)
    found, trust = gathered(world, issued.edition_id), trust_now(world.ports)
    certificates = of_format(found, "cer")
    assert set(trust.roots) <= set(certificates)
    assert all(issuer_among(one, certificates) is not None for one in certificates)  # up to the root, no gap
    assert len(of_format(found, "crl")) == 1
    assert len(of_format(found, "ors")) == 2
    (token,) = of_format(found, "tst")
    (document,) = documents(found)
    start = document.index(b"/Contents<") + 10
    seal = parse_seal(_cms(document, start))
    assert verify_token(token, sha256(seal.signature).digest(), trust=trust).gen_time


def _cms(document: bytes, start: int) -> bytes:
    return leading_element(bytes.fromhex(document[start : document.index(b">", start)].decode()))


def test_openssl_reads_it_by_the_commands_of_the_readme(world: World, tmp_path: Path) -> None:
    made = packed(gathered(world, issue_one(world).edition_id))
    folder = unpacked(made.tar, tmp_path)
    lines = made.files["README.txt"].decode().splitlines()
    commands = [line.split() for line in lines if line.startswith("  openssl")]
    assert len(commands) == 4
    for command in commands:
        (ending,) = (word.rpartition(".")[2] for word in command if "FILE" in word)
        files = [path for path in sorted(made.files) if path.endswith(f".{ending}")]
        assert files
        for path in files:
            words = [path if "FILE" in word else word for word in command]
            subprocess.run(words, cwd=folder, check=True, capture_output=True)


def test_what_was_done_is_there_with_what_commits_to_it(world: World) -> None:
    issued = issue_one(world)
    told = json.loads(item_of(gathered(world, issued.edition_id), Part.PROCESS, "events.json"))
    assert [one["event"]["kind"] for one in told] == ["licence.issued"]
    for one in told:
        commitment = sha256(bytes.fromhex(one["salt"]) + canonical_json(one["event"])).hexdigest()
        assert json.loads(one["leaf"])["commitment"] == commitment
    (use,) = json.loads(item_of(gathered(world, issued.edition_id), Part.PROCESS, "seal-uses.json"))
    assert (use["seal"], use["state"], use["document"]) == (world.seal_code, "applied", issued.sha256.hex())


def test_who_acted_is_named(world: World) -> None:
    found = gathered(world, issue_one(world).edition_id)
    (act,) = found.acts
    named = {agent.id: agent.name for agent in found.agents}
    assert "window-03" in {named[one] for one in act.agents}
    assert found.agency_code in named
    assert found.agency_name == named[found.agency_code]


def test_a_form_that_was_stamped_later_stands_beside_the_original(world: World, clock: Ticker) -> None:
    issued = issue_one(world, ports=replace(world.ports, timestamper=NoStamps()))
    assert of_format(gathered(world, issued.edition_id), "tst") == []
    clock.advance(timedelta(minutes=1))
    assert stamp_due(world.ports).stamped == [issued.edition_id]
    found = gathered(world, issued.edition_id)
    original, stamped = documents(found)
    assert stamped.startswith(original)
    assert sha256(original).digest() == issued.sha256
    assert [one.name for one in found.items if one.part is Part.DOCUMENTS] == ["licence.pdf", "licence-1.pdf"]
    assert len(of_format(found, "tst")) == 1
    assert [act.kind for act in found.acts] == ["licence.issued", "licence.time_stamped"]


def test_the_same_edition_makes_the_same_package(world: World) -> None:
    edition_id = issue_one(world).edition_id
    assert packed(gathered(world, edition_id)).tar == packed(gathered(world, edition_id)).tar


def test_an_edition_out_of_reach_makes_none(world: World, tmp_path: Path) -> None:
    issued = issue_one(world)

    ports = replace(world.ports, documents=SharingStore(open_store(tmp_path / "empty")))
    found = gather_editions(ports, [issued.edition_id], trust_now(world.ports), DocumentReader())[
        issued.edition_id
    ]
    assert isinstance(found, VermilionError)
    assert found.reason == "document_lost"


def test_what_documents_share_is_parsed_once_and_changes_nothing(world: World) -> None:
    """Three of one type and one with a time-stamp appended: read together, or each by itself."""
    reader = DocumentReader()
    plain = [download(world, issue_one(world)) for _ in range(3)]
    late = issue_one(world, ports=replace(world.ports, timestamper=NoStamps()))
    stamp_due(world.ports)
    for document in (*plain, download(world, late), *plain):
        assert reader.evidence("food", document) == held_evidence(document)
