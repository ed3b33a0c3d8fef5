"""Do the status lists say what the record says? For `fsck`: reads every licence, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.signed_token import is_signed
from keys.status_list import PACKED_BYTES, take_apart
from registry.licences.status_changes import derived
from registry.licences.status_tables import StatusChange, StatusListState, StatusListToken
from registry.licences.tables import StatusIndex
from registry.seals.tables import Key
from signing.status_list import inflate, packed_with, value_at


def broken_lists(session: Session) -> Iterator[str]:
    """A sentence for each list that holds other values than follow from the record, but for slots that a
    change waits for; and for each signed one that says another thing than its row, or than what is held.
    """
    states = session.scalars(select(StatusListState).order_by(StatusListState.list)).all()
    for state in states:
        name = f"status list {state.list}"
        try:
            held = inflate(state.lst, PACKED_BYTES)
        except VermilionError:
            yield f"{name} cannot be read"
            continue
        waiting = select(StatusIndex.index).where(
            StatusIndex.list == state.list,
            StatusIndex.intent_id.in_(select(StatusChange.intent_id).where(StatusChange.list == state.list)),
        )
        expected = packed_with(
            derived(session, state.list), {index: value_at(held, index) for index in session.scalars(waiting)}
        )
        wrong = sum(
            value_at(held, 4 * at + slot) != value_at(expected, 4 * at + slot)
            for at in range(PACKED_BYTES)
            if held[at] != expected[at]
            for slot in range(4)
        )
        if wrong:
            yield f"{name} holds another value than the record of {wrong} of its slots"
    lsts = {state.list: (state.version, state.lst) for state in states}
    signed = (
        select(StatusListToken, Key.public_key)
        .join(Key, Key.id == StatusListToken.key_id)
        .where(StatusListToken.jwt.is_not(None))
    )
    for token, public_key in session.execute(signed):
        if not _as_recorded(token, public_key, *lsts.get(token.list, (0, b""))):
            yield f"status list {token.list}, generation {token.generation}, is another than its row says"


def _as_recorded(token: StatusListToken, public_key: bytes, version: int, lst: bytes) -> bool:
    try:
        jwt, cwt = take_apart((token.jwt or "").encode()), take_apart(token.cwt or b"")
    except VermilionError:
        return False
    content = jwt.content
    return (
        content == cwt.content
        and all(is_signed(one, public_key) for one in (jwt, cwt))
        and (sha256(jwt.signed).digest(), sha256(cwt.signed).digest()) == (token.jwt_sha256, token.cwt_sha256)
        and (content.uri, content.issued_at, content.expires_at)
        == (token.uri, token.issued_at, token.expires_at)
        and (token.version < version or (token.version == version and content.lst == lst))
    )
