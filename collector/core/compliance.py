"""``compliant`` (达标): latched, so that a switched-off board, a silent night or a busy noon takes nothing away.

A shortfall counts by school days, and so does its end: ``compliant_fail_days`` different school days with a confirmed
shortfall and no good day between take the verdict away, as many good days in a row give it back. A good day has enough
on it and no shortfall: a line that is short every noon is not saved by its mornings.
"""

from collections.abc import Collection

from msgspec.structs import replace

from collector.core.case import Case
from collector.core.findings import LINK_CAUSES, PORT_CAUSES, Finding
from collector.core.hours import in_lesson, is_school_day, local_date, school_days_between
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import ClassroomState, Latch, School
from collector.core.verdict import Link
from collector.core.words import Cause, CompliantValue, VerdictValue


def latched(case: Case, prior: Latch, link: Link, findings: Collection[Finding]) -> Latch:
    """Fold the present evidence into the latch. Unknown never changes it. ``findings``: what is bad of this room."""
    short_at = _short_at(case, findings)
    if short_at is not None:
        return _short(case, prior, short_at)
    awake_at = case.state.last_awake_at
    if link.state == "enough" and awake_at is not None and not _has(findings, Cause.DEVICE_ABSENT):
        is_seen = not _is_too_old(case.school, awake_at, case.now, case.policy)
        return _enough(case, prior, max(link.evidence_at, awake_at)) if is_seen else prior
    return prior


def aged(school: School, state: ClassroomState, now: float, policy: Policy) -> Latch:
    """What was proven too long ago is unknown again."""
    latch = state.latch
    if latch.evidence_at is None or latch.value == "unknown":
        return latch
    # a line that is tested each day keeps nothing young of which the device was last seen a term ago
    seen_at = state.last_awake_at if latch.value == "yes" else None
    proven_at = latch.evidence_at if seen_at is None else min(latch.evidence_at, seen_at)
    return Latch(since=now) if _is_too_old(school, proven_at, now, policy) else latch


def _is_too_old(school: School, at: float, now: float, policy: Policy) -> bool:
    return school_days_between(school.hours, at, now) > policy.compliant_max_age_school_days


def compliant(room: Classroom, state: ClassroomState) -> CompliantValue:
    """``compliant`` as it is shown and exported."""
    return "exempt" if room.exempt is not None else state.latch.value


def _short_at(case: Case, findings: Collection[Finding]) -> float | None:
    """When the newest shortfall was seen; of a port only what was negotiated in a lesson: boards sleep outside."""
    # Wake-on-LAN keeps the port of a sleeping board at 10M, every night and noon
    times = [
        finding.evidence_at
        for finding in findings
        if finding.cause in LINK_CAUSES
        and finding.evidence_at is not None
        and not finding.in_doubt
        and (finding.cause not in PORT_CAUSES or in_lesson(case.school.hours, finding.evidence_at))
    ]
    if times:
        return max(times)
    # an absence has no sighting to be dated by: it holds today
    return case.now if _has(findings, Cause.DEVICE_ABSENT) else None


def _has(findings: Collection[Finding], cause: Cause) -> bool:
    return any(finding.cause is cause for finding in findings)


def _short(case: Case, prior: Latch, at: float) -> Latch:
    day = local_date(case.school.hours, at)
    if day in prior.short_days:
        return _seen_again(prior, "no", at)
    # on days without lessons whole buildings are switched off: what is seen then speaks against nobody
    if not is_school_day(case.school.hours, at):
        return prior
    regained = _is_regained_on(case, prior, day)
    # two short days count together only where no good day lies between: one bad day among good ones passed
    forgotten = prior.value != "no" and not regained and any(good != day for good in prior.good_days)
    before = () if forgotten else prior.short_days
    latch = replace(prior, short_days=(*before, day)[-case.policy.compliant_fail_days :], good_days=())
    if prior.value == "no":
        return _seen_again(latch, "no", at)
    if len(latch.short_days) < case.policy.compliant_fail_days:
        return latch
    return replace(latch, value="no", since=case.now, evidence_at=at)


def _is_regained_on(case: Case, prior: Latch, day: str) -> bool:
    """Given back this very morning, for two good days: with a shortfall after that, the second was none."""
    was_no = len(prior.short_days) >= case.policy.compliant_fail_days
    return (
        prior.value == "yes"
        and was_no
        and prior.since is not None
        and local_date(case.school.hours, prior.since) == day
    )


def _seen_again(latch: Latch, value: VerdictValue, at: float) -> Latch:
    """Evidence for what is latched keeps it young."""
    return replace(latch, evidence_at=max(at, latch.evidence_at or at)) if latch.value == value else latch


def _enough(case: Case, prior: Latch, at: float) -> Latch:
    day = local_date(case.school.hours, at)
    # the first proof counts at once: a school that was equipped must not wait for a second day to be shown so
    if prior.value == "unknown":
        return Latch(value="yes", since=case.now, evidence_at=at)
    if prior.value == "yes" and not prior.short_days:
        return _seen_again(prior, "yes", at)  # good days are counted against short ones
    good_days = prior.good_days
    if day not in prior.short_days and day not in good_days and is_school_day(case.school.hours, at):
        good_days = (*good_days, day)[-case.policy.compliant_fail_days :]
    latch = replace(prior, good_days=good_days)
    if prior.value == "yes":
        return _seen_again(latch, "yes", at)
    if len(good_days) < case.policy.compliant_fail_days:
        return latch
    return Latch(value="yes", since=case.now, evidence_at=at, short_days=prior.short_days, good_days=good_days)
