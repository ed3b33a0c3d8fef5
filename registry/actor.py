"""Who acts: a client, and the person it acts for where an act is a person's duty."""

from __future__ import annotations

from dataclasses import dataclass

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
