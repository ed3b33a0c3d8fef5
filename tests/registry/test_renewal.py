"""Certificates are renewed in time, by the background work, without a restart."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from cryptography.x509.ocsp import OCSPCertStatus, load_der_ocsp_response
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keys.certificates import certificate_validity
from keys.custodian import Kind
from keys.errors import VermilionError
from keys.profiles import PROFILES, ProfileName
from keys.trust_list import RENEW_AFTER
from registry.agencies.rules import set_client_active
from registry.licences.fsck import fsck
from registry.seals.authority import give_issuing_key, issuing_authority
from registry.seals.keys import subject_name
from registry.seals.renewal import REMAINING, TRY_AGAIN, renew_delegate, renew_due
from registry.seals.responder import unanswered
from registry.seals.revocation_list import publish_root_crl
from registry.seals.serving import certified_keys
from registry.seals.tables import Certificate, Key, KeyUse
from registry.seals.trust import publish_trust_list
from tests.registry.issuing import issue_one
from tests.registry.keeping import body_today, dying, serving, trust_list, verdict
from tests.registry.test_responder import ca_name, request, responder
from tests.registry.test_revocation import serial_of
from tests.registry.world import GROUND, START, Ticker, World

TIME_STAMP = Kind.TIME_STAMP.value
QR, TSA, OCSP = (PROFILES[name].life for name in (ProfileName.QR, ProfileName.TSA, ProfileName.OCSP))


def keys(world: World) -> Counter[str]:
    """How many keys of each purpose the registry has, whatever their state."""
    with Session(world.ports.database.read) as session:
        return Counter(session.scalars(select(Key.purpose)))


def test_nothing_is_renewed_before_its_last_quarter(world: World, clock: Ticker) -> None:
    before = keys(world)
    assert renew_due(world.ports) == 0
    clock.advance(OCSP * (1 - REMAINING) - timedelta(hours=1))
    assert renew_due(world.ports) == 0
    assert keys(world) == before
    clock.now = START + QR * (1 - REMAINING) - timedelta(hours=1)
    renew_due(world.ports)
    assert keys(world) - before == Counter(ocsp=1)


def test_the_responder_is_given_a_new_key_before_the_old_one_s_certificate_ends(
    world: World, clock: Ticker
) -> None:
    before = keys(world)
    for _ in range(4):
        clock.advance(OCSP * (1 - REMAINING))
        assert renew_due(world.ports) == 1
        assert renew_due(world.ports) == 0
    assert keys(world) - before == Counter(ocsp=4)


def test_each_issuing_authority_has_a_responder_for_as_long_as_it_lives(world: World, clock: Ticker) -> None:
    """Another CA begins without one, and what the first one issued is asked for until it ends."""
    name, asked = ca_name(world), request(world, serial_of(world))
    clock.advance(timedelta(days=1))
    with Session(world.ports.database.read) as session:
        first = issuing_authority(session).key.id
    give_issuing_key(
        world.with_root(), "p256-sha256", subject_name("TEST Seal Issuing CA 2", None, "TEST Vermilion")
    )
    with Session(world.ports.database.read) as session:
        second = issuing_authority(session).key.id
        assert unanswered(session, clock.now) == [second] != [first]
    assert renew_due(world.ports) == 1
    assert renew_due(world.ports) == 0
    for _ in range(3):
        clock.advance(OCSP * (1 - REMAINING))
        while renew_due(world.ports):
            pass
        with Session(world.ports.database.read) as session:
            assert unanswered(session, clock.now) == []
            issuers = session.scalars(
                certified_keys(ProfileName.OCSP, clock.now).with_only_columns(Certificate.issuer_key_id)
            )
            assert set(issuers) == {first, second}
    answer = load_der_ocsp_response(responder(world).answer(name, asked).body)
    assert answer.certificate_status is OCSPCertStatus.GOOD


def test_a_qr_key_is_renewed_in_its_last_quarter_and_the_list_comes_first(
    world: World, clock: Ticker
) -> None:
    before, first = keys(world), serving(world)
    clock.advance(QR * (1 - REMAINING))
    renew_delegate(world.with_root())
    renew_due(world.ports)  # both agencies that may issue; the time-stamps' has two years more
    assert renew_due(world.ports) == 0
    assert keys(world) - before == {"qr": 2, "ocsp": 1, "trust-list": 1, "status-list": 1, "receipt": 1}
    assert serving(world) == first
    publish_trust_list(world.ports)
    assert Counter(key.use for key in trust_list(world).keys) == Counter(
        {"seal": 1, "qr": 4, "tsa": 1, "status-list": 2, "receipt": 2}
    )
    assert serving(world) == first
    clock.advance(RENEW_AFTER)
    assert serving(world) not in {first, "no_qr_key"}


def test_time_stamps_go_over_to_a_new_key_without_a_restart(world: World, clock: Ticker) -> None:
    clock.advance(TSA * (1 - REMAINING))
    renew_delegate(world.with_root())
    publish_root_crl(world.with_root())
    renew_due(world.ports)
    publish_trust_list(world.ports)
    world.authorise(seal := world.active_seal())
    first = stamped(world, seal)
    assert stamped(world, seal) == first
    clock.advance(RENEW_AFTER)
    publish_trust_list(world.ports)
    second = stamped(world, seal)
    assert second != first
    clock.advance(TSA * REMAINING)  # the first one's certificate is over
    renew_delegate(world.with_root())
    publish_root_crl(world.with_root())
    renew_due(world.ports)  # the OCSP responder's, of two weeks
    publish_trust_list(world.ports)
    world.authorise(seal)
    assert stamped(world, seal) == second
    assert fsck(world.ports) == []


def stamped(world: World, seal: str) -> str:
    """The id of the key whose time-stamp a new licence bears; the issuing has checked the token."""
    issued = issue_one(world, body_today(world, seal))
    assert (issued.level, verdict(world, issued.link)) == ("B-LT", "valid")
    of_licence = KeyUse.record == f"intent:{issued.edition_id}"
    with Session(world.ports.database.read) as session:
        return session.scalars(select(KeyUse.key_id).where(of_licence, KeyUse.kind == TIME_STAMP)).one()


def test_an_attempt_that_failed_is_not_repeated_at_once(world: World, clock: Ticker) -> None:
    """Each leaves a key behind: a custodian that is out must not fill the disk."""
    clock.advance(QR * (1 - REMAINING))
    before = keys(world)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            renew_due(dying(world))
    assert keys(world) - before == Counter({"qr": 2, "ocsp": 1, "status-list": 1, "receipt": 1})
    assert renew_due(world.ports) == 0
    clock.advance(TRY_AGAIN)
    assert renew_due(world.ports) == 5


def test_an_agency_that_may_not_issue_needs_no_key(world: World, clock: Ticker) -> None:
    with world.ports.database.transaction() as session:
        other = world.clients["other-system"].id
        set_client_active(session, world.ports, world.security, client_id=other, active=False, ground=GROUND)
    before = keys(world)
    clock.advance(QR * (1 - REMAINING))
    renew_due(world.ports)
    assert keys(world) - before == Counter({"qr": 1, "ocsp": 1, "status-list": 1, "receipt": 1})


def test_an_agency_without_a_key_gets_one_unless_its_keys_were_retired(world: World) -> None:
    """What an administrator ended is not begun again behind their back."""
    own, other = world.codes["own"], world.codes["other"]
    with world.ports.database.transaction() as session:
        session.execute(
            update(Key).where(Key.purpose == "qr", Key.agency_code == own).values(state="retired")
        )
        never = select(Key.id).where(Key.purpose == "qr", Key.agency_code == other)
        session.execute(delete(Certificate).where(Certificate.key_id.in_(never)))
        session.execute(delete(Key).where(Key.purpose == "qr", Key.agency_code == other))
    assert renew_due(world.ports) == 1
    publish_trust_list(world.ports)
    assert serving(world) == "no_qr_key"
    assert serving(world, "other") not in {"no_qr_key", "qr_key_unlisted"}


def test_no_certificate_is_renewed_beyond_its_issuer(world: World, clock: Ticker) -> None:
    with Session(world.ports.database.read) as session:
        issuing = issuing_authority(session).certificate
    assert issuing is not None
    _begin, end = certificate_validity(issuing)
    clock.now = end - timedelta(days=60)
    assert renew_due(world.ports) == 6
    new = select(Certificate.not_after).where(Certificate.not_before > START + QR)
    with Session(world.ports.database.read) as session:
        ends = set(session.scalars(new.where(Certificate.profile != ProfileName.OCSP.value)))
    assert ends == {end}
    clock.now = end - timedelta(days=1)
    assert renew_due(world.ports) == 1
    with Session(world.ports.database.read) as session:
        ends = set(session.scalars(new.where(Certificate.not_before > clock.now - timedelta(days=1))))
    assert ends == {end}
    assert renew_due(world.ports) == 0
    clock.now = end + timedelta(seconds=1)
    with pytest.raises(VermilionError) as refused:
        renew_due(world.ports)
    assert refused.value.reason == "issuing_ended"
