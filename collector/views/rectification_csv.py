"""Records as a table for Excel and WPS: one line a school, so that it can be filtered and summed by school."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO

from collector.roster.spreadsheet.cells import inert
from collector.text import Language, say
from collector.views.rectification import Rectification, RectifiedSchool

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of the machine."""
_COLUMNS = (
    "incident.number", "board.office", "record.school_id", "record.school", "record.room_count", "record.rooms",
    "record.subject", "record.cause", "incident.actor", "record.root_name", "incident.since", "record.opened_at",
    "record.told_at", "record.acknowledged_by", "record.acknowledged_at", "record.note", "record.fixed_at",
    "record.fix_hours", "record.fix_lesson_hours", "incident.state", "record.ending", "record.before",
    "record.goes_on_as",
)  # fmt: skip


def table(records: Sequence[Rectification], offset_s: float, language: Language, *, cut: bool = False) -> str:
    """All of it as text; ``offset_s``: of the clock that times are written by; ``cut``: there are more."""
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow([say(column, language) for column in _COLUMNS])
    for record in records:
        for row in _rows(record, offset_s, language):
            writer.writerow([inert(cell) for cell in row])
    if cut:
        writer.writerow([say("record.cut", language, count=len(records))])
    return BYTE_ORDER_MARK + file.getvalue()


def _rows(record: Rectification, offset_s: float, language: Language) -> Iterator[list[str]]:
    for school in record.schools or (None,):
        yield [*_of_school(record, school, language), *_of_record(record, school, offset_s, language)]


def _of_school(record: Rectification, school: RectifiedSchool | None, language: Language) -> list[str]:
    if school is None:
        not_known = say("record.not_known", language)
        return [record.incident, record.office_name, not_known, not_known, not_known, not_known, not_known]
    # "3-1" alone would become a date
    rooms = say("record.separator", language).join(school.classrooms)
    return [
        record.incident,
        record.office_name,
        school.school,
        school.name,
        str(school.classroom_count),
        say("record.room_list", language, count=school.classroom_count, rooms=rooms),
        " ".join(school.subjects),
    ]


def _of_record(
    record: Rectification, school: RectifiedSchool | None, offset_s: float, language: Language
) -> Iterator[str]:
    ack, since, fixed_at = record.acknowledgement, record.since, record.fixed_at
    if school is not None:
        since = school.since if school.since is not None else since
        fixed_at = school.ended_at if school.ending == "recovered" else None
    not_known = say("record.not_known", language)
    yield record.cause_text
    yield record.actor_text or not_known
    yield record.root_name or ""
    yield _time(since, offset_s)
    yield _time(record.opened_at, offset_s)
    yield _time(record.told_at, offset_s) or not_known
    yield ack.by if ack else ""
    yield _time(ack.at if ack else None, offset_s)
    yield ack.note if ack else ""
    yield _time(fixed_at, offset_s)
    yield _hours(fixed_at and max(0.0, fixed_at - since))
    yield _hours(record.fix_lesson_s)
    yield record.state_text
    yield (school.ending_text if school else record.ending_text) or ""
    yield (school.reopened_from if school else record.reopened_from) or ""
    yield record.joined_to or ""


def _time(at: float | None, offset_s: float) -> str:
    """As every spreadsheet reads a date and time."""
    return (
        "" if at is None else (datetime.fromtimestamp(at, UTC) + timedelta(seconds=offset_s)).strftime("%Y-%m-%d %H:%M")
    )


def _hours(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds / 3_600:.1f}"
