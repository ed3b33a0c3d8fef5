"""A licence type: its catalogue record (GB/T 36902), its field schema and its rules, as data.

Loaded from `type.toml` in the type's folder by `load_licence_type`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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
    VALID_TO = "valid_to"
    PHOTO = "photo"


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


@dataclass(frozen=True, slots=True)
class NumberRule:
    """The licence number: a full-match pattern, its check algorithm, and who gives it."""

    pattern: str
    check: str  # "iso7064-mod-11-10" or "none"
    given_by: str  # "agency" or "registry"


@dataclass(frozen=True, slots=True)
class LicenceType:
    """Type data, one version. `code` is the 21-character code of GB/T 36904."""

    code: str
    version: int
    slug: str  # the folder's name
    name: Mapping[str, str]
    define_authority: Mapping[str, str]
    define_authority_level: str
    holder_category: str  # "natural", "legal", "mixed"
    validity_range: tuple[str, ...]
    expires: bool  # False: valid_to is always absent
    number: NumberRule
    fields: tuple[Field, ...]
    seal_kind: str  # the kind of seal the face wants, e.g. "special"

    def field(self, role: Role) -> Field | None:
        """The field that plays `role`, if the type has one."""
        return next((f for f in self.fields if f.role is role), None)
