"""What files leave open, as the board says it: each once, with file and line, for whoever it concerns."""

from collections.abc import Collection, Sequence
from pathlib import Path

from msgspec import Struct

from collector.roster.notes import Note
from collector.text import Language, Names, note_text, say

SHOWN_MAX = 20
"""Of one page; the others are counted. A list that nobody reads hides what is new in it."""


class Files(Struct, frozen=True, kw_only=True):
    """What is known of the files: open questions of those in force, and why those on disk are not."""

    notes: tuple[Note, ...] = ()
    refused: tuple[str, ...] = ()
    """Every problem of the last reload, as `check` tells it; empty = it was applied."""


class Line(Struct, frozen=True, kw_only=True):
    text: str
    place: str
    """``roster/511402.yml:12``, and the entry."""
    office: str | None
    """Its name, where one office's file is meant."""


class Shown(Struct, frozen=True, kw_only=True):
    lines: tuple[Line, ...] = ()
    left_count: int = 0


def shown_notes(notes: Sequence[Note], offices: Collection[str], names: Names, language: Language) -> Shown:
    """Those that concern any of ``offices``."""
    found = [note for note in notes if _concerns(note, offices)]
    return Shown(
        lines=tuple(_line(note, names, language) for note in found[:SHOWN_MAX]),
        left_count=max(0, len(found) - SHOWN_MAX),
    )


def _concerns(note: Note, offices: Collection[str]) -> bool:
    if note.office is not None:
        return note.office in offices
    # who says it in a calendar of its own has nothing to do with what the bureau leaves open
    return not offices or not note.settled.issuperset(offices)


def _line(note: Note, names: Names, language: Language) -> Line:
    file = Path(note.file)
    # the folder tells a roster's file from the settings; where on the machine they are is nobody's business here
    name = f"{file.parent.name}/{file.name}" if note.office is not None else file.name
    line = f":{note.line}" if note.line else ""
    return Line(
        text=note_text(note.word, note.fields, language),
        place=f"{name}{line} {note.path}".strip(),
        office=None if note.office is None else names.office(note.office),
    )


def refused_lines(files: Files, language: Language) -> tuple[str, ...]:
    """Why what stands on disk is not in force; in the words of `check`, which whoever mends it will run."""
    left_count = len(files.refused) - SHOWN_MAX
    more = (say("board.notes_left", language, count=left_count),) if left_count > 0 else ()
    return (*files.refused[:SHOWN_MAX], *more)
