"""Messages through an agency's own receiver, such as a gateway to telephones: posted as events are, signed by
Standard Webhooks, to the endpoint that the agency has registered for them.
"""

from __future__ import annotations

from keys.canonical import canonical_json
from keys.clock import Clock
from registry.notices.claims import Claimed
from registry.notices.kinds import NOTICE
from registry.notices.words import said
from registry.outgoing.attempts import Outcome
from registry.outgoing.posting import Poster
from registry.webhooks.signature import headers
from signing.verdict import instant

GONE = 410


class Receivers:
    """Posts messages to endpoints. Safe between threads."""

    def __init__(self, poster: Poster, clock: Clock) -> None:
        self._poster, self._clock = poster, clock

    def __call__(self, one: Claimed) -> Outcome:
        """One attempt. Raises nothing that a receiver can bring about."""
        assert one.receiver.url is not None, "an endpoint has an address"
        body = payload(one)
        outcome = self._poster.post(one.receiver.url, body, headers(one.id, self._clock(), body, one.secrets))
        if outcome.status == GONE:  # this one: whether the endpoint is, its events find out
            return Outcome(outcome.status, outcome.reason, final=True)
        return outcome

    def close(self) -> None:
        self._poster.close()


def payload(one: Claimed) -> bytes:
    """The same at every attempt (`registry.notices.answers.NoticePayload`)."""
    words = said(one.kind, one.message.language, one.message.values)
    return canonical_json(
        {
            "type": f"{NOTICE}.{one.kind}",
            "timestamp": instant(one.created_at),
            "data": {
                "notice": one.id,
                "about": one.subject,
                "to": one.message.to,
                "language": one.message.language,
                "subject": words.subject,
                "text": words.text,
                "values": dict(one.message.values),
                "expires_at": instant(one.expires_at),
            },
        }
    )
