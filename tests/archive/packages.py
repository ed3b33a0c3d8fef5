"""Packages of invented items, and bags unpacked as a stranger would."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from registry.archive.contents import Act, Agent, AgentKind, Description, Item, Part
from tests.archive.premis_schema import require_valid

MADE_AT = datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
ABOUT = Description(
    id="ab" * 16,
    number="12990000MB01090029-ZZ·2026·D30-000001",
    fonds="12990000MB01090029",
    fonds_name="样本省市场监督管理局",
    catalogue="ZZ·2026·D30",
    year=2026,
    retention="30",
    retention_until=date(2056, 12, 31),
    title="食品经营许可证 JY29901020000017",
    document_number="JY29901020000017",
    identifier="1.2.156.3005.2.sample",
    agency_code="12990000MB01090029",
    agency_name="样本省市场监督管理局",
    applicant="样本餐饮有限公司 <一店>",
    matter_code="000131001000",
    matter_name="食品经营许可",
    case_number="20261120-0001",
    accepted_on=date(2026, 11, 18),
    completed_on=date(2026, 11, 20),
    occasion="licence.issued",
    made_at=MADE_AT,
    software="vermilion 1.0.0",
)
AGENTS = (
    Agent("p1", "李样本", AgentKind.PERSON),
    Agent("12990000MB01090029", "样本省市场监督管理局", AgentKind.ORGANIZATION),
    Agent("registry", "电子证照注册系统", AgentKind.SOFTWARE),
)
ACTS = (
    Act(
        "e2", "licence.issued", MADE_AT, date(2026, 11, 20), "食品安全法第三十五条", "issued",
        ("p1", "12990000MB01090029"),
    ),
    Act(
        "e1", "case.accepted", datetime(2026, 11, 18, 1, tzinfo=UTC), date(2026, 11, 18), "行政许可法第三十二条",
        "complete", ("p1",), "材料齐全，符合法定形式 & 予以受理",
    ),
)  # fmt: skip
LICENCE = Item(Part.DOCUMENTS, "licence.pdf", "食品经营许可证", b"%PDF-1.7 sample", MADE_AT)
ITEMS = (
    LICENCE,
    Item(Part.RECORD, "record.json", "证照数据", b'{"number":"JY29901020000017"}'),
    Item(Part.APPLICATION, "application.json", "申请表", b"{}"),
    Item(
        Part.MATERIALS, "business-licence.ofd", "营业执照", b"PK sample",
        source="数据共享平台", retrieved=datetime(2026, 11, 18, 2, tzinfo=UTC),
    ),
    Item(Part.PROCESS, "events.json", "办理过程", b"[]"),
    Item(Part.EVIDENCE, "certificates/1.cer", "证书", b"\x30\x00"),
)  # fmt: skip


def item(**changes: object) -> Item:
    return replace(LICENCE, **changes)  # type: ignore[arg-type]


def unpacked(tar: bytes, folder: Path) -> Path:
    """The bag's folder, written by Python's own tar; its preservation metadata are valid by their schema."""
    into = folder / "unpacked"
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as opened:
        opened.extractall(into, filter="data")
    (bag,) = into.iterdir()
    require_valid((bag / "data/metadata/premis.xml").read_bytes())
    return bag
