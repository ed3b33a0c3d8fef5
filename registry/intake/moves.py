"""The life of a case: states, and the one table of permitted moves (Administrative Licensing Law; Measures,
Arts. 5-10, 14).

A move is an act by one of those who may do it, and needs what the law has it told or rest on. What is not in
the table is refused. An extension (延期) is a move that stays where it is; so is whatever else changes a due
day and no state. Nothing here knows a database or a clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from keys.errors import Fault, Kind, VermilionError


class CaseState(StrEnum):
    DRAFT = "draft"  # 草稿: the applicant's, nobody else sees it
    SUBMITTED = "submitted"  # 提交
    RECEIVED = "received"  # 收件
    CORRECTION = "correction"  # 补正: the applicant was told, once and completely, what is missing
    ACCEPTED = "accepted"  # 受理
    NOT_ACCEPTED = "not_accepted"  # 不予受理
    RETURNED = "returned"  # 退件
    HANDLING = "handling"  # 办理
    SUSPENDED = "suspended"  # 特别程序: the clock stands
    PERMITTED = "permitted"  # 准予许可; the licence is being issued, or could not be
    REFUSED = "refused"  # 不予许可
    TERMINATED = "terminated"  # 终止
    WITHDRAWN = "withdrawn"  # 撤回申请
    DONE = "done"  # 办结
    ARCHIVED = "archived"  # 归档
    LAPSED = "lapsed"  # 草稿过期: never submitted, and nothing of it is kept but that it was there


class Action(StrEnum):
    SUBMIT = "submit"
    RECEIVE = "receive"
    ASK_CORRECTION = "ask_correction"
    CORRECT = "correct"
    ACCEPT = "accept"
    REFUSE_ACCEPTANCE = "refuse_acceptance"
    RETURN = "return"
    BEGIN = "begin"
    SUSPEND = "suspend"
    RESUME = "resume"
    EXTEND = "extend"
    PERMIT = "permit"
    REFUSE = "refuse"
    TERMINATE = "terminate"
    WITHDRAW = "withdraw"
    FINISH = "finish"
    ARCHIVE = "archive"
    LAPSE = "lapse"


class Who(StrEnum):
    """In whose part somebody acts. `system` is the registry by itself, where only a fact is put down."""

    APPLICANT = "applicant"
    WINDOW = "window"  # 窗口人员
    HANDLER = "handler"  # 承办人
    APPROVER = "approver"  # 审批人: never the one who has handled the case
    SYSTEM = "system"


class Need(StrEnum):
    """What a move is refused without."""

    DECLARATION = "declaration"  # that all is true (Administrative Licensing Law, Art. 31)
    GROUND = "ground"  # a legal basis and a reason
    ITEMS = "items"  # what is to be corrected, all of it
    DAYS = "days"  # for how long


@dataclass(frozen=True, slots=True)
class Move:
    """Where an action leads, who may do it, what it needs, and whether the applicant is told of it."""

    to: CaseState
    who: frozenset[Who]
    needs: frozenset[Need]
    told: bool


def _move(to: CaseState, who: Collection[Who], needs: Collection[Need] = (), *, told: bool = True) -> Move:
    return Move(to, frozenset(who), frozenset(needs), told)


_S, _A = CaseState, Action
_APPLICANT, _WINDOW, _HANDLER, _APPROVER, _SYSTEM = ({who} for who in Who)
_GROUND = {Need.GROUND}
_TERM = {Need.GROUND, Need.DAYS}

# Art. 34: who has decided something tells why; Art. 38: a refusal too, and where to complain.
_WITHDRAW = _move(_S.WITHDRAWN, _APPLICANT)
_TERMINATE = _move(_S.TERMINATED, _APPROVER, _GROUND)
_FINISH = _move(_S.DONE, _SYSTEM, told=False)
_ARCHIVE = _move(_S.ARCHIVED, _SYSTEM, told=False)

PERMITTED: dict[tuple[CaseState, Action], Move] = {
    (_S.DRAFT, _A.SUBMIT): _move(_S.SUBMITTED, _APPLICANT, {Need.DECLARATION}),
    (_S.DRAFT, _A.LAPSE): _move(_S.LAPSED, _SYSTEM),
    (_S.SUBMITTED, _A.RECEIVE): _move(_S.RECEIVED, _WINDOW | _SYSTEM),
    (_S.SUBMITTED, _A.WITHDRAW): _WITHDRAW,
    # Art. 32: within five days; silence counts as acceptance, which the registry puts down.
    (_S.RECEIVED, _A.ASK_CORRECTION): _move(_S.CORRECTION, _WINDOW, {Need.GROUND, Need.ITEMS}),
    (_S.RECEIVED, _A.ACCEPT): _move(_S.ACCEPTED, _WINDOW | _SYSTEM),
    (_S.RECEIVED, _A.REFUSE_ACCEPTANCE): _move(_S.NOT_ACCEPTED, _WINDOW, _GROUND),
    (_S.RECEIVED, _A.RETURN): _move(_S.RETURNED, _WINDOW, _GROUND),
    (_S.RECEIVED, _A.WITHDRAW): _WITHDRAW,
    (_S.CORRECTION, _A.CORRECT): _move(_S.RECEIVED, _APPLICANT, {Need.DECLARATION}),
    (_S.CORRECTION, _A.RETURN): _move(_S.RETURNED, _WINDOW, _GROUND),
    (_S.CORRECTION, _A.WITHDRAW): _WITHDRAW,
    (_S.ACCEPTED, _A.BEGIN): _move(_S.HANDLING, _HANDLER, told=False),
    (_S.ACCEPTED, _A.TERMINATE): _TERMINATE,
    (_S.ACCEPTED, _A.WITHDRAW): _WITHDRAW,
    # Arts. 42, 45: the applicant is told for how long, and why.
    (_S.HANDLING, _A.SUSPEND): _move(_S.SUSPENDED, _APPROVER, _TERM),
    (_S.HANDLING, _A.EXTEND): _move(_S.HANDLING, _APPROVER, _TERM),
    (_S.HANDLING, _A.PERMIT): _move(_S.PERMITTED, _APPROVER, _GROUND),
    (_S.HANDLING, _A.REFUSE): _move(_S.REFUSED, _APPROVER, _GROUND),
    (_S.HANDLING, _A.TERMINATE): _TERMINATE,
    (_S.HANDLING, _A.WITHDRAW): _WITHDRAW,
    (_S.SUSPENDED, _A.RESUME): _move(_S.HANDLING, _HANDLER, _GROUND),
    (_S.SUSPENDED, _A.TERMINATE): _TERMINATE,
    (_S.SUSPENDED, _A.WITHDRAW): _WITHDRAW,
    # The licence's registration ends a case that was permitted; of the others nothing is left to make.
    (_S.PERMITTED, _A.FINISH): _move(_S.DONE, _SYSTEM),
    (_S.REFUSED, _A.FINISH): _FINISH,
    (_S.TERMINATED, _A.FINISH): _FINISH,
    (_S.WITHDRAWN, _A.FINISH): _FINISH,
    (_S.DONE, _A.ARCHIVE): _ARCHIVE,
    (_S.NOT_ACCEPTED, _A.ARCHIVE): _ARCHIVE,
    (_S.RETURNED, _A.ARCHIVE): _ARCHIVE,
}
"""(state, action) -> the move; whatever is not here is refused."""

ENDED_UNMADE = frozenset({CaseState.REFUSED, CaseState.TERMINATED, CaseState.WITHDRAWN})
"""Decided, and nothing is left to be made: done at once."""
CLOSED = frozenset({CaseState.DONE, CaseState.NOT_ACCEPTED, CaseState.RETURNED})
"""To be archived, every one of them."""
ACTIONS_OF_APPLICANTS = frozenset(a for (_, a), move in PERMITTED.items() if move.who == _APPLICANT)


@dataclass(frozen=True, slots=True)
class Given:
    """What an act brings with it, of what moves may need."""

    declared: bool = False
    grounded: bool = False
    items: int = 0
    days: int = 0

    def has(self, need: Need) -> bool:
        return {
            Need.DECLARATION: self.declared,
            Need.GROUND: self.grounded,
            Need.ITEMS: self.items > 0,
            Need.DAYS: self.days > 0,
        }[need]


_FIELDS = {
    Need.DECLARATION: ("/declaration", "it is declared that all is true"),
    Need.GROUND: ("/legal_basis", "a legal basis and a reason are named"),
    Need.ITEMS: ("/items", "what is to be corrected is named, all of it"),
    Need.DAYS: ("/days", "its length is named, in days"),
}


def permitted(state: CaseState, action: Action, who: Who, given: Given, *, has_handled: bool = False) -> Move:
    """The move. `has_handled`: whoever acts has handled this case, or begun to.

    Raises VermilionError: CONFLICT (`case_state`) for what the table does not have; FORBIDDEN (`part`) for
    who may not do it; FORBIDDEN (`same_person`) for an approver who has handled it; INVALID (`move_needs`)
    with a fault for each thing that is missing.
    """
    move = PERMITTED.get((state, action))
    if move is None:
        raise VermilionError(
            Kind.CONFLICT, f"a case that is {state.value} takes no {action.value}", reason="case_state"
        )
    if who not in move.who:
        wanted = " or ".join(sorted(one.value for one in move.who))
        raise VermilionError(Kind.FORBIDDEN, f"{action.value} is the part of: {wanted}", reason="part")
    if who is Who.APPROVER and has_handled:
        raise same_person()
    missing = [_FIELDS[need] for need in Need if need in move.needs and not given.has(need)]
    if missing:
        faults = tuple(Fault(field, "missing", said) for field, said in missing)
        raise VermilionError(
            Kind.INVALID, "; ".join(said for _, said in missing), reason="move_needs", faults=faults
        )
    return move


def same_person() -> VermilionError:
    """The answer to an approver who has handled the case."""
    detail = "whoever handles a case does not decide it as well"
    return VermilionError(Kind.FORBIDDEN, detail, reason="same_person")
