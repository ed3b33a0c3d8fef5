"""The package of one item (件), an edition or a finished case: a pure function of what was gathered.

What is in it for whom: the items and README.txt for anybody; `metadata/metadata.xml` for an archive's
catalogue; `metadata/premis.xml` for whoever keeps it on; the manifests for whoever asks whether it is whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from registry.archive.bag import bag, digests_of, to_tar
from registry.archive.contents import FORMATS, Act, Agent, Description, Item, Part
from registry.archive.metadata import METADATA, metadata_xml
from registry.archive.premis import PREMIS, premis_xml
from registry.archive.readme import README, readme

PROFILE = "vermilion-package-1"


@dataclass(frozen=True, slots=True)
class Package:
    """`tar` is what is stored; `manifest_sha256` is of manifest-sha256.txt, that names the payload."""

    id: str
    files: dict[str, bytes]
    tar: bytes
    sha256: bytes
    manifest_sha256: bytes
    items: int


def make_package(
    about: Description, items: Sequence[Item], acts: Sequence[Act], agents: Sequence[Agent]
) -> Package:
    """The same of the same, byte by byte.

    Raises ValueError for what makes no package: nothing that it is about, two items of one name, a format
    that is not kept, an act of nobody who is named.
    """
    _check(items, acts, agents)
    items = sorted(items, key=lambda item: item.path)
    acts = sorted(acts, key=lambda act: (act.at, act.id))
    agents = sorted(agents, key=lambda agent: agent.id)
    payload = {item.path: item.data for item in items}
    digests = {path: digests_of(data) for path, data in payload.items()}
    payload[METADATA] = metadata_xml(about, items, digests, acts, agents)
    payload[PREMIS] = premis_xml(about, items, digests, acts, agents)
    info = (
        ("Source-Organization", f"{about.agency_name} ({about.agency_code})"),
        ("External-Identifier", about.number),
        ("External-Description", about.title),
        ("Internal-Sender-Identifier", about.identifier),
        ("Bagging-Date", about.made_at.date().isoformat()),
        ("Bag-Software-Agent", about.software),
        ("Vermilion-Profile", PROFILE),
        ("Vermilion-Package", about.id),
    )
    files = bag(payload, info, {README: readme(about, items)}, digests)
    tar = to_tar(about.id, files, about.made_at)
    return Package(
        id=about.id,
        files=files,
        tar=tar,
        sha256=sha256(tar).digest(),
        manifest_sha256=sha256(files["manifest-sha256.txt"]).digest(),
        items=len(items),
    )


def _check(items: Sequence[Item], acts: Sequence[Act], agents: Sequence[Agent]) -> None:
    parts = {item.part for item in items}
    if not parts & {Part.DOCUMENTS, Part.APPLICATION} or not acts:
        raise ValueError("a package holds what it is about, and what was done")
    if max(Counter(item.path for item in items).values()) > 1:
        raise ValueError("two items have one name")
    if any(item.format not in FORMATS or not item.data for item in items):
        raise ValueError("an item is empty, or of a format that is not kept")
    named = {agent.id for agent in agents}
    if len(named) != len(agents) or any(not named.issuperset(act.agents) for act in acts):
        raise ValueError("somebody who acted is not named, or twice")
