"""60 targets asked at once, beside fping at the same addresses, in two network namespaces."""

import asyncio
import subprocess
from collections.abc import Sequence
from statistics import median
from typing import Final

from agent.probes.icmp import Echoes, echo
from bench.lines import Metric, say
from tests.support.namespaces import Namespace, join, namespaces

ADDRESSES: Final = tuple(f"10.98.0.{i}" for i in range(10, 70))
GOAL_S: Final = 0.000_2
_COUNT, _EVERY_S = 5, 0.2
_BUSY_S, _IDLE_S = 0.02, 0.01


def measure(rounds: int) -> list[Metric]:
    """Median over the rounds of the worst difference of medians; the peer's is between two runs of its own."""
    ours: dict[bool, list[float]] = {False: [], True: []}
    theirs: list[float] = []
    with namespaces("ra", "rb") as (gateway, school):
        _, device = join(gateway, "10.98.0.1/24", school, "10.98.0.2/24")
        for address in ADDRESSES:
            subprocess.run(school.command("ip", "address", "add", f"{address}/24", "dev", device), check=True)
        before = _fping(gateway)
        for number in range(1, rounds + 1):
            reference = _fping(gateway)
            theirs.append(_worst_s(reference, before))
            before = reference
            for busy, found in ours.items():
                found.append(_worst_s(_agent(gateway, busy=busy), reference))
            say(
                f"rtt {number}/{rounds}: worst error {ours[False][-1] * 1e3:.3f} ms, busy {ours[True][-1] * 1e3:.3f} ms"
            )
    return [_metric("agent.rtt", ours[False], theirs), _metric("agent.rtt.busy", ours[True], theirs)]


def _metric(bench: str, ours: Sequence[float], theirs: Sequence[float]) -> Metric:
    value, peer = median(ours), median(theirs)
    return Metric(
        bench=bench,
        metric="rtt_error_seconds",
        value=value,
        unit="seconds",
        peer="fping",
        peer_value=peer,
        ratio=peer / value if value else None,
        n=len(ours) * len(ADDRESSES),
    )


def _worst_s(one: dict[str, float], other: dict[str, float]) -> float:
    return max(abs(one[address] - other[address]) for address in ADDRESSES)


def _fping(namespace: Namespace) -> dict[str, float]:
    """Median seconds for each address."""
    command = ["fping", "-q", "-C", str(_COUNT), "-p", str(round(_EVERY_S * 1000)), *ADDRESSES]
    told = subprocess.run(namespace.command(*command), capture_output=True, text=True, check=False).stderr
    lines = (line.split(":") for line in told.splitlines() if ":" in line)
    return {name.strip(): median(float(ms) for ms in times.split() if ms != "-") / 1000 for name, times in lines}


def _agent(namespace: Namespace, *, busy: bool) -> dict[str, float]:
    found: list[Echoes] = namespace.call(lambda: asyncio.run(_echoes(busy=busy)))
    return {each.address: median(each.rtts_s) for each in found}


async def _echoes(*, busy: bool) -> list[Echoes]:
    """Busy: something holds the event loop for most of the time."""
    load = asyncio.create_task(_hold()) if busy else None
    found = await asyncio.gather(*(echo(a, count=_COUNT, interval_s=_EVERY_S, timeout_s=2) for a in ADDRESSES))
    if load is not None:
        load.cancel()
    return found


async def _hold() -> None:
    loop = asyncio.get_running_loop()
    while True:
        until_s = loop.time() + _BUSY_S
        while loop.time() < until_s:
            pass
        await asyncio.sleep(_IDLE_S)
