"""An order of the fleet, and what it cost whom."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.province.fleet import Done, Fleet, Order

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Load(Struct, frozen=True, kw_only=True):
    """``cpu_s``: of the collector. ``others_cpu_s``: of all that is neither it nor the fleet, the broker included."""

    done: Done
    cpu_s: float
    others_cpu_s: float

    @property
    def committed_per_s(self) -> float:
        return self.done.committed_count / self.done.answered_s if self.done.committed_count else 0.0

    @property
    def cpu_share(self) -> float:
        return self.cpu_s / self.done.seconds

    def shares(self) -> dict[str, float]:
        """What belongs beside every number of this load, as shares of one core."""
        return {
            "fleet_cpu_share": round(self.done.fleet_cpu_s / self.done.seconds, 3),
            "others_cpu_share": round(self.others_cpu_s / self.done.seconds, 3),
        }


def loaded(cpu_s: Callable[[], float], fleet: Fleet, order: Order) -> Load:
    """Have ``fleet`` carry out ``order``; ``cpu_s`` tells the collector's processor time so far."""
    before_s, all_before_s = cpu_s(), _machine_cpu_s()
    done = fleet.do(order)
    used_s, all_used_s = cpu_s() - before_s, _machine_cpu_s() - all_before_s
    return Load(done=done, cpu_s=used_s, others_cpu_s=max(0.0, all_used_s - used_s - done.fleet_cpu_s))


def _machine_cpu_s() -> float:
    """Processor time that everybody has had (proc(5), ``stat``: user, nice, system, irq, softirq)."""
    fields = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq = fields[:7]
    return (user + nice + system + irq + softirq) / _TICKS_PER_S
