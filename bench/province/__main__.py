"""python -m bench.province: what a province costs one collector, beside the goals and the first measurement.

JSON lines on stdout, progress on stderr. The collector runs as a process of its own with real SQLite
(synchronous=FULL), the gateways in another one, reports go over HTTP and through a real mosquitto. Needs no root; needs
mosquitto, and prometheus-pushgateway (both Debian packages) for one comparison. Run it alone; what it means is in
docs/performance.md.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bench.agent.processes import free_port
from bench.lines import say
from bench.province import measure
from bench.province.collector import Collector
from bench.province.fleet import running_fleet
from bench.province.growth import growth
from bench.province.lines import BASELINE, Line, beside_goal_and_first, for_people, json_line, machine, read_file
from bench.province.mqtt_link import USER
from bench.province.roster import write_roster, write_settings
from bench.province.scrape import scrape
from bench.province.world import Pace, World
from tests.support import mosquitto

ROOT: Final = Path(__file__).parents[2]
FILL: Final = "fill"
"""Before all others: the first report of every school."""
PARTS: Final = {FILL: measure.fill, **measure.PARTS, "scrape": scrape}
ORDER: Final = ("http", "mqtt", "steady", "board", "scrape", "restart", "lesson", "idle")
QUICK: Final = Pace(windows=1, saturated_s=10.0, offered_s=30.0, idle_s=10.0)
THOROUGH: Final = Pace(windows=3, saturated_s=20.0, offered_s=60.0, idle_s=60.0)
_PASSWORDS: Final = {"collector": "bench", USER: "bench"}
_FLEET_MAY: Final = f"\nuser {USER}\ntopic write classready/v1/up/#\ntopic read classready/v1/down/#\n"


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.province", description=__doc__)
    parser.add_argument(
        "--schools", type=_counts, metavar="N,...", help="sizes of the province (1000,5000,20000; 1000 with --quick)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="each value once, in short windows; a lesson of the largest province only"
    )
    parser.add_argument("--seconds", type=float, help="length of every window")
    parser.add_argument("--parts", type=_parts, default=list(ORDER), metavar=",".join(ORDER))
    parser.add_argument("--code", type=Path, default=ROOT, help="checkout whose collector is measured (this one)")
    chosen = parser.parse_args(arguments)
    chosen.schools = chosen.schools or ([1_000] if chosen.quick else [1_000, 5_000, 20_000])
    return chosen


def _counts(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := set(parts) - set(ORDER):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ORDER)}")
    return [part for part in ORDER if part in parts]


def parts_of(schools: int, chosen: argparse.Namespace) -> list[str]:
    """A lesson's begin is waited for up to a minute and more: in a hurry only where there is most to do in it."""
    in_a_hurry = chosen.quick and schools < max(chosen.schools)
    return [part for part in chosen.parts if part != "lesson" or not in_a_hurry]


def pace(chosen: argparse.Namespace) -> Pace:
    usual = QUICK if chosen.quick else THOROUGH
    if chosen.seconds is None:
        return usual
    return replace(usual, saturated_s=chosen.seconds, offered_s=chosen.seconds, idle_s=chosen.seconds)


@contextmanager
def province(schools: int, chosen: argparse.Namespace) -> Iterator[World]:
    """A broker, a started collector that knows ``schools`` schools, and their gateways."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-province-")))
        broker = stack.enter_context(_broker(folder))
        write_roster(folder / "roster", schools, datetime.now(UTC) - timedelta(minutes=5))
        port = free_port()
        password = broker.password_file("collector")
        write_settings(folder / "collector.yml", port=port, mqtt_port=broker.port, mqtt_password=password)
        collector = Collector(chosen.code, folder, port)
        stack.callback(collector.stop)
        say(f"{schools} schools: empty store, ready after {collector.start():.1f} s")
        fleet = stack.enter_context(running_fleet(schools, port, broker.port, _PASSWORDS[USER]))
        yield World(collector=collector, fleet=fleet, schools=schools, folder=folder, pace=pace(chosen))


@contextmanager
def _broker(folder: Path) -> Iterator[mosquitto.Broker]:
    """As shipped, but that one user may speak for all gateways."""
    broker = mosquitto.Broker(folder, _PASSWORDS)
    with (folder / "acl").open("a") as acl:
        acl.write(_FLEET_MAY)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def measured(world: World, parts: Sequence[str]) -> Iterator[Line | None]:
    """The lines of ``parts``; None where one of them came to nothing, which spoils no other but for the first."""
    for part in (FILL, *parts):
        say(part)
        try:
            yield from PARTS[part](world)
        except (RuntimeError, OSError, HTTPException) as error:
            say(f"{part}: {error}")
            yield None
            if part == FILL:
                return


def _commit(code: Path) -> str:
    described = subprocess.run(
        ["git", "-C", code, "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"


def main() -> int:
    chosen = options()
    if not Path(mosquitto.PROGRAM).exists() or shutil.which("mosquitto_passwd") is None:
        say("bench.province cannot run: mosquitto is not installed")
        return 1
    baseline, here = read_file(BASELINE), {"commit": _commit(chosen.code), "machine": machine()}

    def tell(line: Line) -> None:
        complete = replace(beside_goal_and_first(line, baseline), **here)
        print(json_line(complete), flush=True)
        say(for_people(complete))

    found: list[Line | None] = []
    for schools in chosen.schools:
        with province(schools, chosen) as world:
            for line in measured(world, parts_of(schools, chosen)):
                found.append(line)
                if line is not None:
                    tell(line)
    for line in growth([line for line in found if line is not None]):
        tell(line)
    return 1 if None in found else 0


if __name__ == "__main__":
    sys.exit(main())
