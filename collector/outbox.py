"""From the outbox to the receivers: each on its own, in order, until it took the message or never will.

Success is the notifier's word alone. A row is written before anything is sent and marked after, so a restart forgets
nothing and repeats at most the one message it was interrupted in.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from collector.core.bureau.words import Notice
from collector.engine import CommitFailedError, Engine
from collector.notify.contract import Deferred, Notifier, Refused
from collector.notify.message import Message
from collector.store.database import Store
from collector.store.outbox import Delivery, next_pending, pending_summary

SEND_TIMEOUT_S = 30.0
BACKOFF_MAX_S = 300.0
STORE_RETRY_S = 1.0

SENT = Counter("classready_notifications_sent", "Messages that a receiver confirmed.", ["channel"])
FAILED = Counter("classready_notifications_requests_failed", "Attempts that failed, each one.", ["channel", "reason"])
LOST = Counter("classready_notifications_lost", "Messages that a receiver will never take.", ["channel"])
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

_log = structlog.get_logger()


class Outbox:
    """``notifiers`` maps a receiver's name to who delivers for it; ``render`` makes words of a notice."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        notifiers: Mapping[str, Notifier],
        render: Callable[[Notice], Message],
        clock: Clock,
    ) -> None:
        self._store = store
        self._engine = engine
        self._notifiers = notifiers
        self._render = render
        self._clock = clock
        self._news = {name: asyncio.Event() for name in notifiers}
        self._waiting: Mapping[str, tuple[int, float]] = {}
        for name in notifiers:
            SENT.labels(name)
            LOST.labels(name)
            PENDING.labels(name)
            OLDEST_AGE.labels(name).set_function(partial(self._oldest_age_s, name))
        engine.bureau.on_notice(self.wake)

    def wake(self) -> None:
        for news in self._news.values():
            news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self._refuse_for_unknown_receivers()
        async with asyncio.TaskGroup() as group:
            for name in self._notifiers:
                group.create_task(self._serve(name), name=f"outbox {name}")

    async def _serve(self, name: str) -> None:
        news = self._news[name]
        while True:
            news.clear()
            try:
                wait_s = await self._deliver_next(name)
            except (SQLAlchemyError, CommitFailedError) as error:
                _log.warning("outbox_not_reachable", receiver=name, error=str(error)[:200])
                wait_s = STORE_RETRY_S
            if wait_s is None:
                await news.wait()
            else:
                await asyncio.sleep(wait_s)

    async def _deliver_next(self, name: str) -> float | None:
        """Try the oldest message of a receiver; return when to look again, None = when there is a new one."""
        async with self._store.reader.connect() as connection:
            delivery = await next_pending(connection, name)
            self._waiting = await pending_summary(connection)
        PENDING.labels(name).set(self._waiting[name][0] if name in self._waiting else 0)
        if delivery is None:
            return None
        if (wait_s := delivery.due_at - self._clock()) > 0:
            return wait_s
        await self._attempt(delivery)
        return 0.0

    def _oldest_age_s(self, name: str) -> float:
        return max(0.0, self._clock() - self._waiting[name][1]) if name in self._waiting else 0.0

    async def _attempt(self, delivery: Delivery) -> None:
        name = delivery.receiver
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._notifiers[name].send(self._render(delivery.notice))
        except Deferred as error:
            await self._defer(delivery, error.reason, str(error), _pause_s(delivery, error))
        except Refused as error:
            FAILED.labels(name, error.reason).inc()
            LOST.labels(name).inc()
            _log.error("notification_refused", receiver=name, delivery=delivery.id, reason=str(error))
            await self._engine.mark_refused(delivery.id, str(error))
        except TimeoutError:
            await self._defer(delivery, "timeout", "timeout", _backoff_s(delivery))
        except Exception:  # noqa: BLE001 - a bug in one notifier must not stop the others, nor lose the message
            _log.exception("notifier_failed", receiver=name, delivery=delivery.id)
            await self._defer(delivery, "internal", "internal", _backoff_s(delivery))
        else:
            SENT.labels(name).inc()
            LAST_SUCCESS.labels(name).set(self._clock())
            await self._confirm(delivery)

    async def _confirm(self, delivery: Delivery) -> None:
        """Insist on marking what was sent: forgetting it would send it twice."""
        while True:
            try:
                await self._engine.mark_sent(delivery.id)
            except CommitFailedError:
                await asyncio.sleep(STORE_RETRY_S)
            else:
                return

    async def _defer(self, delivery: Delivery, reason: str, text: str, pause_s: float) -> None:
        FAILED.labels(delivery.receiver, reason).inc()
        _log.warning("notification_deferred", receiver=delivery.receiver, delivery=delivery.id, reason=text)
        await self._engine.mark_deferred(delivery.id, text, self._clock() + pause_s)

    async def _refuse_for_unknown_receivers(self) -> None:
        """Settle what waits for receivers that are no longer in the settings."""
        async with self._store.reader.connect() as connection:
            waiting = (await pending_summary(connection)).keys() - self._notifiers.keys()
            for name in waiting:
                while delivery := await next_pending(connection, name):
                    _log.warning("notification_refused", receiver=name, delivery=delivery.id, reason="no such receiver")
                    await self._engine.mark_refused(delivery.id, "no such receiver")


def _pause_s(delivery: Delivery, error: Deferred) -> float:
    """A robot that is only full says itself when to come back; anything else is asked ever less often."""
    return error.retry_after_s if error.reason == "rate" else max(error.retry_after_s, _backoff_s(delivery))


def _backoff_s(delivery: Delivery) -> float:
    return min(BACKOFF_MAX_S, 2.0 ** min(delivery.attempt_count, 10))
