"""Matters as data: catalogue lists and supplements (目录清单、补充清单) say which matters there are, an
agency's implementation list (实施清单) how each is handled (Measures, Art. 5; codes of GB/T 39046).

Lists are TOML files, read strictly: what is not known is refused, and a refusal names its place. Four things
no list may do: commit itself to more time than the law gives, ask for paper or for somebody's presence, take
a fee, or keep results from the public without a law that says so (Arts. 6, 7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from keys.errors import VermilionError
from registry.intake.clocks import MAX_DAYS, Limit, Unit
from signing.codes import check_type_code, check_uscc
from signing.licence_type import Disclosure, Field, FieldKind
from signing.toml_table import MAX_LINE, Table, is_line

Names = Mapping[str, str]  # by language


class ListKind(StrEnum):
    CATALOGUE = "catalogue"  # 目录清单, of the province
    SUPPLEMENT = "supplement"  # a city's own, beside it
    IMPLEMENTATION = "implementation"  # 实施清单, of the agency that handles


# Codes of GB/T 39046.
KINDS = {
    "01": "行政许可", "02": "行政处罚", "03": "行政强制", "04": "行政征收", "05": "行政给付",
    "06": "行政检查", "07": "行政确认", "08": "行政奖励", "09": "行政裁决", "10": "其他行政权力",
    "20": "公共服务",
}  # fmt: skip
LEVELS = {
    "1": "国家级", "2": "省级", "3": "市级", "4": "县级", "5": "乡镇级", "6": "村级", "7": "分级",
}  # fmt: skip
AUDIENCES = {
    "1": "自然人", "2": "企业法人", "3": "事业法人", "4": "社会组织法人", "5": "行政机关",
    "6": "其他组织",
}  # fmt: skip
FORMS = {"1": "窗口办理", "2": "网上办理（计算机端）", "3": "移动端办理", "4": "快递申请", "9": "其他"}
ONLINE = frozenset({"2", "3"})
CASE_TYPES = {"1": "即办件", "2": "承诺件", "9": "其他"}

RETENTION = ("10", "30", "permanent")  # years
MAX_MATTERS, MAX_MATERIALS, MAX_FIELDS, MAX_JOINT = 500, 60, 60, 10
MAX_DECIDES_ON = 120  # with MAX_JOINT, so that all opinions stand in one message
JOINT_DAYS, JOINT_EXTENSION = 45, 15  # working days (Administrative Licensing Law, Art. 42)
MAX_FILE = 50 * 1024 * 1024
MEDIA = ("application/pdf", "image/jpeg", "image/png")

_LIST_CODE = re.compile(r"[a-z][a-z0-9-]{2,39}")
_DIVISION = re.compile(r"[0-9]{6}")
_BASE_CODE = re.compile(r"[0-9A-Z]{10}|[0-9A-Z]{12}")  # an..10 in the norm, 12 in the national tables
_CODE = re.compile(r"[0-9A-Z]{10,36}")  # an..24 and 36
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PHONE = re.compile(r"[0-9-]{5,20}")


@dataclass(frozen=True, slots=True)
class Basis:
    """A law and, where one is meant, its article."""

    law: str
    article: str = ""

    def __str__(self) -> str:
        return self.law + self.article


@dataclass(frozen=True, slots=True)
class Listed:
    """A matter of a catalogue or a supplement."""

    base_code: str
    name: Names
    kind: str
    levels: tuple[str, ...]
    basis: tuple[Basis, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What an application rests on. What names a licence type is looked up first, and not asked for where
    the holder has such a licence (Art. 8); `compared`: by form field, the licence's field that says the same.
    """

    code: str
    name: Names
    required: bool
    source: str  # government, applicant, other
    media: tuple[str, ...]
    max_bytes: int
    licence_type: str | None
    basis: Basis
    paper: Basis | None  # the law by which paper may be demanded
    note: str
    signed: bool  # by the applicant: a PDF, then
    compared: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Joint:
    """Another agency that takes part (联合办理): on what it gives its opinion, in how many days (of the unit
    of the matter's limits), and which values of the form and which materials it needs for that.
    """

    agency_code: str
    decides_on: Names
    days: int
    fields: tuple[str, ...]
    materials: tuple[str, ...]
    overdue: Basis | None  # the law by which it is decided without an opinion that is overdue


@dataclass(frozen=True, slots=True)
class Step:
    """One of the steps that the guide shows."""

    name: Names
    by: str
    days: int


@dataclass(frozen=True, slots=True)
class Fee:
    amount: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Result:
    """What a case ends in. `secret`: the law by which results are not published (Art. 6)."""

    name: Names
    licence_type: str | None
    secret: Basis | None


@dataclass(frozen=True, slots=True)
class Matter:
    """A matter as one agency handles it."""

    code: str  # 实施编码
    base_code: str  # 基本编码
    name: Names
    kind: str
    level: str
    case_type: str
    agency_code: str
    audience: tuple[str, ...]
    forms: tuple[str, ...]
    basis: tuple[Basis, ...]
    conditions: tuple[str, ...]
    statutory: Limit
    statutory_basis: Basis
    committed: Limit
    extension: tuple[int, Basis] | None  # by at most so many days, once, and by which law
    visits: int  # how often somebody has to come
    visits_basis: Basis | None
    quantity: str
    fees: tuple[Fee, ...]
    materials: tuple[Material, ...]
    joint: tuple[Joint, ...]  # who takes part beside the agency, which leads
    steps: tuple[Step, ...]
    result: Result
    fields: tuple[Field, ...]  # of the application's form
    consult_phone: str
    complaint_phone: str
    review: str  # where a decision is reconsidered, and by whom it is judged
    litigation: str
    retention: str


@dataclass(frozen=True, slots=True)
class MatterList:
    """A list with its owner and approval, one version, from a day on."""

    kind: ListKind
    code: str
    version: int
    name: Names
    owner: str
    division: str
    approved_by: str
    approval: str  # the document's number
    approved_on: date
    effective_from: date
    effective_to: date | None
    listed: tuple[Listed, ...]  # of a catalogue or a supplement
    matters: tuple[Matter, ...]  # of an implementation list


def read_list(raw: bytes, name: str) -> MatterList:
    """A list's file. Raises VermilionError: TOO_LARGE, MALFORMED, INVALID (`bad_data_file`), each detail
    naming the place.
    """
    table = Table.parse(raw, name)
    kind = ListKind(table.choice("list", tuple(ListKind)))
    approval = table.table("approval")
    code, division = _matched(table, "code", _LIST_CODE), _matched(table, "division", _DIVISION)
    version = table.integer("version")
    entries = list(table.tables("matter"))
    if not 1 <= len(entries) <= MAX_MATTERS:
        table.refuse("matter", f"must list 1 to {MAX_MATTERS} matters")
    owner = _checked(table, "owner", check_uscc)
    implements = kind is ListKind.IMPLEMENTATION
    made = MatterList(
        kind=kind,
        code=code,
        version=version,
        name=table.languages("name"),
        owner=owner,
        division=division,
        approved_by=approval.line("by"),
        approval=approval.line("document"),
        approved_on=approval.day("on"),
        effective_from=table.day("effective_from"),
        effective_to=table.day("effective_to") if table.has("effective_to") else None,
        listed=() if implements else tuple(map(_listed, entries)),
        matters=tuple(_matter(one, owner) for one in entries) if implements else (),
    )
    approval.finish()
    table.finish()
    if version < 1:
        table.refuse("version", "counts from 1")
    if made.effective_from < made.approved_on:
        table.refuse("effective_from", "lies before the approval")
    if made.effective_to is not None and made.effective_to < made.effective_from:
        table.refuse("effective_to", "lies before effective_from")
    if kind is ListKind.SUPPLEMENT and division.endswith("0000"):
        table.refuse("division", "must be a city's: the province has the catalogue")
    if kind is ListKind.CATALOGUE and not division.endswith("0000"):
        table.refuse("division", "must be the province's: a city adds a supplement")
    codes = [one.base_code for one in made.listed] or [one.code for one in made.matters]
    if len(set(codes)) != len(codes):
        table.refuse("matter", "codes must differ")
    return made


def _listed(table: Table) -> Listed:
    listed = Listed(
        base_code=_matched(table, "base_code", _BASE_CODE),
        name=table.languages("name"),
        kind=table.choice("kind", tuple(KINDS)),
        levels=_codes(table, "levels", LEVELS),
        basis=_bases(table, "basis"),
    )
    table.finish()
    return listed


def _matter(table: Table, owner: str) -> Matter:
    statutory, committed = table.table("statutory"), table.table("committed")
    limit, promised = _limit(statutory), _limit(committed)
    statutory_basis = _basis(statutory, "basis")
    statutory.finish()
    committed.finish()
    visits = table.integer("visits", 0)
    matter = Matter(
        code=_matched(table, "code", _CODE),
        base_code=_matched(table, "base_code", _BASE_CODE),
        name=table.languages("name"),
        kind=table.choice("kind", tuple(KINDS)),
        level=table.choice("level", tuple(LEVELS)),
        case_type=table.choice("case_type", tuple(CASE_TYPES)),
        agency_code=owner,
        audience=_codes(table, "audience", AUDIENCES),
        forms=_codes(table, "forms", FORMS),
        basis=_bases(table, "basis"),
        conditions=_lines(table, "conditions"),
        statutory=limit,
        statutory_basis=statutory_basis,
        committed=promised,
        extension=_extension(table.table("extension")) if table.has("extension") else None,
        visits=visits,
        visits_basis=_basis(table, "visits_basis") if table.has("visits_basis") else None,
        quantity=table.line("quantity", "无数量限制"),
        fees=tuple(_fee(one) for one in table.tables("fee")),
        materials=tuple(_material(one) for one in table.tables("material")),
        joint=tuple(_joint(one) for one in table.tables("joint")),
        steps=tuple(_step(one) for one in table.tables("step")),
        result=_result(table.table("result")),
        fields=tuple(_field(one) for one in table.tables("field")),
        consult_phone=_matched(table, "consult_phone", _PHONE),
        complaint_phone=_matched(table, "complaint_phone", _PHONE),
        review=table.line("review"),
        litigation=table.line("litigation"),
        retention=table.choice("retention", RETENTION),
    )
    table.finish()
    _check(table, matter)
    return matter


def _check(table: Table, matter: Matter) -> None:
    if matter.committed.unit is not matter.statutory.unit:
        table.refuse("committed", "must be in the unit of the statutory limit, to be compared with it")
    if matter.committed.days > matter.statutory.days:
        table.refuse("committed", "may not be longer than the statutory limit")
    if (matter.case_type == "1") != (matter.committed.days == 0):
        table.refuse("case_type", "1 (at once) and a committed limit of no day belong together")
    if matter.visits and matter.visits_basis is None:
        table.refuse("visits", "demands presence without a legal basis (visits_basis)")
    if matter.visits_basis is not None and not matter.visits:
        table.refuse("visits_basis", "is of no use where nobody has to come")
    lawful = matter.visits > 0 or any(one.paper is not None for one in matter.materials)
    if not lawful and ONLINE.isdisjoint(matter.forms):
        table.refuse("forms", "offer no way online: that demands presence or paper without a legal basis")
    if not matter.steps:
        table.refuse("step", "must list the steps")
    if not 1 <= len(matter.fields) <= MAX_FIELDS or len(matter.materials) > MAX_MATERIALS:
        table.refuse("field", f"1 to {MAX_FIELDS} of them, and at most {MAX_MATERIALS} materials")
    fields = [one.name for one in matter.fields]
    materials = [one.code for one in matter.materials]
    agencies = [matter.agency_code, *(one.agency_code for one in matter.joint)]
    for what, names in (("field", fields), ("material", materials), ("joint", agencies)):
        if len(set(names)) != len(names):
            table.refuse(what, "names must differ")
    if any(not set(one.compared) <= set(fields) for one in matter.materials):
        table.refuse("material", "is compared with a field that the form does not have")
    _check_joint(table, matter)


def _check_joint(table: Table, matter: Matter) -> None:
    """Every clock of a joint matter runs out within its own, and that within what the law gives it."""
    if not matter.joint:
        return
    if len(matter.joint) > MAX_JOINT:
        table.refuse("joint", f"are at most {MAX_JOINT} agencies")
    longer = matter.extension is not None and matter.extension[0] > JOINT_EXTENSION
    if matter.statutory.unit is not Unit.WORKING_DAY or matter.statutory.days > JOINT_DAYS or longer:
        limit = f"at most {JOINT_DAYS} working days, and {JOINT_EXTENSION} more"
        table.refuse("statutory", f"of a matter that is handled jointly gives {limit}")
    if any(not 1 <= one.days <= matter.committed.days for one in matter.joint):
        table.refuse("joint", "days must lie between 1 and the committed limit: one answer is given in it")
    fields, materials = {one.name for one in matter.fields}, {one.code for one in matter.materials}
    if not all(set(one.fields) <= fields and set(one.materials) <= materials for one in matter.joint):
        table.refuse("joint", "needs fields and materials of the matter alone")


def _limit(table: Table) -> Limit:
    days = table.integer("days")
    if days > MAX_DAYS:
        table.refuse("days", f"are at most {MAX_DAYS}")
    return Limit(days, Unit(table.choice("unit", tuple(Unit))))


def _extension(table: Table) -> tuple[int, Basis]:
    days, basis = table.integer("days"), _basis(table, "basis")
    table.finish()
    if not 1 <= days <= MAX_DAYS:
        table.refuse("days", f"must lie between 1 and {MAX_DAYS}")
    return days, basis


def _material(table: Table) -> Material:
    material = Material(
        code=_matched(table, "code", _NAME),
        name=table.languages("name"),
        required=table.flag("required", default=True),
        source=table.choice("source", ("government", "applicant", "other")),
        media=table.texts("media", MEDIA),
        max_bytes=table.integer("max_kib", 10 * 1024) * 1024,
        licence_type=_checked(table, "licence_type", check_type_code) if table.has("licence_type") else None,
        basis=_basis(table, "basis"),
        paper=_basis(table, "paper_basis") if table.has("paper_basis") else None,
        note=table.line("note", "-").removeprefix("-"),
        compared=_compared(table),
        signed=table.flag("signed", default=False),
    )
    paper = table.flag("paper", default=False)
    table.finish()
    if paper and material.paper is None:
        table.refuse("paper", "is demanded without a legal basis (paper_basis)")
    if material.paper is not None and not paper:
        table.refuse("paper_basis", "is of no use where no paper is demanded")
    if material.compared and material.licence_type is None:
        table.refuse("compare", "is of no use without a licence_type")
    if not material.media or not set(material.media) <= set(MEDIA):
        table.refuse("media", f"must be some of {', '.join(MEDIA)}")
    if material.signed and material.media != MEDIA[:1]:
        table.refuse("signed", f"wants {MEDIA[0]} alone: nothing else bears a signature")
    if not 1 <= material.max_bytes <= MAX_FILE:
        table.refuse("max_kib", f"must lie between 1 and {MAX_FILE // 1024}")
    return material


def _compared(table: Table) -> Mapping[str, str]:
    compared: dict[str, str] = {}
    for one in table.tables("compare"):
        form, licence = _matched(one, "form", _NAME), _matched(one, "licence", _NAME)
        one.finish()
        if form in compared:
            one.refuse("form", "is compared once")
        compared[form] = licence
    return compared


def _joint(table: Table) -> Joint:
    joint = Joint(
        agency_code=_checked(table, "agency", check_uscc),
        decides_on=table.languages("decides_on"),
        days=table.integer("days"),
        fields=table.texts("fields"),
        materials=table.texts("materials", ()),
        overdue=_basis(table, "overdue_basis") if table.has("overdue_basis") else None,
    )
    table.finish()
    if any(len(name) > MAX_DECIDES_ON for name in joint.decides_on.values()):
        table.refuse("decides_on", f"has at most {MAX_DECIDES_ON} characters")
    if not joint.fields:
        table.refuse("fields", "must name what of the form the agency needs")
    return joint


def _step(table: Table) -> Step:
    step = Step(table.languages("name"), table.line("by"), table.integer("days"))
    table.finish()
    return step


def _fee(table: Table) -> Fee:
    fee = Fee(table.line("amount"), _basis(table, "basis"))  # none without a law
    table.finish()
    return fee


def _result(table: Table) -> Result:
    published = table.flag("published", default=True)
    result = Result(
        name=table.languages("name"),
        licence_type=_checked(table, "licence_type", check_type_code) if table.has("licence_type") else None,
        secret=_basis(table, "secret_basis") if table.has("secret_basis") else None,
    )
    table.finish()
    if published == (result.secret is not None):
        table.refuse(
            "published", "may be false only with the law that says so (secret_basis), and with it must"
        )
    return result


def _field(table: Table) -> Field:
    made = Field(
        name=_matched(table, "name", _NAME),
        label=table.languages("label"),
        kind=FieldKind(table.choice("kind", tuple(one for one in FieldKind if one is not FieldKind.NUMBER))),
        required=table.flag("required", default=True),
        max_length=table.integer("max_length", 200),
        role=None,
        public=Disclosure.OMITTED,
        qr=Disclosure.OMITTED,
        choices=table.texts("choices", ()),
    )
    table.finish()
    if not 1 <= made.max_length <= 2000:
        table.refuse("max_length", "must lie between 1 and 2000")
    if bool(made.choices) != (made.kind is FieldKind.CHOICE):
        table.refuse("choices", "belong to a choice, and a choice needs them")
    return made


def _bases(table: Table, key: str) -> tuple[Basis, ...]:
    found = tuple(_one_basis(one) for one in table.tables(key))
    if not found:
        table.refuse(key, "must name a law")
    return found


def _basis(table: Table, key: str) -> Basis:
    return _one_basis(table.table(key))


def _one_basis(table: Table) -> Basis:
    basis = Basis(table.line("law"), table.line("article", "-").removeprefix("-"))
    table.finish()
    if len(str(basis)) > 200:  # an event of the registry may carry it
        table.refuse("law", "and article have at most 200 characters")
    return basis


def _codes(table: Table, key: str, known: Mapping[str, str]) -> tuple[str, ...]:
    codes = table.texts(key)
    if not codes or len(set(codes)) != len(codes) or not set(codes) <= set(known):
        table.refuse(key, f"must be some of {', '.join(known)}, each once")
    return codes


def _lines(table: Table, key: str) -> tuple[str, ...]:
    lines = table.texts(key)
    if not lines or not all(map(is_line, lines)):
        table.refuse(key, f"must be printable lines of at most {MAX_LINE} characters")
    return lines


def _matched(table: Table, key: str, pattern: re.Pattern[str]) -> str:
    text = table.text(key)
    if not pattern.fullmatch(text):
        table.refuse(key, f"is not in form: {pattern.pattern}")
    return text


def _checked(table: Table, key: str, check: Callable[[str], str]) -> str:
    text = table.text(key)
    try:
        check(text)
    except VermilionError as error:
        table.refuse(key, f"is {error.detail}" if error.detail.startswith("not") else error.detail)
    return text
