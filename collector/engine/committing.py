"""Drafts become durable, then true, then known: in this order, and one after the other."""

from collections.abc import Callable, Collection, Iterable, Mapping

from collector.core.state import School
from collector.engine import metrics, transaction
from collector.engine.draft import Draft
from collector.engine.pace import Pace
from collector.engine.refusals import Refusals
from collector.engine.registry import Registry
from collector.engine.timekeeping import Timekeeper
from collector.engine.writing import Writer

Changed = Callable[[Mapping[str, School | None], float], None]
"""Called after a commit with the schools that are new or changed, None for those that left the roster, and the time."""


class Committer:
    """Whoever changes anything takes a turn of the writer, drafts, commits, and announces once the turn is over."""

    def __init__(self, registry: Registry, writer: Writer, time: Timekeeper, on_news: Callable[[], None]) -> None:
        """``on_news`` is called when a commit put something into the bureau's queue."""
        self.registry = registry
        self.writer = writer
        self.time = time
        self.on_change: list[Changed] = []
        self.on_news = on_news
        self.on_found: Callable[[Collection[str]], None] = _nobody_cares
        """Called after a commit with the gateways that found something."""
        self.refusals = Refusals()
        self.slept_at: float | None = None
        """Since when the clock went on without us, as long as no life was begun anew."""

    def watch_clock(self) -> None:
        """A clock that was set forward: nobody was heard meanwhile. One that was set back: nothing waits that long.

        In a turn only, as all that changes what schools must hear.
        """
        step_s = self.time.step_s()
        now = self.time.now()
        if step_s > 0:
            self.slept_at = now - step_s
            for name in self.registry.rows:
                self.registry.tell(name, self.time.resumed(step_s))
        if step_s < 0:
            for name, row in self.registry.rows.items():
                row.saved_at, row.wake_at = min(row.saved_at, now), now
                self.registry.due.set(name, now)

    def draft(self) -> Draft:
        """Return a draft of what is in force, in a turn of the writer."""
        self.watch_clock()
        registry = self.registry
        return Draft(
            registry.schools,
            lambda name: registry.rows[name].waiting,
            registry.policy,
            self.time.now(),
        )

    async def commit(self, draft: Draft, *, everything: bool = False) -> None:
        """Make ``draft`` durable, then true. Nothing in memory has changed if this raises."""
        registry = self.registry
        due = transaction.to_save(draft, registry.rows, everything=everything)
        if due or draft.has_rows:
            with metrics.COMMIT_DURATION.time():
                async with self.writer.begin() as connection:
                    await transaction.write(connection, draft, due, registry.rows)
            self.writer.took_it()
        registry.accept(draft, due)

    async def show(self, names: Iterable[str]) -> None:
        """Show schools as they are in force, whether or not they changed."""
        pace = Pace()
        for name in names:
            for callback in self.on_change:
                callback({name: self.registry.schools[name]}, self.time.now())
            await pace.breathe()

    def announce(self, draft: Draft, gone: Iterable[str] = ()) -> None:
        """Count ``draft``, and show it to whoever wants to know; its turn is over, so that nobody waits for that."""
        if draft.tally[metrics.MESSAGES_ACCEPTED]:
            metrics.LAST_COMMIT.set(draft.now)
        for metric, count in draft.tally.items():
            metric.inc(count)
        metrics.END_TO_END_DELAY.observe_all(draft.delays_s)
        self.refusals.note(draft)
        changed: dict[str, School | None] = {**draft.changed, **dict.fromkeys(gone)}
        if changed:
            for callback in self.on_change:
                callback(changed, draft.now)
        if draft.news:
            self.on_news()
        if draft.found:
            self.on_found({each.gateway for each in draft.found})


def _nobody_cares(_gateways: Collection[str]) -> None:
    """Nothing to be told."""
