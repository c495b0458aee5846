"""The runs that figures are taken from: weeks with causes, quiet weeks, a flapping gateway, three great outages."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bench.scenarios import days, figures
from bench.scenarios.figures import Figure
from bench.scenarios.lines import Miss
from bench.scenarios.misses import misses
from bench.scenarios.places import OFFICES, Place, places
from bench.scenarios.run import Story, play
from bench.scenarios.schedule import Truth, schedule
from bench.scenarios.strikes import Hit
from bench.scenarios.world import Breakage

FIRST: Final = date(2026, 9, 14)
"""A Monday. The five weeks from it hold a working Sunday, Mid-Autumn, the National Day week and a working Saturday."""
OBSERVED_S: Final = 65 * days.HOUR_S
"""From seven on Friday morning, when the gateways are installed: told is from Monday on."""
FLAPS: Final = ((480.0, 420.0), (1_200.0, 600.0))
"""Seconds down and up: shorter and longer than what a silence is held."""
OUTAGE_SCHOOLS: Final = 266
"""3,000 rooms and a few."""


class Size(Struct, frozen=True, kw_only=True):
    schools: int
    days: int
    """Of the run with causes."""
    per_kind: int
    quiet_days: int


FULL: Final = Size(schools=60, days=33, per_kind=10, quiet_days=30)
QUICK: Final = Size(schools=24, days=8, per_kind=2, quiet_days=3)


def with_causes(seed: int, size: Size) -> Iterator[tuple[str, Figure] | Miss]:
    found = places(seed, size.schools)
    truths = schedule(seed, found, FIRST, size.days, size.per_kind)
    story = play(seed, found, truths, _span(FIRST, size.days), observed_s=OBSERVED_S, title="causes")
    judged = figures.judged(story)
    for name, count in figures.OF_CAUSES.items():
        yield name, count(judged)
    yield "messages_per_incident", figures.messages_per_incident(story)
    yield "first_message_seconds", figures.first_message_seconds(story)
    yield "false_alerts_beside_causes", figures.false_alerts(story)
    yield "wrong_causes", figures.wrong_causes(story)
    yield "injected_causes", Figure(len(truths), len({truth.kind for truth in truths}), "n = kinds")
    yield from misses(judged)


def quiet(seed: int, size: Size) -> Iterator[tuple[str, Figure]]:
    """Nothing is wrong but everyday life."""
    span = _span(FIRST, size.quiet_days)
    story = play(seed, places(seed, size.schools), (), span, observed_s=OBSERVED_S, title="quiet")
    yield "false_alerts", figures.false_alerts(story)
    yield "quiet_day_messages", figures.quiet_day_messages(story)


def flapping(seed: int, _size: Size) -> Iterator[tuple[str, Figure]]:
    """One gateway goes down and comes up all day, quickly or slowly, and reports every minute meanwhile."""
    found = places(seed, 4)
    place = next(place for place in found if len(place.gateways) == 1 and not place.has_night_cut)
    broken = Breakage(place.id, "gateway off", place.gateways[0])
    stories, began_at = [], days.at(FIRST)
    for down_s, up_s in FLAPS:
        starts = [began_at + up_s + n * (down_s + up_s) for n in range(int(days.DAY_S // (down_s + up_s)))]
        truths = [_truth("gateway_dead", [place], (broken,), at, at + down_s) for at in starts]
        span = (began_at, began_at + days.DAY_S)
        stories.append(play(seed, (place,), truths, span, interval_s=60.0, title="flapping"))
    yield "flapping_messages_per_day", figures.flapping_messages_per_day(stories)


def operator_outage(seed: int, _size: Size) -> Iterator[tuple[str, Figure]]:
    """Twenty schools of one operator lose their lines for an hour, in an office of sixty."""
    found = places(seed, 60)
    operator = max(sorted({p.operator for p in found}), key=lambda name: sum(p.operator == name for p in found))
    hit = [place for place in found if place.operator == operator][:20]
    story = _outage(seed, found, hit)
    yield "operator_outage_right", figures.operator_outage_right(story)
    yield "operator_outage_messages", figures.operator_outage_messages(story)


def outage(seed: int, _size: Size) -> Iterator[tuple[str, Figure]]:
    """All lines of an office with 3,000 rooms are cut at once."""
    found = places(seed, OUTAGE_SCHOOLS)
    yield "outage_messages_per_office", figures.outage_messages_per_office(_outage(seed, found, list(found)))


def platform(seed: int, _size: Size) -> Iterator[tuple[str, Figure]]:
    """A platform fails for an hour for three offices of twelve schools; one school goes on to miss it by itself."""
    offices = sorted(OFFICES)
    found = tuple(replace(place, office=offices[n % len(offices)]) for n, place in enumerate(places(seed, 36)))
    began_at, ended_at = days.at(FIRST, 9.5), days.at(FIRST, 10.5)
    alone = found[-1]
    broken = tuple(Breakage(place.id, "platform", "national", "status_unexpected") for place in found)
    own = Breakage(alone.id, "platform", "national", "name_unresolved")
    truths = [
        _truth("platform_down", list(found), broken, began_at, ended_at),
        _truth("platform_unresolved", [alone], (own,), began_at, ended_at + days.HOUR_S),
    ]
    story = play(seed, found, truths, (began_at - days.HOUR_S / 2, ended_at + 3 * days.HOUR_S), title="platform")
    yield "platform_fault_messages", figures.platform_fault_messages(story)
    yield "platform_fault_right", figures.platform_fault_right(story)


def _outage(seed: int, found: tuple[Place, ...], hit: list[Place]) -> Story:
    began_at, ended_at = days.at(FIRST, 9.5), days.at(FIRST, 10.5)
    broken = tuple(Breakage(place.id, "line cut") for place in hit)
    truth = _truth("operator_cut", hit, broken, began_at, ended_at)
    return play(seed, found, [truth], (began_at - days.HOUR_S / 2, ended_at + days.HOUR_S), title="outage")


def _truth(kind: str, hit: list[Place], broken: tuple[Breakage, ...], began_at: float, ended_at: float) -> Truth:
    rooms = frozenset((place.id, room.id) for place in hit for room in place.rooms)
    struck = Hit(breakages=broken, rooms=rooms, groups=frozenset())
    return Truth(name=f"{kind}-alone", kind=kind, hit=struck, began_at=began_at, ended_at=ended_at)


def _span(first: date, count: int) -> tuple[float, float]:
    return days.at(first), days.at(first) + count * days.DAY_S


PARTS: Final = {
    "causes": with_causes,
    "quiet": quiet,
    "flapping": flapping,
    "operator": operator_outage,
    "outage": outage,
    "platform": platform,
}
