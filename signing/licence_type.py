"""A licence type: its catalogue record (GB/T 36902), its field schema and its rules, as data.

Loaded from `type.toml` in the type's folder by `load_licence_type`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from signing.codes import check_type_code
from signing.toml_table import Table
from signing.validity_range import ValidityRange, parse_validity_range


class FieldKind(StrEnum):
    """How a value is parsed, normalised and checked. Canonical forms are strings."""

    TEXT = "text"
    LIST = "list"  # several texts, printed joined by "；"
    CHOICE = "choice"
    DATE = "date"  # ISO 8601 calendar date
    MONTH = "month"  # ISO 8601 year and month
    USCC = "uscc"  # GB 32100
    CITIZEN_ID = "citizen_id"  # GB 11643
    PHONE = "phone"
    NUMBER = "number"  # the licence's own number, checked by the type's number rule
    PHOTO = "photo"  # JPEG; the canonical value is its SHA-256 in hex


class Role(StrEnum):
    """What part a field plays in the record, whatever the agency calls it on the face."""

    HOLDER_NAME = "holder_name"
    HOLDER_CODE = "holder_code"
    REPRESENTATIVE = "representative"
    SCOPE = "scope"
    NUMBER = "number"
    ISSUER_NAME = "issuer_name"  # filled by the registry, refused in a request
    ISSUE_DATE = "issue_date"
    VALID_FROM = "valid_from"  # where the face prints it; else the record alone has it
    VALID_TO = "valid_to"
    PHOTO = "photo"
    SEX = "sex"  # 男 or 女; agrees with the citizen id
    BIRTH = "birth"  # date or month; agrees with the citizen id


class Disclosure(StrEnum):
    FULL = "full"
    MASKED = "masked"
    OMITTED = "omitted"


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the face. `public` rules the verification page, `qr` the QR credential."""

    name: str
    label: Mapping[str, str]  # by language, "zh" and "en"
    kind: FieldKind
    required: bool
    max_length: int  # in characters; of each item for LIST
    role: Role | None
    public: Disclosure
    qr: Disclosure
    choices: tuple[str, ...] = ()
    mask: str | None = None  # the rule of signing.masking used where `public` or `qr` is masked


@dataclass(frozen=True, slots=True)
class NumberRule:
    """The licence number: a full-match pattern, its check algorithm, and who gives it."""

    pattern: str
    check: str  # "iso7064-mod-11-10" or "none"
    given_by: str  # "agency" or "registry"


@dataclass(frozen=True, slots=True)
class Setting:
    """How a value is set on the face, beyond what a PDF form can say."""

    min_size: float = 6.0  # points; type shrinks as far as this
    line_spacing: float = 1.3  # in sizes
    valign: str = "middle"  # or "top", "bottom"
    align: str | None = None  # "justify": one line spread over its box; None: as the form says


@dataclass(frozen=True, slots=True)
class LicenceType:
    """Type data, one version. `code` is the 21-character code of GB/T 36904."""

    code: str
    version: int
    slug: str  # the folder's name
    name: Mapping[str, str]
    define_authority: Mapping[str, str]
    define_authority_level: str
    legal_basis: str  # the law that a licence of this type is granted under, in its own words
    holder_category: str  # "natural", "legal", "mixed"
    validity_range: ValidityRange
    issuing_authority_levels: tuple[str, ...]
    expires: bool  # False: valid_to is always absent
    one_per_holder: bool  # a holder has one valid licence of this type, whoever issues it
    number: NumberRule
    fields: tuple[Field, ...]
    seal_kind: str  # the kind of seal the face wants, e.g. "special"
    co_seal_kinds: tuple[str, ...]  # of places 2 and 3 of a joint licence; empty: the same kind as the first
    setting: Setting  # of values without one of their own
    settings: Mapping[str, Setting]  # by field of the face

    def kind_at(self, place: int) -> str:
        """The kind of seal that stands at a place of the face, from 1."""
        return self.seal_kind if place == 1 or not self.co_seal_kinds else self.co_seal_kinds[place - 2]

    def field(self, role: Role) -> Field | None:
        """The field that plays `role`, if the type has one."""
        return next((f for f in self.fields if f.role is role), None)


MASKS = ("name", "citizen_id", "phone", "address")
"""The mask rules a field may name; `signing.masking` implements them."""

MAX_LEGAL_BASIS = 200
"""Characters: an event of the registry carries it."""

MIN_SETTING = 4.0
"""Points: smaller type cannot be read in print."""

LEVELS = ("national", "province", "prefecture", "county", "township", "other")
"""Of authorities, in a catalogue record."""

NUMBER_CHECKS = ("none", "iso7064-mod-11-10")

_ROLE_KINDS: dict[Role, frozenset[FieldKind]] = {
    Role.HOLDER_NAME: frozenset({FieldKind.TEXT}),
    Role.HOLDER_CODE: frozenset({FieldKind.USCC, FieldKind.CITIZEN_ID, FieldKind.TEXT}),
    Role.REPRESENTATIVE: frozenset({FieldKind.TEXT}),
    Role.SCOPE: frozenset({FieldKind.TEXT, FieldKind.LIST, FieldKind.CHOICE}),
    Role.NUMBER: frozenset({FieldKind.NUMBER}),
    Role.ISSUER_NAME: frozenset({FieldKind.TEXT}),
    Role.ISSUE_DATE: frozenset({FieldKind.DATE}),
    Role.VALID_FROM: frozenset({FieldKind.DATE}),
    Role.VALID_TO: frozenset({FieldKind.DATE}),
    Role.PHOTO: frozenset({FieldKind.PHOTO}),
    Role.SEX: frozenset({FieldKind.CHOICE}),
    Role.BIRTH: frozenset({FieldKind.DATE, FieldKind.MONTH}),
}
_NEEDED_ROLES = (Role.HOLDER_NAME, Role.NUMBER, Role.ISSUER_NAME, Role.ISSUE_DATE)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,59}")


def _load_field(table: Table) -> Field:
    name = table.text("name")
    if not _NAME.fullmatch(name):
        table.refuse("name", "must be a small-letter name")
    role = Role(table.choice("role", tuple(Role))) if table.has("role") else None
    field = Field(
        name=name,
        label=table.languages("label"),
        kind=FieldKind(table.choice("kind", tuple(FieldKind))),
        required=table.flag("required", default=True),
        max_length=table.integer("max_length", 200),
        role=role,
        public=Disclosure(table.choice("public", tuple(Disclosure))),
        qr=Disclosure(table.choice("qr", tuple(Disclosure))),
        choices=table.texts("choices", ()),
        mask=table.choice("mask", MASKS) if table.has("mask") else None,
    )
    table.finish()
    if not 1 <= field.max_length <= 2000:
        table.refuse("max_length", "must lie between 1 and 2000")
    if bool(field.choices) != (field.kind is FieldKind.CHOICE):
        table.refuse("choices", "belong to a choice, and a choice needs them")
    if role is not None and field.kind not in _ROLE_KINDS[role]:
        table.refuse("role", f"cannot be played by a {field.kind}")
    if (Disclosure.MASKED in (field.public, field.qr)) != (field.mask is not None):
        table.refuse("mask", "must be given where public or qr is masked, and only there")
    if field.mask is not None and (field.kind is FieldKind.CITIZEN_ID) != (field.mask == "citizen_id"):
        table.refuse("mask", "citizen_id is for citizen numbers, and they have no other")
    if field.kind is FieldKind.USCC and field.mask is not None:
        table.refuse("mask", "does not fit: codes of organisations are public")
    if field.kind is FieldKind.CITIZEN_ID and Disclosure.FULL in (field.public, field.qr):
        table.refuse("public", "citizen numbers are never shown in full, nor carried by the QR code")
    if field.kind is FieldKind.PHOTO and (field.public, field.qr) != (Disclosure.OMITTED, Disclosure.OMITTED):
        table.refuse("public", "a photo is shown on the face only")
    if field.qr is not Disclosure.OMITTED and role is None:
        table.refuse("qr", "only fields with a role have a claim in the QR code")
    return field


def _load_number(table: Table) -> NumberRule:
    rule = NumberRule(
        pattern=table.text("pattern"),
        check=table.choice("check", NUMBER_CHECKS),
        given_by=table.choice("given_by", ("agency", "registry")),
    )
    try:
        re.compile(rule.pattern)
    # ValueError comes of inline flags that exclude each other.
    except (re.error, ValueError, RecursionError, OverflowError):
        table.refuse("pattern", "is not a regular expression")
    except FutureWarning:  # where warnings are errors
        table.refuse("pattern", "means another thing to a later Python")
    table.finish()
    return rule


def _load_setting(table: Table, default: Setting) -> Setting:
    setting = Setting(
        min_size=table.number("min_size", default.min_size),
        line_spacing=table.number("line_spacing", default.line_spacing),
        valign=table.choice("valign", ("top", "middle", "bottom"), default.valign),
        align=table.choice("align", ("justify",)) if table.has("align") else default.align,
    )
    table.finish()
    if not MIN_SETTING <= setting.min_size <= 400:
        table.refuse("min_size", f"must lie between {MIN_SETTING:.0f} and 400 points")
    if not 1.0 <= setting.line_spacing <= 5.0:
        table.refuse("line_spacing", "must lie between 1 and 5 sizes")
    return setting


def _load_settings(table: Table) -> tuple[Setting, dict[str, Setting]]:
    """The table `face`: a default, and under `fields` what differs from it."""
    if not table.has("face"):
        return Setting(), {}
    face = table.table("face")
    fields = face.table("fields") if face.has("fields") else None
    default = _load_setting(face, Setting())
    own = {} if fields is None else {n: _load_setting(fields.table(n), default) for n in fields.names()}
    return default, own


def load_licence_type(folder: Path) -> LicenceType:
    """Load `type.toml` of a type's folder; the folder's name is the slug.

    Raises VermilionError(NOT_FOUND) and what `read_licence_type` raises.
    """
    return _licence_type(folder.resolve().name, Table.load(folder / "type.toml"))


def read_licence_type(slug: str, type_toml: bytes) -> LicenceType:
    """The bytes of a `type.toml` as the type of that slug.

    Raises VermilionError(TOO_LARGE, MALFORMED, INVALID): unknown keys, roles twice or on the wrong kind,
    citizen numbers disclosed in full and names of organisations masked are refused.
    """
    return _licence_type(slug, Table.parse(type_toml, "type.toml"))


def _licence_type(slug: str, table: Table) -> LicenceType:
    number = table.table("number")
    setting, settings = _load_settings(table)
    licence_type = LicenceType(
        code=table.text("code"),
        version=table.integer("version"),
        slug=slug,
        name=table.languages("name"),
        define_authority=table.languages("define_authority"),
        define_authority_level=table.choice("define_authority_level", LEVELS),
        legal_basis=table.text("legal_basis"),
        holder_category=table.choice("holder_category", ("natural", "legal", "mixed")),
        validity_range=_load_validity_range(table),
        issuing_authority_levels=_load_levels(table),
        expires=table.flag("expires"),
        one_per_holder=table.flag("one_per_holder", default=False),
        number=_load_number(number),
        fields=tuple(_load_field(field) for field in table.tables("field")),
        seal_kind=table.text("seal_kind"),
        co_seal_kinds=table.texts("co_seal_kinds", ()),
        setting=setting,
        settings=settings,
    )
    table.finish()
    check_type_code(licence_type.code)
    if not _SLUG.fullmatch(licence_type.slug):
        table.refuse("the folder's name", "must be small letters, digits and hyphens")
    basis = licence_type.legal_basis
    if len(basis) > MAX_LEGAL_BASIS or not basis.isprintable() or basis != basis.strip():
        table.refuse("legal_basis", f"must be a printable line of at most {MAX_LEGAL_BASIS} characters")
    if licence_type.version < 1:
        table.refuse("version", "counts from 1")
    _check_fields(table, licence_type)
    return licence_type


def _load_validity_range(table: Table) -> ValidityRange:
    try:
        return parse_validity_range(table.texts("validity_range"))
    except ValueError as error:
        table.refuse("validity_range", str(error))


def _load_levels(table: Table) -> tuple[str, ...]:
    levels = table.texts("issuing_authority_levels")
    if not levels or len(set(levels)) != len(levels) or not set(levels) <= set(LEVELS):
        table.refuse("issuing_authority_levels", f"must be some of {', '.join(LEVELS)}, each once")
    return levels


def _check_fields(table: Table, licence_type: LicenceType) -> None:
    fields = licence_type.fields
    if len({field.name for field in fields}) != len(fields):
        table.refuse("field", "names must differ")
    roles = [field.role for field in fields if field.role is not None]
    if len(set(roles)) != len(roles):
        table.refuse("field", "each role is played once")
    for role in _NEEDED_ROLES:
        if role not in roles:
            table.refuse("field", f"none plays {role}")
    for field in fields:
        if field.kind is FieldKind.PHOTO and field.role is not Role.PHOTO:
            table.refuse(field.name, "a photo plays the role photo")
        if field.kind is FieldKind.NUMBER and field.role is not Role.NUMBER:
            table.refuse(field.name, "the licence number plays the role number")
        if field.role in _NEEDED_ROLES and not field.required:
            table.refuse(field.name, "must be required")
        if field.role is Role.VALID_FROM and not field.required:
            table.refuse(field.name, "must be required")
    if licence_type.expires != (Role.VALID_TO in roles):
        table.refuse("expires", "and a field with the role valid_to belong together")
    if licence_type.expires != bool(licence_type.validity_range.terms):
        table.refuse("validity_range", "has terms where licences expire, and only there")
    until = licence_type.field(Role.VALID_TO)
    if until is not None and until.required is licence_type.validity_range.unlimited:
        table.refuse(until.name, "may be left out where validity_range has 长期, and only there")
    code = licence_type.field(Role.HOLDER_CODE)
    if licence_type.one_per_holder and (code is None or not code.required):
        table.refuse("one_per_holder", "needs a required field with the role holder_code")
    holder = licence_type.field(Role.HOLDER_NAME)
    if licence_type.holder_category == "legal" and holder is not None and holder.mask is not None:
        table.refuse(holder.name, "names of organisations are never masked")
