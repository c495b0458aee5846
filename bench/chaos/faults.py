"""What is done to a county: each fault begins, lasts, and is over; the next one may begin before."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

from bench.chaos.county import BALLAST, Agent, County

Dice = random.Random


class Fault(NamedTuple):
    """``lasts_s``: the shortest and the longest time between its begin and its end."""

    name: str
    touches: str
    """Of two faults that touch the same one never lasts beside the other."""
    lasts_s: tuple[float, float]
    strike: Callable[[County, Dice], Callable[[], None]]
    """Begins it; what is returned ends it."""


def _collector_killed(county: County, _dice: Dice) -> Callable[[], None]:
    county.collector.kill()
    return county.collector.start


def _collector_paused(county: County, _dice: Dice) -> Callable[[], None]:
    county.collector.pause()
    return county.collector.resume


def _broker_killed(county: County, _dice: Dice) -> Callable[[], None]:
    county.broker.kill()
    return county.broker.start


def _broker_forgot(county: County, _dice: Dice) -> Callable[[], None]:
    """Its database is gone, and with it what it had acknowledged and not delivered: it writes that once in a minute."""
    county.broker.kill()
    (county.folder / "mosquitto.db").unlink(missing_ok=True)
    return county.broker.start


def _broker_paused(county: County, _dice: Dice) -> Callable[[], None]:
    county.broker.pause()
    return county.broker.resume


def _agents_killed(county: County, dice: Dice) -> Callable[[], None]:
    hit = dice.sample(county.agents, max(1, len(county.agents) // 5))
    return _each(hit, Agent.kill, Agent.start)


def _agents_paused(county: County, dice: Dice) -> Callable[[], None]:
    hit = dice.sample(county.agents, max(1, len(county.agents) // 5))
    return _each(hit, Agent.pause, Agent.resume)


def _each(agents: Sequence[Agent], begin: Callable[[Agent], None], end: Callable[[Agent], None]) -> Callable[[], None]:
    def all_over() -> None:
        for agent in agents:
            end(agent)

    for agent in agents:
        begin(agent)
    return all_over


def _robot_killed(county: County, _dice: Dice) -> Callable[[], None]:
    county.robot.kill()
    return county.robot.start


def _robot_paused(county: County, _dice: Dice) -> Callable[[], None]:
    county.robot.pause()
    return county.robot.resume


def _links_cut(county: County, dice: Dice) -> Callable[[], None]:
    relay = county.relays[dice.choice(sorted(county.relays))]
    relay.set("cut")
    return lambda: relay.set("open")


def _links_swallow(county: County, dice: Dice) -> Callable[[], None]:
    """Nobody hears of it: connections stay, and nothing comes."""
    relay = county.relays[dice.choice(sorted(county.relays))]
    relay.set("swallow")

    def over() -> None:
        relay.set("cut")  # what was swallowed never arrives: a stream with a hole in it is none
        relay.set("open")

    return over


def _links_half_closed(county: County, dice: Dice) -> Callable[[], None]:
    county.relays[dice.choice(sorted(county.relays))].close_one_side()
    return lambda: None


def _disk_full(county: County, _dice: Dice) -> Callable[[], None]:
    free = _filled(county.disk)
    county.disk_free_at_s = inf

    def over() -> None:
        free()
        county.disk_free_at_s = time.monotonic()

    return over


def _gateways_full(county: County, _dice: Dice) -> Callable[[], None]:
    """All at once: each goes on with what it has, and in memory where that is nothing."""
    return _filled(county.spools)


def _filled(disk: Path) -> Callable[[], None]:
    _fill(disk / BALLAST)
    return lambda: (disk / BALLAST).unlink(missing_ok=True)


def _fill(ballast: Path) -> None:
    piece = b"\0" * 65_536
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(piece) == len(piece):
                pass
        except OSError:  # no space left, which is the point
            return


FAULTS: Final = (
    Fault("collector_killed", "collector", (0.2, 4.0), _collector_killed),
    Fault("collector_paused", "collector", (1.0, 6.0), _collector_paused),
    Fault("broker_killed", "broker", (0.2, 4.0), _broker_killed),
    Fault("broker_forgot", "broker", (0.2, 2.0), _broker_forgot),
    Fault("broker_paused", "broker", (1.0, 5.0), _broker_paused),
    Fault("agents_killed", "agents", (9.0, 16.0), _agents_killed),
    Fault("agents_paused", "agents", (9.0, 16.0), _agents_paused),
    Fault("robot_killed", "robot", (0.5, 6.0), _robot_killed),
    Fault("robot_paused", "robot", (0.5, 6.0), _robot_paused),
    Fault("links_cut", "links", (0.5, 5.0), _links_cut),
    Fault("links_swallow", "links", (1.0, 6.0), _links_swallow),
    Fault("links_half_closed", "links", (0.1, 1.0), _links_half_closed),
    Fault("disk_full", "disk", (2.0, 8.0), _disk_full),
    Fault("gateways_full", "spools", (2.0, 12.0), _gateways_full),
)


class Strike(NamedTuple):
    begins_s: float
    ends_s: float
    fault: Fault


def plan(dice: Dice, seconds: float) -> list[Strike]:
    """Each fault once in a random order, then again, as long as there is time; all are over after ``seconds``."""
    strikes: list[Strike] = []
    free_s = dict.fromkeys((fault.touches for fault in FAULTS), 0.0)
    for at_s, fault in zip(_moments(dice, seconds), _order(dice), strict=False):
        begins_s = max(at_s, free_s[fault.touches])
        ends_s = begins_s + dice.uniform(*fault.lasts_s)
        if ends_s <= seconds:
            strikes.append(Strike(begins_s, ends_s, fault))
            free_s[fault.touches] = ends_s + 0.5
    return strikes


def _moments(dice: Dice, seconds: float) -> Iterator[float]:
    at_s = 1.0
    while at_s < seconds:
        yield at_s
        at_s += dice.uniform(0.5, 3.5)


def _order(dice: Dice) -> Iterator[Fault]:
    while True:
        yield from dice.sample(FAULTS, len(FAULTS))
