"""The API's view of a school or classroom as text for a terminal: what, why, on which evidence, what next."""

from collections.abc import Iterator
from typing import Any

from collector.text import Language, say

View = dict[str, Any]


def school_lines(view: View, language: Language) -> Iterator[str]:
    """The school, its gateways and uplinks, and one line per classroom."""
    summary = view["summary"]
    yield f"{summary['name']} ({summary['school']}), {summary['office_name']}"
    for gateway in view["gateways"]:
        yield f"  {gateway['gateway']}: {gateway['text']}, {gateway['age_text']}"
    for uplink in view["uplinks"]:
        yield f"  {uplink['gateway']} {uplink['target']}: {uplink['text']}"
        for test in uplink["tests"][:1]:
            yield f"    {test['age_text']}: {test['evidence_text']}"
    for segment in view["segments"]:
        yield f"  {segment['gateway']} {segment['text']}, {segment['age_text']}"
    for platform in view["platforms"]:
        yield f"  {platform['name']}: {platform['text']}"
    for room in view["classrooms"]:
        yield f"  {room['classroom']} {room['name']}: {_in_short(room)}"
    for room in view["unlisted"]:
        yield f"  {room['classroom']}: {say('board.unlisted', language)}, {room['age_text']}"


def classroom_lines(room: View) -> Iterator[str]:
    """Both verdicts of a classroom, the clauses, causes, bases and evidence behind them, and the next step."""
    yield f"{room['classroom']} {room['name']}: {room['ready_text']}, {room['compliant_text']}"
    for clause in room["clauses"]:
        yield f"  {clause['title']}: {clause['text']}"
    for cause in room["causes"]:
        yield f"  - {cause['title']}: {cause['text']}"
    for basis in room["bases"]:
        yield f"  {'*' if basis['decides'] else ' '} {basis['title']}: {basis['capacity']['text']}"
    for evidence in room["evidence"]:
        yield f"  {evidence['title']} ({evidence['age_text']}): {evidence['text']}"
    if room["next_step"]:
        yield f"  → {room['next_step']['text']}"


def _in_short(room: View) -> str:
    why = [room["causes"][0]["title"]] if room["causes"] else []
    step = [f"→ {room['next_step']['text']}"] if room["next_step"] else []
    return ", ".join([room["ready_text"], room["compliant_text"], *why, *step])
