"""python -m bench.herd: 2,000 gateways come back to a real mosquitto at once, after their power and after its restart.

Each is the agent's own MQTT link with its own waits, all in this process. What the broker wrote down is counted: new
connections a second. JSON lines on stdout, progress on stderr; ends with 1 where a goal is missed.
"""

import argparse
import asyncio
import logging
import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from agent.links.mqtt import STEADY_S, MqttReports
from agent.settings import MqttLink
from agent.spread import start_span_s
from bench.agent.processes import absent
from bench.lines import Metric, json_line, say
from tests.support.mosquitto import SchoolBroker

PEAK_GOAL_PER_S: Final = 100.0
BACK_GOAL_S: Final = 120.0
INTERVAL_S: Final = 60.0
_JUST_BOOTED_S: Final = 30.0
_LIMIT_S: Final = 300.0
_CONNECTED: Final = re.compile(r"^(\d+): New client connected from \S+ as (\S+)", re.MULTILINE)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.herd", description=__doc__)
    parser.add_argument("--gateways", type=int, default=2_000, help="how many (2000)")
    parser.add_argument("--quick", action="store_true", help="200, and no wait until their connections count as steady")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.gateways = min(chosen.gateways, 200)
    return chosen


def main() -> int:
    chosen = options()
    if absent("mosquitto"):
        say("not found: mosquitto (Debian package mosquitto)")
        return 1
    # a line a connection would stand between ours
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="classready-herd-") as folder:
        lines = asyncio.run(_measured(Path(folder), chosen.gateways, 0.0 if chosen.quick else STEADY_S + 1.0))
    for line in lines:
        print(json_line(line))
    return 1 if any(line.peer_value is not None and line.value > line.peer_value for line in lines) else 0


async def _measured(folder: Path, count: int, steady_s: float) -> list[Metric]:
    broker = SchoolBroker(folder)
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text("none is asked for")
    settings = MqttLink(host=broker.host, port=broker.port, tls=False, password_file=str(folder / "password"))
    links = [MqttReports(settings, f"gw-{n:05d}", "0", INTERVAL_S) for n in range(count)]
    broker.start()
    tasks = [asyncio.create_task(link.keep_connected()) for link in links]
    try:
        tasks += [asyncio.create_task(_report(link)) for link in links]
        power = await _come_back(broker, links, "power", lambda: None)
        await asyncio.sleep(steady_s)

        def restart() -> None:
            broker.kill()
            broker.start()

        return power + await _come_back(broker, links, "broker", restart)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        broker.kill()


async def _report(link: MqttReports) -> None:
    """As the courier of a box that has just booted does for the first time: with that the link connects."""
    await asyncio.sleep(random.uniform(0.0, start_span_s(INTERVAL_S, _JUST_BOOTED_S)))
    await link.send(b"{}", ())


async def _come_back(
    broker: SchoolBroker, links: Sequence[MqttReports], what: str, happens: Callable[[], None]
) -> list[Metric]:
    before = len(broker.log)
    began_s = time.monotonic()
    await asyncio.to_thread(happens)
    with suppress(TimeoutError):
        async with asyncio.timeout(_LIMIT_S):
            while (back_count := len({name for _, name in _CONNECTED.findall(broker.log[before:])})) < len(links):
                say(f"{what}: {back_count} of {len(links)} are back")
                await asyncio.sleep(2.0)
    back_s = time.monotonic() - began_s
    seconds = Counter(second for second, _ in _CONNECTED.findall(broker.log[before:]))
    say(f"{what}: connections a second: {' '.join(str(seconds[second]) for second in sorted(seconds))}")
    return [
        _line(
            f"{what}_connects_peak_per_second", float(max(seconds.values(), default=0)), "1/s", PEAK_GOAL_PER_S, links
        ),
        _line(f"{what}_connects", float(seconds.total()), "count", None, links),
        _line(f"{what}_all_back_seconds", back_s, "s", BACK_GOAL_S, links),
    ]


def _line(metric: str, value: float, unit: str, goal: float | None, links: Sequence[MqttReports]) -> Metric:
    peer = None if goal is None else "goal"
    return Metric(bench="herd", metric=metric, value=value, unit=unit, peer=peer, peer_value=goal, n=len(links))


if __name__ == "__main__":
    sys.exit(main())
