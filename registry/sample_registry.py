"""An invented province to try the registry with: agencies, people, clients, a seal, a first licence.

Its three administrators are founded, enrol and approve on the database. Everything after that goes through
the agency API, each step with the credential of the person whose duty it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.client import Answer, ApiClient, Credential, new_person_key
from registry.ports import Ports
from registry.samples import SampleAgency, sample_agencies, sample_matters, sample_requests, sample_types
from registry.samples.exchange import CONNECTOR, put_down

if TYPE_CHECKING:
    from registry.intake.matters import Matter

FOOD, TRANSPORT = "food-business-licence", "road-transport-permit"
OFFICES = {FOOD: ("", "食品经营许可系统"), TRANSPORT: ("transport-", "道路运输许可系统")}
"""By the type they issue: how the files of their credentials begin, and what their system is called."""

SEAL_AUTHORITY = "12990000MB01090029"
AUTHORITY_NAME = {"zh": "云溪省电子印章管理中心", "en": "Yunxi Provincial E-Seal Centre"}
MANAGEMENT_BASIS = "党政机关电子印章应用规范 GB/T 33481"
PEOPLE = {  # file name: (agency's own person?, name, role)
    "applicant": (True, "申请经办人", "applicant"),
    "keeper": (True, "印章保管人", "keeper"),
    "officer": (True, "发证经办人", "officer"),
    "decider": (True, "审批决定人", "decider"),
    "approver": (False, "印章审批人", "approver"),
    "maker": (False, "印章制作人", "maker"),
    "supervisor": (False, "监督人员", "supervisor"),
}
ADMINISTRATORS = {
    Duty.SYSTEM: "系统管理员(样本)",
    Duty.SECURITY: "安全管理员(样本)",
    Duty.AUDIT: "审计管理员(样本)",
}
ADMINISTRATORS_FOLDER = "administrators"  # within that of the credentials
CONSOLE_FOLDER = "console"  # as well: links and codes by which people set how they sign in with a browser
DEMO_SECRET = "demo-secret"  # noqa: S105  (the client's name)
SEAL_LIFE = (  # state before, act, path, who
    ("approved", "made", "making", "maker"),
    ("made", "filed", "filing", "maker"),
    ("filed", "put into use by its keeper", "activation", "keeper"),
)
AUTHORISATION_LIFE = timedelta(days=365)
DAILY_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One act and what the registry answered."""

    act: str
    answer: Answer

    def json(self) -> dict[str, Any]:
        return self.answer.json()


def agency(slug: str = FOOD) -> SampleAgency:
    """The agency whose licences of a type the sample shows."""
    return next(a for a in sample_agencies() if slug in a.types)


def enrol(ports: Ports, api: str, folder: Path) -> None:
    """Put the sample administrators, types, agency, authority, people and client on record; credentials into
    `folder`.

    What is on record already stays. The files are written before the transaction commits, so a commit
    never lacks them; files without a commit are written over next time. Raises VermilionError(CONFLICT) in
    a registry whose root is not named TEST (samples would not say that they are samples), or which has
    administrators of its own.
    """
    from registry.agencies.administrators import Newcomer, found, is_founded
    from registry.agencies.credentials import thumbprints_of
    from registry.agencies.enrolments import decide
    from registry.agencies.qr_keys import ensure_qr_key
    from registry.agencies.rules import add_agency, add_client, add_person
    from registry.agencies.tables import Agency
    from registry.console import invitations
    from registry.intake.connector_register import import_connector
    from registry.intake.matter_lists import import_list
    from registry.intake.matters import ListKind, read_list
    from registry.licences.publish import own_files, put_into_service
    from registry.licences.reserve import is_test
    from registry.seals.authority import chain
    from registry.seals.trust import publish_trust_list

    offices = {slug: agency(slug) for slug in OFFICES}
    with ports.database.transaction() as session:
        if not is_test(chain(session)[-1]):
            raise VermilionError(
                Kind.CONFLICT, "samples belong in a registry whose root is named TEST", reason="not_test"
            )
        if session.get(Agency, SEAL_AUTHORITY) is None:
            if is_founded(session):
                raise VermilionError(
                    Kind.CONFLICT, "samples belong in a registry of their own", reason="founded"
                )
            administrators = {duty: new_person_key() for duty in ADMINISTRATORS}
            admins = found(
                session,
                ports,
                {duty: Newcomer(ADMINISTRATORS[duty], key[1]) for duty, key in administrators.items()},
            )
            for duty, (private, _) in administrators.items():
                _save_administrator(folder, duty, admins[duty].person_id, private)
            system, security = admins[Duty.SYSTEM], admins[Duty.SECURITY]
            types = {
                path.name: put_into_service(session, ports, system, own_files(path)).code
                for path in sample_types()
            }
            for office in offices.values():
                add_agency(
                    session, ports, system, code=office.code, name=office.name, division=office.division
                )
            add_agency(
                session,
                ports,
                system,
                code=SEAL_AUTHORITY,
                name=AUTHORITY_NAME,
                division="990000",
                seal_authority=True,
            )

            def client(
                code: str, name: str, scopes: set[str], type_codes: list[str], file: str
            ) -> Credential:
                private, public = new_person_key()
                row = add_client(
                    session,
                    ports,
                    system,
                    agency_code=code,
                    name=name,
                    scopes=scopes,
                    types=type_codes,
                    jwks=[public],
                )
                decide(session, ports, security, subject=row.id, approve=True, seen=[public["kid"]])
                credential = Credential(api=api, client_id=row.id, client_key=private)
                credential.save(folder / f"{file}.json")
                return credential

            def person(through: Credential, code: str, name: str, role: str, file: str) -> None:
                private, public = new_person_key()
                row = add_person(
                    session, ports, system, agency_code=code, name=name, roles={role}, jwk=public
                )
                decide(session, ports, security, subject=row.id, approve=True, seen=[public["kid"]])
                replace(through, person_id=row.id, person_key=private).save(folder / f"{file}.json")
                browser(row.id, file)

            def browser(person_id: str, account: str) -> None:
                """Lets somebody sign in to the console, too: by a link and a code, each once."""
                made = invitations.invite(session, ports, system, person_id=person_id, account=account)
                code = invitations.release(session, ports, security, invitation_id=made.id)
                link = f"{ports.settings.console}/console/enrol?invitation={made.token}"
                _save_private(folder / CONSOLE_FOLDER / f"{account}.txt", f"{link}\n{code}\n")

            def console(code: str, scopes: set[str], type_codes: list[str]) -> None:
                row = add_client(
                    session, ports, system, agency_code=code, name="业务工作台", scopes=scopes,
                    types=type_codes, console=True,
                )  # fmt: skip
                decide(session, ports, security, subject=row.id, approve=True)

            def public_form(code: str) -> None:
                row = add_client(
                    session, ports, system, agency_code=code, name="网上申请", scopes={"case"}, types=[],
                    public_form=True,
                )  # fmt: skip
                decide(session, ports, security, subject=row.id, approve=True)

            for slug, office in offices.items():
                prefix, name = OFFICES[slug]
                codes = [types[t] for t in office.types]
                own = client(office.code, name, {"licence", "seal", "case"}, codes, f"{prefix}agency-system")
                console(office.code, {"licence", "seal"}, codes)
                public_form(office.code)
                for file, (is_own, called, role) in PEOPLE.items():
                    if is_own:
                        person(own, office.code, called, role, prefix + file)
            for path in sample_matters():
                raw = path.read_bytes()
                made = read_list(raw, path.name)
                if made.kind is ListKind.CATALOGUE or made.owner in {one.code for one in offices.values()}:
                    import_list(session, ports, system, raw, path.name)
            import_connector(session, ports, system, CONNECTOR.read_bytes(), CONNECTOR.name)
            if ports.settings.demo:
                codes = [types[t] for t in agency().types]
                row = _enrol_secret(session, ports, system, Credential(api, "", None), codes, folder)
                seen = thumbprints_of(session, row)
                decide(session, ports, security, subject=row.id, approve=True, seen=seen)
            authority = client(SEAL_AUTHORITY, "印章管理系统", {"seal"}, [], "authority-system")
            console(SEAL_AUTHORITY, {"seal"}, [])
            for file, (is_own, called, role) in PEOPLE.items():
                if not is_own:
                    person(authority, SEAL_AUTHORITY, called, role, file)
            browser(admins[Duty.AUDIT].person_id, "auditor")
    put_down(ports.settings.exchange_directory, ports.clock())
    for office in offices.values():
        ensure_qr_key(ports, office.code)
    publish_trust_list(ports)  # no key signs before a list names it


def _save_administrator(folder: Path, duty: Duty, person_id: str, key: Mapping[str, Any]) -> None:
    """What `--key` of the administrative commands takes: the private key, and whose it is."""
    _save_private(
        folder / ADMINISTRATORS_FOLDER / f"{duty.value}.json",
        json.dumps({"person_id": person_id, "person_key": key}, indent=1) + "\n",
    )


def _save_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _enrol_secret(
    session: Any,
    ports: Ports,
    system: Administrator,
    nobody: Credential,
    type_codes: list[str],
    folder: Path,
) -> Any:
    """A client of the agency with a secret, for trying the API with curl. In a demonstration only.

    Beside its credential lies the token request as a form, so that curl reads the secret from a file.
    """
    from registry.agencies.rules import add_client, new_secret

    secret = new_secret(ports.random)
    row = add_client(
        session, ports, system, agency_code=agency().code, name="demo-secret", scopes={"licence"},
        types=type_codes, secret=secret,
    )  # fmt: skip
    replace(nobody, client_id=row.id, client_secret=secret).save(folder / f"{DEMO_SECRET}.json")
    form = {"grant_type": "client_credentials", "client_id": row.id, "client_secret": secret}
    path = folder / f"{DEMO_SECRET}.form"
    path.touch(mode=0o600)
    path.write_text(urlencode(form), encoding="ascii")
    return row


@dataclass(frozen=True)
class People:
    """The credentials of `enrol`, each as a client of the API."""

    clients: Mapping[str, ApiClient]

    @classmethod
    def load(cls, folder: Path, api: str) -> People:
        """With the API's present address, whatever the files say."""
        return cls(
            {
                path.stem: ApiClient(replace(Credential.load(path), api=api))
                for path in sorted(folder.glob("*.json"))
            }
        )

    def of(self, slug: str) -> People:
        """Those who act for the office that issues a type, by the names of the first office's."""
        prefix = OFFICES[slug][0]
        return People(
            {name: self.clients.get(prefix + name, client) for name, client in self.clients.items()}
        )

    def __getitem__(self, name: str) -> ApiClient:
        return self.clients[name]


def open_seal(people: People, today: date, slug: str = FOOD) -> list[Step]:
    """Bring an agency's seal from application to standing authorisation, each step by another person."""
    people, office = people.of(slug), agency(slug)
    applied = people["applicant"].post(
        "/api/v1/seal-applications",
        {"kind": office.seal.kind, "name": office.seal.name, "bottom_text": office.seal.bottom_text},
    )
    steps = [Step("seal applied for", applied.expect(201))]
    application = applied.json()
    approved = people["approver"].post(
        f"/api/v1/seal-applications/{application['id']}/approval",
        {"decision": "approve", "payload_sha256": application["payload_sha256"]},
    )
    steps.append(Step("application approved", approved.expect(200, 201)))
    code = approved.json()["seal"]
    return [*steps, *_bring_into_use(people, code, "approved"), *_authorise(people, code, today, frozenset())]


def sample_seal(people: People, today: date, slug: str = FOOD) -> str:
    """The code of an agency's seal, ready for use: a new one, or what an interrupted start left undone."""
    mine = people.of(slug)
    known = mine["keeper"].get("/api/v1/seals").expect(200).json()["seals"]
    if not known:
        return str(open_seal(people, today, slug)[1].json()["seal"])
    code, state = str(known[0]["code"]), str(known[0]["state"])
    _bring_into_use(mine, code, state)
    shown = mine["keeper"].get(f"/api/v1/seals/{code}").expect(200).json()
    _authorise(mine, code, today, frozenset(a["type_code"] for a in shown["authorisations"]))
    return code


def _bring_into_use(people: People, code: str, state: str) -> list[Step]:
    steps = []
    for before, act, path, who in SEAL_LIFE:
        if state != before:
            continue
        answer = people[who].post(f"/api/v1/seals/{code}/{path}", {}).expect(200, 201)
        state = answer.json()["state"]
        steps.append(Step(f"seal {act}", answer))
    return steps


def _authorise(people: People, code: str, today: date, done: frozenset[str]) -> list[Step]:
    steps = []
    types = people["agency-system"].get("/api/v1/agencies/self").expect(200).json()["types"]
    for type_code in types:
        if type_code in done:
            continue
        body = {
            "client_id": people["agency-system"].credential.client_id,
            "type_code": type_code,
            "valid_from": today.isoformat(),
            "valid_to": (today + AUTHORISATION_LIFE).isoformat(),
            "daily_limit": DAILY_LIMIT,
        }
        answer = people["keeper"].post(f"/api/v1/seals/{code}/authorisations", body)
        steps.append(Step("use authorised by the keeper", answer.expect(200, 201)))
    return steps


def licence_request(seal_code: str, today: date, number: int = 0, slug: str = FOOD) -> dict[str, Any]:
    """The request body of one of an agency's sample licences."""
    sample = _sample(today, slug, number)
    return {
        "type": sample["type"],
        "seal": seal_code,
        "number": sample["number"],
        "fields": sample["fields"],
        "matter_code": "000131001000",
        "case_number": f"{today:%Y%m%d}{number:04d}",
        "operator": "window-03",
    }


def application(today: date, slug: str = FOOD, number: int = 1) -> dict[str, Any]:
    """The body of an application for one of an agency's sample licences, of which the first is issued: a
    draft, to which its materials come before it is submitted.
    """
    matter, sample = _matter(slug), _sample(today, slug, number)
    form = {one.name for one in matter.fields}
    code = sample["fields"].get("credit_code")
    return {
        "matter": matter.code,
        "applicant": {
            "name": sample["fields"]["operator_name"],
            "id_type": "001" if code else "999",
            "id_code": code or "SAMPLE-0001",
        },
        "fields": {name: value for name, value in sample["fields"].items() if name in form}
        | {"contact_phone": "0990-1234567"},
        "operator": "window-03",
    }


def permission(seal_code: str, today: date, slug: str = FOOD, number: int = 1) -> dict[str, Any]:
    """What the permission of that application says of the licence."""
    matter, sample = _matter(slug), _sample(today, slug, number)
    form = {one.name for one in matter.fields} | {"issue_date", "valid_from"}
    fields = {name: value for name, value in sample["fields"].items() if name not in form}
    return {"seal": seal_code, "number": sample["number"], "fields": fields}


def _matter(slug: str) -> Matter:
    from registry.intake.matters import read_list

    code = next(one for one in sample_requests(slug=slug))["type"]
    matters = (one for path in sample_matters() for one in read_list(path.read_bytes(), path.name).matters)
    return next(one for one in matters if one.result.licence_type == code)


def _sample(today: date, slug: str, number: int) -> dict[str, Any]:
    samples = [r for r in sample_requests(today, slug) if r["issuer"] == agency(slug).code]
    return samples[number % len(samples)]
