"""Messages on their way: written in the transaction that caused them, settled when the receiver took them."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from classready.codec import UNDECODABLE
from collector.core.bureau.words import Notice
from collector.store.tables import outbox

REASON_MAX_CHARACTERS = 200

_notice = msgspec.json.Decoder(Notice)


class Delivery(Struct, frozen=True, kw_only=True):
    """One notice for one receiver. ``due_at`` is when to try (again); ``notice`` None = this release cannot read it.

    ``words`` are the parts of the message that are still to be sent, as they were cut when the first of them was: a
    restart, with other names perhaps, must not cut it elsewhere. None = nothing was sent yet. What came with words and
    without a notice (``add_words``) has them from the begin.
    """

    id: int
    receiver: str
    notice: Notice | None
    created_at: float
    attempt_count: int
    due_at: float
    words: str | None = None


async def add(connection: AsyncConnection, receivers: Iterable[str], notice: Notice, now: float) -> None:
    text = msgspec.json.encode(notice).decode()
    fresh = {"notice": text, "created_at": now, "state": "pending", "attempt_count": 0, "due_at": now}
    if rows := [{"receiver": receiver, **fresh} for receiver in receivers]:
        await connection.execute(insert(outbox), rows)


async def add_words(connection: AsyncConnection, words: Mapping[str, str], now: float) -> None:
    """Queue what is no notice of ours: receiver -> the message, to be cut as the receiver takes it."""
    fresh = {"notice": "", "created_at": now, "state": "pending", "attempt_count": 0, "due_at": now}
    await connection.execute(insert(outbox), [{"receiver": to, "words": text, **fresh} for to, text in words.items()])


async def next_pending(connection: AsyncConnection, receiver: str, now: float = inf) -> Delivery | None:
    """Return the oldest delivery that ``receiver`` has not taken: messages keep their order.

    One that was never tried and is due later than ``now`` was written by a clock that was wrong: it comes last.
    """
    pending = (outbox.c.state == "pending", outbox.c.receiver == receiver)
    is_ahead = and_(outbox.c.attempt_count == 0, outbox.c.words.is_(None), outbox.c.due_at > now)
    first = select(outbox).where(*pending).order_by(is_ahead, outbox.c.id).limit(1)
    row = (await connection.execute(first)).one_or_none()
    if row is None:
        return None
    return Delivery(
        id=row.id,
        receiver=row.receiver,
        notice=_read(row.notice),
        created_at=row.created_at,
        attempt_count=row.attempt_count,
        due_at=row.due_at,
        words=row.words,
    )


def _read(text: str) -> Notice | None:
    try:
        return _notice.decode(text)
    except UNDECODABLE:
        return None


class Lost(Struct, frozen=True, kw_only=True):
    """What one receiver never got. ``reason`` and ``at`` are of the last one."""

    count: int
    at: float
    reason: str


async def lost_since(connection: AsyncConnection, since: float) -> dict[str, Lost]:
    """Return receiver -> what was refused since then."""
    refused = (outbox.c.state == "refused", outbox.c.settled_at >= since)
    columns = (outbox.c.receiver, outbox.c.settled_at, outbox.c.reason)
    rows = await connection.execute(select(*columns).where(*refused).order_by(outbox.c.settled_at, outbox.c.id))
    found: dict[str, Lost] = {}
    for row in rows:
        count = found[row.receiver].count if row.receiver in found else 0
        found[row.receiver] = Lost(count=count + 1, at=row.settled_at, reason=row.reason or "")
    return found


async def pending_summary(connection: AsyncConnection) -> dict[str, tuple[int, float]]:
    """Return receiver -> (number of pending deliveries, when the oldest was written)."""
    columns = (outbox.c.receiver, func.count().label("pending_count"), func.min(outbox.c.created_at).label("oldest"))
    statement = select(*columns).where(outbox.c.state == "pending").group_by(outbox.c.receiver)
    return {row.receiver: (row.pending_count, row.oldest) for row in await connection.execute(statement)}


async def settle(
    connection: AsyncConnection,
    delivery_id: int,
    state: Literal["sent", "refused", "handed"],
    reason: str | None,
    now: float,
) -> None:
    """The receiver took it, or never will, or another will. The row stays as the log, with its reason."""
    values = {"state": state, "settled_at": now, "reason": _short(reason)}
    mine = outbox.c.id == delivery_id
    await connection.execute(update(outbox).where(mine).values(attempt_count=outbox.c.attempt_count + 1, **values))


async def advance(connection: AsyncConnection, delivery_id: int, words: str, now: float) -> None:
    """One part was taken; ``words`` are those that follow, and their tries are counted anew."""
    values = {"words": words, "attempt_count": 0, "due_at": now}
    await connection.execute(update(outbox).where(outbox.c.id == delivery_id).values(**values))


async def copy(connection: AsyncConnection, delivery_id: int, receiver: str, now: float) -> None:
    """Queue the same message for another receiver, unless that one was given it before: of its own or by a third.

    It gets the whole of it, also where the first took a part: it is another group. Of its own it may have been told of
    more schools than the first one hears of.
    """
    fields = (outbox.c.notice, outbox.c.created_at, outbox.c.words)
    row = (await connection.execute(select(*fields).where(outbox.c.id == delivery_id))).one()
    own = select(outbox.c.notice).where(outbox.c.receiver == receiver, outbox.c.created_at == row.created_at)
    known = (await connection.execute(own)).scalars().all() if row.notice else ()
    if any(_says(other, row.notice) for other in known):
        return
    words = None if row.notice else row.words
    fresh = {"state": "pending", "attempt_count": 0, "due_at": now, "words": words}
    values = {"receiver": receiver, "notice": row.notice, "created_at": row.created_at, **fresh}
    await connection.execute(insert(outbox).values(**values))


def _says(told: str, other: str) -> bool:
    """Whether ``told`` says of each school what ``other``, of the same moment, says of some of them."""
    whole, part = _read(told), _read(other)
    if told == other or whole is None or part is None:
        return told == other
    is_part = bool(part.members) and all(member in whole.members for member in part.members)
    return whole.office == part.office and is_part


async def defer(connection: AsyncConnection, delivery_id: int, reason: str, due_at: float) -> None:
    mine = outbox.c.id == delivery_id
    values = {"attempt_count": outbox.c.attempt_count + 1, "due_at": due_at, "reason": _short(reason)}
    await connection.execute(update(outbox).where(mine).values(**values))


def _short(reason: str | None) -> str | None:
    return None if reason is None else reason[:REASON_MAX_CHARACTERS]
