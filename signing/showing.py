"""Presentation codes (亮证码): a licence shown on its holder's own screen, for a minute or two.

The code is a link with 128 random bits, `<origin>/p/<22 base64url characters>`, and carries no signature: a
code that anybody could still check tomorrow would be a picture of a licence. Only the registry can say that
it is being shown now; it says nothing of the licence once the code is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SHORTEST, LONGEST = 60, 120
"""Seconds for which a code is shown."""
SKEW = timedelta(seconds=5)
"""Between the clocks of the registry and of the site: of a code from later than that one of them is wrong."""


@dataclass(frozen=True, slots=True)
class Showing:
    """When a code is, or was, shown; None where no such code is on record."""

    shown_at: datetime | None = None
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether the code is being shown at this moment."""
        shown_at, until = self.shown_at, self.until
        return shown_at is not None and until is not None and shown_at - SKEW <= now < until
