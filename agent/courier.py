"""Carries records from the spool to the collector: live ones first, then the backlog, each until it is acknowledged."""

import asyncio
import random
from collections.abc import Callable
from typing import NamedTuple, assert_never

import msgspec
import structlog

from agent.bureau import Bureau
from agent.clock import Clock
from agent.links import Acked, Keep, Link, Outcome, Refused, TooLarge
from agent.metrics import Metrics
from agent.settings import AgentSettings
from agent.spool import Batch, Lane, Spool
from agent.spread import AWAY_MAX_S, start_span_s
from classready import __version__
from classready.box import Box
from classready.codec import encode, encode_report
from classready.report import REPORT_INTERVAL_MIN_S, REPORT_MAX_BYTES, Ack, Directives, Report
from classready.tasks import asked_to_end

OnDirectives = Callable[[Directives, float], None]

RECORDS_MAX_BYTES = REPORT_MAX_BYTES - 2_000
"""Leaves room for the envelope."""
BACKLOG_PER_S = 5.0
BACKOFF_MIN_S = 1.0
BACKOFF_MAX_S = 300.0
"""Whatever the collector asks for."""
BACKOFF_INTERVALS = 2
"""Backoff stops growing at this many report intervals."""
REFUSALS_BEFORE_ASIDE = 3
RENUMBER_EVERY_S = 60.0

_log = structlog.get_logger()


def backoff_s(failure_count: int, report_interval_s: float, retry_after_s: float | None, jitter: float) -> float:
    """Return how long to wait after the ``failure_count``-th failure in a row (from 1); ``jitter`` in [0, 1].

    Full jitter over an exponentially growing span; never below what the collector asked for, never above 5 minutes.
    """
    ceiling_s = min(AWAY_MAX_S, max(BACKOFF_MIN_S, BACKOFF_INTERVALS * report_interval_s))
    span_s = min(ceiling_s, BACKOFF_MIN_S * 2.0 ** min(failure_count, 20))
    return min(BACKOFF_MAX_S, max(0.1 + jitter * (span_s - 0.1), retry_after_s or 0.0))


class _Suspect(NamedTuple):
    """A record that was refused alone, and how many reports with records had got through until then."""

    alone: Batch
    reason: str
    passed_count: int

    @property
    def key(self) -> tuple[str, int]:
        return self.alone.spool_id, self.alone.records[0][0]


class Courier:
    """One report in flight at a time. ``on_directives`` gets them with the time at which they were asked for."""

    def __init__(  # noqa: PLR0913 - what app wires together
        self,
        *,
        settings: AgentSettings,
        spool: Spool,
        link: Link,
        clock: Clock,
        metrics: Metrics,
        on_directives: OnDirectives,
        bureau: Bureau | None = None,
        box: Callable[[], Box | None] = lambda: None,
    ) -> None:
        self._settings, self._spool, self._link = settings, spool, link
        self._clock, self._metrics, self._on_directives = clock, metrics, on_directives
        self._bureau, self._box = bureau or Bureau(), box
        self._settings_version: str | None = None
        """Of the settings that the bureau has, as its last ack said."""
        self._taken_at_s = 0.0
        self._acked_count = 0
        self._passed_count = 0
        self._stuck = False
        """What was sent last still lies in the spool, so taking more would only bring it again."""
        self.trouble: Keep | None = None
        """Why the last round ended early; None where it did not."""
        self.detail = ""
        """The same for people, as far as the link knows."""
        self._hurried = asyncio.Event()
        self._renumber_from_s = 0.0
        self._suspects: list[_Suspect] = []
        self._refusals: dict[tuple[str, int], list[int]] = {}
        """What had got through at each refusal of a record that is refused round after round."""

    async def run(self) -> None:
        """Report every interval; sooner for the first record and in a hurry, later while the way is closed."""
        span_s = start_span_s(self._settings.report_interval_s, self._clock.now_s())
        await asyncio.sleep(random.uniform(0, span_s))  # noqa: S311 - spread only
        failure_count = 0
        while not asked_to_end():
            interval_s = self._settings.report_interval_s
            # Never longer than the announced interval, by which the collector tells silence; a little shorter, so that
            # gateways that fell into step drift apart.
            next_s = self._clock.now_s() + random.uniform(0.9, 1.0) * interval_s  # noqa: S311
            keep = await self.report(until_s=next_s)
            failure_count = failure_count + 1 if keep else 0
            self.trouble, self.detail = keep, self._link.trouble if keep else ""
            if keep:
                wait_s = backoff_s(failure_count, interval_s, keep.retry_after_s, random.random())  # noqa: S311
                again_in_s = round(wait_s, 1)
                _log.warning(
                    "report_not_delivered",
                    why=keep.why,
                    detail=self.detail,
                    failures=failure_count,
                    again_in_s=again_in_s,
                )
                await asyncio.sleep(wait_s)
            else:
                await self._fetch()
                await self._rest(next_s - self._clock.now_s())

    def follow(self, settings: AgentSettings) -> None:
        """Go by other settings from the next report on: its interval, not its link."""
        self._settings = settings

    async def _fetch(self) -> None:
        """Ask for the bureau's settings where there are others than those that were applied or refused."""
        if self._bureau.wants(self._settings_version):
            body = await self._link.fetch(self._bureau.report().version)
            if body is not None:
                self._bureau.hear(body)

    def hurry(self) -> None:
        """Report soon: a verdict hangs on what was just observed (a bandwidth test; there are a few a day)."""
        self._hurried.set()

    async def _rest(self, seconds: float) -> None:
        first = () if self._spool.appended.is_set() else (self._spool.appended,)
        waits = [asyncio.create_task(news.wait()) for news in (self._hurried, *first)]
        try:
            await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def report(self, *, until_s: float) -> Keep | None:
        """Send what is live, then backlog until ``until_s``, or an empty report; return why it stopped early."""
        self._hurried.clear()
        self._acked_count, self._stuck, self._suspects = 0, False, []
        keep = await self._send_live() or await self._send_backlog(until_s)
        if keep is None and not self._acked_count:
            self._taken_at_s = self._clock.now_s()
            # An empty report says that the gateway lives and asks for directives: nothing to tell is not silence.
            keep = await self._deliver(await self._spool.heartbeat())
        return keep or await self._judge_suspects()

    async def _send_live(self) -> Keep | None:
        more = True
        while more and not self._stuck and (batch := await self._take("live")):
            if keep := await self._deliver(batch):
                return keep
            more = batch.more
        return None

    async def _send_backlog(self, until_s: float) -> Keep | None:
        while not self._stuck and self._clock.now_s() < until_s and (batch := await self._take("backlog")):
            if keep := await self._deliver(batch):
                return keep
            await asyncio.sleep(1 / BACKLOG_PER_S)
        return None

    async def _take(self, lane: Lane) -> Batch | None:
        self._taken_at_s = self._clock.now_s()
        room_bytes = RECORDS_MAX_BYTES - len(encode(self._bureau.report()))
        return await self._spool.take(lane, self._taken_at_s, room_bytes)

    async def _deliver(self, batch: Batch) -> Keep | None:
        """Send a batch, in smaller pieces where that is asked for. A Keep ends the round."""
        outcome = await self._send(batch)
        match outcome:
            case Acked():
                return await self._settle(batch, outcome)
            case Keep():
                return outcome
            case TooLarge() | Refused() if len(batch.records) == 1:
                self._suspects.append(_Suspect(batch, _result(outcome), self._passed_count))
                self._stuck = True
                return None
            case TooLarge():
                return await self._deliver_parts(batch, (len(batch.records) + 1) // 2)
            case Refused():
                return await self._deliver_parts(batch, 1)
            case _:
                assert_never(outcome)

    async def _deliver_parts(self, batch: Batch, size: int) -> Keep | None:
        if not batch.records:
            return Keep(why="refused")
        for start in range(0, len(batch.records), size):
            part = msgspec.structs.replace(batch, records=batch.records[start : start + size])
            if keep := await self._deliver(part):
                return keep
        return None

    async def _send(self, batch: Batch) -> Outcome:
        reading = self._clock.read()
        report = Report(
            gateway=self._settings.gateway,
            agent_version=__version__,
            spool_id=batch.spool_id,
            boot_id=self._clock.boot_id,
            report_interval_s=max(REPORT_INTERVAL_MIN_S, self._settings.report_interval_s),
            sent_monotonic_s=reading.monotonic_s,
            sent_at=reading.wall_s,
            spool_records=batch.held_count,
            dropped=batch.dropped,
            settings=self._bureau.report(),
            box=self._box(),
        )
        body = encode_report(report, (record for _, record in batch.records))
        too_large = len(body) > REPORT_MAX_BYTES
        outcome = TooLarge() if too_large else await self._link.send(body, batch.sequences)
        self._metrics.add("classready_agent_publish_total", _result(outcome))
        return outcome

    async def _settle(self, batch: Batch, acked: Acked) -> Keep | None:
        self._acked_count += 1
        self._metrics.put("classready_agent_last_app_ack_timestamp_seconds", self._clock.read().wall_s)
        # A box may have neither a clock battery nor NTP: then the answer's date is the only time that it gets.
        if acked.collector_s is not None:
            self._clock.compare(acked.collector_s)
        for ack in acked.acks:
            await self._apply(ack)
        if any(ack.renumber and ack.spool_id == batch.spool_id for ack in acked.acks):
            return await self._renumber(batch.spool_id)
        if batch.records and not any(_names(ack, batch) for ack in acked.acks):
            return Keep(why="not_acknowledged")
        self._passed_count += bool(batch.records)
        return None

    async def _apply(self, ack: Ack) -> None:
        if ack.rejected:
            reasons = sorted({refusal.reason for refusal in ack.rejected})
            _log.warning("records_rejected", count=len(ack.rejected), reasons=reasons)
        if ack.directives is not None:
            self._settings_version = ack.directives.settings_version
            self._on_directives(ack.directives, self._taken_at_s)
        if (ack.committed or ack.rejected) and not await self._spool.settle(ack.spool_id, ack.committed, ack.rejected):
            self._stuck = True

    async def _renumber(self, spool_id: str) -> Keep | None:
        """The numbers of this spool are another's as well: its disk was copied, or set back. Not again and again."""
        now_s = self._clock.now_s()
        if now_s < self._renumber_from_s or not await self._spool.renumber(spool_id):
            return Keep(why="not_acknowledged")
        self._renumber_from_s = now_s + RENUMBER_EVERY_S
        _log.warning("spool_renumbered", before=spool_id)
        self.hurry()
        return None

    async def _judge_suspects(self) -> Keep | None:
        """Blame a record only while others get through; else it is the collector, or what stands before it."""
        suspects, self._suspects = self._suspects, []
        if suspects and not self._acked_count:
            return Keep(why=suspects[0].reason)
        self._refusals = {s.key: self._refusals.get(s.key, []) for s in suspects}
        for suspect in suspects:
            judge = self._judge_too_large if suspect.reason == "too_large" else self._judge_refused
            if keep := await judge(suspect):
                return keep
        return None

    async def _judge_too_large(self, suspect: _Suspect) -> Keep | None:
        """Send the record once more: a proxy that refuses everything for a while may have begun or ended meanwhile."""
        if self._passed_count == suspect.passed_count:
            return None
        keep = await self._deliver(suspect.alone)
        if keep is None and self._suspects and self._suspects[-1].key == suspect.key:
            await self._set_aside(*suspect.key, suspect.reason)
        return keep

    async def _judge_refused(self, suspect: _Suspect) -> Keep | None:
        refusals = self._refusals[suspect.key]
        refusals.append(suspect.passed_count)
        if len(refusals) >= REFUSALS_BEFORE_ASIDE and self._passed_count > refusals[0]:
            await self._set_aside(*suspect.key, suspect.reason)
        return None

    async def _set_aside(self, spool_id: str, sequence: int, reason: str) -> None:
        _log.error("record_set_aside", sequence=sequence, reason=reason)
        if not await self._spool.set_aside(spool_id, sequence, reason):
            self._stuck = True


def _result(outcome: Outcome) -> str:
    match outcome:
        case Acked():
            return "ok"
        case Keep(why=why):
            return why
        case TooLarge():
            return "too_large"
        case Refused():
            return "refused"


def _names(ack: Ack, batch: Batch) -> bool:
    """Say whether ``ack`` settles at least one record of ``batch``."""
    refused = {refusal.sequence for refusal in ack.rejected}
    return ack.spool_id == batch.spool_id and any(
        n in refused or any(first <= n <= last for first, last in ack.committed) for n in batch.sequences
    )
