"""`metadata/premis.xml`: objects, events and agents of a package in PREMIS 3.0, for whoever keeps it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry.archive.bag import PAYLOAD, Digests
from registry.archive.contents import FORMATS, Act, Agent, AgentKind, Description, Item
from registry.archive.metadata import moment
from registry.archive.xml import Element, add, written

PREMIS = "metadata/premis.xml"
NAMESPACE = "http://www.loc.gov/premis/v3"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_ARCHIVE = "vermilion-archive"
_NAMES = {"sha256": "SHA-256", "sha512": "SHA-512"}
_MADE = ("creation", "message digest calculation", "ingestion")
"""What the archive did to the package itself, in the words of PREMIS's own list of event types."""


def premis_xml(
    about: Description,
    items: Sequence[Item],
    digests: Mapping[str, Digests],
    acts: Sequence[Act],
    agents: Sequence[Agent],
) -> bytes:
    root = Element("premis", {"xmlns": NAMESPACE, "xmlns:xsi": _XSI, "version": "3.0"})
    whole = add(root, "object", **{"xsi:type": "intellectualEntity"})
    _identifier(whole, "object", "archive number", about.number)
    _identifier(whole, "object", "package", about.id)
    add(whole, "originalName", about.title)
    for item in items:
        _file(root, item, digests[item.path])
    for number, kind in enumerate(_MADE, 1):
        event = _event(root, f"{about.id}-{number}", kind, moment(about.made_at), about.occasion)
        _link(event, "Agent", "software", _ARCHIVE)
        _link(event, "Object", "package", about.id)
    for act in acts:
        told = "; ".join(part for part in (act.legal_basis, act.reason, act.opinion) if part)
        event = _event(root, act.id, act.kind, moment(act.at), told)
        for agent in act.agents:
            _link(event, "Agent", "local", agent)
        _link(event, "Object", "package", about.id)
    for one in agents:
        _agent(root, "local", one)
    _agent(root, "software", Agent(_ARCHIVE, about.software, AgentKind.SOFTWARE))
    return written(root)


def _file(root: Element, item: Item, digests: Digests) -> None:
    file = add(root, "object", **{"xsi:type": "file"})
    _identifier(file, "object", "path", PAYLOAD + item.path)
    characteristics = add(file, "objectCharacteristics")
    for algorithm, value in digests.items():
        fixity = add(characteristics, "fixity")
        add(fixity, "messageDigestAlgorithm", _NAMES[algorithm])
        add(fixity, "messageDigest", value)
    add(characteristics, "size", len(item.data))
    media_type, name = FORMATS[item.format]
    form = add(characteristics, "format")
    add(add(form, "formatDesignation"), "formatName", media_type)
    add(form, "formatNote", name)
    add(file, "originalName", item.title)


def _event(root: Element, identifier: str, kind: str, at: str, detail: str) -> Element:
    event = add(root, "event")
    _identifier(event, "event", "local", identifier)
    add(event, "eventType", kind)
    add(event, "eventDateTime", at)
    add(add(event, "eventDetailInformation"), "eventDetail", detail)
    add(add(event, "eventOutcomeInformation"), "eventOutcome", "success")
    return event


def _agent(root: Element, kind: str, agent: Agent) -> None:
    element = add(root, "agent")
    _identifier(element, "agent", kind, agent.id)
    add(element, "agentName", agent.name)
    add(element, "agentType", agent.kind.value)


def _identifier(parent: Element, of: str, kind: str, value: str) -> None:
    element = add(parent, f"{of}Identifier")
    add(element, f"{of}IdentifierType", kind)
    add(element, f"{of}IdentifierValue", value)


def _link(event: Element, to: str, kind: str, value: str) -> None:
    element = add(event, f"linking{to}Identifier")
    add(element, f"linking{to}IdentifierType", kind)
    add(element, f"linking{to}IdentifierValue", value)
