"""Who acts: a client, and the person it acts for where an act is a person's duty; or an administrator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keys.errors import Kind, VermilionError


@dataclass(frozen=True, slots=True)
class Actor:
    """Established from a credential by the server; nothing in it is taken from a request's body.

    `operator` is the agency's own account name, told by the client and recorded, never trusted.
    """

    client_id: str
    agency_code: str  # of the person where there is one, else of the client
    scopes: frozenset[str]
    person_id: str | None = None
    roles: frozenset[str] = frozenset()
    operator: str = ""

    def require_scope(self, scope: str) -> None:
        """Raises VermilionError(FORBIDDEN)."""
        if scope not in self.scopes:
            raise VermilionError(Kind.FORBIDDEN, f"the token lacks the scope {scope}", reason="scope")

    def require_person(self, role: str) -> str:
        """The person's id. Raises VermilionError(FORBIDDEN) without a person holding the role."""
        if self.person_id is None:
            raise VermilionError(Kind.FORBIDDEN, "this act is a person's duty", reason="person_required")
        if role not in self.roles:
            raise VermilionError(Kind.FORBIDDEN, f"the person lacks the role {role}", reason="role")
        return self.person_id


class Duty(StrEnum):
    """The three duties of administration that no one person combines (三员分立)."""

    SYSTEM = "system_admin"  # 系统管理员: enrols, disables, publishes types, renews and ends keys
    SECURITY = "security_admin"  # 安全管理员: approves what is enrolled, grants and withdraws
    AUDIT = "auditor"  # 审计管理员: reads the record of what was done, and changes nothing


@dataclass(frozen=True, slots=True)
class Administrator:
    """A person who proved by their key that they hold a duty; they act for no agency, through no client."""

    person_id: str
    duty: Duty

    @property
    def client_id(self) -> None:
        return None

    @property
    def operator(self) -> str:
        return ""

    def require(self, *duties: Duty) -> None:
        """Raises VermilionError(FORBIDDEN, reason "duty")."""
        if self.duty not in duties:
            wanted = " or ".join(duty.value for duty in duties)
            raise VermilionError(Kind.FORBIDDEN, f"this is the duty of {wanted}", reason="duty")
