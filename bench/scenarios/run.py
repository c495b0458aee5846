"""One run: the world, its gateways and a county (the collector's own code over memory) in simulated time."""

import heapq
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from bench.lines import say
from bench.scenarios import days
from bench.scenarios.draws import draw
from bench.scenarios.gateways import Gateway
from bench.scenarios.places import PLATFORM_NAMES, Place, roster
from bench.scenarios.schedule import Truth, moments
from bench.scenarios.world import World
from collector.core.events import AlertChange
from collector.core.policy import Policy
from collector.county import County, Outcome, Told
from collector.engine.rostering import InForce
from collector.notify.robot.fitting import write
from collector.roster.calendar import hours_of_schools

LESSON_INTERVAL_S: Final = 300.0
POLICY: Final = Policy(observation_school_days=0)
"""Everything as shipped, but for the observation period."""
OBSERVING: Final = Policy(observation_school_days=1)
"""Where a school day goes before, in which boards, lines and ports come to be known."""


class Story(Struct, frozen=True):
    """What happened, and all that was said: messages as a chat shows them, and the alerts behind them."""

    places: tuple[Place, ...]
    truths: tuple[Truth, ...]
    began_at: float
    ended_at: float
    messages: list["Heard"]
    alerts: list[AlertChange]


class Heard(NamedTuple):
    """A message and its text, as a robot without markup shows it."""

    told: Told
    text: str


def play(
    seed: int,
    places: tuple[Place, ...],
    truths: Sequence[Truth],
    span: tuple[float, float],
    *,
    interval_s: float = LESSON_INTERVAL_S,
    observed_s: float = 0.0,
    title: str = "",
) -> Story:
    """Let time pass over ``span`` (Unix seconds), and for ``observed_s`` before it, which is no part of the story."""
    policy = OBSERVING if observed_s else POLICY
    story = _Play(seed, places, truths, interval_s, policy).over(span[0] - observed_s, span[1], title)
    messages = [heard for heard in story.messages if heard.told.at >= span[0]]
    return replace(story, began_at=span[0], messages=messages)


class _Play:
    def __init__(
        self, seed: int, places: tuple[Place, ...], truths: Sequence[Truth], interval_s: float, policy: Policy
    ) -> None:
        self._seed, self._places, self._truths, self._policy = seed, places, tuple(truths), policy
        self._world = World(seed, places)
        names = [(place, name) for place in places for name in place.gateways]
        self._gateways = [Gateway(place, name, n + 1, interval_s) for n, (place, name) in enumerate(names)]
        self._roster = roster(places)
        self._messages: list[Heard] = []
        self._alerts: list[AlertChange] = []

    def over(self, began_at: float, ended_at: float, title: str) -> Story:
        self._county = County(self._in_force(began_at), began_at, platforms=PLATFORM_NAMES, language="zh")
        strikes = list(moments(self._truths))[::-1]
        due = [(began_at + 60 + self._offset_s(gateway), n) for n, gateway in enumerate(self._gateways)]
        heapq.heapify(due)
        today = days.day_of(began_at)
        while due[0][0] < ended_at:
            now, number = heapq.heappop(due)
            while strikes and strikes[-1][0] <= now:
                _, begins, truth = strikes.pop()
                (self._world.breaks if begins else self._world.mends)(truth.hit.breakages)
            if days.day_of(now) != today:
                today += timedelta(days=1)
                self._take(self._county.change_roster(self._in_force(now), now))
                say(f"{title} {today}: {len(self._messages)} messages, {len(self._alerts)} changes of alerts")
            gateway = self._gateways[number]
            self._report(gateway, now)
            heapq.heappush(due, (now + gateway.interval_s(now), number))
        self._take(self._county.pass_time(ended_at))
        return Story(self._places, self._truths, began_at, ended_at, self._messages, self._alerts)

    def _in_force(self, now: float) -> InForce:
        return InForce(self._roster, hours_of_schools(self._roster.entries, days.CALENDAR, now), self._policy)

    def _offset_s(self, gateway: Gateway) -> float:
        return LESSON_INTERVAL_S * draw(self._seed, "offset", gateway.name)

    def _report(self, gateway: Gateway, now: float) -> None:
        world = self._world
        world.now = now
        if not world.is_running(gateway.place, gateway.name):
            return
        gateway.look(world)
        if not world.is_connected(gateway.place):
            return
        for body in gateway.reports(now):
            ack, outcome = self._county.report(gateway.name, body, now)
            gateway.acknowledged(ack)
            self._take(outcome)

    def _take(self, outcome: Outcome) -> None:
        self._alerts += outcome.alerts
        self._messages += [Heard(told, write(told.message)) for told in outcome.messages]
