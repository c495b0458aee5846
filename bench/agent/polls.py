"""Processor time of one poll of a switch with 28 ports: both SNMP libraries, beside prometheus-snmp-exporter."""

import asyncio
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from agent import snmp
from agent.metrics import Metrics
from agent.probes import switch
from agent.probes.contract import Context
from agent.probes.switch.poll import KNOWN_FOR_S
from agent.probes.tools import Tools
from agent.settings import AgentSettings, HttpLink
from bench.agent.exporters import Exporter, snmp_exporter
from bench.agent.processes import SNMP_EXPORTER, absent, cpu_s, fetch, module, started
from bench.lines import Metric, say
from classready.devices import Snmp
from classready.observation import Outcome
from classready.targets import SwitchTarget

PORTS: Final = 28
DRIVERS: Final = ("gufo", "pysnmp")
"""The first is the default."""
GOAL_RATIO: Final = 0.5
_POLLS = round(KNOWN_FOR_S / 60)
_WARM_UP_POLLS = 20
"""A gateway polls for months."""


def measure(folder: Path, rounds: int) -> list[Metric]:
    """Each round lets all of them poll in turn, as the machine is not always equally fast; medians over the rounds."""
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        address = stack.enter_context(_simulated(folder))
        pollers = {driver: stack.enter_context(_driver(driver, address)) for driver in DRIVERS}
        if not absent(SNMP_EXPORTER):
            pollers[SNMP_EXPORTER] = _scraper(stack.enter_context(snmp_exporter(folder)), address)
        for poll in pollers.values():
            poll(_WARM_UP_POLLS)
        for number in range(1, rounds + 1):
            for name, poll in pollers.items():
                costs.setdefault(name, []).append(poll(_POLLS))
            if number % 5 == 0:
                shown = [f"{name} {median(each) * 1e3:.1f} ms" for name, each in costs.items()]
                say(f"poll {number}/{rounds}: {', '.join(shown)}")
    theirs = costs.pop(SNMP_EXPORTER, [])
    return list(_metrics(costs, theirs))


def _metrics(ours: dict[str, list[float]], theirs: list[float]) -> Iterator[Metric]:
    peer = median(theirs) if theirs else None
    for driver, costs in ours.items():
        value = median(costs)
        yield Metric(
            bench=f"agent.poll.{driver}",
            metric="poll_cpu_seconds",
            value=value,
            unit="seconds",
            peer=SNMP_EXPORTER if peer is not None else None,
            peer_value=peer,
            ratio=peer / value if peer is not None else None,
            n=len(costs) * _POLLS,
        )
        if peer is not None:
            yield Metric(
                bench=f"agent.poll.{driver}",
                metric="poll_cpu_ratio_snmp_exporter",
                value=value / peer,
                unit="ratio",
                n=len(costs) * _POLLS,
            )


@contextmanager
def _simulated(folder: Path) -> Iterator[str]:
    """A switch in a process of its own; yields its address."""
    log = folder / "switch.log"
    with started(module("bench.demo.snmp_devices", f"--ports={PORTS}", "--switch=sw1=127.0.0.1:0"), log):
        yield str(announced(log)["sw1"])


def announced(log: Path) -> dict[str, str]:
    """Name -> address of the simulated devices, from their first line."""
    until_s = time.monotonic() + 20
    while time.monotonic() < until_s:
        lines = log.read_text().splitlines()
        if lines:
            return dict(json.loads(lines[0])["devices"])
        time.sleep(0.05)
    raise RuntimeError("the simulated devices did not start")


Poller = Callable[[int], float]
"""Polls so many times; returns the processor time of one."""


@contextmanager
def _driver(driver: str, address: str) -> Iterator[Poller]:
    """A process that uses this SNMP library only."""
    command = module("bench.agent.polls", driver, address)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def poll(count: int) -> float:
            stdin.write(f"{count}\n")
            stdin.flush()
            return float(stdout.readline())

        yield poll
        stdin.close()


def _scraper(exporter: Exporter, address: str) -> Poller:
    url = exporter.url("switch", address)

    def poll(count: int) -> float:
        before_s = cpu_s(exporter.process)
        for _ in range(count):
            if 'ifIndex="1"' not in fetch(url):
                raise RuntimeError("the exporter does not find the ports")
        return (cpu_s(exporter.process) - before_s) / count

    return poll


async def _repeatedly(target: SwitchTarget, context: Context, session: snmp.Session, count: int) -> float:
    """Names are searched for once in ``_POLLS`` polls, as at one poll a minute."""
    tools = Tools(context.settings, time.monotonic, Metrics())
    tools.snmp = session
    probe = switch.make(target, tools)
    before_s = time.process_time()
    for _ in range(count):
        observations = await probe.observe(context)
        if {o.outcome for o in observations} != {Outcome.ANSWERED}:
            raise RuntimeError("a port did not answer")
    return (time.process_time() - before_s) / count


def _serve(driver: str, address: str) -> None:
    """For each line on stdin poll that often, and print what one costs."""
    library: Any = importlib.import_module(f"agent.snmp.{driver}_driver")
    session = snmp.Session(lambda: library)
    host, _, port = address.rpartition(":")
    ports = {f"GE0/0/{i}": f"r{i}" for i in range(1, PORTS + 1)}
    target = SwitchTarget(name="sw1", host=host, snmp=Snmp(port=int(port)), ports=ports, trunks=(), deadline_s=60)
    settings = AgentSettings(gateway="gw-bench", link=HttpLink(url="http://127.0.0.1", token_file="-"), targets=())
    context = Context(settings=settings, directives=None, clock_good=True)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            print(runner.run(_repeatedly(target, context, session, int(line))), flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
