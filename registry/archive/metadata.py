"""`metadata/metadata.xml`: the item's metadata, in the terms of DA/T 46 and GB/T 42727.

The elements are named by those standards' own words. How they are to be nested and written as XML is said
in annexes that were not at hand: the namespace is therefore ours, and a receiving archive maps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from registry.archive.bag import PAYLOAD, Digests
from registry.archive.contents import FORMATS, Act, Agent, AgentKind, Description, Item, Part
from registry.archive.xml import Element, add, written

METADATA = "metadata/metadata.xml"
NAMESPACE = "urn:vermilion:archive:metadata:1"
PARTS = {
    Part.APPLICATION: "申请",
    Part.MATERIALS: "申请材料",
    Part.PROCESS: "过程文件",
    Part.DOCUMENTS: "办理结果",
    Part.RECORD: "证照数据",
    Part.EVIDENCE: "验证信息",
}
RETENTIONS = {"permanent": "永久", "30": "定期30年", "10": "定期10年"}
_AGENTS = {
    AgentKind.PERSON: "个人",
    AgentKind.ORGANIZATION: "单位",
    AgentKind.SOFTWARE: "软件",
}


def metadata_xml(
    about: Description,
    items: Sequence[Item],
    digests: Mapping[str, Digests],
    acts: Sequence[Act],
    agents: Sequence[Agent],
) -> bytes:
    root = Element("电子档案元数据", {"xmlns": NAMESPACE, "版本": "1"})
    add(root, "聚合层次", "件")
    _described(root, about)
    files = add(root, "电子文件列表")
    for item in items:
        _file(add(files, "电子文件"), item, digests[item.path])
    done = add(root, "业务行为列表")
    for act in acts:
        _act(add(done, "业务行为"), act)
    people = add(root, "责任人列表")
    for agent in agents:
        one = add(people, "责任人")
        add(one, "标识", agent.id)
        add(one, "名称", agent.name)
        add(one, "类型", _AGENTS[agent.kind])
    environment = add(root, "软硬件环境")
    add(environment, "生成软件", about.software)
    add(environment, "阅读要求", "各类文件均为通用开放格式，未加密、未压缩")
    return written(root)


def _described(root: Element, about: Description) -> None:
    source = add(root, "来源")
    add(source, "全宗号", about.fonds)
    add(source, "立档单位名称", about.fonds_name)
    add(source, "立档单位代码", about.agency_code)
    add(root, "档号", about.number)
    add(root, "目录号", about.catalogue)
    add(root, "年度", about.year)
    add(root, "保管期限", RETENTIONS[about.retention])
    if about.retention_until is not None:
        add(root, "保管期限截止日期", about.retention_until.isoformat())
    add(root, "题名", about.title)
    if about.document_number is not None:
        add(root, "文件编号", about.document_number)
    add(root, "电子文件号", about.id)
    add(root, "标识", about.identifier)
    add(root, "责任者", about.agency_name)
    if about.applicant is not None:
        add(root, "申请人", about.applicant)
    matter = add(root, "事项")
    add(matter, "编码", about.matter_code)
    if about.matter_name is not None:
        add(matter, "名称", about.matter_name)
    add(root, "办件编号", about.case_number)
    if about.accepted_on is not None:
        add(root, "受理日期", about.accepted_on.isoformat())
    add(root, "办结日期", about.completed_on.isoformat())
    add(root, "归档缘由", about.occasion)
    add(root, "归档时间", moment(about.made_at))


def _file(element: Element, item: Item, digests: Digests) -> None:
    add(element, "路径", PAYLOAD + item.path)
    add(element, "题名", item.title)
    add(element, "类别", PARTS[item.part])
    media_type, name = FORMATS[item.format]
    add(element, "格式名称", name)
    add(element, "媒体类型", media_type)
    add(element, "大小", len(item.data))
    for algorithm, value in digests.items():
        add(element, "摘要值", value, 算法=algorithm)
    if item.created is not None:
        add(element, "形成时间", moment(item.created))
    if item.source is not None:
        add(element, "来源", item.source)
    if item.retrieved is not None:
        add(element, "获取时间", moment(item.retrieved))


def _act(element: Element, act: Act) -> None:
    add(element, "标识", act.id)
    add(element, "行为", act.kind)
    add(element, "时间", moment(act.at))
    add(element, "生效日期", act.effective_from.isoformat())
    add(element, "依据", act.legal_basis)
    add(element, "原因", act.reason)
    for agent in act.agents:
        add(element, "责任人标识", agent)
    if act.opinion is not None:
        add(element, "意见", act.opinion)


def moment(at: datetime) -> str:
    """UTC, as RFC 3339 writes it."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
