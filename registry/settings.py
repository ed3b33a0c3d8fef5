"""Every setting of the services, one typed object, read from `VERMILION_*` in the environment."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from registry.outside_addresses import Networks


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
    public_processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that answer for the public site; /metrics speaks of the one that answers.",
    )
    authority_port: int = Field(
        default=8802, ge=1, le=65535, description="Port of the authority: OCSP, CRLs, time-stamps."
    )
    trusted_proxies: int = Field(
        default=0, ge=0, le=5, description="Proxies in front of site and authority that set X-Forwarded-For."
    )
    bind: str = Field(default="127.0.0.1", description="Address the services listen on.")
    origin: str = Field(
        default="", description="Origin printed in links; empty: http://localhost:<public_port>."
    )
    problem_address: str = Field(
        default="",
        description=(
            "Where visitors of the public site report a problem with a licence: https://… or mailto:…; "
            "empty: they are told to tell the agency."
        ),
    )
    issuer: str = Field(
        default="",
        description="Address of the agency API, as tokens name it; empty: http://localhost:<api_port>.",
    )
    console_origin: str = Field(
        default="",
        description=(
            "Origin of the operator console, as browsers see it; passkeys are bound to its host. Empty: "
            "http://localhost:<api_port>."
        ),
    )
    holder_origin: str = Field(
        default="",
        description=(
            "Origin of the pages for holders of licences (`/holder/`: pick-up links, the log of uses), as "
            "browsers see it. They are the API's process's: a proxy gives them a name of their own. Empty: "
            "http://localhost:<api_port>."
        ),
    )
    oidc_issuer: str = Field(
        default="",
        description=(
            "Issuer of the OpenID provider by which people may sign in to the console, as it says it; "
            "empty: by none."
        ),
    )
    oidc_client_id: str = Field(default="", description="What the OpenID provider calls the console.")
    oidc_client_secret_file: Path | None = Field(
        default=None,
        description="File (mode 0600) with the console's secret at the OpenID provider; empty: it has none.",
    )
    oidc_name: str = Field(
        default="OpenID",
        max_length=40,
        description="The OpenID provider's name, as the sign-in page says it.",
    )
    authority_origin: str = Field(
        default="",
        description=(
            "Origin of the authority as certificates name it, by a full domain name or an address; empty: "
            "http://127.0.0.1:<authority_port>. Plain http: what is fetched there is signed, and needed to "
            "judge a certificate of https."
        ),
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
        default="nobody",
        description="User the public site runs as when started as root; root accepts that it stays root.",
    )
    passphrase_file: Path | None = Field(
        default=None, description="File with the key passphrase; empty: <data>/keys/passphrase."
    )
    root_directory: Path | None = Field(
        default=None,
        description=(
            "Directory of the root's key, for the first start that makes it and for nothing that serves; "
            "empty: <data>/root. A ceremony's file names its own."
        ),
    )
    signer_socket: Path | None = Field(
        default=None,
        description=(
            "Socket of the signer: where `vermilion signer` listens, and where the other services ask it; "
            "empty: they hold the keys themselves."
        ),
    )
    signer_callers: str = Field(
        default="",
        description=(
            "Who may ask the signer for what: `user=purpose,...;user=...`, users by name or number. A "
            "purpose alone is all that its keys sign, `purpose:kind` one kind; `wrapping` the data keys that "
            "encrypt what is at rest; `*` all of it; `generate` permits new keys of what is named."
        ),
    )
    receipt_socket: Path | None = Field(
        default=None,
        description=(
            "Socket by which the public site has answers signed, of the signer or of the API; empty: "
            "<data>/receipts/socket, which the API serves where it holds the keys."
        ),
    )
    pkcs11_module: Path | None = Field(
        default=None,
        description="PKCS#11 module whose token holds the keys; empty: key files under a passphrase.",
    )
    pkcs11_token: str = Field(default="", description="Label of the token.")
    pkcs11_pin_file: Path | None = Field(default=None, description="File with the PIN of the token's user.")
    tsa_per_minute: int = Field(
        default=120,
        ge=0,
        le=100_000,
        description="Time-stamps that one network (IPv4 /24, IPv6 /56) is given a minute; 0: no limit.",
    )
    tsa_require_sync: bool = Field(
        default=False,
        description=(
            "Give time-stamps only while the kernel says that the clock is synchronised (NTP, PTP) to a "
            "second. A clock that steps back is refused in any case."
        ),
    )
    outside_tsas: Path | None = Field(
        default=None,
        description=(
            "TOML list of time-stamp authorities outside (`[[tsa]]` with name, url, ca, perhaps policy): "
            "once a day the first that answers stamps what was registered. Empty: nobody is asked."
        ),
    )
    outside_status_hours: int = Field(
        default=24,
        ge=1,
        le=168,
        description=(
            "Hours, from its thisUpdate, for which a CRL or OCSP response of a licensed CA outside is relied "
            "on at most, whatever its nextUpdate says."
        ),
    )
    licensed_roots: Path | None = Field(
        default=None,
        description=(
            "PEM file, or folder of *.pem, with certificates of licensed authorities: an upload to the "
            "public site that is no licence of ours but bears their signatures gets a report on these, never "
            "a verdict on a licence; so does a PDF among the materials of an application. Empty: nobody is "
            "known."
        ),
    )
    archive_after: int = Field(
        default=0,
        ge=0,
        le=36500,
        description=(
            "Days after which a licence's document gets a time-stamp for the archive (level B-LTA), which "
            "makes it a further form beside the original; 0: only where `vermilion archive-stamp` names it."
        ),
    )
    archive_renew_days: int = Field(
        default=365,
        ge=1,
        le=1825,
        description=(
            "Days before the end of its time-stamp authority's certificate at which an archived document "
            "gets the next time-stamp, of the authority that serves by then."
        ),
    )
    archive_retired: str = Field(
        default="",
        description=(
            "Suites that archived documents are to leave, such as `p256-sha256`, with commas between: they "
            "get the next time-stamp as soon as the authority that serves is of another."
        ),
    )
    archive_stores: str = Field(
        default="",
        description=(
            "Where archived packages lie, at least two stores: `name=place,name=place`, a place being a "
            "folder, a mount or `s3://bucket/prefix`; empty: two folders in <data>/archive, which are lost "
            "with one disk."
        ),
    )
    archive_audit_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="Days from the beginning of one reading of a store of the archive to that of the next.",
    )
    archive_audit_mb: int = Field(
        default=20,
        ge=0,
        le=10_000,
        description="Megabytes a second that such a reading takes of each store at most; 0: as it can.",
    )
    archive_partners: Path | None = Field(
        default=None,
        description=(
            "Folder of CODE.pem, or one such file, with the certificates of archives that packages go to or "
            "come from: receipts and lists are believed in the name of the archive of that code alone. "
            "Empty: nobody's."
        ),
    )
    client_per_minute: int = Field(
        default=12_000,
        ge=0,
        le=1_000_000,
        description=(
            "Requests that one client of the agency API may send a minute, or at once; 0: no limit."
        ),
    )
    limit_shares: int = Field(
        default=1,
        ge=1,
        le=256,
        description=(
            "Over how many processes of the agency API, on all hosts, requests are spread: each counts by "
            "itself, and gives a client this part of its limit."
        ),
    )
    certificate_proxies: str = Field(
        default="",
        description=(
            "Networks (`10.1.0.0/16,fd00::/8`) of the proxies in front of the agency API that ask clients "
            "for a certificate and pass it on as `Client-Cert` (RFC 9440); empty: nobody's word is taken."
        ),
    )
    webhook_networks: str = Field(
        default="",
        description=(
            "Networks (`10.1.0.0/16,fd00::/8`) whose addresses webhooks may be sent to although they are not "
            "public, and by plain http too; empty: public addresses alone, by https."
        ),
    )
    exchange_networks: str = Field(
        default="",
        description=(
            "As VERMILION_WEBHOOK_NETWORKS, for connectors of data exchange (`vermilion connector`): "
            "networks that are not public, such as the government's own, and plain http."
        ),
    )
    exchange_ca_file: Path | None = Field(
        default=None,
        description=(
            "PEM file with the authorities of sources of data exchange; empty: those that the machine knows."
        ),
    )
    smtp_host: str = Field(
        default="",
        description="Mail server by which messages to people leave, such as pick-up links; empty: none do.",
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description=(
            "How the way to the mail server is encrypted: `starttls` and `implicit` (port 465) verify its "
            "certificate by its name; `none` is for a server on this machine."
        ),
    )
    smtp_ca_file: Path | None = Field(
        default=None,
        description="PEM file with the authorities of the mail server; empty: those that the machine knows.",
    )
    smtp_from: str = Field(default="", description="Address from which messages to people come.")
    smtp_user: str = Field(
        default="", max_length=120, description="Account at the mail server; empty: nobody signs in."
    )
    smtp_password_file: Path | None = Field(
        default=None, description="File (mode 0600) with the password of the account at the mail server."
    )
    malware_scanner: str = Field(
        default="",
        description=(
            "Where clamd listens (`unix:/run/clamav/clamd.ctl`, `tcp://host:3310`), to which uploads are "
            "shown; empty: they are on record as not scanned."
        ),
    )
    malware_seconds: float = Field(
        default=60, ge=0.1, le=600, description="Seconds that a scan of one upload may take."
    )
    use_log_days: int = Field(
        default=1095,
        ge=180,
        le=36500,
        description="Days for which it is kept who used a licence for what, for its holder to see.",
    )
    draft_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days after which the contents of a draft application that nobody changed are erased.",
    )
    check_sites: str = Field(
        default="",
        description=(
            "Addresses of public sites, with commas between, whose sums of checks and alerts are read; "
            "empty: http://127.0.0.1:<public_port>; `none`: nobody's."
        ),
    )
    figures_secret_file: Path | None = Field(
        default=None,
        description=(
            "File with the secret by which a public site gives its sums of checks and its alerts to another "
            "machine than its own: the same for the site and for the agency API, which reads them. Empty: to "
            "its own alone."
        ),
    )
    presentation_seconds: int = Field(
        default=60,
        ge=60,
        le=120,
        description="Seconds for which a presentation code is shown, where the request does not say.",
    )
    lease_seconds: int = Field(default=60, ge=5, le=3600, description="Lease of an issuing intent.")
    approval_days: int = Field(default=7, ge=1, le=90, description="Days until an approval request expires.")

    @field_validator(
        "passphrase_file",
        "root_directory",
        "signer_socket",
        "receipt_socket",
        "pkcs11_module",
        "pkcs11_pin_file",
        "archive_partners",
        "licensed_roots",
        "oidc_client_secret_file",
        "exchange_ca_file",
        "smtp_ca_file",
        "smtp_password_file",
        "figures_secret_file",
        mode="before",
    )
    @classmethod
    def _no_path(cls, value: object) -> object:
        return value or None

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PydanticCustomError("zone", "no zone of the IANA database") from None
        return value

    @field_validator("malware_scanner")
    @classmethod
    def _a_scanner(cls, value: str) -> str:
        from registry.intake.scanning import scanner_address

        try:
            if value:
                scanner_address(value)
        except ValueError:
            raise PydanticCustomError("scanner", "unix:/path or tcp://host:port") from None
        return value

    @field_validator("webhook_networks", "exchange_networks", "certificate_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        from registry.outside_addresses import networks

        try:
            networks(value)
        except ValueError:
            raise PydanticCustomError(
                "networks", "networks such as 10.1.0.0/16, with commas between"
            ) from None
        return value

    @field_validator("check_sites")
    @classmethod
    def _sites(cls, value: str) -> str:
        if value in {"", "none"}:
            return value
        for one in value.split(","):
            parts = urlsplit(one)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.hostname
                or parts.path
                or set(one) & set("?#@")
            ):
                raise PydanticCustomError("address", "http:// or https://, a host, perhaps a port")
        return value

    @field_validator("archive_retired")
    @classmethod
    def _known_suites(cls, value: str) -> str:
        from keys.suite import SUITES

        if not {name for name in value.split(",") if name} <= SUITES.keys():
            raise PydanticCustomError("suites", "names of suites: " + ", ".join(SUITES))
        return value

    @field_validator("problem_address")
    @classmethod
    def _a_way_to_report(cls, value: str) -> str:
        """It becomes a link of every result: of nothing else than these two kinds."""
        if value and not re.fullmatch(
            r"(https://|mailto:)[\x21\x23-\x25\x27-\x3b\x3d\x3f-\x7e]{3,200}", value
        ):
            raise PydanticCustomError("problem_address", "https://… or mailto:…, in ASCII")
        return value

    @field_validator("origin", "authority_origin", "console_origin", "holder_origin")
    @classmethod
    def _an_origin(cls, value: str) -> str:
        """In its normal form: links and the trust list carry the same."""
        from keys.errors import VermilionError
        from signing.credential import normal_origin

        try:
            return normal_origin(value) if value else value
        except VermilionError:
            words = "http:// or https://, a host, perhaps a port, and nothing after it"
            raise PydanticCustomError("origin", words) from None

    @field_validator("authority_origin")
    @classmethod
    def _an_address_of_certificates(cls, value: str) -> str:
        """RFC 5280, 4.2.1.6: a fully qualified domain name, or an IP address (of version 4: the linter of our
        certificates knows no other in a URI).
        """
        parts = urlsplit(value)
        if value and (parts.scheme != "http" or "." not in (parts.hostname or "")):
            raise PydanticCustomError("origin", "http://, and a full domain name or an address")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _an_issuer(cls, value: str) -> str:
        """OpenID Connect Discovery, 3: https, without query and fragment; http on this machine, to try."""
        try:
            parts = urlsplit(value)
            local = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"}
            good = (parts.scheme == "https" or local) and parts.hostname and (parts.port or True)
        except ValueError:
            good = False
        if value and (not good or set(value) & set("?#@") or not value.isascii() or not value.isprintable()):
            words = "an https address without user, query or fragment"
            raise PydanticCustomError("address", words)
        return value

    @field_validator("issuer")
    @classmethod
    def _an_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
        except ValueError:
            good = False
        if value and (not good or set(value) & set("?#@") or value.endswith("/") or not value.isprintable()):
            words = "an http or https address without user, query, fragment or slash at its end"
            raise PydanticCustomError("address", words)
        return value

    @field_validator("database_url", "public_database_url")
    @classmethod
    def _a_database(cls, value: str) -> str:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            driver = make_url(value).drivername if value else None
        except (ArgumentError, ValueError):
            driver = ""
        if driver not in {None, "sqlite", "postgresql", "postgresql+psycopg"}:
            raise PydanticCustomError("database", "sqlite:///file, or postgresql+psycopg://user@host/name")
        return value

    @field_validator("smtp_host")
    @classmethod
    def _a_host(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9.:-]{0,253}", value):
            raise PydanticCustomError("host", "a host's name or address, and nothing beside it")
        return value

    @field_validator("smtp_from")
    @classmethod
    def _a_sender(cls, value: str) -> str:
        from registry.notices.addresses import is_address

        if value and not is_address(value):
            raise PydanticCustomError("address", "an e-mail address, and nothing beside it")
        return value

    @model_validator(mode="after")
    def _a_mail_server(self) -> Settings:
        """A password crosses no network in clear."""
        if self.smtp_host and not self.smtp_from:
            raise PydanticCustomError("smtp", "VERMILION_SMTP_HOST wants VERMILION_SMTP_FROM")
        if bool(self.smtp_user) != (self.smtp_password_file is not None):
            words = "VERMILION_SMTP_USER and VERMILION_SMTP_PASSWORD_FILE go together"
            raise PydanticCustomError("smtp", words)
        if self.smtp_user and self.smtp_tls == "none":
            raise PydanticCustomError("smtp", "VERMILION_SMTP_USER wants VERMILION_SMTP_TLS")
        return self

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
    def authority(self) -> str:
        """Where relying parties fetch the status of certificates, and time-stamps."""
        return self.authority_origin or f"http://127.0.0.1:{self.authority_port}"

    @property
    def console(self) -> str:
        """Origin of the operator console."""
        return self.console_origin or f"http://localhost:{self.api_port}"

    @property
    def holder(self) -> str:
        """Origin of the pages for holders."""
        return self.holder_origin or f"http://localhost:{self.api_port}"

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
    def webhook_permitted(self) -> Networks:
        from registry.outside_addresses import networks

        return networks(self.webhook_networks)

    @property
    def exchange_permitted(self) -> Networks:
        from registry.outside_addresses import networks

        return networks(self.exchange_networks)

    @property
    def certificate_networks(self) -> Networks:
        from registry.outside_addresses import networks

        return networks(self.certificate_proxies)

    @property
    def sites(self) -> tuple[str, ...]:
        """Public sites whose sums of checks are read."""
        if self.check_sites == "none":
            return ()
        return tuple((self.check_sites or f"http://127.0.0.1:{self.public_port}").split(","))

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def keys_directory(self) -> Path:
        return self.data / "keys"

    @property
    def root_place(self) -> Path:
        return self.root_directory or self.data / "root"

    @property
    def receipts_at(self) -> Path:
        """The socket by which the public site has answers signed."""
        return self.receipt_socket or self.data / "receipts" / "socket"

    @property
    def holds_key_files(self) -> bool:
        """Whether a service with these settings opens key files itself."""
        return self.signer_socket is None and self.pkcs11_module is None

    @property
    def documents_directory(self) -> Path:
        return self.data / "documents"

    @property
    def exchange_directory(self) -> Path:
        """Where connectors of the kind `folder` read, each in a folder of its code."""
        return self.data / "exchange"

    @property
    def public_store(self) -> Path:
        """The public site's own store: counters, limits, alarms."""
        return self.data / "public" / "public.db"
