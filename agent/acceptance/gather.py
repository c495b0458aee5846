"""Asks everything once: what doctor looks at, every target, every port of the switches, and at last the lines."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from agent import directives
from agent.acceptance import ports
from agent.acceptance.sheet import Forced, Switch
from agent.doctor import run
from agent.doctor.run import Check
from agent.findings import Finding
from agent.once import Ask, Asked, asking
from agent.probes import Table
from agent.probes.bandwidth import gate
from agent.probes.contract import Context
from agent.settings import AgentSettings
from classready.observation import Observation, Outcome, Reason
from classready.report import Directives, Thetas
from classready.targets import BandwidthTarget, SwitchTarget, TargetSettings

PROBES_S = 900.0
"""For all that loads no line: a hundred silent targets, sixteen at a time, each with its deadline of 30 s."""
LINE_S = 180.0
"""For each bandwidth test."""
BUSY_COUNT, BUSY_S = 3, 15.0
"""A responder tests one school at a time, and the running agent may be the one: so often it is asked again."""

Tell = Callable[[str], None]
"""A code of ``words``: what begins now."""
Told = Callable[[Check, Sequence[Finding]], None]
"""A check that is done, and what it found."""


class Gathered(Struct, frozen=True, kw_only=True):
    findings: tuple[Finding, ...]
    observations: tuple[Observation, ...]
    switches: tuple[Switch, ...]
    clock_good: bool
    theta: Thetas | None
    forced: Forced | None


class Listener(Struct, frozen=True, kw_only=True):
    """Who hears how far it is. ``expect``: how many checks there will be."""

    expect: Callable[[int], None]
    begin: Tell
    done: Told


async def gather(settings: AgentSettings, table: Table, *, force: bool, listener: Listener) -> Gathered:
    """Ask everything in ``settings``. Nothing is reported, and the spool is not touched.

    With ``force`` lines are tested outside their hours, too, but not in examinations.
    """
    given = directives.load(Path(settings.state_dir))
    lines = [target for target in settings.targets if isinstance(target, BandwidthTarget)]
    others = [target for target in settings.targets if not isinstance(target, BandwidthTarget)]
    seen: dict[str, Sequence[Observation]] = {}
    async with asking(settings, table, others) as asks:
        checks = [*run.of_gateway(settings), *run.of_targets(others, _noting(others, asks, seen))]
        listener.expect(len(checks) + len(lines))
        findings = await _run(checks, PROBES_S, listener)
    switches = await _ports(others, seen, listener)
    # By now the collector was asked what time it is: a box without a time server may know the hour by it.
    clock_good = any(found.check == "clock" and found.result == "ok" for found in findings)
    forced = _forced(lines, settings, given, clock_good=clock_good) if force else None
    if lines:
        asked = Asked(keeps_hours=forced is None, clock_good=clock_good)
        _announce(forced, listener, in_vain=force and gate.no_load(given, time.time()))
        async with asking(settings, table, lines, asked) as asks:
            findings += await _run(run.of_targets(lines, _noting(lines, asks, seen)), LINE_S * len(lines), listener)
    return Gathered(
        findings=tuple(findings),
        observations=tuple(each for target in settings.targets for each in seen.get(target.name, ())),
        switches=tuple(switches),
        clock_good=clock_good,
        theta=given.theta if given is not None else None,
        forced=forced,
    )


def _announce(forced: Forced | None, listener: Listener, *, in_vain: bool) -> None:
    if in_vain:
        listener.begin("no_load")
    listener.begin("lines" if forced is None else "forced_lessons" if forced.in_lessons else "forced")


def _noting(
    targets: Sequence[TargetSettings], asks: Sequence[Ask], seen: dict[str, Sequence[Observation]]
) -> list[Ask]:
    return [partial(_noted, target, ask, seen) for target, ask in zip(targets, asks, strict=True)]


async def _run(checks: Sequence[Check], deadline_s: float, listener: Listener) -> list[Finding]:
    told = [replace(check, run=partial(_told, check, listener.done)) for check in checks]
    return await run.run(told, deadline_s, lambda _done: None)


async def _told(check: Check, done: Told) -> list[Finding]:
    found = await check.run()
    done(check, found)
    return found


async def _noted(target: TargetSettings, ask: Ask, seen: dict[str, Sequence[Observation]]) -> Sequence[Observation]:
    """Ask, and note what was seen; a line whose responder is busy is asked again after a while."""
    for _ in range(BUSY_COUNT):
        seen[target.name] = observations = await ask()
        if not any(each.reason is Reason.PEER_BUSY for each in observations):
            break
        await asyncio.sleep(BUSY_S)
    return seen[target.name]


async def _ports(
    targets: Sequence[TargetSettings], seen: dict[str, Sequence[Observation]], listener: Listener
) -> list[Switch]:
    """Of switches that did not answer before, nobody waits for an answer again."""
    switches = [target for target in targets if isinstance(target, SwitchTarget)]
    silent = {t.name: s[0] for t in switches if (s := seen.get(t.name)) and s[0].outcome is Outcome.NO_ANSWER}
    if switches:
        listener.begin("ports")
    read = {switch.name: switch for switch in await ports.read_all([t for t in switches if t.name not in silent])}
    away = {
        t.name: Switch(name=t.name, host=t.host, problem=silent[t.name].detail or "")
        for t in switches
        if t.name in silent
    }
    return [(read | away)[target.name] for target in switches]


def _forced(
    lines: Sequence[BandwidthTarget], settings: AgentSettings, given: Directives | None, *, clock_good: bool
) -> Forced | None:
    """Whether somebody's insisting changes anything: not in examinations, and not where it is allowed anyway."""
    now_s = time.time()
    context = Context(settings=settings, directives=given, clock_good=clock_good)
    if gate.no_load(given, now_s) or all(gate.not_now(target, context, now_s) is None for target in lines):
        return None
    return Forced(in_lessons=gate.quiet(context, now_s))
