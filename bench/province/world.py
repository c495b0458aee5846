"""What the parts of the bench work on."""

from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.province.collector import Collector
from bench.province.fleet import Fleet
from bench.province.lines import Line
from bench.province.reports import REPORT_INTERVAL_S
from bench.province.roster import offices


class Pace(Struct, frozen=True, kw_only=True):
    """How often, and how long at a time."""

    windows: int
    saturated_s: float
    offered_s: float
    idle_s: float


class World(Struct, frozen=True, kw_only=True):
    """What the parts work on. The collector runs, and every school has reported."""

    collector: Collector
    fleet: Fleet
    schools: int
    folder: Path
    pace: Pace

    @property
    def offered_per_s(self) -> float:
        return self.schools / REPORT_INTERVAL_S

    @property
    def largest_office(self) -> str:
        return next(iter(offices(self.schools)))

    def line(self, bench: str, metric: str, value: float, unit: str, **more: Any) -> Line:
        return Line(bench=f"province.{bench}", metric=metric, value=value, unit=unit, schools=self.schools, **more)
