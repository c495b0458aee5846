"""The verdict on a classroom as of now: its link, the four clauses of ``ready``, and its causes, from the findings."""

from collections.abc import Iterable

from msgspec import Struct

from collector.core.case import Case
from collector.core.findings import (
    LINK_CAUSES,
    Finding,
    every,
    path_tested,
    platform_state,
    port_part,
)
from collector.core.link import (
    NOTHING,
    Tested,
    bases_of,
    decisive_test,
    divided,
    grade_of,
    part_state,
    reach,
    segment_interval,
)
from collector.core.next_step import next_step
from collector.core.policy import Policy
from collector.core.state import Clauses, Interval, Verdict
from collector.core.words import Basis, Cause, Grade, LinkState, NextStep, VerdictValue

_LINK_CLAUSE: dict[LinkState, VerdictValue] = {"enough": "yes", "short": "no", "unknown": "unknown"}
_GRADES = tuple(Grade)


class Link(Struct, frozen=True, kw_only=True):
    """The three bases of one classroom and its state on the deciding one."""

    bases: dict[Basis, Interval]
    state: LinkState
    uplink_known: bool
    grade: Grade | None
    evidence_at: float | None
    """Of the newest test or port reading among all that it rests on."""


def unheard(cause: Cause, step: NextStep) -> Verdict:
    """For a room of which nobody tells, or whose gateway is silent."""
    return Verdict(causes=(cause,), next_step=step)


def verdict_of(case: Case, link: Link, findings: Iterable[Finding], *, is_proven: bool) -> Verdict:
    """``findings``: those that concern this room. ``is_proven``: nothing more need be known of it to call it 达标."""
    bad = {finding.cause for finding in findings if finding.bad == "yes"}
    clauses = _clauses(case, link, bad)
    ready = every((clauses.link, clauses.way, clauses.device, clauses.platforms))
    causes = tuple(cause for cause in Cause if cause in bad)
    if ready == "unknown" and not causes:
        causes = (Cause.NOT_MEASURED,)
    undecided = ready == "unknown" or (ready == "yes" and not is_proven)
    return Verdict(
        ready=ready,
        clauses=clauses,
        causes=causes,
        next_step=next_step(case, clauses, causes, uplink_known=link.uplink_known) if undecided else None,
        link=link.bases,
        link_state=link.state,
        grade=link.grade,
        device_up=case.device_up,
    )


def _clauses(case: Case, link: Link, bad: set[Cause]) -> Clauses:
    school, now, policy = case.school, case.now, case.policy
    platforms = every(platform_state(school, p, case.gateway, now, policy) for p in school.roster.platforms)
    return Clauses(link=_LINK_CLAUSE[link.state], way=_way(bad), device=_device(case, bad), platforms=platforms)


def _way(bad: set[Cause]) -> VerdictValue:
    """Nothing on the way may be down. An unreachable switch makes what hangs on it unknown, not bad."""
    if Cause.SWITCH_UNREACHABLE in bad:
        return "unknown"
    return "no" if Cause.PORT_DOWN in bad else "yes"


def _device(case: Case, bad: set[Cause]) -> VerdictValue:
    if bad & {Cause.DEVICE_ABSENT, Cause.DEVICE_OFFLINE}:
        return "no"
    if case.device_up or not case.shared.in_lesson:
        return "yes"
    return "unknown"


# --- the link -------------------------------------------------------------------------------------------------------


def link_of(case: Case, findings: Iterable[Finding]) -> Link:
    """Judge the three bases (port, reach, share) of one classroom's link."""
    lines = case.lines
    port, segments = port_part(case), case.segments()
    known = [part for part in map(segment_interval, segments) if part != NOTHING]
    paths = [path_tested(case, line) for line in lines]
    reaches = [reach(port, known, path.interval, line) for line, path in zip(lines, paths, strict=True)]
    share = divided(lines[0].uplink.interval, max(1, len(case.shared.judged[case.gateway])))
    bases = bases_of(reaches[0], port, share if case.shared.in_lesson else None)
    uplink_state = _worst(line.uplink.state for line in lines)
    reach_state = _worst(part_state(part, line.thetas) for part, line in zip(reaches, lines, strict=True))
    is_short = any(finding.bad == "yes" and finding.cause in LINK_CAUSES for finding in findings)
    state = _state(case.policy, bases, uplink_state, reach_state)
    return Link(
        bases=bases,
        state="short" if is_short else state,
        uplink_known=uplink_state != "unknown",
        grade=_grade(case, port, known, paths),
        evidence_at=_evidence_at(case, paths),
    )


def _worst(states: Iterable[LinkState]) -> LinkState:
    found = set(states)
    return next((state for state in ("short", "unknown") if state in found), "enough")


def _state(policy: Policy, bases: dict[Basis, Interval], uplink: LinkState, reached: LinkState) -> LinkState:
    """State on the basis that policy names, where nothing is short; outside lessons reach decides for a share."""
    if policy.basis == "port":
        return part_state(bases["port"], policy.theta_down_bps) if "port" in bases else "unknown"
    if policy.basis == "share" and "share" in bases and uplink == "enough":
        return part_state(bases["share"], policy.theta_down_bps)
    return "enough" if uplink == "enough" and reached == "enough" else "unknown"


def _grade(case: Case, port: Interval | None, segments: list[Interval], paths: list[Tested]) -> Grade | None:
    """The weakest evidence that the link rests on; a path that was proven needs no port or trunk to speak for it."""
    legs = [leg for part in (*_line_parts(case), *paths) for leg in part.legs]
    grades = [grade_of(leg, test) for leg in legs if (test := decisive_test(leg))]
    if port is not None and all(path.interval.at_least_bps is None for path in paths):
        grades.append(Grade.NEGOTIATED if segments else Grade.PARTIAL)
    return max(grades, key=_GRADES.index, default=None)


def _line_parts(case: Case) -> Iterable[Tested]:
    """The uplink and, as far as they are known, the exits."""
    for line in case.lines:
        yield line.uplink
        yield from (part for part in line.exits.values() if part.state != "unknown")


def _evidence_at(case: Case, paths: list[Tested]) -> float | None:
    parts = (*_line_parts(case), *paths)
    times = [leg.tests[-1].observed_at for part in parts for leg in part.legs if leg.tests]
    if case.state.port:
        times.append(case.state.port.observed_at)
    return max(times, default=None)
