"""The record of an incident that was told (发现问题、整改落实), as pages, programs and spreadsheets show it."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from collector.core.bureau.words import Acknowledgement
from collector.core.words import Actor, Cause
from collector.store.records import Page, RecordState, Row
from collector.text import Language, Names, say

ROOMS_SHOWN_MAX = 200
SCHOOLS_SHOWN_MAX = 200
"""Of a record: a page must not grow with an outage. Counts are true all the same."""

_rooms = msgspec.json.Decoder(tuple[str, ...])


class RectifiedSchool(Struct, frozen=True, kw_only=True):
    """All that was told of one school; ``ended_at`` null = something of it is open, or how it ended was not kept."""

    school: str
    name: str
    subjects: tuple[str, ...]
    classroom_count: int
    classrooms: tuple[str, ...]
    since: float | None
    told_at: float | None
    ended_at: float | None
    ending: str | None
    ending_text: str | None
    reopened_from: str | None


class Rectification(Struct, frozen=True, kw_only=True):
    """Null = not known (an earlier release did not keep it), not yet, or nobody; never 0.

    ``since``: when the evidence first was bad; ``fix_s`` counts from there to the evidence of its end, and
    ``fix_lesson_s`` only lessons of the office. ``school_count`` null: not kept.
    """

    incident: str
    state: RecordState
    state_text: str
    office: str
    office_name: str
    scope: str
    cause: Cause
    cause_text: str
    actor: Actor | None
    actor_text: str | None
    root_name: str | None
    since: float
    opened_at: float
    told_at: float | None
    acknowledgement: Acknowledgement | None
    fixed_at: float | None
    fix_s: float | None
    fix_lesson_s: float | None
    closed_at: float | None
    ending: str | None
    ending_text: str | None
    reopened_from: str | None
    joined_to: str | None
    classroom_peak_count: int
    school_count: int | None
    schools: tuple[RectifiedSchool, ...]


def shown_records(page: Page, names: Names, language: Language) -> list[Rectification]:
    told: dict[str, list[Row]] = {}
    for row in page.told:
        told.setdefault(row["incident"], []).append(row)
    return [
        _shown(row, told.get(row["id"], ()), page.school_counts.get(row["id"]), names, language) for row in page.rows
    ]


def _shown(row: Row, told: Sequence[Row], school_count: int | None, names: Names, language: Language) -> Rectification:
    cause, ending, fixed_at = Cause(row["cause"]), row["ending"], row["fixed_at"]
    return Rectification(
        incident=row["id"],
        state=row["record_state"],
        state_text=say(f"record.{row['record_state']}", language),
        office_name=names.office(row["office"]) if row["office"] else say("chat.everywhere", language),
        cause=cause,
        cause_text=say(f"cause.{cause}", language),
        actor_text=row["actor"] and say(f"actor.{row['actor']}", language),
        acknowledgement=_acknowledgement(row),
        fix_s=None if fixed_at is None else max(0.0, fixed_at - row["since"]),
        ending_text=ending and say(f"ending.{ending}", language),
        classroom_peak_count=row["classroom_count"],
        school_count=school_count,
        schools=tuple(_schools(told, language))[:SCHOOLS_SHOWN_MAX],
        **{name: row[name] for name in _AS_STORED},
    )


_AS_STORED = (
    "office", "scope", "actor", "root_name", "since", "opened_at", "told_at", "fixed_at", "fix_lesson_s", "closed_at",
    "ending", "reopened_from", "joined_to",
)  # fmt: skip


def _acknowledgement(row: Row) -> Acknowledgement | None:
    if row["acknowledged_at"] is None:
        return None
    return Acknowledgement(by=row["acknowledged_by"], note=row["acknowledged_note"], at=row["acknowledged_at"])


def _schools(told: Sequence[Row], language: Language) -> Iterator[RectifiedSchool]:
    by_school: dict[str, list[Row]] = {}
    for row in told:
        by_school.setdefault(row["school"], []).append(row)
    for school, rows in by_school.items():
        rooms = sorted({room for row in rows for room in _rooms.decode(row["classrooms"])})
        is_over = all(row["ended_at"] is not None for row in rows)
        last = max(rows, key=lambda row: row["ended_at"] or 0.0)
        ending = last["ending"] if is_over else None
        yield RectifiedSchool(
            school=school,
            name=last["school_name"] or school,
            subjects=tuple(row["subject"] for row in rows),
            classroom_count=len(rooms),
            classrooms=tuple(rooms[:ROOMS_SHOWN_MAX]),
            since=_first(rows, "since"),
            told_at=_first(rows, "told_at"),
            ended_at=last["ended_at"] if is_over else None,
            ending=ending,
            ending_text=ending and say(f"ending.{ending}", language),
            reopened_from=next((row["reopened_from"] for row in rows if row["reopened_from"]), None),
        )


def _first(rows: Sequence[Row], name: str) -> Any:
    """The earliest; None where that of any of them is not known."""
    found = [row[name] for row in rows]
    return None if None in found else min(found)
