"""The API's view of a school or classroom as text for a terminal: what, why, on which evidence, what next."""

from collections.abc import Iterator
from typing import Any

import msgspec

from collector.text import Language, moment, say
from collector.views.way import Node, way_text

View = dict[str, Any]


def school_lines(view: View, language: Language) -> Iterator[str]:
    """The school, its gateways and uplinks, and one line per classroom."""
    summary = view["summary"]
    yield f"{summary['name']} ({summary['school']}), {summary['office_name']}: {summary['need_text']}"
    yield f"  {say('board.updated', language)} {_moment(view, view['now'], language)}"
    yield from _incidents(view, language)
    for gateway in view["gateways"]:
        yield f"  {gateway['gateway']}: {gateway['text']}, {_when(view, gateway, 'last_report_at', language)}"
        for refused in gateway["refused"]:
            yield f"    {_refused(view, refused, language)}"
    for uplink in view["uplinks"]:
        yield f"  {uplink['gateway']} {uplink['target']}: {uplink['text']}"
        for test in uplink["tests"][:1]:
            yield f"    {_when(view, test, 'observed_at', language)}: {test['evidence_text']}"
    for segment in view["segments"]:
        yield f"  {segment['gateway']} {segment['text']}, {_when(view, segment, 'observed_at', language)}"
    for platform in view["platforms"]:
        yield f"  {platform['name']}: {platform['text']}"
    for room in view["classrooms"]:
        yield f"  {room['classroom']} {room['name']}: {_in_short(room)}"
    for room in view["unlisted"]:
        unlisted = say("board.unlisted", language)
        yield f"  {room['classroom']}: {unlisted}, {_when(view, room, 'last_heard_at', language)}"


def classroom_lines(view: View, room: View, language: Language) -> Iterator[str]:
    """Both verdicts of a classroom, the clauses, causes, bases and evidence behind them, and the next step."""
    yield f"{room['classroom']} {room['name']}: {room['ready_text']}, {room['compliant_text']}"
    yield from _incidents(room, language)
    if room["way"]:
        way = msgspec.convert(room["way"], tuple[Node, ...])
        yield f"  {say('way.title', language)}: {way_text(way, language)}"
    for clause in room["clauses"]:
        yield f"  {clause['title']}: {clause['text']}"
    for cause in room["causes"]:
        yield f"  - {cause['title']}: {cause['text']}"
    for basis in room["bases"]:
        yield f"  {'*' if basis['decides'] else ' '} {basis['title']}: {basis['capacity']['text']}"
    for evidence in room["evidence"]:
        yield f"  {evidence['title']} ({_when(view, evidence, 'observed_at', language)}): {evidence['text']}"
    if room["next_step"]:
        yield f"  → {room['next_step']['text']}"


def _incidents(view: View, language: Language) -> Iterator[str]:
    for each in view["incidents"]:
        number, where = each["incident"], each["link"] or f"/incidents/{each['incident']}"
        yield f"  {say('incident.number', language)} {number} {each['cause_text']}: {each['state_text']} {where}"


def _in_short(room: View) -> str:
    why = [room["causes"][0]["title"]] if room["causes"] else []
    step = [f"→ {room['next_step']['text']}"] if room["next_step"] else []
    return ", ".join([room["ready_text"], room["compliant_text"], *why, *step])


def _refused(view: View, refused: View, language: Language) -> str:
    first, last = (_moment(view, refused[at], language) for at in ("since_at", "last_at"))
    since = f"{say('refused.since', language)} {first}, " if refused["since_at"] < refused["last_at"] else ""
    return f"{refused['text']}, {since}{say('refused.last', language)} {last}"


def _when(view: View, seen: View, field: str, language: Language) -> str:
    """Date and time at the school, and how long ago that is; what never was has only a word."""
    at = seen[field]
    return seen["age_text"] if at is None else f"{_moment(view, at, language)}, {seen['age_text']}"


def _moment(view: View, at: float, language: Language) -> str:
    return moment(at, view["utc_offset_s"], language, now=view["now"], reader_offset_s=view["bureau_utc_offset_s"])
