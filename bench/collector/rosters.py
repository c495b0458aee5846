"""Loading a province's roster: office files as our import writes them, 15 rooms and a gateway a school."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.collector.timing import cpu_s
from bench.lines import Metric
from classready.settings import load_with_lines
from collector.core.hours import Calendar
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools
from collector.roster.files import OfficeFile

ROOMS = 15
OFFICE_MAX_SCHOOLS = 1_000


def measure(*, school_counts: tuple[int, ...]) -> list[Metric]:
    return [metric for count in school_counts for metric in _one_size(count)]


def _one_size(school_count: int) -> Iterator[Metric]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_roster(folder, school_count)
        runs = 3
        roster = load_roster(folder, {})
        first_s = cpu_s(lambda: load_roster(folder, {}), runs=runs)
        thorough_s = cpu_s(lambda: load_with_lines(files[0], OfficeFile), runs=1) * len(files)
        yield _metric("roster_load_seconds", school_count, first_s, runs, "thorough reader", thorough_s)
        files[0].write_text(files[0].read_text(encoding="utf-8").replace("示例区0", "示例区"), encoding="utf-8")
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


def write_roster(folder: Path, school_count: int) -> list[Path]:
    """Files of at most ``OFFICE_MAX_SCHOOLS`` schools."""
    files = []
    for first in range(0, school_count, OFFICE_MAX_SCHOOLS):
        numbers = range(first, min(first + OFFICE_MAX_SCHOOLS, school_count))
        file = folder / f"{510_000 + len(files)}.yml"
        file.write_text("\n".join(_office(len(files), numbers)) + "\n", encoding="utf-8")
        files.append(file)
    return files


def _office(number: int, schools: range) -> Iterator[str]:
    yield from (f"office: '{510_000 + number}'", f"name: 示例区{number}教育局", "schools:")
    for n in schools:
        yield from (f"- id: '{5_100_000_000 + n}'", f"  name: 示例小学{n}", "  kind: point", "  classrooms:")
        for room in range(ROOMS):
            yield from (f"  - id: b2-{301 + room}", f"    name: 三年级{room}班", "    device: panel")
    yield "gateways:"
    for n in schools:
        yield from (f"- id: gw-{n}", f"  token_sha256: {n:064x}", f"  schools: ['{5_100_000_000 + n}']")
