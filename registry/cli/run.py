"""`vermilion run`, and the services it starts."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keys.errors import VermilionError

if TYPE_CHECKING:
    from registry.client import ApiClient
    from registry.processes import Service
    from registry.settings import Settings

API_APP = "registry.wsgi:application"
AUTHORITY_APP = "registry.authority_wsgi:application"
PUBLIC_APP = "verify_web.wsgi:application"
WATCH_SECONDS = 0.25
LONGEST_WAIT = 180
SAMPLE_KEYS = ("sample-licence-1", "sample-licence-2")  # the same on every start: the same licences come back


@dataclass(frozen=True)
class Site:
    """The running services."""

    api: str
    public: str
    authority: str
    isolated: bool  # the public site runs as another user
    services: tuple[Service, ...]


@click.command()
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Data directory (default ./var)."
)
def run(data: Path | None) -> None:
    """Start the registry and the public site on localhost; make everything on first start."""
    from registry.first_start import at_home
    from registry.processes import Stopped
    from registry.settings import Settings
    from registry.stopping import on_signals

    settings = at_home(Settings(demo=True) if data is None else Settings(demo=True, data=data))
    stop = on_signals()
    with contextlib.suppress(Stopped), started(settings, stop=stop) as site:
        for line in _welcome(settings, site, stop):
            click.echo(line)
        while not stop.wait(WATCH_SECONDS):
            for service in site.services:
                if not service.process.is_alive():
                    raise service.ended()
    click.echo("stopped")


@contextlib.contextmanager
def started(
    settings: Settings,
    *,
    public_app: str = PUBLIC_APP,
    logs: Path | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Site]:
    """The API, the authority, then the public site; all are stopped at the end.

    `logs`: a folder for the services' log lines, whose last ones are shown when something fails; None: they
    go to standard error. Raises VermilionError(UNAVAILABLE) when one does not come up; Stopped.
    """
    from registry.first_start import journal, prepare, public_account
    from registry.processes import Service, load_libraries, require_free, run_once

    require_free(settings.bind, settings.api_port, settings.authority_port, settings.public_port)
    user = public_account(settings)
    load_libraries()
    run_once(partial(prepare, settings, user), "first start", stop)
    api = Service("agency API", API_APP, settings.bind, settings.api_port, environment=_environment(settings))
    authority = Service(
        "authority", AUTHORITY_APP, settings.bind, settings.authority_port, environment=_environment(settings)
    )
    public = Service(
        "public site",
        public_app,
        settings.bind,
        settings.public_port,
        user,
        public_environment(settings),
        journal(settings),
        workers=settings.public_processes,
    )
    if logs is not None:
        api.log, authority.log, public.log = (logs / f"{n}.log" for n in ("api", "authority", "public"))
    try:
        api.start()
        authority.start()
        public.start()
        api.wait_ready("/readyz", stop)
        authority.wait_ready("/readyz", stop)
        public.wait_ready(stop=stop)
        services = (api, authority, public)
        yield Site(api.address, public.address, authority.address, user is not None, services)
    except VermilionError:
        for service in (api, authority, public):
            if tail := service.tail():
                click.echo(f"last log lines of the {service.name}:\n{tail}", err=True)
        raise
    finally:
        public.stop()
        authority.stop()
        api.stop()


def _environment(settings: Settings) -> dict[str, str | None]:
    """The settings as a service will read them."""
    values = settings.model_dump(exclude_none=True)
    return {f"VERMILION_{name.upper()}": _plain(value) for name, value in values.items()}


def public_environment(settings: Settings) -> dict[str, str | None]:
    """The settings as the public site will read them: neither the registry's own role in its database, whose
    password may stand in the URL, nor where passphrase, PIN and signer are.
    """
    own = settings.model_copy(
        update={
            "public_database_url": settings.public_url,
            "receipt_socket": settings.receipt_socket or settings.signer_socket or settings.receipts_at,
        }
    )
    kept_back: dict[str, str | None] = dict.fromkeys(
        f"VERMILION_{name}"
        for name in ("DATABASE_URL", "PASSPHRASE_FILE", "SIGNER_SOCKET", "SIGNER_CALLERS", "PKCS11_PIN_FILE")
    )
    return _environment(own) | kept_back


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.absolute()) if isinstance(value, Path) else str(value)


def _welcome(settings: Settings, site: Site, stop: threading.Event) -> Iterator[str]:
    """What a newcomer needs to know, each line from an answer of the services."""
    from registry.sample_registry import (
        DEMO_SECRET,
        FOOD,
        TRANSPORT,
        People,
        application,
        licence_request,
        permission,
        sample_seal,
    )
    from registry.samples import sample_material

    credentials = settings.data / "credentials"
    people = People.load(credentials, site.api)
    today = datetime.now(UTC).astimezone(settings.tz).date()
    sample = settings.data / "sample"
    made = []
    for slug, key, asked, name in (
        (FOOD, SAMPLE_KEYS[0], "request.json", "licence.pdf"),
        (TRANSPORT, SAMPLE_KEYS[1], "permit-request.json", "permit.pdf"),
    ):

        def wish(slug: str = slug) -> dict[str, Any]:
            return licence_request(sample_seal(people, today, slug), today, slug=slug)

        system = people.of(slug)["agency-system"]
        issued = _issued(system, _request(sample / asked, wish), key, stop)
        file = sample / name
        _write_private(file, system.get(issued["document"]["href"]).expect(200).body)
        made.append((issued, file))
        prefix = asked.removesuffix("request.json")
        _request(sample / f"{prefix}application.json", partial(application, today, slug))
        seal_code = _request(sample / asked, wish)["seal"]
        _request(sample / f"{prefix}permission.json", partial(permission, seal_code, today, slug))
    _write_private(sample / "material.pdf", sample_material())
    (answer, file), (permit, second) = made
    yield ""
    yield f"Public site   {settings.public_origin}/"
    yield f"Agency API    {site.api}/"
    yield f"Authority     {site.authority}/   (OCSP, CRLs, time-stamps)"
    yield f"Licence       {answer['identifier']}"
    yield f"  link        {answer['link']}"
    yield f"  look-up     {answer['lookup_code']}"
    yield f"  PDF         {file}"
    yield f"Permit        {permit['identifier']}"
    yield f"  link        {permit['link']}"
    yield f"  PDF         {second}   (original and duplicate)"
    yield f"Application   {sample / 'application.json'}   (README: a case from application to licence)"
    yield f"Credentials   {credentials}/*.json (demo only)"
    if (form := credentials / f"{DEMO_SECRET}.form").exists():
        yield f"  a token     curl --data @{shlex.quote(str(form))} {site.api}/oauth2/token"
    if not site.isolated:
        yield "The public site runs as the keys' own user: see README, What isolates the public site."
    yield from _terminal_qr(answer["link"])
    yield "Press Ctrl-C to stop."


def _issued(client: ApiClient, request: dict[str, Any], key: str, stop: threading.Event) -> dict[str, Any]:
    """A sample licence. A start that was killed while it was being issued left an intent, which recovery
    settles when its lease is over; until then the API asks us to come again. Raises Stopped.
    """
    from registry.processes import Stopped

    waited = 0
    while True:
        answer = client.post("/api/v1/licences", request, idempotency_key=key)
        after = int(answer.headers.get("retry-after", "0"))
        if answer.status != 409 or not after or waited > LONGEST_WAIT:
            return answer.expect(200, 201).json()
        if not waited:
            click.echo("An interrupted start was issuing the sample licence: waiting for recovery.")
        waited += after
        if stop.wait(after):
            raise Stopped


def _request(stored: Path, make: Any) -> dict[str, Any]:
    """The sample's request as sent the first time: a retry must carry the same body."""
    import json

    if stored.exists():
        value: dict[str, Any] = json.loads(stored.read_bytes())
        return value
    value = make()
    _write_private(stored, json.dumps(value, ensure_ascii=False).encode())
    return value


def _write_private(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    aside.replace(path)


def _terminal_qr(link: str) -> Iterator[str]:
    """The code in half blocks, or nothing where the window is too narrow for it."""
    import qrcode

    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_L, border=2)
    code.add_data(link)
    code.make(fit=True)
    matrix = code.get_matrix()
    if shutil.get_terminal_size((0, 0)).columns < len(matrix):
        return
    blank = [False] * len(matrix)
    for top, bottom in zip(matrix[::2], [*matrix[1::2], blank], strict=False):
        yield "".join(" ▄▀█"[2 * (not a) + (not b)] for a, b in zip(top, bottom, strict=True))


@click.command("serve-api")
def serve_api() -> None:
    """Serve the agency API alone; settings come from VERMILION_*."""
    from registry.first_start import establish_if_new
    from registry.processes import run_once, serve
    from registry.settings import Settings

    settings = Settings()
    run_once(partial(establish_if_new, settings), "first start")
    serve(API_APP, settings.bind, settings.api_port)


@click.command("serve-authority")
def serve_authority() -> None:
    """Serve the authority alone (OCSP, CRLs, time-stamps); settings come from VERMILION_*."""
    from registry.first_start import establish_unless_founded
    from registry.processes import run_once, serve
    from registry.settings import Settings

    settings = Settings()
    run_once(partial(establish_unless_founded, settings), "first start")
    serve(AUTHORITY_APP, settings.bind, settings.authority_port)


@click.command("serve-public")
def serve_public() -> None:
    """Serve the public site alone; settings come from VERMILION_*."""
    from registry.first_start import journal, prepare_public, public_account
    from registry.processes import serve
    from registry.settings import Settings

    settings = Settings()
    settings = settings.model_copy(update={"data": settings.data.resolve()})
    os.environ["VERMILION_DATA"] = str(settings.data)  # which the site's user may reach by no other name
    user = public_account(settings)
    prepare_public(settings, user)
    processes = settings.public_processes
    serve(PUBLIC_APP, settings.bind, settings.public_port, user, journal(settings), workers=processes)
