"""How often signing in may be tried: by account, by network, and by one network at one account.

One network's failures fill a small bucket of its own long before the account's, so it takes many networks to
keep an account's owner waiting; and who has a passkey never waits, since nothing can be guessed there. Names
that nobody has are counted like any other.
"""

from __future__ import annotations

from keys.errors import Kind, VermilionError
from registry.attempts.rules import Attempt
from registry.buckets import Rate
from registry.vault import Vault

NETWORK = Rate(burst=30, seconds_each=20.0)
PAIR = Rate(burst=5, seconds_each=180.0)
ACCOUNT = Rate(burst=50, seconds_each=90.0)
"""Under the 100 consecutive failures of NIST SP 800-63B-4, 3.2.2; about 1000 guesses a day after these."""
CODE = Rate(burst=5, seconds_each=900.0)
"""Of TOTP codes by somebody who knows the password: about a hundred a day, of a million."""


def password_attempt(vault: Vault, network: str, account: str) -> Attempt:
    """What somebody in `network` tries at `account`, a name that need not exist."""
    return Attempt(
        (
            (_key(vault, "network", network), NETWORK),
            (_key(vault, "pair", network, account), PAIR),
            (_key(vault, "account", account), ACCOUNT),
        )
    )


def code_attempt(vault: Vault, person_id: str) -> Attempt:
    return Attempt(((_key(vault, "code", person_id), CODE),))


def network_attempt(vault: Vault, network: str) -> Attempt:
    """What is tried at no account in particular."""
    return Attempt(((_key(vault, "network", network), NETWORK),))


def require_room(wait: int) -> None:
    """Raises VermilionError(TOO_MANY) with the seconds to wait, where there are any."""
    if wait:
        raise VermilionError(
            Kind.TOO_MANY,
            "there were too many attempts: wait, or sign in with a passkey",
            reason="attempts",
            retry_after=wait,
        )


def _key(vault: Vault, *parts: str) -> bytes:
    return vault.blind("sign-in", *parts)
