"""From a report that waits to its answer: many in one transaction, each harmed by nothing but itself."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog

from classready.report import Ack, Directives
from collector.core.directives import directives
from collector.core.objection import Objection
from collector.engine import metrics
from collector.engine.claims import Prints
from collector.engine.committing import Committer
from collector.engine.configuring import Configuring
from collector.engine.errors import CommitFailedError, NotAppliedError, UnknownGatewayError
from collector.engine.pace import Pace
from collector.engine.queue import Queue, Waiting, give, refuse
from collector.engine.reports import apply_report
from collector.engine.spools import Spools
from collector.store import states

_log = structlog.get_logger()


class Intake:
    """Works on ``queue``."""

    def __init__(
        self,
        queue: Queue,
        committer: Committer,
        objections: Callable[[Iterable[str]], Sequence[Objection]],
        configuring: Configuring,
    ) -> None:
        self._queue = queue
        self._committer = committer
        self._objections = objections
        self._configuring = configuring
        self._registry = committer.registry
        self._spools = Spools(committer.writer)
        self.prints = Prints()

    async def run(self) -> None:
        """Commit what waits, many reports at a time, until cancelled."""
        try:
            while True:
                batch = await self._queue.take()
                try:
                    await self._commit_all(batch)
                finally:
                    refuse(batch)
        finally:
            self._queue.close()

    async def _commit_all(self, batch: Sequence[Waiting]) -> None:
        while batch:
            batch = batch[await self._commit_some(batch) :]

    async def _commit_some(self, batch: Sequence[Waiting]) -> int:
        """Answer the first of ``batch``; return how many. One that breaks the transaction is found by halves."""
        try:
            return await self._apply(batch)
        except CommitFailedError:
            refuse(batch)
        except states.StaleStateError:
            raise
        except Exception:  # noqa: BLE001 - one report that breaks the transaction must not stop the others
            if len(batch) == 1:
                _log.exception("report_not_applied", gateway=batch[0].gateway)
                refuse(batch, NotAppliedError())
            else:
                half = len(batch) // 2
                await self._commit_all(batch[:half])
                await self._commit_all(batch[half:])
        return len(batch)

    async def _apply(self, batch: Sequence[Waiting]) -> int:
        """Commit as many of ``batch`` as a turn has time for; return how many."""
        known, refused = await self._spools.load([w.decoded for w in batch])
        acks: list[tuple[Waiting, Ack]] = []
        done: list[Waiting] = []
        async with self._committer.writer.turn():
            draft = self._committer.draft()
            draft.ledgers = {spool: (ledger, ledger) for spool, ledger in known.items()}
            draft.refused_before = refused
            draft.prints = self.prints
            pace = Pace()
            for waiting in batch:
                done.append(waiting)
                if gateway := self._registry.roster.gateways.get(waiting.gateway):
                    ack = apply_report(draft, waiting.decoded, gateway.schools, waiting.received_at)
                    acks.append((waiting, ack))
                if await pace.is_over():
                    break
            await self._committer.commit(draft)
        self._spools.keep(draft)
        self._committer.announce(draft)
        metrics.BATCH_RECORDS.observe(sum(len(w.decoded.records) for w in done))
        for waiting, ack in acks:
            self._configuring.note(waiting.gateway, waiting.decoded.report.settings, waiting.received_at)
            orders = self._directives(waiting.gateway)
            give(waiting, msgspec.structs.replace(ack, sent_at=self._committer.time.now(), directives=orders))
        for waiting in done:
            refuse([waiting], UnknownGatewayError(waiting.gateway))
        return len(done)

    def _directives(self, gateway: str) -> Directives | None:
        try:
            names = self._registry.roster.gateways[gateway].schools
            schools, now = [self._registry.schools[name] for name in names], self._committer.time.now()
            orders = directives(schools, gateway, self._registry.policy, now, self._objections(names))
            return msgspec.structs.replace(orders, settings_version=self._configuring.version(gateway))
        except Exception:  # noqa: BLE001 - the ack is true without them
            _log.exception("directives_failed", gateway=gateway)
            metrics.STEP_BUGS.inc()
            return None
