"""What the token endpoint takes and answers, and what a client is told of itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from registry.described import Id, Told


class TokenRequest(BaseModel):
    """RFC 6749, 4.4, and RFC 7523. A client authenticates by `private_key_jwt`; a person acts through a
    client of their agency by an assertion of their own; an auditor by that alone.
    """

    grant_type: Literal["client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"]
    client_id: str | None = None
    client_assertion_type: Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"] | None = None
    client_assertion: Annotated[str | None, Field(description="A JWT, ES256, that serves once.")] = None
    assertion: Annotated[str | None, Field(description="The person's, for the JWT bearer grant.")] = None
    scope: Annotated[str | None, Field(description="With spaces between; else all of the client's.")] = None
    client_secret: Annotated[str | None, Field(description="In a demonstration only.")] = None


class Token(Told):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str


class TokenRefusal(Told):
    """RFC 6749, 5.2."""

    error: str
    error_description: str


class Name(Told):
    zh: str
    en: str


class Self(Told):
    """Whom the token stands for."""

    agency: Annotated[str, Field(description="Its unified social credit code.")]
    name: Name
    division: str
    seal_authority: bool
    client: Id
    scopes: list[str]
    types: Annotated[list[str], Field(description="The licence types that the client may issue.")]
    person: Id | None
    roles: list[str]
