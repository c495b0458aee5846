"""Loading a province's roster, all of it and after one office changed; and the hours of its schools."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.collector.timing import cpu_s
from bench.lines import Metric
from bench.province.roster import write_roster
from classready.settings import load_with_lines
from collector.core.hours import Calendar
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from collector.roster.files import OfficeFile


def measure(*, school_counts: tuple[int, ...]) -> list[Metric]:
    return [metric for count in school_counts for metric in _one_size(count)]


def _one_size(school_count: int) -> Iterator[Metric]:
    with tempfile.TemporaryDirectory() as name:
        folder, runs = Path(name), 3
        write_roster(folder, school_count, datetime.now(UTC))
        files = sorted(folder.iterdir())
        roster = load_roster(folder, {})
        first_s = cpu_s(lambda: load_roster(folder, {}), runs=runs)
        thorough_s = cpu_s(lambda: [load_with_lines(file, OfficeFile) for file in files], runs=1)
        yield _metric("roster_load_seconds", school_count, first_s, runs, "thorough reader", thorough_s)
        changed = files[0].read_text(encoding="utf-8").replace("name: 示例office", "name: 改名office")
        files[0].write_text(changed, encoding="utf-8")
        again_s = cpu_s(lambda: load_roster(folder, {}, roster.files), runs=runs)
        yield _metric("roster_reload_one_changed_seconds", school_count, again_s, runs, "everything read", first_s)
        now = time.time()
        hours_s = cpu_s(lambda: hours_of_schools(roster.entries, Calendar(), now), runs=runs)
        yield _metric("hours_of_schools_seconds", school_count, hours_s, runs)


def _metric(  # noqa: PLR0917
    name: str, school_count: int, value: float, runs: int, peer: str | None = None, peer_s: float | None = None
) -> Metric:
    return Metric(
        bench="collector.roster",
        metric=f"{name}_{school_count}_schools",
        value=value,
        unit="s",
        peer=peer,
        peer_value=peer_s,
        ratio=peer_s and peer_s / value,
        n=runs,
    )
