"""The console's first page: what waits for whoever is signed in, each duty its own."""

from __future__ import annotations

from datetime import timedelta

from joserfc.jwk import ECKey

from registry.actor import Duty
from registry.agencies.rules import add_person
from registry.console import invitations
from registry.oversight.counting import count_due
from tests.registry.batching import sent, worked
from tests.registry.console import one_more, signed_in, told
from tests.registry.issuing import issue_one
from tests.registry.world import Ticker, World


def test_requests_wait_for_an_approver_and_are_shown_to_who_asked(world: World, clock: Ticker) -> None:
    world.apply_for_seal()
    assert "待我审批 新印章申请" in told(signed_in(world, "approver"), "/")
    applicant = told(signed_in(world, "applicant"), "/")
    assert "我提出、等待他人审批的事项 新印章申请" in applicant
    assert "新印章申请" not in told(signed_in(world, "keeper"), "/")
    assert "新印章申请" not in told(one_more(world, "authority", "applicant"), "/")
    clock.advance(timedelta(days=world.ports.settings.approval_days))
    assert "新印章申请" not in told(signed_in(world, "applicant"), "/")
    assert "新印章申请" not in told(signed_in(world, "approver"), "/")


def test_a_seal_waits_for_its_next_step_s_own_people(world: World) -> None:
    code = world.approved_seal()
    assert f"{code} 待制作" in told(signed_in(world, "maker"), "/")
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    assert f"{code} 待备案" in told(signed_in(world, "maker"), "/")
    assert code not in told(signed_in(world, "keeper"), "/")
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    assert code not in told(signed_in(world, "maker"), "/")
    assert f"{code} 待启用" in told(signed_in(world, "keeper"), "/")
    assert code not in told(one_more(world, "authority", "keeper"), "/")
    world.act("keeper", f"/api/v1/seals/{code}/activation", {})
    assert code not in told(signed_in(world, "keeper"), "/")


def test_an_officer_sees_batches_at_work_and_this_month(world: World) -> None:
    issue_one(world)
    count_due(world.ports)
    sent(world, 2)
    page = told(signed_in(world, "officer"), "/")
    assert "正在处理的批量" in page
    assert "2 行 检查中" in page
    assert "新发证照 1" in page
    assert "新发证照 0" in told(one_more(world, "authority", "officer"), "/")
    worked(world)
    assert "正在处理的批量" not in told(signed_in(world, "officer"), "/")


def test_enrolments_and_invitations_wait_for_security_administration(world: World) -> None:
    with world.ports.database.transaction() as session:
        add_person(
            session, world.ports, world.system, agency_code=world.codes["own"], name="新来的人", roles=["officer"],
            jwk=ECKey.generate_key("P-256").as_dict(private=False),
        )  # fmt: skip
        invitations.invite(
            session, world.ports, world.system, person_id=world.people["keeper"].id, account="keeper"
        )
    page = told(signed_in(world, Duty.SECURITY), "/")
    assert "人员 新来的人" in page
    assert "样本keeper keeper" in page
    for duty in (Duty.SYSTEM, Duty.AUDIT):
        assert "新来的人" not in told(signed_in(world, duty), "/")
