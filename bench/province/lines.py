"""One JSON line a value: what was measured, the goal, and what the first measurement was."""

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

BASELINE: Final = Path(__file__).parent / "baseline.jsonl"
"""Lines of the first measurement, as they were printed."""
LATEST: Final = Path(__file__).parent / "latest.jsonl"
"""Lines of the measurement that docs/performance.md shows beside it; there may be none."""
PROVINCE_SCHOOLS: Final = 20_000


class Goal(Struct, frozen=True):
    """``schools`` = for so many it is meant: with fewer it can be missed, but not be met."""

    kind: Literal["at most", "at least"]
    value: float
    schools: int = PROVINCE_SCHOOLS

    def is_met_by(self, value: float) -> bool:
        return value <= self.value if self.kind == "at most" else value >= self.value


GOALS: Final = {
    "reports_per_second_http": Goal("at least", 1_000),
    "reports_per_second_mqtt": Goal("at least", 1_000),
    "cpu_share_province": Goal("at most", 0.35, schools=0),
    "report_latency_p99_seconds": Goal("at most", 0.5),
    "idle_cpu_share": Goal("at most", 0.02),
    "ready_full_seconds": Goal("at most", 20.0),
    "rss_bytes": Goal("at most", 1.5e9),
    "healthz_worst_seconds": Goal("at most", 0.25),
    "scrape_office_seconds": Goal("at most", 0.05, schools=2_000),
    "scrape_cpu_seconds": Goal("at most", 0.05, schools=2_000),
    "scrape_cpu_ratio_prometheus_client": Goal("at least", 50.0, schools=2_000),
    "scrape_cpu_ratio_pushgateway": Goal("at least", 10.0, schools=2_000),
    "board_front_seconds": Goal("at most", 0.2),
    "board_office_seconds": Goal("at most", 0.2),
}
"""Of ``cpu_share_province`` every size tells, as it is brought up to 20,000 schools; a scrape is of one office."""


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``statistic`` says which of the ``n`` values this one is: the machine may have had other work."""

    bench: str
    metric: str
    value: float
    unit: str
    schools: int
    n: int = 1
    statistic: Literal["only", "median", "best", "worst"] = "only"
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    """peer_value / value: how many times more the other tool costs."""
    fleet_cpu_share: float | None = None
    """Of one core, what the simulated gateways took meanwhile."""
    others_cpu_share: float | None = None
    """Of one core, what was used by nobody whom this bench started."""
    note: str | None = None
    goal: float | None = None
    first: float | None = None
    first_schools: int | None = None
    """Of how many schools ``first`` is: as many, or the nearest that was measured."""
    times_better: float | None = None
    commit: str | None = None
    machine: str | None = None


def json_line(line: Line) -> str:
    return msgspec.json.encode(line).decode()


def read_lines(texts: Iterable[str]) -> list[Line]:
    return [msgspec.json.decode(text, type=Line) for text in texts if text.strip()]


def read_file(path: Path) -> list[Line]:
    return read_lines(path.read_text().splitlines()) if path.exists() else []


def beside_goal_and_first(line: Line, baseline: Iterable[Line]) -> Line:
    """The line with the goal for its metric, and with the first measurement of the same."""
    goal = GOALS.get(line.metric)
    same = [old for old in baseline if (old.bench, old.metric, old.peer) == (line.bench, line.metric, line.peer)]
    line = replace(line, goal=goal.value if goal else None)
    if not same:
        return line
    first = min(same, key=lambda old: abs(old.schools - line.schools))
    better, worse = (first.value, line.value) if _less_is_better(line) else (line.value, first.value)
    times = better / worse if worse else None
    return replace(line, first=first.value, first_schools=first.schools, times_better=times)


def _less_is_better(line: Line) -> bool:
    goal = GOALS.get(line.metric)
    return goal.kind == "at most" if goal else not line.metric.startswith("reports_per_second")


def for_people(line: Line) -> str:
    parts = [f"{line.bench:17s} {line.metric:34s} {line.value:13.6g} {line.unit}"]
    if goal := GOALS.get(line.metric):
        for_whom = "" if line.schools >= goal.schools else f" with {goal.schools} schools"
        parts.append(f"goal {goal.kind} {goal.value:g}{for_whom}{'' if goal.is_met_by(line.value) else ', MISSED'}")
    if line.first is not None:
        of = "" if line.first_schools == line.schools else f" with {line.first_schools} schools"
        times = "" if line.times_better is None else f", {line.times_better:.1f} times better"
        parts.append(f"first {line.first:.6g}{of}{times}")
    parts += [f"{line.peer} {line.peer_value:.6g}"] if line.peer_value is not None else []
    parts += [line.note] if line.note else []
    return "   ".join(parts)


def machine() -> str:
    """What kind of machine this is."""
    models = [text for text in Path("/proc/cpuinfo").read_text().splitlines() if text.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    return f"{os.cpu_count()} x {model}, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
