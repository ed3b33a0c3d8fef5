"""The life of a sub-case: the moves of the agency that takes part, and of the lead (Measures, Art. 10).

An agency takes its part up, and gives its opinion by somebody who has not handled it. What it does not give
in time the lead may put down as missed, where the matter's list names the law by which it is decided without;
that is no consent, and it may still come while the case is open. Nothing here knows a database or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from keys.errors import Fault, Kind, VermilionError


class SubState(StrEnum):
    WAITING = "waiting"  # nobody has taken it up
    HANDLING = "handling"
    GIVEN = "given"  # the opinion is there
    MISSED = "missed"  # it was overdue, and the lead decides without
    CLOSED = "closed"  # the case ended before


class SubAction(StrEnum):
    BEGIN = "begin"
    GIVE = "give"
    MISS = "miss"
    CLOSE = "close"


class Side(StrEnum):
    """Who acts: the agency that takes part, the one that leads, or the registry by itself."""

    PART = "part"
    LEAD = "lead"
    SYSTEM = "system"


class Opinion(StrEnum):
    AGREES = "agrees"  # 同意
    CONDITIONS = "agrees_with_conditions"  # 附条件同意
    REFUSES = "refuses"  # 不同意


@dataclass(frozen=True, slots=True)
class SubMove:
    """Where an action leads, whose it is, and whether it is decided, by a person, on a ground."""

    to: SubState
    side: Side
    decided: bool


_S, _A = SubState, SubAction
_BEGIN = SubMove(_S.HANDLING, Side.PART, decided=False)
_MISS = SubMove(_S.MISSED, Side.LEAD, decided=True)
_CLOSE = SubMove(_S.CLOSED, Side.SYSTEM, decided=False)

PERMITTED: Mapping[tuple[SubState, SubAction], SubMove] = {
    (_S.WAITING, _A.BEGIN): _BEGIN,
    (_S.WAITING, _A.MISS): _MISS,
    (_S.WAITING, _A.CLOSE): _CLOSE,
    (_S.HANDLING, _A.GIVE): SubMove(_S.GIVEN, Side.PART, decided=True),
    (_S.HANDLING, _A.MISS): _MISS,
    (_S.HANDLING, _A.CLOSE): _CLOSE,
    (_S.MISSED, _A.BEGIN): _BEGIN,  # it comes late, and counts
}
"""(state, action) -> the move; whatever is not here is refused."""

WANTED = frozenset({SubState.WAITING, SubState.HANDLING})
"""The case is not decided while one of its sub-cases is so."""


def permitted(
    state: SubState,
    action: SubAction,
    side: Side,
    *,
    grounded: bool = False,
    opinion: Opinion | None = None,
    words: str = "",
    has_handled: bool = False,
) -> SubMove:
    """The move. `has_handled`: whoever decides has handled this sub-case or, for the lead, its case.

    Raises VermilionError: CONFLICT (`sub_case_state`) for what the table does not have; FORBIDDEN (`part`)
    for the other side's; FORBIDDEN (`same_person`); INVALID (`move_needs`) with a fault for what is missing.
    """
    move = PERMITTED.get((state, action))
    if move is None:
        detail = f"a sub-case that is {state.value} takes no {action.value}"
        raise VermilionError(Kind.CONFLICT, detail, reason="sub_case_state")
    if side is not move.side:
        raise VermilionError(
            Kind.FORBIDDEN, f"{action.value} is the part of: {move.side.value}", reason="part"
        )
    if move.decided and has_handled:
        detail = "whoever handles a case does not decide it as well"
        raise VermilionError(Kind.FORBIDDEN, detail, reason="same_person")
    missing = []
    if move.decided and not grounded:
        missing.append(Fault("/legal_basis", "missing", "a legal basis and a reason are named"))
    if action is SubAction.GIVE and opinion is None:
        missing.append(Fault("/opinion", "missing", "it is said whether the agency agrees"))
    if opinion in {Opinion.CONDITIONS, Opinion.REFUSES} and not words:
        missing.append(Fault("/words", "missing", "the conditions, or what stands against it, are told"))
    if missing:
        detail = "; ".join(one.detail for one in missing)
        raise VermilionError(Kind.INVALID, detail, reason="move_needs", faults=tuple(missing))
    return move
