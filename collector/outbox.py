"""From the outbox to the receivers: each on its own, in order, until it took the message or never will.

Success is the notifier's word alone. A row is written before anything is sent and marked after, so a restart forgets
nothing and repeats at most the one message it was interrupted in. A long message goes in parts, each of them marked.
What fails on the way to the receiver holds back its queue, as long as it takes; what fails because of one message does
so only for so many tries.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from collector.core.bureau.words import Notice
from collector.engine import CommitFailedError, Engine
from collector.notify.contract import Deferred, Misconfigured, Notifier, Refused
from collector.notify.message import Message
from collector.store.database import Store
from collector.store.outbox import Delivery, Lost, lost_since, next_pending, pending_summary
from collector.store.transaction import StoreAwayError, reading
from collector.views.undelivered import Undelivered

SEND_TIMEOUT_S = 30.0
BACKOFF_MAX_S = 300.0
PAUSE_MAX_S = 600.0
"""No receiver is ever waited for longer: what is due later was deferred by a clock that was set back since."""
AHEAD_MAX_S = 60.0
"""A message dated in the future lets those go first that are due, and is sent at the latest after so long."""
LOOK_AGAIN_S = 60.0
STORE_RETRY_S = 1.0
TRIES_MAX: Mapping[str, int] = {"unknown_code": 6, "http_refused": 6, "internal": 6, "bad_reply": 24}
"""Tries in a row with an answer that may be about the message itself. With pauses of five minutes: half an hour, and
two hours where a portal on the way may have answered."""
HAND_OVER_AGE_S = 900.0
HAND_OVER_TRIES = 3
"""A message that is so old, and was tried so often, goes to the receiver's fallback where there is one."""
PENDING_MAX = 1_000
"""Per receiver. When a robot comes back after days, a thousand messages take it an hour; older ones help nobody."""
TOLD_S = 7 * 86_400.0
"""So long the board tells what was lost."""

SENT = Counter("classready_notifications_sent", "Messages that a receiver confirmed.", ["channel"])
FAILED = Counter("classready_notifications_requests_failed", "Attempts that failed, each one.", ["channel", "reason"])
LOST = Counter("classready_notifications_lost", "Messages that a receiver will never take.", ["channel"])
HANDED_OVER = Counter(
    "classready_notifications_handed_over", "Messages given to the receiver's fallback instead.", ["channel"]
)
MISCONFIGURED = Gauge(
    "classready_notifications_misconfigured",
    "1 = the receiver refuses everything until a setting is mended, here or at the robot.",
    ["channel"],
)
LAST_SUCCESS = Gauge(
    "classready_notifications_last_success_timestamp_seconds", "When a receiver last took a message.", ["channel"]
)
PENDING = Gauge("classready_notifications_outbox_pending", "Messages not delivered yet.", ["channel"])
OLDEST_AGE = Gauge(
    "classready_notifications_outbox_oldest_age_seconds",
    "Age of the oldest undelivered message; 0 without.",
    ["channel"],
)

Clock = Callable[[], float]
_Result = TypeVar("_Result")
_words = msgspec.json.Decoder(list[Message])

_log = structlog.get_logger()


class Outbox:
    """``notifiers`` maps a receiver's name to who delivers for it; ``render`` makes words of a notice,
    ``renders`` those for one receiver, where it has its own language.

    ``fallbacks`` maps a receiver to the one that gets what it does not take; it has no circle.
    """

    def __init__(  # noqa: PLR0913 - what it stands between
        self,
        store: Store,
        engine: Engine,
        notifiers: Mapping[str, Notifier],
        render: Callable[[Notice], Message],
        clock: Clock,
        *,
        fallbacks: Mapping[str, str] = MappingProxyType({}),
        renders: Mapping[str, Callable[[Notice], Message]] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._engine = engine
        self._notifiers = notifiers
        self._renders = {name: renders.get(name, render) for name in notifiers}
        self._clock = clock
        self._fallbacks = fallbacks
        self._news = {name: asyncio.Event() for name in notifiers}
        self._waiting: Mapping[str, tuple[int, float]] = {}
        self._lost: Mapping[str, Lost] = {}
        self._failing: dict[str, str] = {}
        self._misconfigured: dict[str, str] = {}
        self._replaced: dict[str, str] = {}
        self._tries: dict[str, tuple[int, int]] = {}
        self._ahead_since_s: dict[str, float] = {}
        for name in notifiers:
            SENT.labels(name)
            LOST.labels(name)
            HANDED_OVER.labels(name)
            MISCONFIGURED.labels(name)
            PENDING.labels(name)
            OLDEST_AGE.labels(name).set_function(partial(self._oldest_age_s, name))
        engine.bureau.on_notice(self.wake)

    def wake(self) -> None:
        for news in self._news.values():
            news.set()

    async def relay(self, messages: Mapping[str, Message]) -> None:
        """Queue messages that were made elsewhere: receiver -> message.

        Raises:
            CommitFailedError: none of them was queued.
        """
        words = {name: msgspec.json.encode([message]).decode() for name, message in messages.items()}
        await self._engine.queue_words(words)
        self.wake()

    def waiting_s(self) -> Mapping[str, float]:
        """Receiver -> age of the oldest message that it has not taken."""
        return {name: self._oldest_age_s(name) for name in self._notifiers}

    def undelivered(self) -> Sequence[Undelivered]:
        """What people must know of each receiver that does not get its messages."""
        return [self._undelivered(name) for name in sorted({*self._notifiers, *self._lost})]

    def _undelivered(self, name: str) -> Undelivered:
        lost = self._lost.get(name)
        return Undelivered(
            receiver=name,
            waiting_count=self._waiting[name][0] if name in self._waiting else 0,
            oldest_age_s=self._oldest_age_s(name),
            failing=self._failing.get(name),
            misconfigured=self._misconfigured.get(name),
            replaced=self._replaced.get(name),
            fallback=self._fallbacks.get(name),
            lost_count=lost.count if lost else 0,
            lost_at=lost.at if lost else None,
            lost_reason=lost.reason if lost else "",
        )

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self._insist(self._refuse_for_unknown_receivers)
        async with asyncio.TaskGroup() as group:
            for name in self._notifiers:
                group.create_task(self._serve(name), name=f"outbox {name}")

    async def _serve(self, name: str) -> None:
        news = self._news[name]
        while True:
            news.clear()
            wait_s = await self._insist(partial(self._deliver_next, name))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await news.wait()

    async def _insist(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Do ``work``, again and again while the store is away."""
        while True:
            try:
                return await work()
            except (StoreAwayError, CommitFailedError) as error:
                _log.warning("outbox_not_reachable", error=str(error)[:200])
                await asyncio.sleep(STORE_RETRY_S)

    async def _deliver_next(self, name: str) -> float | None:
        """Try the message whose turn it is; return when to look again, None = when there is a new one."""
        async with reading(self._store.reader) as connection:
            delivery = await next_pending(connection, name, self._clock())
            self._waiting = await pending_summary(connection)
        count = self._waiting[name][0] if name in self._waiting else 0
        PENDING.labels(name).set(count)
        if delivery is None:
            self._ahead_since_s.pop(name, None)
            return None
        if count > PENDING_MAX:
            await self._give_up(delivery, "too_many")
        elif delivery.notice is None and delivery.words is None:
            await self._give_up(delivery, "unreadable")
        elif (wait_s := self._wait_s(delivery)) > 0:
            return min(wait_s, LOOK_AGAIN_S)
        else:
            await self._attempt(delivery)
        return 0.0

    def _wait_s(self, delivery: Delivery) -> float:
        """How long ``delivery`` is not due yet, whatever was done to the clock since its time was set."""
        ahead_s = delivery.due_at - self._clock()
        if ahead_s <= 0:
            return 0.0
        if delivery.attempt_count or delivery.words is not None:
            return ahead_s if ahead_s <= PAUSE_MAX_S else 0.0
        now_s = time.monotonic()
        return min(ahead_s, self._ahead_since_s.setdefault(delivery.receiver, now_s) + AHEAD_MAX_S - now_s)

    def _oldest_age_s(self, name: str) -> float:
        return max(0.0, self._clock() - self._waiting[name][1]) if name in self._waiting else 0.0

    def _parts(self, delivery: Delivery) -> list[Message]:
        """What is still to be sent of it, as its receiver takes it. To cut again what was cut leaves it as it is."""
        if delivery.words is not None:
            messages = _words.decode(delivery.words)
        else:
            messages = [self._renders[delivery.receiver](delivery.notice)] if delivery.notice is not None else []
        return [part for message in messages for part in self._notifiers[delivery.receiver].parts(message)]

    async def _attempt(self, delivery: Delivery) -> None:
        name = delivery.receiver
        following: list[Message] = []
        try:
            part, *following = self._parts(delivery)
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._notifiers[name].send(part)
        except Deferred as error:
            await self._defer(delivery, error.reason, str(error), _pause_s(delivery, error))
        except Refused as error:
            FAILED.labels(name, error.reason).inc()
            if isinstance(error, Misconfigured):
                self._call_for_help(name, error)
            await self._give_up(delivery, str(error))
        except TimeoutError:
            await self._defer(delivery, "timeout", "timeout", _backoff_s(delivery))
        except Exception:  # noqa: BLE001 - a bug in one notifier must not stop the others, nor lose the message
            _log.exception("notifier_failed", receiver=name, delivery=delivery.id)
            await self._defer(delivery, "internal", "internal", _backoff_s(delivery))
        else:
            await self._taken(delivery, following)

    async def _taken(self, delivery: Delivery, following: Sequence[Message]) -> None:
        name = delivery.receiver
        SENT.labels(name).inc()
        LAST_SUCCESS.labels(name).set(self._clock())
        MISCONFIGURED.labels(name).set(0)
        self._failing.pop(name, None)
        self._misconfigured.pop(name, None)
        self._replaced.pop(name, None)
        self._tries.pop(name, None)
        # insist on marking what was sent: forgetting it would send it twice
        if following:
            words = msgspec.json.encode(following).decode()
            await self._insist(partial(self._engine.mark_part_sent, delivery.id, words))
        else:
            await self._insist(partial(self._engine.mark_sent, delivery.id))

    def _call_for_help(self, name: str, error: Misconfigured) -> None:
        """Say once what only people can mend; it is said again when it is another fault, or one after a success."""
        MISCONFIGURED.labels(name).set(1)
        if self._misconfigured.get(name) != str(error):
            self._misconfigured[name] = str(error)
            _log.critical("receiver_misconfigured", receiver=name, reason=str(error), said=error.said)

    async def _defer(self, delivery: Delivery, reason: str, text: str, pause_s: float) -> None:
        FAILED.labels(delivery.receiver, reason).inc()
        self._failing[delivery.receiver] = text
        if self._is_last_try(delivery, reason) or self._is_overdue(delivery, reason):
            await self._give_up(delivery, text)
            return
        _log.warning("notification_deferred", receiver=delivery.receiver, delivery=delivery.id, reason=text)
        # insist: a robot must not be asked again and again because it cannot be written down that it was
        await self._insist(partial(self._engine.mark_deferred, delivery.id, text, self._clock() + pause_s))

    def _is_last_try(self, delivery: Delivery, reason: str) -> bool:
        """Count answers in a row that may be about the message itself. A restart may begin anew: it is rare."""
        if reason not in TRIES_MAX:
            self._tries.pop(delivery.receiver, None)
            return False
        before_id, before_count = self._tries.get(delivery.receiver, (delivery.id, 0))
        count = 1 + (before_count if before_id == delivery.id else 0)
        self._tries[delivery.receiver] = (delivery.id, count)
        return count >= TRIES_MAX[reason]

    def _is_overdue(self, delivery: Delivery, reason: str) -> bool:
        """A robot that only wants a slower pace is waited for: its messages come, and in order."""
        waited_s, tries = self._clock() - delivery.created_at, delivery.attempt_count + 1
        has_fallback = delivery.receiver in self._fallbacks
        return has_fallback and reason != "rate" and waited_s >= HAND_OVER_AGE_S and tries >= HAND_OVER_TRIES

    async def _give_up(self, delivery: Delivery, reason: str) -> None:
        is_readable = delivery.notice is not None or delivery.words is not None
        if delivery.receiver in self._fallbacks and is_readable:
            await self._hand_over(delivery, reason, self._fallbacks[delivery.receiver])
            return
        _log.error("notification_refused", receiver=delivery.receiver, delivery=delivery.id, reason=reason)
        await self._insist(partial(self._engine.mark_refused, delivery.id, reason))
        LOST.labels(delivery.receiver).inc()
        await self._insist(self._recount_lost)

    async def _hand_over(self, delivery: Delivery, reason: str, fallback: str) -> None:
        """Settle it and queue it for ``fallback`` in one transaction: neither lost nor told twice."""
        name = delivery.receiver
        _log.warning("notification_handed_over", receiver=name, delivery=delivery.id, reason=reason, to=fallback)
        await self._insist(partial(self._engine.mark_handed_over, delivery.id, reason, fallback))
        HANDED_OVER.labels(name).inc()
        self._replaced[name] = reason
        self._news[fallback].set()

    async def _recount_lost(self) -> None:
        async with reading(self._store.reader) as connection:
            self._lost = await lost_since(connection, self._clock() - TOLD_S)

    async def _refuse_for_unknown_receivers(self) -> None:
        """Settle what waits for receivers that are no longer in the settings."""
        await self._recount_lost()
        async with reading(self._store.reader) as connection:
            waiting = (await pending_summary(connection)).keys() - self._notifiers.keys()
        for name in waiting:
            while delivery := await self._first(name):
                await self._give_up(delivery, "no_such_receiver")

    async def _first(self, name: str) -> Delivery | None:
        async with reading(self._store.reader) as connection:
            return await next_pending(connection, name)


def _pause_s(delivery: Delivery, error: Deferred) -> float:
    """A robot that is only full says itself when to come back; anything else is asked ever less often."""
    return error.retry_after_s if error.reason == "rate" else max(error.retry_after_s, _backoff_s(delivery))


def _backoff_s(delivery: Delivery) -> float:
    return min(BACKOFF_MAX_S, 2.0 ** min(delivery.attempt_count, 10))
