"""Every setting of the services, one typed object, read from `VERMILION_*` in the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Defaults run the embedded registry in `./var`."""

    model_config = SettingsConfigDict(env_prefix="VERMILION_", extra="forbid", frozen=True)

    data: Path = Field(default=Path("var"), description="Data directory: database, keys, documents.")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in the data directory.")
    public_database_url: str = Field(
        default="", description="URL of the read-only role for the public site; empty: as database_url."
    )
    api_port: int = Field(default=8800, ge=1, le=65535, description="Port of the agency API.")
    public_port: int = Field(default=8801, ge=1, le=65535, description="Port of the public site.")
    trusted_proxies: int = Field(
        default=0, ge=0, le=5, description="Proxies in front of the public site that set X-Forwarded-For."
    )
    bind: str = Field(default="127.0.0.1", description="Address both services listen on.")
    origin: str = Field(
        default="", description="Origin printed in links; empty: http://localhost:<public_port>."
    )
    issuer: str = Field(
        default="",
        description="Address of the agency API, as tokens name it; empty: http://localhost:<api_port>.",
    )
    demo: bool = Field(default=False, description="Permit clients with a shared secret. Never in service.")
    test: bool = Field(
        default=True,
        description=(
            "Name the root TEST, so that every document says 样本 SPECIMEN. Read once, when the root is "
            "made; the root of a demonstration is always TEST. Switched off, documents have no more legal "
            "force than before: see docs/legal-force.md."
        ),
    )
    zone: str = Field(default="Asia/Shanghai", description="IANA zone whose civil days count.")
    public_user: str = Field(
        default="nobody", description="User the public site runs as when started as root."
    )
    passphrase_file: Path | None = Field(
        default=None, description="File with the key passphrase; empty: <data>/keys/passphrase."
    )
    lease_seconds: int = Field(default=60, ge=5, le=3600, description="Lease of an issuing intent.")
    approval_days: int = Field(default=7, ge=1, le=90, description="Days until an approval request expires.")

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @property
    def url(self) -> str:
        return self.database_url or f"sqlite:///{(self.data / 'database' / 'registry.db').absolute()}"

    @property
    def public_url(self) -> str:
        return self.public_database_url or self.url

    @property
    def public_origin(self) -> str:
        return self.origin or f"http://localhost:{self.public_port}"

    @property
    def audiences(self) -> frozenset[str]:
        """What an assertion may name as its audience (RFC 7523): the issuer, or its token endpoint."""
        issuers = (
            [self.issuer]
            if self.issuer
            else [f"http://{h}:{self.api_port}" for h in ("localhost", "127.0.0.1")]
        )
        return frozenset(a for issuer in issuers for a in (issuer, f"{issuer}/oauth2/token"))

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def keys_directory(self) -> Path:
        return self.data / "keys"

    @property
    def documents_directory(self) -> Path:
        return self.data / "documents"

    @property
    def public_store(self) -> Path:
        """The public site's own store: counters, limits, alarms."""
        return self.data / "public" / "public.db"
