"""python -m bench.chaos: kill, pause, cut and fill everything there is; then let it heal and compare the ledgers.

A real mosquitto, the collector, agents over HTTP and MQTT through relays, a scraper and a strict chat robot, all on
loopback. JSON lines on stdout, progress on stderr; ends with 1 where a goal is missed. Needs root (small file
systems for store and spools) and mosquitto. The same seed plans the same faults.
"""

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.agent.processes import absent
from bench.chaos import ledgers, run
from bench.chaos.county import County, running
from bench.chaos.faults import Strike, plan
from bench.chaos.watch import Watch, watching
from bench.lines import Metric, json_line, say

GOALS: Final = {
    "lost": 0.0,
    "phantom": 0.0,
    "doubled": 0.0,
    "acked_not_stored": 0.0,
    "outbox_lost": 0.0,
    "outbox_doubled": 0.0,
    "scrapes_torn": 0.0,
    "died": 0.0,
    "store_broken": 0.0,
    "drain_seconds": 60.0,
}
"""Metric -> at most so much."""
_UNITS: Final = {"drain_seconds": "s", "rss_slope_bytes_per_minute": "B/min"}


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which faults, when, and for how long (1)")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long faults happen (300)")
    parser.add_argument("--agents", type=int, default=50, help="how many gateways, each with a school (50)")
    parser.add_argument("--quick", action="store_true", help="at most 45 seconds and 20 agents")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.seconds, chosen.agents = min(chosen.seconds, 45.0), min(chosen.agents, 20)
    return chosen


def main() -> int:
    chosen = options()
    if missing := absent("mosquitto", "mosquitto_passwd"):
        say(f"not found: {', '.join(missing)} (Debian package mosquitto)")
        return 1
    if os.geteuid() != 0:
        say("needs root: store and spools lie on file systems of their own, which are filled up")
        return 1
    dice = random.Random(chosen.seed)
    strikes = plan(dice, chosen.seconds)
    with tempfile.TemporaryDirectory(prefix="classready-chaos-") as folder:
        lines = [*measured(Path(folder), chosen.agents, strikes, dice)]
    for line in lines:
        print(json_line(line))
    missed = [line.metric for line in lines if line.value > GOALS.get(line.metric, line.value)]
    say(f"missed: {', '.join(missed)}" if missed else "every goal is met")
    return 1 if missed else 0


def measured(folder: Path, agent_count: int, strikes: Sequence[Strike], dice: random.Random) -> Iterator[Metric]:
    with running(folder, agent_count) as county:
        run.wait_for_all(county)
        with watching(county) as watch:
            run.strike_all(county, strikes, dice)
            drained_s = run.drain_s(county)
        county.stop_agents()
        run.wait_for_messages(county)
        county.collector.stop()
        for metric, value in {
            "faults": float(len(strikes)),
            **_values(county, watch),
            "drain_seconds": drained_s,
        }.items():
            goal = GOALS.get(metric)
            yield Metric(
                bench="chaos",
                metric=metric,
                value=value,
                unit=_UNITS.get(metric, "count"),
                peer=None if goal is None else "goal",
                peer_value=goal,
                n=agent_count,
            )


def _values(county: County, watch: Watch) -> dict[str, float]:
    spools = [ledgers.read_spool(county.spool_file(agent.name)) for agent in county.agents]
    records = ledgers.compare(spools, ledgers.read_ledgers(county.store), county.acks)
    outbox, texts = ledgers.read_outbox(county.store), county.texts()
    unsent = sum(count for state, count in outbox.items() if state != "sent")
    return {
        "lost": records.lost,
        "phantom": records.phantom,
        "doubled": records.doubled,
        "acked_not_stored": records.acked_not_stored,
        "stored": records.stored,
        "declared_drops": records.dropped,
        "from_memory": records.elsewhere,
        "acks_heard": sum(map(len, county.acks.values())),
        "outbox_lost": unsent + max(0, outbox.get("sent", 0) - len(set(texts))),
        "outbox_doubled": ledgers.doubled_texts(texts),
        "messages": len(texts),
        "scrapes": watch.scraped_count,
        "scrapes_torn": watch.torn_count,
        "died": sum(county.died.values()),
        "store_broken": 0 if ledgers.is_sound(county.store) else 1,
        "rss_slope_bytes_per_minute": watch.slope_bytes_per_minute(),
    }


if __name__ == "__main__":
    sys.exit(main())
