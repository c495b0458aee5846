"""When a finding becomes an alert, and when that ends.

Streaks count new evidence about the subject, so a single bad piece never blames; an unknown one touches neither streak.
Bandwidth has its own majority rule and silence its own limit: those open and close at once.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from collector.core.events import AlertChange, Withdrawal
from collector.core.findings import Finding
from collector.core.link import exits_of
from collector.core.mute import is_muted
from collector.core.policy import Policy
from collector.core.roster import SchoolRoster
from collector.core.state import AlertState, School
from collector.core.subject import Subject
from collector.core.words import Cause

# Rules of their own have waited already: three intervals of silence, two of three tests.
_AT_ONCE = (Cause.GATEWAY_SILENT, Cause.UPLINK_BELOW_REQUIRED, Cause.EXIT_BELOW_REQUIRED)

Key = tuple[Subject, Cause]


def decide(
    alert: AlertState, finding: Finding, now: float, policy: Policy, *, observing: bool
) -> tuple[AlertState, bool | None]:
    """Return the alert after ``finding`` and whether to tell: True opened, False closed, None nothing.

    ``observing``: nobody is to be told (``mute``).

    | open | finding                          | then                                  | tell   |
    |------|----------------------------------|---------------------------------------|--------|
    | any  | unknown, or told by another      | as it was                             |        |
    | any  | bad, in doubt                    | as it was                             |        |
    | no   | bad, enough of it, hold over     | opens; announced unless observing     | opened |
    | no   | bad, by late evidence            | waits for evidence that is not late   |        |
    | yes  | bad, not announced, not observing| announced                             | opened |
    | yes  | good, enough of it               | closes                                | closed if announced |
    """
    if finding.bad == "unknown" or finding.explained or finding.in_doubt:
        return alert, None
    alert = _count(alert, finding, now)
    is_bad = finding.bad == "yes"
    if alert.opened_at is None:
        if finding.late or not is_bad or not is_due(alert, finding, now, policy):
            return alert, None
        return replace(alert, opened_at=now, announced=not observing), None if observing else True
    if is_bad:
        if alert.announced or observing:
            return alert, None
        return replace(alert, announced=True), True
    if alert.good_streak < (1 if _is_settled(finding) else policy.clear_after):
        return alert, None
    return quiet(finding), False if alert.announced else None


def quiet(finding: Finding) -> AlertState:
    """An alert without a past."""
    return AlertState(subject=finding.subject, cause=finding.cause)


def _count(alert: AlertState, finding: Finding, now: float) -> AlertState:
    """Only evidence that was not counted before moves a streak; a late one never moves the bad one."""
    is_bad, at = finding.bad == "yes", finding.evidence_at
    is_new = at is not None and (alert.evidence_at is None or at > alert.evidence_at)
    # the decision of another rule can turn without a newer date, when what it rested on grew too old
    turned = (alert.bad_streak > 0) is not is_bad and _is_settled(finding)
    # late news that is bad may be over by now; late news that is good closes nothing newer, for its date is older
    if not (is_new or turned) or (is_bad and finding.late):
        return alert
    if is_bad:
        since = alert.bad_since or finding.since or at or now
        return replace(alert, bad_streak=alert.bad_streak + 1, good_streak=0, bad_since=since, evidence_at=at)
    # what is open knows to its end since when it was bad: its recovery says so
    bad_since = None if alert.opened_at is None else alert.bad_since
    return replace(alert, bad_streak=0, good_streak=alert.good_streak + 1, bad_since=bad_since, evidence_at=at)


def _is_settled(finding: Finding) -> bool:
    """Another rule has decided already: a classroom's path, unlike a trunk's speed, is tested."""
    tested_path = finding.cause is Cause.SEGMENT_BELOW_REQUIRED and finding.subject.kind == "classroom"
    # a single bad reading may be a stray one, those of several boards at once are none
    of_group = finding.cause is Cause.DEVICE_OFFLINE and finding.subject.kind != "classroom"
    return finding.cause in _AT_ONCE or tested_path or of_group


def is_due(alert: AlertState, finding: Finding, now: float, policy: Policy) -> bool:
    if _is_settled(finding):
        return True
    until = held_until(alert, policy)
    return alert.bad_streak >= policy.raise_after and (until is None or now >= until)


def held_until(alert: AlertState, policy: Policy) -> float | None:
    """A platform out of reach is a school's alert only after a while; None = nothing holds it."""
    if alert.cause is not Cause.PLATFORM_UNREACHABLE or alert.bad_since is None:
        return None
    return alert.bad_since + policy.platform_hold_s


def apply(
    school: School, findings: Iterable[Finding], now: float, policy: Policy, *, all_found: bool
) -> tuple[tuple[AlertState, ...], tuple[AlertChange, ...]]:
    """Run every finding through ``decide``; what is bad is remembered, even by evidence that was late.

    ``all_found``: the findings are all that there are, so that an alert without one is about something that is gone.
    """
    before: Mapping[Key, AlertState] = {(alert.subject, alert.cause): alert for alert in school.state.alerts}
    left, changes = dict(before), list[AlertChange]()
    seen: set[Key] = set()
    # where nothing is remembered, what is not bad is nothing to remember: nearly always that is everything
    for finding in findings if before else (finding for finding in findings if finding.bad == "yes"):
        key = (finding.subject, finding.cause)
        seen.add(key)
        prior = before.get(key)
        # an alert begins with something bad; its clear streak needs no past of good ones
        if prior is None and (finding.bad != "yes" or finding.in_doubt):
            continue
        muted = is_muted(school, finding.subject, finding.gateway, now, policy)
        alert, told = decide(prior or quiet(finding), finding, now, policy, observing=muted)
        if finding.bad == "yes" or alert.opened_at is not None or alert.bad_streak:
            left[key] = alert
        else:
            left.pop(key, None)
        if told is not None:
            # since when it was bad is known of what was open, and of what is open now
            change = _change(school, finding, alert if told else prior or alert, now, opened=told)
            changes.append(replace(change, still=told and prior is not None and prior.opened_at is not None))
    # only who was judged can have lost a finding: a part of the rooms says nothing of the alerts of others
    if all_found:
        gone = [alert for key, alert in before.items() if key not in seen]
        changes += withdrawn(school, gone, now)
        left = {key: alert for key, alert in left.items() if key in seen}
    return tuple(left.values()), tuple(changes)


def taken_back(school: School, now: float, withdrawal: Withdrawal) -> tuple[School, tuple[AlertChange, ...]]:
    """Unsay everything: whoever was told is not the one to tell any more. What still holds is announced anew."""
    changes = tuple(replace(change, withdrawal=withdrawal) for change in withdrawn(school, school.state.alerts, now))
    untold = tuple(replace(alert, announced=False) for alert in school.state.alerts)
    return replace(school, state=replace(school.state, alerts=untold)), changes


def withdrawn(school: School, gone: Iterable[AlertState], now: float) -> tuple[AlertChange, ...]:
    """Take back what was told of ``gone``: exempt, moved, removed, or not heard of any more."""
    return tuple(
        AlertChange(
            change="closed",
            office=school.roster.office,
            school=school.roster.school,
            school_name=school.roster.name,
            subject=alert.subject,
            cause=alert.cause,
            at=now,
            why="withdrawn",
            withdrawal=_withdrawal(school.roster, alert.subject),
            since=alert.bad_since,
        )
        for alert in gone
        if alert.announced
    )


def _withdrawal(roster: SchoolRoster, subject: Subject) -> Withdrawal | None:
    """What became of a subject of which there is no finding any more, as far as the roster says."""
    if subject.gateway and subject.gateway not in roster.gateways:
        return "removed"
    if subject.kind == "classroom":
        room = roster.classrooms.get(subject.name)
        return "removed" if room is None else "exempted" if room.exempt is not None else None
    if subject.kind == "platform" and subject.name not in roster.platforms:
        return "removed"
    is_exempt = all(room.exempt is not None for room in roster.classrooms.values())
    return "exempted" if roster.classrooms and is_exempt else None


def _change(school: School, finding: Finding, alert: AlertState, now: float, *, opened: bool) -> AlertChange:
    return AlertChange(
        change="opened" if opened else "closed",
        office=school.roster.office,
        school=school.roster.school,
        school_name=school.roster.name,
        subject=finding.subject,
        cause=finding.cause,
        at=now,
        since=alert.bad_since or finding.evidence_at,
        classrooms=finding.classrooms,
        measured=finding.measured,
        limit=finding.limit,
        direction=finding.direction,
        operator=school.roster.operator,
        hub=school.roster.hub,
        exits=exits_of(school, finding.gateway) if finding.cause is Cause.PLATFORM_UNREACHABLE else (),
        place=finding.place,
        half_duplex=finding.half_duplex,
    )
