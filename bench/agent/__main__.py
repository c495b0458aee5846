"""python -m bench.agent: what the agent costs its gateway, and how exact it is, beside the usual tools.

JSON lines on stdout, progress on stderr. fping is the peer for round-trip times (needs root, for network namespaces),
prometheus-snmp-exporter and prometheus-blackbox-exporter (Debian packages of these names) for processor time and
memory; mosquitto keeps what whiteboards announce. A peer that is not installed is named, and its fields are null. Run
it alone.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.agent import boards, polls, rtt, whole
from bench.agent.processes import BLACKBOX_EXPORTER, SNMP_EXPORTER, absent
from bench.lines import Metric, json_line, say

PARTS: Final = ("rtt", "poll", "boards", "whole")
GOALS: Final = {
    "rtt_error_seconds": rtt.GOAL_S,
    "poll_cpu_ratio_snmp_exporter": polls.GOAL_RATIO,
    "mqtt_discovery_cpu_seconds": boards.CPU_GOAL_S,
    "mqtt_discovery_known_seconds": boards.KNOWN_GOAL_S,
    "agent_rss_bytes": whole.RSS_GOAL_BYTES,
    "agent_cpu_share": whole.CPU_GOAL,
    "help_seconds": whole.HELP_GOAL_S,
    "ready_seconds": whole.READY_GOAL_S,
}
"""At most; for the SNMP library that is the default."""
_OTHER_DRIVER: Final = f"agent.poll.{polls.DRIVERS[1]}"


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.agent", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short intervals and few rounds, ends within 60 s")
    parser.add_argument("--parts", type=_parts, default=list(PARTS), metavar=",".join(PARTS))
    return parser.parse_args(arguments)


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return parts


def _runs(folder: Path, *, quick: bool) -> dict[str, Callable[[], list[Metric]]]:
    interval_s, cycles = (4.0, 3) if quick else (whole.INTERVAL_S, 5)
    return {
        "rtt": lambda: rtt.measure(2 if quick else 10),
        "poll": lambda: polls.measure(folder, 5 if quick else 25),
        "boards": lambda: boards.measure(folder, 1 if quick else 5),
        "whole": lambda: whole.measure(folder, interval_s=interval_s, cycles=cycles),
    }


def _why_not(part: str) -> str | None:
    if part == "rtt" and (os.geteuid() != 0 or absent("fping", "ip")):
        return "needs root, iproute2 and fping"
    if part == "boards" and not Path(boards.MOSQUITTO).exists():
        return "needs mosquitto"
    return None


def beside_goal(metric: Metric) -> str:
    """A metric for people."""
    goal = GOALS.get(metric.metric) if metric.bench != _OTHER_DRIVER else None
    mark = "" if goal is None else f"   (goal: at most {goal:g}{'' if metric.value <= goal else ', MISSED'})"
    return f"{metric.bench:18s} {metric.metric:30s} {metric.value:14.6g} {metric.unit}{mark}"


def main() -> int:
    chosen = options()
    for program in absent(SNMP_EXPORTER, BLACKBOX_EXPORTER):
        say(f"{program} is not installed: its fields are null (apt-get install --no-install-recommends {program})")
    exit_code = 0
    with tempfile.TemporaryDirectory(prefix="bench-agent-") as folder:
        for part, run in _runs(Path(folder), quick=chosen.quick).items():
            if part not in chosen.parts:
                continue
            if why_not := _why_not(part):
                say(f"{part} left out: {why_not}")
                exit_code = 1
                continue
            for metric in run():
                print(json_line(metric), flush=True)
                say(beside_goal(metric))
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
