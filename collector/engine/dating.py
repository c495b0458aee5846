"""When was it observed? By the best clock that a record offers (DESIGN: good wall clock, same boot, monotonic).

Nothing is dated after its receipt: what is newer replaces what is older, so evidence from the future would keep out
everything that comes after it until that future is reached.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import inf

from msgspec import Struct

from classready.report import Record, Report

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
"""No clock that says less was ever set."""
AHEAD_MAX_S = 600.0
"""A sender's clock that is further ahead of ours is not believed at all, whatever quality it claims.

One that is behind cannot be told from a report that a broker held: it is believed, and what it dates counts as late.
"""


class Dated(Struct, frozen=True):
    """``quality`` says by which clock; estimated = by the time of receipt (a broker may have held the report)."""

    observed_at: float
    quality: str


def date_records(report: Report, records: Sequence[Record], received_at: float) -> dict[int, Dated | None]:
    """Return sequence -> when it was observed, in Unix seconds; None where no clock can tell."""
    ahead_s = {boot: _ahead_s(boot, report, received_at) for boot in {record.boot_id for record in records}}
    dates: dict[int, Dated | None] = {}
    for record in records:
        dates[record.sequence] = None
        if record.clock_quality == "good" and record.wall_s is not None:
            wall_s = record.wall_s - ahead_s[record.boot_id]
            if EARLIEST <= wall_s <= received_at:
                dates[record.sequence] = Dated(wall_s, "good")
    if None in dates.values():
        started = _boots(records, dates)
        for record in records:
            dates[record.sequence] = dates[record.sequence] or _date_by_uptime(
                record, report, started.get(record.boot_id), received_at
            )
    return dates


def _ahead_s(boot_id: str, report: Report, received_at: float) -> float:
    """How far the clock of a boot is ahead of ours; infinite where it is so far that nothing it says is believed.

    ``sent_at`` tells it of the present boot; of an earlier boot's clock it says nothing.
    """
    if report.sent_at is None or not _is_present_boot(boot_id, report):
        return 0.0
    ahead_s = max(0.0, report.sent_at - received_at)
    return ahead_s if ahead_s <= AHEAD_MAX_S else inf


def _boots(records: Sequence[Record], dates: Mapping[int, Dated | None]) -> dict[str, float]:
    """When each boot began, by the latest of its records whose clock is believed."""
    told = sorted(records, key=lambda record: record.monotonic_s)
    pairs = ((record, dates[record.sequence]) for record in told)
    return {record.boot_id: dated.observed_at - record.monotonic_s for record, dated in pairs if dated is not None}


def _date_by_uptime(record: Record, report: Report, boot_started_at: float | None, received_at: float) -> Dated | None:
    if boot_started_at is not None:
        return _plausible(boot_started_at + record.monotonic_s, "rebased", received_at)
    age_s = report.sent_monotonic_s - record.monotonic_s
    if not _is_present_boot(record.boot_id, report) or age_s < 0:
        return None
    return _plausible(received_at - age_s, "estimated", received_at)


def _is_present_boot(boot_id: str, report: Report) -> bool:
    return report.boot_id in {None, boot_id}


def _plausible(observed_at: float, quality: str, received_at: float) -> Dated | None:
    observed_at = min(observed_at, received_at)
    return Dated(observed_at, quality) if observed_at >= EARLIEST else None
