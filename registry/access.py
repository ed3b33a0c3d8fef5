"""Who may call what of the agency API, as its routes declare it (`registry.described`). What decides is the
rules; a test compares both.
"""

from __future__ import annotations

from registry.agencies.auth import SCOPE_AUDIT
from registry.agencies.rules import SCOPE_LICENCE, SCOPE_SEAL
from registry.described import Access
from registry.licences.duties import OFFICER

OAUTH2 = "oauth2"

ANY_CLIENT = Access(({OAUTH2: ()},))
LICENCES = Access(
    ({OAUTH2: (SCOPE_LICENCE,)},), (OFFICER,), "A client may act by itself, and names its `operator`."
)
SEALS = Access(({OAUTH2: (SCOPE_SEAL,)},))
AUDITOR = Access(({OAUTH2: (SCOPE_AUDIT,)},), words="An auditor, by a token of their own.")


def seal_person(*roles: str, words: str = "") -> Access:
    """A person's duty about seals."""
    return Access(({OAUTH2: (SCOPE_SEAL,)},), roles, words)
