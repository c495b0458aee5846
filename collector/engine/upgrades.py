"""The upgrade of the fleet at work: what a person orders, and a look now and then at who may have the release by now.

Plan and marks are in memory as well, so that whoever makes a gateway's settings need not ask the store; they are
written before anybody sees them, so that a restart goes on where it was.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple

import structlog
from msgspec.structs import replace

from classready.measuring import Release
from collector.engine import metrics
from collector.engine.errors import CommitFailedError
from collector.engine.writing import Writer
from collector.fleet.staging import Mark, Plan, Seen, decide, is_wanted
from collector.store import history, upgrades

LOOK_EVERY_S = 5.0

Act = Literal["start", "pause", "resume", "abort", "retry"]

_log = structlog.get_logger()


class OrderError(Exception):
    """It cannot be meant; the text is for people."""


class Order(NamedTuple):
    """``version``, ``canary``, ``percent``: None = as it was. ``by``: who orders it."""

    act: Act
    by: str
    version: str | None = None
    canary: str | None = None
    percent: int | None = None


class Upgrades:
    """``seen`` says what there is to be seen of every gateway of the roster."""

    def __init__(self, writer: Writer, seen: Callable[[], Collection[Seen]], clock: Callable[[], float]) -> None:
        self._writer = writer
        self._seen = seen
        self._clock = clock
        self._busy = asyncio.Lock()
        self.plan: Plan | None = None
        self.marks: Mapping[str, Mark] = {}
        self.url: str | None = None
        """The collector's own address, for boxes that report to a broker; None = not known."""

    def release(self, gateway: str) -> Release | None:
        """Return what ``gateway`` should run, for its settings document; None = what it runs."""
        mark = self.marks.get(gateway)
        if self.plan is None or mark is None or not is_wanted(self.plan, mark):
            return None
        url = f"{self.url}/install/release/{self.plan.version}" if self.url else None
        return Release(version=self.plan.version, asked_at=mark.offered_at, url=url)

    async def load(self) -> None:
        """Read what the store has, before anything else is done.

        Raises:
            CommitFailedError: it is away.
        """
        async with self._writer.read() as connection:
            plan, marks = await upgrades.load(connection)
        self._keep(plan, marks)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except CommitFailedError:
                continue

    async def look(self) -> None:
        """Take note of what became of the gateways, and offer the release to those whose turn it is.

        Raises:
            CommitFailedError: nothing was decided.
        """
        async with self._busy:
            if self.plan is None or self.plan.state == "aborted":
                return
            plan, marks, now = self.plan, self.marks, self._clock()
            # of 20,000 gateways it takes a tenth of a second and more; what it reads is replaced, never changed
            decision = await asyncio.to_thread(lambda: decide(plan, marks, self._seen(), now))
            if decision.plan == self.plan and not decision.marks:
                return
            async with self._writer.exclusive() as connection:
                if decision.plan != self.plan:
                    await upgrades.put_plan(connection, decision.plan)
                await upgrades.put_marks(connection, decision.marks.values())
            _tell(self.plan, decision.plan, decision.marks)
            self._keep(decision.plan, {**self.marks, **decision.marks})

    async def order(self, order: Order) -> Plan:
        """Do what a person says; return the plan as it is then.

        Raises:
            OrderError: it cannot be done; nothing was changed.
            CommitFailedError: nothing was changed.
        """
        async with self._busy:
            before, now = self.plan, self._clock()
            plan = _started(before, order, now) if order.act == "start" else _changed(before, order, self.marks)
            is_new = before is None or before.version != plan.version
            again = [m.gateway for m in self.marks.values() if order.act == "retry" and m.failed_at is not None]
            kept = {} if is_new else {name: mark for name, mark in self.marks.items() if name not in again}
            detail = f"{plan.version} {order.act}, canary {plan.canary or '-'}, {plan.percent} %"
            async with self._writer.exclusive() as connection:
                await upgrades.put_plan(connection, plan)
                await upgrades.remove_marks(connection, None if is_new else again)
                await history.add_audit(connection, now, order.by, "fleet_upgrade", detail)
            self._keep(plan, kept)
        _log.info("upgrade_ordered", by=order.by, act=order.act, version=plan.version, percent=plan.percent)
        return plan

    def _keep(self, plan: Plan | None, marks: Mapping[str, Mark]) -> None:
        self.plan, self.marks = plan, marks
        metrics.UPGRADE_HALTED.set(plan is not None and plan.state == "halted")


def _started(before: Plan | None, order: Order, now: float) -> Plan:
    """A new one, or what is changed of the present one; what stopped it goes on being so."""
    version = order.version or (before.version if before else None)
    if version is None:
        raise OrderError("say which release: VERSION")
    if before is None or before.version != version:
        if order.canary is None and order.percent is None:
            raise OrderError("say who gets it first: --canary OFFICE, or --percent N of all")
        return Plan(version=version, canary=order.canary, percent=order.percent or 0, by=order.by, asked_at=now)
    if before.state == "aborted":
        raise OrderError(f"the upgrade to {version} was aborted: --resume takes it up again")
    canary = before.canary if order.canary is None else order.canary
    percent = before.percent if order.percent is None else order.percent
    gate_at = before.gate_at if canary == before.canary else None
    return replace(before, canary=canary, percent=percent, gate_at=gate_at, by=order.by)


def _changed(before: Plan | None, order: Order, marks: Mapping[str, Mark]) -> Plan:
    if before is None:
        raise OrderError("no upgrade was ever started")
    if order.version not in {None, before.version}:
        raise OrderError(f"the upgrade is to {before.version}, not to {order.version}")
    if order.act in {"pause", "abort"}:
        if before.state == "aborted":
            raise OrderError("it was aborted already")
        return replace(before, state="paused" if order.act == "pause" else "aborted", by=order.by)
    failed = 0 if order.act == "retry" else sum(mark.failed_at is not None for mark in marks.values())
    return replace(before, state="running", halted_at=None, forgiven_count=failed, by=order.by)


def _tell(before: Plan, after: Plan, marks: Mapping[str, Mark]) -> None:
    for mark in marks.values():
        _log.info("upgrade_of", gateway=mark.gateway, version=after.version, fate=mark.fate, reason=mark.reason)
    if after.gate_at != before.gate_at:
        _log.info("upgrade_gate_open", version=after.version, canary=after.canary)
    if after.state == "halted":
        failed = sorted(mark.gateway for mark in marks.values() if mark.fate == "failed")
        _log.error("upgrade_halted", version=after.version, failed=failed[:20])
