"""The verdict on a classroom as of now: its link, the four clauses of ``ready``, and its causes, from the findings."""

from collections.abc import Collection
from math import inf

from msgspec import Struct

from collector.core.case import Case
from collector.core.findings import LINK_CAUSES, Finding
from collector.core.link import bases_of, newest_test_at, part_state, reach, weakest, weakest_grade, worst
from collector.core.next_step import next_step
from collector.core.platforms import every
from collector.core.policy import Policy
from collector.core.state import Clauses, Interval, Verdict
from collector.core.words import Basis, Cause, Grade, LinkState, NextStep, VerdictValue

_CAUSES = tuple(Cause)
"""In root-cause order."""
_LINK_CLAUSE: dict[LinkState, VerdictValue] = {"enough": "yes", "short": "no", "unknown": "unknown"}


class Link(Struct, frozen=True, kw_only=True):
    """The three bases of one classroom and its state on the deciding one."""

    bases: dict[Basis, Interval]
    state: LinkState
    uplink_known: bool
    grade: Grade | None
    evidence_at: float
    """Of the newest test among all that it rests on; minus infinity = none."""


def unheard(cause: Cause, step: NextStep) -> Verdict:
    """For a room of which nobody tells, or whose gateway is silent."""
    return Verdict(causes=(cause,), next_step=step)


def verdict_of(case: Case, link: Link, findings: Collection[Finding], *, is_proven: bool) -> Verdict:
    """``findings``: what is bad of this room. ``is_proven``: nothing more need be known of it to call it 达标."""
    bad = {finding.cause for finding in findings}
    clauses = _clauses(case, link, bad)
    ready = every((clauses.link, clauses.way, clauses.device, clauses.platforms))
    causes = tuple(sorted(bad, key=_CAUSES.index))
    # an unknown without a cause would have nobody look
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
    platforms = every(case.upstream.platforms.values())
    return Clauses(link=_LINK_CLAUSE[link.state], way=_way(bad), device=_device(case, bad), platforms=platforms)


def _way(bad: set[Cause]) -> VerdictValue:
    """Nothing on the way may be down. An unreachable switch makes what hangs on it unknown, not bad."""
    # its port may be up behind the switch: nobody can say
    if Cause.SWITCH_UNREACHABLE in bad:
        return "unknown"
    return "no" if Cause.PORT_DOWN in bad else "yes"


def _device(case: Case, bad: set[Cause]) -> VerdictValue:
    if bad & {Cause.DEVICE_ABSENT, Cause.DEVICE_OFFLINE}:
        return "no"
    # outside lessons a board that is off is as it should be, and in one that nobody uses it in
    if case.device_up or not case.shared.in_lesson or case.device_is_proven:
        return "yes"
    return "unknown"


# --- the link -------------------------------------------------------------------------------------------------------


def link_of(case: Case, findings: Collection[Finding]) -> Link:
    """Judge the three bases (port, reach, share) of one classroom's link. ``findings``: what is bad of this room."""
    up = case.upstream
    reaches = [reach(case.port, case.trunks, way.interval, line) for way, line in zip(case.ways, up.lines, strict=True)]
    bases = bases_of(reaches[0], case.port, up.share if case.shared.in_lesson else None)
    reached = worst(part_state(part, line.thetas) for part, line in zip(reaches, up.lines, strict=True))
    is_short = any(finding.cause in LINK_CAUSES for finding in findings)
    return Link(
        bases=bases,
        state="short" if is_short else _state(case.policy, bases, up.state, reached),
        uplink_known=up.state != "unknown",
        grade=_grade(case),
        evidence_at=_evidence_at(case),
    )


def _state(policy: Policy, bases: dict[Basis, Interval], uplink: LinkState, reached: LinkState) -> LinkState:
    """State on the basis that policy names, where nothing is short; outside lessons reach decides for a share."""
    if policy.basis == "port":
        return part_state(bases["port"], policy.theta_down_bps) if "port" in bases else "unknown"
    if policy.basis == "share" and "share" in bases and uplink == "enough":
        return part_state(bases["share"], policy.theta_down_bps)
    return "enough" if uplink == "enough" and reached == "enough" else "unknown"


def _grade(case: Case) -> Grade | None:
    """The weakest evidence that the link rests on; a path that was proven both ways needs no port to speak for it."""
    grades = [case.upstream.grade, weakest_grade(case.ways)]
    if case.port is not None and any(way.interval.at_least_bps is None for way in case.ways):
        # without a trunk in sight the speed of the port says nothing of the cable behind the switch
        grades.append(Grade.NEGOTIATED if case.trunks else Grade.PARTIAL)
    return weakest(grade for grade in grades if grade is not None)


def _evidence_at(case: Case) -> float:
    # a port counts once its device was awake after the reading, so its reading is never the newest
    times = (case.upstream.evidence_at, newest_test_at(case.ways))
    return max((at for at in times if at is not None), default=-inf)
