"""Rows of records as the store gives them, without a store."""

from typing import Any

from collector.store.records import Counts, Page, Wanted
from collector.views import Records
from tests.support.samples import NOW


def record(
    name: str = "城关小学", rooms: str = '["3-1","3-2"]', **changes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A fixed one with its only school: found an hour before it was told, fixed two hours after it began."""
    row = {
        "id": "000012", "scope": "school", "office": "511402", "cause": "port_down", "since": NOW - 9_000.0,
        "opened_at": NOW - 8_400.0, "told_at": NOW - 8_370.0, "closed_at": NOW - 1_700.0, "classroom_count": 2,
        "actor": "operator", "root_name": "电信", "acknowledged_at": NOW - 5_000.0, "acknowledged_by": "王工",
        "acknowledged_note": "已换网线", "fixed_at": NOW - 1_800.0, "fix_lesson_s": 5_400.0, "ending": "recovered",
        "joined_to": None, "reopened_from": "000003", "record_state": "fixed", **changes,
    }  # fmt: skip
    row |= {f"acknowledged_{part}": changes[part] for part in ("by", "note") if part in changes}
    ended_at = row["fixed_at"] or (row["closed_at"] if row["ending"] else None)
    told = {
        "incident": row["id"], "school": "5114020001", "subject": "switch:gw/sw1", "school_name": name,
        "classrooms": rooms, "since": NOW - 9_000.0, "told_at": NOW - 8_370.0, "ended_at": ended_at,
        "ending": row["ending"], "reopened_from": row["reopened_from"],
    }  # fmt: skip
    return row, told


def page_of(*records: tuple[dict[str, Any], dict[str, Any]], told: bool = True) -> Page:
    return Page(
        total=len(records),
        rows=[row for row, _ in records],
        told=[school for _, school in records] if told else [],
        school_counts={row["id"]: 1 for row, _ in records} if told else {},
    )


def records_of(
    *records: tuple[dict[str, Any], dict[str, Any]], counts: Counts | None = None, told: bool = True
) -> Records:
    async def page(_wanted: Wanted, _offset: int, _limit: int) -> Page:
        return page_of(*records, told=told)

    async def one(_number: str) -> Page:
        return page_of(*records[:1], told=told)

    async def counted(_wanted: Wanted) -> Counts:
        return counts or Counts(fixed=len(records))

    return Records(page=page, one=one, counts=counted)
