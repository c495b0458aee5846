"""What showing costs: one changed school, and the scrape of an office of 2,000 schools with 30,000 rooms.

Between two scrapes every second school changed, as in a province that reports each minute and is read every 30 s. The
peer is the same text compressed at the scrape; for the change there is none.
"""

import tempfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.collector.decoding import NOW
from bench.collector.timing import cpu_s
from bench.lines import Metric
from bench.province import reports
from bench.province.roster import PLATFORMS, offices, write_roster
from classready.codec import decode_report
from collector.core.events import Heard, Observed
from collector.core.hours import Calendar
from collector.core.policy import Policy
from collector.core.state import School
from collector.core.step import step
from collector.exposition import Exposition
from collector.exposition.pieces import gzipped, plain
from collector.roster import load_roster
from collector.roster.calendar import hours_of_schools

POLICY = Policy()
ROUNDS = 5


class Reporting(NamedTuple):
    """A school, and what its gateway is about to send."""

    school: School
    gateway: reports.School


def measure(*, school_count: int) -> list[Metric]:
    exposition, schools = Exposition(POLICY), dict(enumerate(_schools(school_count)))
    (office,) = offices(school_count)
    _show(exposition, schools.values(), NOW)
    gzipped(exposition.office(office, NOW))
    change_s, scrape_s = [], []
    for n in range(1, ROUNDS + 1):
        now = NOW + n * 30
        changed = {key: _reported(each, "usual", now) for key, each in schools.items() if key % 2 == n % 2}
        schools |= changed
        change_s.append(cpu_s(lambda: _show(exposition, changed.values(), now), runs=1) / len(changed))  # noqa: B023
        scrape_s.append(cpu_s(lambda: gzipped(exposition.office(office, now)), runs=1))  # noqa: B023
    page = exposition.office(office, NOW)
    text = plain(page)
    compressed_s = cpu_s(lambda: zlib.compress(text, 6), runs=1)
    seconds = {
        "exposition_change_seconds": (median(change_s), None, None),
        "scrape_cpu_seconds": (median(scrape_s), "compressed at the scrape", compressed_s),
        "scrape_unchanged_cpu_seconds": (cpu_s(lambda: gzipped(exposition.office(office, NOW))), None, None),
        "scrape_plain_cpu_seconds": (cpu_s(lambda: plain(exposition.office(office, NOW)), runs=3), None, None),
    }
    sizes = {"scrape_gzip_bytes": len(gzipped(page)), "scrape_plain_bytes": len(text)}
    return [
        *(_metric(name, value, "s", peer, peer_s) for name, (value, peer, peer_s) in seconds.items()),
        *(_metric(name, float(value), "bytes") for name, value in sizes.items()),
    ]


def _metric(name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> Metric:
    ratio = peer_value and peer_value / value
    return Metric(
        bench="collector.pages",
        metric=name,
        value=value,
        unit=unit,
        peer=peer,
        peer_value=peer_value,
        ratio=ratio,
        n=ROUNDS,
    )


def _show(exposition: Exposition, schools: Iterable[Reporting], now: float) -> None:
    for each in schools:
        exposition.update(each.school, now)


def _schools(count: int) -> Iterator[Reporting]:
    """Schools of one office, each with its first report, a few milliseconds after the school before."""
    with tempfile.TemporaryDirectory() as folder:
        write_roster(Path(folder), count, datetime.fromtimestamp(NOW, UTC))
        roster = load_roster(Path(folder), PLATFORMS)
    hours = hours_of_schools(roster.entries, Calendar(), NOW, POLICY)
    for n, listed in enumerate(roster.schools.values()):
        school = School(roster=listed, hours=hours[listed.school])
        yield _reported(Reporting(school, reports.School(n, 1)), "first", NOW - 60 + n * 0.0137)


def _reported(each: Reporting, kind: reports.Kind, now: float) -> Reporting:
    """The school after its next report."""
    decoded = decode_report(each.gateway.report(kind, now).body)
    each.gateway.acknowledged()
    gateway, report = each.gateway.gateway, decoded.report
    observed = (
        Observed(
            gateway=gateway,
            observation=record.observation,
            classroom=getattr(record.observation, "classroom", None),
            observed_at=record.wall_s or now,
        )
        for record in decoded.records
    )
    heard = Heard(
        gateway=gateway,
        report_interval_s=report.report_interval_s,
        clock_skew_s=0.2,
        spool_records=report.spool_records,
        agent_version=report.agent_version,
    )
    return each._replace(school=step(each.school, [heard, *observed], now, POLICY).school)
