"""When was it observed? By the best clock that a record offers (DESIGN: good wall clock, same boot, monotonic)."""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from classready.report import Record, Report

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
"""No clock that says less was ever set."""
FUTURE_TOLERANCE_S = 600.0


class Dated(Struct, frozen=True):
    """``quality`` says by which clock; estimated = by the time of receipt (a broker may have held the report)."""

    observed_at: float
    quality: str


def date_records(report: Report, records: Iterable[Record], received_at: float) -> dict[int, Dated | None]:
    """Return sequence -> when it was observed, in Unix seconds; None where no clock can tell."""
    records = tuple(records)
    boot_started_at = {
        r.boot_id: r.wall_s - r.monotonic_s
        for r in sorted(records, key=lambda r: r.monotonic_s)
        if r.wall_s is not None and _has_good_wall(r, received_at)
    }
    return {r.sequence: _date(r, report, boot_started_at.get(r.boot_id), received_at) for r in records}


def _date(record: Record, report: Report, boot_started_at: float | None, received_at: float) -> Dated | None:
    if record.wall_s is not None and _has_good_wall(record, received_at):
        return Dated(record.wall_s, "good")
    if boot_started_at is not None:
        return _plausible(boot_started_at + record.monotonic_s, "rebased", received_at)
    age_s = report.sent_monotonic_s - record.monotonic_s
    if report.boot_id not in {None, record.boot_id} or age_s < 0:
        return None
    return _plausible(received_at - age_s, "estimated", received_at)


def _plausible(observed_at: float, quality: str, received_at: float) -> Dated | None:
    return Dated(observed_at, quality) if EARLIEST <= observed_at <= received_at + FUTURE_TOLERANCE_S else None


def _has_good_wall(record: Record, received_at: float) -> bool:
    wall_s = record.wall_s
    return (
        record.clock_quality == "good" and wall_s is not None and EARLIEST <= wall_s <= received_at + FUTURE_TOLERANCE_S
    )
