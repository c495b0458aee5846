"""When was it observed? By the best clock that a record offers (DESIGN: good wall clock, same boot, monotonic).

Nothing is dated after its receipt: what is newer replaces what is older, so evidence from the future would keep out
everything that comes after it until that future is reached.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

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
    ahead_s = 0.0 if report.sent_at is None else max(0.0, report.sent_at - received_at)
    walls = [_wall(record, report, ahead_s, received_at) for record in records]
    started = _boots(records, walls) if None in walls else {}
    return {
        record.sequence: _date(record, report, wall_s, started.get(record.boot_id), received_at)
        for record, wall_s in zip(records, walls, strict=True)
    }


def _boots(records: Sequence[Record], walls: Sequence[float | None]) -> dict[str, float]:
    """When each boot began, by the latest of its records whose clock is believed."""
    told = sorted(zip(records, walls, strict=True), key=lambda pair: pair[0].monotonic_s)
    return {record.boot_id: wall_s - record.monotonic_s for record, wall_s in told if wall_s is not None}


def _wall(record: Record, report: Report, ahead_s: float, received_at: float) -> float | None:
    """Return what the record's own clock says, on our scale; None where it is not to be believed.

    ``sent_at`` tells how far ahead the clock of the present boot is; of an earlier boot's it says nothing.
    """
    if record.clock_quality != "good" or record.wall_s is None:
        return None
    if _is_present_boot(record, report):
        if ahead_s > AHEAD_MAX_S:
            return None
        wall_s = record.wall_s - ahead_s
    else:
        wall_s = record.wall_s
    return wall_s if EARLIEST <= wall_s <= received_at else None


def _date(
    record: Record, report: Report, wall_s: float | None, boot_started_at: float | None, received_at: float
) -> Dated | None:
    if wall_s is not None:
        return Dated(wall_s, "good")
    if boot_started_at is not None:
        return _plausible(boot_started_at + record.monotonic_s, "rebased", received_at)
    age_s = report.sent_monotonic_s - record.monotonic_s
    if not _is_present_boot(record, report) or age_s < 0:
        return None
    return _plausible(received_at - age_s, "estimated", received_at)


def _is_present_boot(record: Record, report: Report) -> bool:
    return report.boot_id in {None, record.boot_id}


def _plausible(observed_at: float, quality: str, received_at: float) -> Dated | None:
    observed_at = min(observed_at, received_at)
    return Dated(observed_at, quality) if observed_at >= EARLIEST else None
