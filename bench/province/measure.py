"""The parts of the bench that drive one collector: load, silence, restarts, a lesson's begin, pages."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

from bench.lines import say
from bench.province.fleet import Done, Order
from bench.province.lines import PROVINCE_SCHOOLS, Line
from bench.province.load import Load, loaded
from bench.province.roster import ROOMS, offices, write_roster
from bench.province.watch import Watch, scraping, watching
from bench.province.world import World

LONG_INTERVAL_S: Final = 3_600.0
"""What a round announces in which nobody may become silent before everybody has reported, however long that takes."""
FAREWELL_INTERVAL_S: Final = 1.0
"""What the last reports announce: so everybody is silent three seconds later, and not three minutes."""
_SILENT_LIMIT_S: Final = 1_200.0
_SETTLE_S: Final = 2.0
_GUESSES: Final = 3


def fill(world: World) -> Iterator[Line]:
    """The first reports of every school: over HTTP, by the collector's own ways and no other."""
    load = _run(world, Order(what="round", kind="first", interval_s=LONG_INTERVAL_S))
    _must_have_committed(load.done, world.schools)
    rooms = sum(world.collector.rooms_ready(office) for office in offices(world.schools))
    if rooms != ROOMS * world.schools:
        raise RuntimeError(
            f"{rooms} of {ROOMS * world.schools} rooms are ready: the reports are not what they should be"
        )
    yield world.line("fill", "fill_seconds", load.done.seconds, "seconds", **load.shares())
    say("  each once more: to announce another interval has every room judged, and usual reports do not")
    _run(world, Order(what="round"))


def saturated_http(world: World) -> Iterator[Line]:
    yield from _saturated(world, "http", Order(what="saturate", seconds=world.pace.saturated_s))
    unkept = Order(what="saturate", link="http_unkept", seconds=world.pace.saturated_s)
    yield from _saturated(world, "http_unkept", unkept)


def saturated_mqtt(world: World) -> Iterator[Line]:
    yield from _saturated(world, "mqtt", Order(what="saturate", link="mqtt", seconds=world.pace.saturated_s))


def _saturated(world: World, name: str, order: Order) -> Iterator[Line]:
    loads = [_run(world, order) for _ in range(world.pace.windows)]
    best = max(loads, key=lambda load: load.committed_per_s)
    _must_have_committed(best.done, 1)
    cheapest_s = min(load.cpu_s / load.done.committed_count for load in loads if load.done.committed_count)
    several = {"n": len(loads), "statistic": "best"}
    refused = best.done.due_count - best.done.committed_count
    note = f"{refused} of {best.done.due_count} not committed" if refused else None
    metric = f"reports_per_second_{name}"
    yield world.line(name, metric, best.committed_per_s, "1/s", **several, **best.shares(), note=note)
    yield world.line(name, "report_cpu_seconds", cheapest_s, "seconds", **several)


def steady(world: World) -> Iterator[Line]:
    """One report a minute from every school, come what may, with Prometheus and a watchdog beside it."""
    order = Order(what="offer", per_s=world.offered_per_s, seconds=world.pace.offered_s)
    with scraping(world.collector, world.schools), watching(world.collector) as watch:
        loads = [_run(world, order) for _ in range(world.pace.windows)]
    _must_have_committed(loads[-1].done, 1)
    yield from _steady_lines(world, loads)
    yield world.line("steady", "rss_bytes", world.collector.rss_bytes(), "bytes")
    yield _worst_health(world, "steady", watch)


def _steady_lines(world: World, loads: list[Load]) -> Iterator[Line]:
    middle = sorted(loads, key=lambda load: load.cpu_share)[len(loads) // 2]
    several = {"n": len(loads), "statistic": "median", **middle.shares()}
    fell_behind = any(map(_fell_behind, loads))
    note = f"{world.offered_per_s:.1f} reports/s offered" + (", more than it could take" if fell_behind else "")
    yield world.line("steady", "cpu_share", middle.cpu_share, "ratio", **several, note=note)
    extrapolated = "" if world.schools == PROVINCE_SCHOOLS else f", extrapolated from {world.schools} schools: at most"
    province = median(_province_share(world, load) for load in loads)
    yield world.line("steady", "cpu_share_province", province, "ratio", **several, note=note + extrapolated)
    for name in ("p50", "p99"):
        latencies = [getattr(load.done, f"latency_{name}_s") for load in loads]
        value = median(latency for latency in latencies if latency is not None)
        yield world.line("steady", f"report_latency_{name}_seconds", value, "seconds", **several, note=note)


def _province_share(world: World, load: Load) -> float:
    """Of one core for 20,000 schools; what was offered and not dealt with counts as if it had been."""
    overload = max(1.0, world.offered_per_s * load.done.seconds / max(1, load.done.committed_count))
    return load.cpu_share * (overload if _fell_behind(load) else 1.0) * PROVINCE_SCHOOLS / world.schools


def _fell_behind(load: Load) -> bool:
    return load.done.committed_count < 0.98 * load.done.due_count


def _worst_health(world: World, bench: str, watch: Watch) -> Line:
    note = f"the machine alone: {watch.noise_s:.3f} s"
    return world.line(bench, "healthz_worst_seconds", watch.worst_s, "seconds", statistic="worst", note=note)


def restart(world: World) -> Iterator[Line]:
    """With every school in the store."""
    found, costs = [], []
    for number in range(1, world.pace.windows + 1):
        world.collector.stop()
        found.append(world.collector.start())
        costs.append(world.collector.cpu_s())
        say(f"  restart {number}/{world.pace.windows}: ready after {found[-1]:.1f} s, {costs[-1]:.1f} s of CPU")
    several = {"n": len(found), "statistic": "best"}
    yield world.line("restart", "ready_full_seconds", min(found), "seconds", **several)
    yield world.line("restart", "ready_full_cpu_seconds", min(costs), "seconds", **several)


def lesson(world: World) -> Iterator[Line]:
    """A lesson begins for all schools at once, while they report as ever."""
    lead_s = _start_before_a_lesson(world)
    say(f"  a lesson begins in {lead_s:.0f} s")
    time.sleep(max(0.0, lead_s - world.pace.offered_s / 2))
    order = Order(what="offer", per_s=world.offered_per_s, seconds=world.pace.offered_s + _SETTLE_S)
    with scraping(world.collector, world.schools), watching(world.collector) as watch:
        _run(world, order)
    yield _worst_health(world, "lesson", watch)


def _start_before_a_lesson(world: World) -> float:
    """Restart the collector with another timetable; return the seconds that are left until a lesson begins.

    Lessons begin at full minutes, so the start must be guessed: a changed roster and a full store take as long as the
    first start and one with the roster known, together.
    """
    for _ in range(_GUESSES):
        world.collector.stop()
        begins = _in_minutes((2 * world.collector.longest_start_s + world.pace.offered_s / 2 + _SETTLE_S) / 60)
        write_roster(world.folder / "roster", world.schools, begins)
        world.collector.start()
        if (lead_s := begins.timestamp() - time.time()) >= _SETTLE_S:
            return lead_s
        say("  the collector took longer to start than ever before: once more")
    raise RuntimeError(f"the lesson began without the collector, {_GUESSES} times")


def _in_minutes(minutes: float) -> datetime:
    """The first full minute after so long."""
    return (datetime.now(UTC) + timedelta(minutes=minutes + 1)).replace(second=0, microsecond=0)


def board(world: World) -> Iterator[Line]:
    pages = {"board_front_seconds": "/", "board_office_seconds": f"/office/{world.largest_office}"}
    for metric, path in pages.items():
        found = [world.collector.get(path) for _ in range(2 * world.pace.windows + 1)]
        if {page.status for page in found} != {200}:
            raise RuntimeError(f"{path} answers {found[-1].status}")
        seconds = median(page.seconds for page in found)
        yield world.line("board", metric, seconds, "seconds", n=len(found), statistic="median")


def idle(world: World) -> Iterator[Line]:
    """Nobody reports: while that is as it should be, when it is known to be silence, and with Prometheus beside it."""
    _run(world, Order(what="round", interval_s=LONG_INTERVAL_S))
    time.sleep(_SETTLE_S)
    yield world.line("idle", "between_reports_cpu_share", _share(world, world.pace.idle_s), "ratio")
    _run(world, Order(what="round", interval_s=FAREWELL_INTERVAL_S))
    _until_silent(world)
    alone = [_share(world, world.pace.idle_s) for _ in range(world.pace.windows)]
    several = {"n": len(alone), "statistic": "median"}
    yield world.line("idle", "idle_cpu_share", median(alone), "ratio", **several)
    with scraping(world.collector, world.schools):
        scraped = _share(world, world.pace.offered_s)
    yield world.line("idle", "idle_scraped_cpu_share", scraped, "ratio")


def _until_silent(world: World) -> None:
    until_s = time.monotonic() + _SILENT_LIMIT_S
    for office in offices(world.schools):
        while up := world.collector.gateways_up(office):
            if time.monotonic() > until_s:
                raise RuntimeError(f"{up} gateways of {office} are still thought to be alive")
            time.sleep(1.0)
    time.sleep(_SETTLE_S)


def _share(world: World, seconds: float) -> float:
    began_s, before_s = time.monotonic(), world.collector.cpu_s()
    time.sleep(seconds)
    return (world.collector.cpu_s() - before_s) / (time.monotonic() - began_s)


def _run(world: World, order: Order) -> Load:
    return loaded(world.collector.cpu_s, world.fleet, order)


def _must_have_committed(done: Done, count: int) -> None:
    if done.committed_count < count:
        raise RuntimeError(f"only {done.committed_count} of {done.due_count} reports were committed")


PARTS: Final[dict[str, Callable[[World], Iterator[Line]]]] = {
    "http": saturated_http,
    "mqtt": saturated_mqtt,
    "steady": steady,
    "board": board,
    "restart": restart,
    "lesson": lesson,
    "idle": idle,
}
