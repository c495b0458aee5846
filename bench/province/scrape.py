"""What one scrape of the largest office costs, beside others who serve the same series."""

from collections.abc import Iterator
from typing import Final

from bench.lines import say
from bench.province import peers
from bench.province.fleet import Order
from bench.province.lines import Line
from bench.province.peers import CLIENT, PUSHGATEWAY, Cost
from bench.province.roster import ROOMS, offices
from bench.province.world import World

_METRICS: Final = {"scrape_office_seconds": "seconds", "scrape_cpu_seconds": "cpu_s"}
_RATIOS: Final = {CLIENT: "scrape_cpu_ratio_prometheus_client", PUSHGATEWAY: "scrape_cpu_ratio_pushgateway"}

_peers_of: Final[dict[int, dict[str, Cost]]] = {}
"""Schools of the largest office -> what the others take. It is as large in every greater province, and to them it is a
file of samples, whoever made it: so they are asked once a run."""


def scrape(world: World) -> Iterator[Line]:
    """Half of the schools report anew before each scrape, as they do in 30 seconds."""
    rounds, schools = 2 * world.pace.windows + 1, len(offices(world.schools)[world.largest_office])
    path = f"/metrics/office/{world.largest_office}"
    found = []
    for number in range(1, rounds + 1):
        world.fleet.do(Order(what="round", of_first=schools, count=schools // 2))
        before_s = world.collector.cpu_s()
        page = world.collector.get(path)
        found.append(Cost(page.seconds, world.collector.cpu_s() - before_s))
        say(f"  scrape {number}/{rounds}: {found[-1].seconds:.3f} s, {found[-1].cpu_s:.3f} s of CPU")
    own = Cost(min(cost.seconds for cost in found), min(cost.cpu_s for cost in found))
    note = f"{schools} schools, {schools * ROOMS} rooms, {len(page.text):,} bytes as {len(page.body):,}"
    theirs = _peers_of.get(schools) or peers.costs(page.text, world.folder, rounds)
    _peers_of[schools] = theirs
    if PUSHGATEWAY not in theirs:
        say(f"  {PUSHGATEWAY} is not installed: left out (apt-get install --no-install-recommends {PUSHGATEWAY})")
    yield from _lines(world, own, theirs, note, rounds)


def _lines(world: World, own: Cost, theirs: dict[str, Cost], note: str, rounds: int) -> Iterator[Line]:
    several = {"n": rounds, "statistic": "best"}
    for metric, field in _METRICS.items():
        value = getattr(own, field)
        yield world.line("scrape", metric, value, "seconds", **several, note=note)
        for peer, cost in theirs.items():
            beside = {"peer": peer, "peer_value": getattr(cost, field), "ratio": getattr(cost, field) / value}
            yield world.line("scrape", metric, value, "seconds", **several, **beside)
    for peer, cost in theirs.items():
        yield world.line("scrape", _RATIOS[peer], cost.cpu_s / own.cpu_s, "ratio", **several)
