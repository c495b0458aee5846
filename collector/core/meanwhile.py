"""补报: what a gateway saw while its line was cut, and what was over by the time that it could say so.

Late records open no alert: they are no news of now. What they tell of lessons is gathered, and told once, when no more
of them come, and only of what newer evidence shows to be well again. What still fails is told as ever.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from classready.observation import Bandwidth, Http, Outcome, Port
from collector.core.events import Episode, Meanwhile, Observed
from collector.core.evidence import BandwidthTest
from collector.core.folded import Folded
from collector.core.hours import in_lesson, school_days_between
from collector.core.mute import is_muted
from collector.core.policy import Policy
from collector.core.state import Cut, School
from collector.core.subject import Subject
from collector.core.words import Cause

SETTLES_S: Final = 600.0
"""So long after the last of them a spool is empty, or nearly: a gateway sends what is old with each of its reports."""
AGAIN_S: Final = 3_600.0
"""When to look again where nothing newer came of what was bad."""
EPISODES_MAX: Final = 20
"""Of a gateway, at once; further ones are counted."""
TESTS_MIN: Final = 2
"""One failed test of a line blames nobody."""

About = tuple[Subject, Cause]


def note(folded: Folded, event: Observed) -> None:
    """Keep in mind what a late record says to have been bad in a lesson."""
    school, at = folded.school, event.observed_at
    if at > folded.now or not in_lesson(school.hours, at):
        return
    about = _what_is_bad(school, event)
    if about is None or is_muted(school, about[0], event.gateway, folded.now, folded.policy):
        return
    # the moment at which it settles is a new one; the later ones only move it away
    folded.everybody |= event.gateway not in folded.state.meanwhile
    cut = _with(folded.state.meanwhile.get(event.gateway, Cut()), about, at)
    folded.put("meanwhile", event.gateway, replace(cut, look_at=folded.now + SETTLES_S))


def _with(cut: Cut, about: About, at: float) -> Cut:
    found = list(cut.episodes)
    for number, known in enumerate(found):
        if (known.subject, known.cause) == about:
            # all ports of one poll carry the same time: their switch was asked once
            is_new = at not in {known.first_at, known.last_at}
            first_at, last_at = min(known.first_at, at), max(known.last_at, at)
            found[number] = replace(known, first_at=first_at, last_at=last_at, count=known.count + is_new)
            return replace(cut, episodes=tuple(found))
    if len(found) >= EPISODES_MAX:
        return replace(cut, more_count=cut.more_count + 1)
    subject, cause = about
    return replace(cut, episodes=(*found, Episode(subject=subject, cause=cause, first_at=at, last_at=at)))


def _what_is_bad(school: School, event: Observed) -> About | None:
    """Of what is worth telling afterwards: line, switches, platforms. Boards are off for many reasons."""
    gateway = event.gateway
    match event.observation:
        case Http(outcome=Outcome.NO_ANSWER, target=target):
            platform = next((name for name, of in school.roster.platforms.items() if target in of), None)
            return None if platform is None else (Subject("platform", gateway, platform), Cause.PLATFORM_UNREACHABLE)
        case Port(outcome=Outcome.NO_ANSWER, switch=str(switch)) if event.classroom in school.roster.classrooms:
            return Subject("switch", gateway, switch), Cause.SWITCH_UNREACHABLE
        case Bandwidth(outcome=Outcome.FAIL, classroom=None, beyond=None) as seen:
            passed = BandwidthTest(observed_at=event.observed_at, seen=seen).passed
            return None if passed else (Subject("uplink", gateway), Cause.UPLINK_BELOW_REQUIRED)
        case _:
            return None


def settle(folded: Folded) -> None:
    """Say what is over, where no more is to come; what an alert tells of by now is not told twice."""
    for gateway, cut in folded.state.meanwhile.items():
        if folded.now < cut.look_at:
            continue
        waiting = tuple(each for each in cut.episodes if _waits(folded, gateway, each))
        told = tuple(each for each in cut.episodes if each not in waiting and _is_worth(folded, gateway, each))
        if waiting:
            left = Cut(look_at=folded.now + AGAIN_S, episodes=waiting)
            folded.put("meanwhile", gateway, left if told else replace(left, more_count=cut.more_count))
        else:
            folded.drop("meanwhile", {gateway})
        if told:
            roster = folded.school.roster
            folded.news.append(
                Meanwhile(
                    office=roster.office,
                    school=roster.school,
                    school_name=roster.name,
                    gateway=gateway,
                    episodes=told,
                    more_count=cut.more_count,
                    at=folded.now,
                    hub=roster.hub,
                )
            )


def _waits(folded: Folded, gateway: str, episode: Episode) -> bool:
    """Whether nobody knows yet how it is now."""
    school, policy = folded.school, folded.policy
    if _is_open(school, episode) or _is_well(school, gateway, episode):
        return False
    return school_days_between(school.hours, episode.last_at, folded.now) <= policy.forget_after_school_days


def _is_worth(folded: Folded, gateway: str, episode: Episode) -> bool:
    if _is_open(folded.school, episode) or not _is_well(folded.school, gateway, episode):
        return False
    return episode.count >= _enough(episode.cause, folded.policy)


def _enough(cause: Cause, policy: Policy) -> int:
    return TESTS_MIN if cause is Cause.UPLINK_BELOW_REQUIRED else policy.raise_after


def _is_open(school: School, episode: Episode) -> bool:
    return any(
        alert.opened_at is not None and (alert.subject, alert.cause) == (episode.subject, episode.cause)
        for alert in school.state.alerts
    )


def _is_well(school: School, gateway: str, episode: Episode) -> bool:
    """Whether all that was seen last is good, and newer than the episode."""
    newest = list(_newest(school, gateway, episode.subject))
    return bool(newest) and all(is_good for _, is_good in newest) and max(newest)[0] > episode.last_at


def _newest(school: School, gateway: str, subject: Subject) -> Iterator[tuple[float, bool]]:
    """When each part of ``subject`` was last seen, and whether it was good."""
    state = school.state
    match subject.kind:
        case "platform":
            targets: Iterable[str] = school.roster.platforms.get(subject.name, ())
            readings = (state.platforms.get(f"{gateway}/{target}") for target in targets)
            yield from ((r.http.observed_at, r.http.up is not False) for r in readings if r is not None and r.http)
        case "switch":
            switch = state.switches.get(f"{gateway}/{subject.name}")
            yield from [] if switch is None else [(switch.observed_at, switch.reachable)]
        case _:
            legs = (
                leg for leg in state.uplinks.values() if leg.gateway == gateway and leg.beyond is None and leg.tests
            )
            yield from ((leg.tests[-1].observed_at, leg.tests[-1].passed) for leg in legs)
