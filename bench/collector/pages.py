"""What showing costs: one changed school, and the scrape of an office of 2,000 schools with 30,000 rooms.

Between two scrapes every second school changed, as in a province that reports each minute and is read every 30 s. The
peer is the same text compressed at the scrape; for the change there is none.
"""

import zlib
from collections.abc import Iterable, Iterator
from statistics import median

from bench.collector.decoding import NOW, observations
from bench.collector.timing import cpu_s
from bench.lines import Metric
from collector.core.events import Heard, Observed
from collector.core.hours import Calendar
from collector.core.policy import Policy
from collector.core.roster import Classroom, SchoolRoster
from collector.core.state import School
from collector.core.step import step
from collector.exposition import Exposition
from collector.exposition.pieces import gzipped, plain
from collector.roster.calendar import hours
from collector.roster.files import SchoolEntry

POLICY = Policy()
OFFICE = "511402"
ROOMS = 15
ROUNDS = 5
PLATFORMS = {"national": ("page", "content"), "sichuan": ("sc",)}


def measure(*, school_count: int) -> list[Metric]:
    exposition, schools = Exposition(POLICY), dict(enumerate(_schools(school_count)))
    _show(exposition, schools.values(), NOW)
    gzipped(exposition.office(OFFICE, NOW))
    change_s, scrape_s = [], []
    for n in range(1, ROUNDS + 1):
        now = NOW + n * 30
        changed = {key: _reported(school, now) for key, school in schools.items() if key % 2 == n % 2}
        schools |= changed
        change_s.append(cpu_s(lambda: _show(exposition, changed.values(), now), runs=1) / len(changed))  # noqa: B023
        scrape_s.append(cpu_s(lambda: gzipped(exposition.office(OFFICE, now)), runs=1))  # noqa: B023
    page = exposition.office(OFFICE, NOW)
    text = plain(page)
    compressed_s = cpu_s(lambda: zlib.compress(text, 6), runs=1)
    seconds = {
        "exposition_change_seconds": (median(change_s), None, None),
        "scrape_cpu_seconds": (median(scrape_s), "compressed at the scrape", compressed_s),
        "scrape_unchanged_cpu_seconds": (cpu_s(lambda: gzipped(exposition.office(OFFICE, NOW))), None, None),
        "scrape_plain_cpu_seconds": (cpu_s(lambda: plain(exposition.office(OFFICE, NOW)), runs=3), None, None),
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


def _show(exposition: Exposition, schools: Iterable[School], now: float) -> None:
    for school in schools:
        exposition.update(school, now)


def _schools(count: int) -> Iterator[School]:
    """Each with its first report of everything, a few milliseconds after the school before."""
    of_all = hours(SchoolEntry(id="s", name="S"), Calendar(), NOW)
    for n in range(count):
        school = f"{5_114_020_000 + n}"
        rooms = [Classroom(id=f"b2-{301 + r}", name=f"三年级{r}班", device="panel") for r in range(ROOMS)]
        roster = SchoolRoster(
            office=OFFICE,
            school=school,
            name=f"示例小学{n}",
            classrooms={room.id: room for room in rooms},
            gateways=(f"gw-{school}",),
            platforms={"smartedu": ("smartedu",)},
        )
        yield _reported(School(roster=roster, hours=of_all), NOW - 60 + n * 0.0137)


def _reported(school: School, now: float) -> School:
    """The school after a report of 34 records in which nothing is news but the dates."""
    (gateway,) = school.roster.gateways
    observed = (
        Observed(gateway=gateway, observation=o, classroom=getattr(o, "classroom", None), observed_at=now - 5 + n / 7)
        for n, o in enumerate(observations(int(now * 1_000)))
    )
    heard = Heard(gateway=gateway, report_interval_s=60.0, clock_skew_s=0.2, spool_records=34, agent_version="0.1.0")
    return step(school, [heard, *observed], now, POLICY).school
