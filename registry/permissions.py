"""Who may ask for what: one table for every route of the agency API and its console.

What a token says alone stands here (its client's scope, its person's roles); whose seal or licence something
is about, and that no one person has two duties of one seal, the rules ask besides. `tests/registry/
test_permissions.py` asks every route as every caller and compares.

The roles of people, by the design's words and the public administration's:

    applicant 申请人, approver 审批人, maker 制作人 (these two of a seal authority), keeper 印章保管人;
    `officer` 发证人员 is the issuer, beside an agency's own system, and takes in and handles cases;
    `decider` 决定人 decides them, never one that they have handled; supervisor 监督人员 reads figures of
    every agency (measures, Arts. 3, 4); the auditor 审计管理员 and the administrator, who is two people,
    system 系统管理员 and security 安全管理员, are duties of people who hold no role (三员分立). These two
    act by commands on the registry's machine, by no route of the API; in the console both see all agencies
    and stop whom they must, and security administration decides what was enrolled and lets people go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.actor import Actor, Administrator, Duty


class Caller(StrEnum):
    """Who asks, as a token or a session tells it."""

    SYSTEM = "system"  # an agency's own system: a client by itself, without a person
    APPLICANT = "applicant"
    APPROVER = "approver"  # of a seal authority
    MAKER = "maker"  # of a seal authority
    KEEPER = "keeper"
    OFFICER = "officer"
    DECIDER = "decider"
    SUPERVISOR = "supervisor"
    AUTHORITY = "authority"  # anybody of a seal authority, whatever their role
    AUDITOR = Duty.AUDIT.value
    SYSTEM_ADMIN = Duty.SYSTEM.value
    SECURITY_ADMIN = Duty.SECURITY.value


@dataclass(frozen=True, slots=True)
class Permission:
    """`scope`: what the client needs; None where none is asked for. `who`: any of these."""

    scope: str | None
    who: frozenset[Caller]
    public: bool = False  # nobody is asked who they are


PEOPLE = frozenset(
    {
        Caller.APPLICANT,
        Caller.APPROVER,
        Caller.MAKER,
        Caller.KEEPER,
        Caller.OFFICER,
        Caller.DECIDER,
        Caller.SUPERVISOR,
    }
)
_PUBLIC = Permission(None, frozenset(), public=True)
_ANY_TOKEN = Permission(None, PEOPLE | {Caller.SYSTEM})
_LICENCE = Permission("licence", frozenset({Caller.SYSTEM, Caller.OFFICER}))
_USE = Permission("use", frozenset({Caller.SYSTEM, Caller.OFFICER}))
_CASE_READ = Permission("case", frozenset({Caller.SYSTEM, Caller.OFFICER, Caller.DECIDER}))
_CASE = Permission("case", frozenset({Caller.SYSTEM, Caller.OFFICER}))
_CASE_DECISION = Permission("case", frozenset({Caller.DECIDER}))
_SEAL_READ = Permission("seal", PEOPLE | {Caller.SYSTEM})
_SIGNED_IN = Permission(None, PEOPLE | {Caller.AUDITOR})  # other administrators, too
_LICENCE_PAGE = Permission("licence", frozenset({Caller.OFFICER}))
_SEAL_PAGE = Permission("seal", PEOPLE)
_ACTING = frozenset({Caller.SYSTEM_ADMIN, Caller.SECURITY_ADMIN})
_ADMINISTRATION = _ACTING | {Caller.AUDITOR}
_OWN_PEOPLE = Permission(None, PEOPLE)
_ALL_AGENCIES = Permission(None, _ADMINISTRATION)
_TYPE_PAGE = Permission(None, PEOPLE | _ADMINISTRATION)
_EVENT_PAGE = Permission(None, frozenset({Caller.OFFICER, Caller.KEEPER, Caller.AUDITOR}))
_OVERSIGHT_PAGE = Permission(None, frozenset({Caller.SUPERVISOR, Caller.AUDITOR}))
_ARCHIVE_PAGE = Permission("licence", frozenset({Caller.OFFICER, Caller.AUDITOR}))
_SECURITY_PAGE = Permission(None, frozenset({Caller.SECURITY_ADMIN}))


def _seal(*who: Caller) -> Permission:
    return Permission("seal", frozenset(who))


_OVERSEER = _seal(Caller.KEEPER, Caller.AUTHORITY)

TABLE: dict[str, Permission] = {
    "livez": _PUBLIC,
    "readyz": _PUBLIC,
    "metrics": _PUBLIC,  # to this machine alone
    "trust_list": _PUBLIC,
    "docs.description": _PUBLIC,
    "docs.page": _PUBLIC,
    "docs.problems": _PUBLIC,
    "docs.problem": _PUBLIC,
    "agencies.token": _PUBLIC,
    "agencies.self": _ANY_TOKEN,
    "oversight.find": Permission(None, frozenset({Caller.SUPERVISOR})),
    "audit.page": Permission(None, frozenset({Caller.AUDITOR})),
    # --- seals
    "seals.apply": _seal(Caller.APPLICANT),
    "seals.apply_for_renewal": _seal(Caller.APPLICANT),
    "seals.apply_for_change": _seal(Caller.APPLICANT),
    "seals.show_application": _SEAL_READ,
    "seals.show_approval": _SEAL_READ,
    "seals.waiting": _seal(Caller.APPROVER),
    "seals.decide_application": _seal(Caller.APPROVER),
    "seals.making": _seal(Caller.MAKER),
    "seals.certification_request": _seal(Caller.MAKER),
    "seals.filing": _seal(Caller.MAKER),
    "seals.seal_away": _seal(Caller.MAKER),
    "seals.activation": _seal(Caller.KEEPER),
    "seals.suspension": _seal(Caller.KEEPER, Caller.APPROVER),
    "seals.report_lost": _seal(Caller.KEEPER, Caller.APPROVER),
    "seals.request_resumption": _seal(Caller.KEEPER, Caller.APPROVER),
    "seals.request_cancellation": _seal(Caller.KEEPER, Caller.APPROVER),
    "seals.decide_change": _seal(Caller.APPROVER),
    "seals.authorise": _seal(Caller.KEEPER),
    "seals.withdraw": _seal(Caller.KEEPER),
    "seals.delete_authorisation": _seal(Caller.KEEPER),
    "seals.listing": _SEAL_READ,
    "seals.show": _SEAL_READ,
    "seal_records.impact_list": _OVERSEER,
    "seal_records.use_ledger": _OVERSEER,
    "seal_records.picture": _SEAL_READ,
    # --- licences
    "licences.create": _LICENCE,
    "licences.show": _LICENCE,
    "licences.document": _LICENCE,
    "licence_search.find": _LICENCE,
    "licence_life.amendment": _LICENCE,
    "licence_life.renewal": _LICENCE,
    "licence_life.correction": _LICENCE,
    "licence_life.replacement": _LICENCE,
    "licence_life.suspension": _LICENCE,
    "licence_life.resumption": _LICENCE,
    "licence_life.ending": _LICENCE,
    "licence_life.inspection": _LICENCE,
    "licence_life.scheduled_withdrawal": _LICENCE,
    "licence_life.history": _LICENCE,
    "licence_life.past_status": _LICENCE,
    "licence_copies.create": _LICENCE,
    "licence_copies.index": _LICENCE,
    "licence_copies.show": _LICENCE,
    "licence_copies.document": _LICENCE,
    "licence_copies.withdrawal": _LICENCE,
    "licence_presentations.create": _LICENCE,
    "batches.create": _LICENCE,
    "batches.index": _LICENCE,
    "batches.show": _LICENCE,
    "batches.items": _LICENCE,
    "batches.cancel": _LICENCE,
    "batches.documents": _LICENCE,
    # --- what holders are given, and what is used of any agency's by what its holder has shown
    "delivery.create": _LICENCE,
    "delivery.index": _LICENCE,
    "delivery.show": _LICENCE,
    "delivery.withdraw": _LICENCE,
    "uses.create": _USE,
    # --- the archive: an agency's own packages
    "archive.find": _LICENCE,
    "archive.show": _LICENCE,
    "archive.statistics": _LICENCE,
    # --- matters and cases
    "cases.matters": _CASE_READ,
    "cases.matter": _CASE_READ,
    "cases.create": _CASE,
    "cases.redraw": _CASE,
    "cases.index": _CASE_READ,
    "cases.show": _CASE_READ,
    "cases.step": _CASE,
    "cases.decide": _CASE_DECISION,
    "cases.order_anew": _CASE_DECISION,
    # --- what is retrieved for cases, and differences from it
    "exchange.sources": _CASE_READ,
    "exchange.retrievals": _CASE_READ,
    "exchange.look_again": _CASE,
    "exchange.case_tasks": _CASE_READ,
    "exchange.agency_tasks": _CASE_READ,
    "exchange.end_task": _CASE,
    "exchange.errors": _LICENCE,
    "exchange.decline": _LICENCE,
    "case_materials.put": _CASE,
    "case_materials.index": _CASE_READ,
    "case_materials.show": _CASE_READ,
    "case_forms.make": _CASE,
    "case_forms.show": _CASE_READ,
    "case_forms.confirm": _CASE,
    "case_forms.sign": _CASE,
    "sub_cases.index": _CASE_READ,
    "sub_cases.show": _CASE_READ,
    "sub_cases.material": _CASE_READ,
    "sub_cases.begin": _CASE,
    "sub_cases.give": _CASE_DECISION,
    "sub_cases.miss": _CASE_DECISION,
    # --- webhooks: each client's own
    "webhooks.create": _LICENCE,
    "webhooks.index": _LICENCE,
    "webhooks.show": _LICENCE,
    "webhooks.rotate": _LICENCE,
    "webhooks.deactivate": _LICENCE,
    "webhooks.activate": _LICENCE,
    "webhooks.deliveries": _LICENCE,
    "webhooks.delivery": _LICENCE,
    "webhooks.redeliver": _LICENCE,
    "webhooks.redeliver_dead": _LICENCE,
    # --- the pages for holders: to whoever has a link, or what is printed
    "holder.static": _PUBLIC,
    "holder.pick_up": _PUBLIC,
    "holder.take": _PUBLIC,
    "holder.uses": _PUBLIC,
    "holder.find_uses": _PUBLIC,
    # --- the pages for applicants: to everybody, and an application to whoever has its link
    "applicant.guides": _PUBLIC,
    "applicant.guide": _PUBLIC,
    "applicant.application_form": _PUBLIC,
    "applicant.begin_application": _PUBLIC,
    "applicant.applications": _PUBLIC,
    "applicant.find_application": _PUBLIC,
    "applicant.application": _PUBLIC,
    "applicant.details": _PUBLIC,
    "applicant.save_details": _PUBLIC,
    "applicant.materials": _PUBLIC,
    "applicant.send_material": _PUBLIC,
    "applicant.material_file": _PUBLIC,
    "applicant.save_photo": _PUBLIC,
    "applicant.draw_form": _PUBLIC,
    "applicant.send_signed_form": _PUBLIC,
    "applicant.review": _PUBLIC,
    "applicant.submit": _PUBLIC,
    "applicant.correction": _PUBLIC,
    "applicant.correct": _PUBLIC,
    "applicant.withdrawal": _PUBLIC,
    "applicant.withdraw": _PUBLIC,
    "applicant.take_licence": _PUBLIC,
    # --- the console's pages: to whoever is signed in, but for what leads there
    "console.static": _PUBLIC,
    "console.nowhere": _PUBLIC,
    "console.sign_in": _PUBLIC,
    "console.check_password": _PUBLIC,
    "console.code": _PUBLIC,
    "console.check_code": _PUBLIC,
    "console.passkey_options": _PUBLIC,
    "console.check_passkey": _PUBLIC,
    "console.start_oidc": _PUBLIC,
    "console.oidc_callback": _PUBLIC,
    "console.invitation": _PUBLIC,
    "console.open_invitation": _PUBLIC,
    "console.choose": _PUBLIC,
    "console.set_password": _PUBLIC,
    "console.new_passkey_options": _PUBLIC,
    "console.set_passkey": _PUBLIC,
    "console.home": _SIGNED_IN,
    "console.account": _SIGNED_IN,
    "console.add_passkey_options": _SIGNED_IN,
    "console.add_passkey": _SIGNED_IN,
    "console.remove_passkey": _SIGNED_IN,
    "console.confirm": _SIGNED_IN,
    "console.confirm_code": _SIGNED_IN,
    "console.confirm_passkey_options": _SIGNED_IN,
    "console.confirm_passkey": _SIGNED_IN,
    "console.sign_out": _SIGNED_IN,
    "console.sign_out_everywhere": _SIGNED_IN,
    "console.licences": _LICENCE_PAGE,
    "console.find_licences": _LICENCE_PAGE,
    "console.licence": _LICENCE_PAGE,
    "console.licence_document": _LICENCE_PAGE,
    "console.licence_history": _LICENCE_PAGE,
    "console.suspending": _LICENCE_PAGE,
    "console.suspend": _LICENCE_PAGE,
    "console.resuming": _LICENCE_PAGE,
    "console.resume": _LICENCE_PAGE,
    "console.batches": _LICENCE_PAGE,
    "console.sending_batch": _LICENCE_PAGE,
    "console.send_batch": _LICENCE_PAGE,
    "console.batch": _LICENCE_PAGE,
    "console.cancel_batch": _LICENCE_PAGE,
    "console.batch_documents": _LICENCE_PAGE,
    "console.archive": _ARCHIVE_PAGE,
    "console.archive_package": _ARCHIVE_PAGE,
    "console.types": _TYPE_PAGE,
    "console.type_version": _TYPE_PAGE,
    "console.type_face": _TYPE_PAGE,
    "console.people": _OWN_PEOPLE,
    "console.agencies": _ALL_AGENCIES,
    "console.agency": _ALL_AGENCIES,
    "console.administrators": _ALL_AGENCIES,
    "console.disabling": Permission(None, _ACTING),
    "console.disable": Permission(None, _ACTING),
    "console.enabling": _SECURITY_PAGE,
    "console.enable": _SECURITY_PAGE,
    "console.events": _EVENT_PAGE,
    "console.events_file": _EVENT_PAGE,
    "console.oversight": _OVERSIGHT_PAGE,
    "console.oversight_file": _OVERSIGHT_PAGE,
    "console.enrolments": _ALL_AGENCIES,
    "console.enrolment": _ALL_AGENCIES,
    "console.decide_enrolment": _SECURITY_PAGE,
    "console.release_invitation": _SECURITY_PAGE,
    "console.seals": _SEAL_PAGE,
    "console.seal": _SEAL_PAGE,
    "console.seal_picture": _SEAL_PAGE,
    "console.seal_uses": _OVERSEER,
    "console.changing_seal": _seal(Caller.KEEPER, Caller.APPROVER),
    "console.change_seal": _seal(Caller.KEEPER, Caller.APPROVER),
    "console.approvals": _seal(Caller.APPROVER),
    "console.approval": _SEAL_PAGE,
    "console.approval_picture": _SEAL_PAGE,
    "console.decide_approval": _seal(Caller.APPROVER),
}
"""By endpoint."""

PUBLIC = frozenset(endpoint for endpoint, permission in TABLE.items() if permission.public)
"""Endpoints that ask nobody who they are; every other one does, in this table or not."""


def admits(permission: Permission, actor: Actor | Administrator, *, authority: bool) -> bool:
    """What the table says of somebody who has signed in; `authority`: their agency is a seal authority. By it
    the console's pages lead to each other; whether an act is done the rules decide.
    """
    if isinstance(actor, Administrator):
        return permission is _SIGNED_IN or actor.duty.value in permission.who
    if permission.scope is not None and permission.scope not in actor.scopes:
        return False
    if permission.who >= PEOPLE or (authority and Caller.AUTHORITY in permission.who):
        return True
    of_authority = {Caller.APPROVER, Caller.MAKER}
    held = {Caller(role) for role in actor.roles}
    return bool(held & permission.who - (frozenset() if authority else of_authority))
