"""On which day a change of a licence may take effect."""

from __future__ import annotations

from datetime import date, timedelta

from keys.errors import field_fault

FARTHEST = timedelta(days=3660)
"""How far ahead a change may be scheduled, or a suspension may end."""


def is_within(valid_from: date, valid_to: date | None, day: date) -> bool:
    """Whether the day is one of a licence's validity, both ends inclusive; None: without an end."""
    return valid_from <= day and (valid_to is None or day <= valid_to)


def require_day(effective: date, *, today: date, issued: date, earliest: date) -> None:
    """A change takes effect by today, and none precedes the one before it (`earliest`) or the issue.

    Raises VermilionError(INVALID).
    """
    if effective > today:
        raise field_fault("/effective_from", "in_future", "this cannot be scheduled for a later day")
    if effective < issued:
        raise field_fault("/effective_from", "before_issue", "it lies before the issue date")
    if effective < earliest:
        raise field_fault("/effective_from", "before_last_change", "it lies before the last change of status")


def require_term(until: date, *, effective: date, today: date) -> None:
    """The last day of a suspension. Raises VermilionError(INVALID)."""
    if until < max(effective, today):
        raise field_fault("/until", "over", "the suspension would be over already")
    if until > effective + FARTHEST:
        raise field_fault("/until", "too_far", f"a suspension ends within {FARTHEST.days} days")


def require_schedule(due: date, *, today: date) -> None:
    """Raises VermilionError(INVALID)."""
    if due > today + FARTHEST:
        raise field_fault("/effective_from", "too_far", f"it lies more than {FARTHEST.days} days ahead")
