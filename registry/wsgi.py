"""The agency API by name, for a WSGI server: `registry.wsgi:application`."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial

import structlog

from keys.errors import places
from registry import background
from registry.app import create_app
from registry.applicants.links import sweep as sweep_applications
from registry.archive.audit import Audited, audit_due
from registry.archive.erasure import Disposed, carry_out
from registry.archive.evidence import renew_due as stamp_nights_anew
from registry.archive.evidence import stamp_night
from registry.archive.figures import count_due as count_archive
from registry.archive.keep import keep_due
from registry.archive.rules import Round as ArchiveRound
from registry.archive.stores import open_stores
from registry.archive.sweep import Swept, sweep
from registry.batches.work import Round, work
from registry.composition import open_ports
from registry.delivery.rules import sweep as sweep_deliveries
from registry.intake.material_sweep import sweep as sweep_materials
from registry.intake.retrieving import Round as RetrievalRound
from registry.intake.retrieving import retrieve_due
from registry.intake.work import Round as CaseRound
from registry.intake.work import work as work_on_cases
from registry.licences.archive import pick_due
from registry.licences.document_stamps import StampReport, stamp_due
from registry.licences.due import ScheduleReport, make_due
from registry.licences.presentations import sweep as sweep_presentations
from registry.licences.recovery import RecoveryReport, recovery_loop
from registry.licences.status_lists import LOOK_EVERY
from registry.licences.status_lists import publish_due as publish_status_lists
from registry.logs import configure_logs
from registry.notices.rules import sweep as sweep_notices
from registry.notices.work import Messenger, open_channels
from registry.outgoing.lanes import Round as SentRound
from registry.oversight.alerts import read_alerts
from registry.oversight.checks import read_sites
from registry.oversight.counting import close_days, count_due
from registry.ports import Ports
from registry.receipt_socket import serve_receipts
from registry.seals.anchor import anchor_due, outside_stamper
from registry.seals.outside_fetch import OutsideStatuses
from registry.seals.renewal import renew_due
from registry.seals.trust import publish_trust_list
from registry.settings import Settings
from registry.uses.rules import sweep as sweep_uses
from registry.webhooks.claims import sweep as sweep_webhooks
from registry.webhooks.sending import Sender
from registry.webhooks.work import deliver
from signing.apart import conceal
from signing.licensed import read_licensed
from signing.uploads import start_examiner

KEEP_EVERY = timedelta(seconds=30)
SCHEDULED_EVERY = timedelta(seconds=10)  # changes of a day show this soon after midnight
BATCHES_EVERY = timedelta(seconds=1)  # whoever sent one waits for it; where there is none it is one look-up
WEBHOOKS_EVERY = timedelta(seconds=1)  # as above
NOTICES_EVERY = timedelta(seconds=1)  # as above
CASES_EVERY = timedelta(seconds=1)  # as above
RETRIEVALS_EVERY = timedelta(seconds=1)  # as above
FIGURES_EVERY = timedelta(seconds=10)
CHECKS_EVERY = timedelta(minutes=5)
_log = structlog.get_logger("registry.wsgi")


def application() -> object:
    """The WSGI application, set up from `VERMILION_*`, with its background work beside it."""
    configure_logs()
    settings = Settings()
    examiner = start_examiner(read_licensed(settings.licensed_roots))  # forks: before there are threads
    conceal()  # files of strangers are examined by processes of the same user
    ports = replace(open_ports(settings), examiner=examiner)
    app = create_app(ports)
    gc.collect()
    gc.freeze()  # what a start made stays: no request waits for a collection that goes through all of it
    start_background(ports, threading.Event())
    return app


def start_background(ports: Ports, stop: threading.Event) -> tuple[threading.Thread, ...]:
    """Recovery; certificates renewed in time; the trust list signed again when it changed or a third of its
    life is past; time-stamps appended where none could be had, and for the archive; the status of
    certificates that authorities outside gave; packages archived, given evidence, and their copies read;
    scheduled changes made; batches checked and issued; licences of cases issued, materials of cases
    retrieved; webhooks and messages sent; events counted and days closed; sums of checks read; status lists
    signed: at start and from then on, until `stop` is set. The last thirteen have threads of their own: they
    may take their time. So has the socket of receipts, where the keys are this process's.
    """
    tasks: dict[str, Callable[[], object]] = {
        "certificates_not_renewed": partial(renew_due, ports),
        "trust_list_not_published": partial(publish_trust_list, ports),
        "webhooks_not_swept": partial(sweep_webhooks, ports),
        "notices_not_swept": partial(sweep_notices, ports),
        "materials_not_swept": partial(sweep_materials, ports),
        "pick_ups_not_swept": partial(sweep_deliveries, ports),
        "application_links_not_swept": partial(sweep_applications, ports),
        "uses_not_swept": partial(sweep_uses, ports),
        "presentations_not_swept": partial(sweep_presentations, ports),
    }
    if (stamper := outside_stamper(ports)) is not None:
        tasks["day_not_anchored"] = partial(anchor_due, ports, stamper)
    stamps: dict[str, Callable[[], object]] = {
        "archive_not_picked": partial(pick_due, ports),
        "document_stamps_failed": lambda: log_document_stamps(stamp_due(ports)),
    }
    archived: dict[str, Callable[[], object]] = {
        "nothing_archived": lambda: log_archive(
            keep_due(ports, open_stores(ports.settings), stop.is_set, stop.wait)
        ),
        "disposal_not_carried_out": lambda: log_disposal(
            carry_out(ports, open_stores(ports.settings), stop.is_set)
        ),
        "archive_not_counted": partial(count_archive, ports),
        "night_not_stamped": partial(stamp_night, ports),
        "nights_not_stamped_anew": partial(stamp_nights_anew, ports),
    }
    audited = {"archive_not_audited": lambda: _audit(ports, stop)}
    statuses = {"outside_status_not_fetched": OutsideStatuses(ports).fetch_due}
    receipts: dict[str, Callable[[], object]] = {}
    if ports.settings.signer_socket is None:
        tried = {"receipts_not_served": partial(serve_receipts, ports, stop)}
        receipts["receipts"] = partial(background.keep, tried, stop, KEEP_EVERY)
    return background.start(
        {
            **receipts,
            "outside-status": partial(background.keep, statuses, stop, KEEP_EVERY),
            "document-stamps": partial(background.keep, stamps, stop, KEEP_EVERY),
            "archive": partial(background.keep, archived, stop, KEEP_EVERY),
            "archive-audit": partial(background.keep, audited, stop, CHECKS_EVERY),
            "scheduled-changes": partial(
                background.keep,
                {"scheduled_changes_not_made": lambda: log_schedule(make_due(ports))},
                stop,
                SCHEDULED_EVERY,
            ),
            "batches": partial(
                background.keep,
                {"batches_not_worked_on": lambda: log_batches(work(ports, stop.is_set))},
                stop,
                BATCHES_EVERY,
            ),
            "cases": partial(
                background.keep,
                {"cases_not_worked_on": lambda: log_cases(work_on_cases(ports, stop.is_set))},
                stop,
                CASES_EVERY,
            ),
            "retrievals": partial(
                background.keep,
                {"nothing_retrieved": lambda: log_retrievals(retrieve_due(ports, stop.is_set))},
                stop,
                RETRIEVALS_EVERY,
            ),
            "webhooks": partial(_send_webhooks, ports, stop),
            "notices": partial(_send_notices, ports, stop),
            "figures": partial(
                background.keep,
                {
                    "events_not_counted": partial(count_due, ports),
                    "days_not_closed": partial(close_days, ports),
                },
                stop,
                FIGURES_EVERY,
            ),
            "checks": partial(
                background.keep,
                {
                    "checks_not_read": partial(read_sites, ports),
                    "alerts_not_read": partial(read_alerts, ports),
                },
                stop,
                CHECKS_EVERY,
            ),
            "status-lists": partial(
                background.keep,
                {"status_lists_not_published": partial(publish_status_lists, ports)},
                stop,
                LOOK_EVERY,
            ),
            "recovery": partial(recovery_loop, ports, stop, report=log_recovery),
            "trust-list": partial(background.keep, tasks, stop, KEEP_EVERY),
        }
    )


def _audit(ports: Ports, stop: threading.Event) -> None:
    """Read stores; one that was read through is swept, too."""
    stores = open_stores(ports.settings)
    done = audit_due(ports, stores, rest=stop.wait, stopping=stop.is_set)
    log_audit(done)
    if done.ended:
        log_sweep(sweep(ports, stores, done.ended, stop.is_set))


def _send_webhooks(ports: Ports, stop: threading.Event) -> None:
    with closing(Sender(ports.settings.webhook_permitted, ports.clock)) as sender:
        tasks = {"webhooks_not_sent": lambda: log_webhooks(deliver(ports, sender, stop.is_set))}
        background.keep(tasks, stop, WEBHOOKS_EVERY)


def _send_notices(ports: Ports, stop: threading.Event) -> None:
    with closing(Messenger(ports, open_channels(ports))) as messenger:
        tasks = {"notices_not_sent": lambda: log_notices(messenger.deliver(stop.is_set))}
        background.keep(tasks, stop, NOTICES_EVERY)


def log_recovery(outcome: RecoveryReport | Exception) -> None:
    """A line for a round that did something or failed, and for each defect; intent ids tell of no holder."""
    if not isinstance(outcome, RecoveryReport):
        _log.error("recovery_failed", kind=type(outcome).__name__, where=places(outcome))
        return
    _log.info("recovery", adopted=outcome.adopted, abandoned=outcome.abandoned, deferred=outcome.deferred)
    for intent_id, error in outcome.defects.items():
        _log.error("recovery_defect", intent=intent_id, kind=type(error).__name__, where=places(error))


def log_document_stamps(outcome: StampReport) -> None:
    """A line for a round that stamped documents or could not, and for each that cannot be, or is a defect."""
    if outcome:
        _log.info("document_stamps", stamped=outcome.stamped, deferred=outcome.deferred)
    if outcome.outage is not None:
        _log.warning("document_not_time_stamped", reason=outcome.outage.reason, detail=outcome.outage.detail)
    for edition_id, refusal in outcome.refused.items():
        _log.error("document_not_archived", edition=edition_id, reason=refusal.reason)
    for edition_id, error in outcome.defects.items():
        where = places(error)
        _log.error("document_stamp_defect", edition=edition_id, kind=type(error).__name__, where=where)


def log_archive(outcome: ArchiveRound) -> None:
    """A line for a round that kept packages or could not, and for each that is a defect."""
    if outcome.kept:
        _log.info("archived", packages=len(outcome.kept))
    for what, refusal in outcome.deferred.items():
        _log.warning("archiving_put_off", of=what, reason=refusal.reason)
    for package_id, findings in outcome.unsound.items():
        _log.error("package_unsound", package=package_id, items=[one.item for one in findings])
    for what, error in outcome.defects.items():
        _log.error("archiving_defect", of=what, kind=type(error).__name__, where=places(error))


def log_audit(outcome: Audited) -> None:
    """A line for each copy that was lost or repaired, and for each package that no store has whole."""
    for package_id, store, state in outcome.lost:
        _log.error("archive_copy_lost", package=package_id, store=store, found=state)
    for package_id, store in outcome.repaired:
        _log.warning("archive_copy_repaired", package=package_id, store=store)
    for package_id in outcome.beyond_repair:
        _log.error("archive_package_lost", package=package_id)
    for store, outage in outcome.outages.items():
        _log.warning("archive_store_out", store=store, reason=outage.reason)


def log_sweep(outcome: Swept) -> None:
    """A line for each store from which something was removed, or that has what nobody knows of."""
    for store, count in outcome.removed.items():
        if count:
            _log.info("archive_swept", store=store, removed=count)
    for store, count in outcome.unknown.items():
        if count:
            _log.warning("archive_copies_unknown", store=store, count=count)
    for store, outage in outcome.outages.items():
        _log.warning("archive_store_out", store=store, reason=outage.reason)


def log_disposal(outcome: Disposed) -> None:
    """A line for each number that was disposed of or left out, each list that is done, and each store that
    was out.
    """
    for number in outcome.disposed:
        _log.warning("archive_disposed", number=number)
    for number, reason in outcome.left_out.items():
        _log.warning("archive_disposal_left_out", number=number, reason=reason)
    for disposal_id in outcome.done:
        _log.warning("archive_disposal_done", disposal=disposal_id)
    for store, outage in outcome.outages.items():
        _log.warning("archive_store_out", store=store or "documents", reason=outage.reason)


def log_schedule(outcome: ScheduleReport) -> None:
    """A line for a round that made or dropped a change, and for each defect."""
    if outcome.made or outcome.dropped:
        _log.info("scheduled_changes", made=outcome.made, dropped=outcome.dropped)
    for scheduled, error in outcome.defects.items():
        _log.error(
            "scheduled_change_defect", change=scheduled, kind=type(error).__name__, where=places(error)
        )


def log_batches(outcome: Round) -> None:
    """A line for each batch that was put off, and for each defect."""
    for batch_id, outage in outcome.outages.items():
        _log.warning("batch_put_off", batch=batch_id, reason=outage.reason)
    for batch_id, error in outcome.defects:
        _log.error("batch_defect", batch=batch_id, kind=type(error).__name__, where=places(error))


def log_cases(outcome: CaseRound) -> None:
    """A line for a round that did something, for each licence that was put off, and for each defect."""
    kinds = ("issued", "refused", "silent", "recounted", "lapsed")
    done = {name: getattr(outcome, name) for name in kinds}
    if any(done.values()):
        _log.info("cases", **done)
    for case_id, reason in outcome.put_off.items():
        _log.warning("case_put_off", case=case_id, reason=reason)
    for case_id, error in outcome.defects:
        _log.error("case_defect", case=case_id, kind=type(error).__name__, where=places(error))


def log_retrievals(outcome: RetrievalRound) -> None:
    """A line for a round that found something or told a source, for each outage, and for each defect; nothing
    of what was found.
    """
    if outcome.found or outcome.not_found or outcome.told.settled:
        _log.info(
            "retrievals", found=outcome.found, not_found=outcome.not_found, settled=outcome.told.settled
        )
    for case_id, reason in outcome.outages.items():
        _log.warning("retrieval_put_off", case=case_id, reason=reason)
    for error_id, reason in outcome.told.outages.items():
        _log.warning("source_not_told", of=error_id, reason=reason)
    for of, error in (*outcome.defects, *outcome.told.defects):
        _log.error("retrieval_defect", of=of, kind=type(error).__name__, where=places(error))


def log_webhooks(outcome: SentRound) -> None:
    """A line for a round in which something was tried, for each endpoint that is sent nothing more, and for
    each defect; no address, whose path may be a secret.
    """
    if outcome.delivered or outcome.failed:
        _log.info("webhooks", delivered=outcome.delivered, failed=outcome.failed)
    for endpoint_id, state in outcome.ended.items():
        _log.warning("webhook_disabled", endpoint=endpoint_id, state=state.value)
    for endpoint_id, error in outcome.defects:
        _log.error("webhook_defect", endpoint=endpoint_id, kind=type(error).__name__, where=places(error))


def log_notices(outcome: SentRound) -> None:
    """A line for a round in which something was tried, and for each defect; nobody's address."""
    if outcome.delivered or outcome.failed:
        _log.info("notices", delivered=outcome.delivered, failed=outcome.failed)
    for receiver, error in outcome.defects:
        _log.error("notice_defect", receiver=receiver, kind=type(error).__name__, where=places(error))
