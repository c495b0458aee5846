"""What settings and roster leave open: `check` tells it once, the board as long as it is so."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from msgspec.structs import replace

from classready.settings import Loaded, SettingsError, load_with_lines, resolve
from collector.core.hours import Calendar
from collector.roster import Roster, exemptions
from collector.roster.calendar import is_unsaid
from collector.roster.calendar_notes import unwritten_notes, written_notes
from collector.roster.loading import load_files
from collector.roster.maintenance_checks import over_notes
from collector.roster.notes import Note, of_office
from collector.roster.timetables import of_office as calendar_of
from collector.settings import CollectorSettings


def notes_in_force(path: Path, settings: CollectorSettings, roster: Roster, today: date) -> tuple[Note, ...] | None:
    """Everything that collector.yml and the files of ``roster`` leave open; None = other files stand there by now."""
    try:
        loaded = load_with_lines(path, CollectorSettings)
        if loaded.value != settings:
            return None
        return (*written(path, loaded, roster, today), *guessed(loaded, roster, today))
    except SettingsError:
        return None  # what is wrong with them is the next reload's to say


def written(path: Path, loaded: Loaded, roster: Roster, today: date) -> Iterator[Note]:
    """What somebody wrote."""
    settings: CollectorSettings = loaded.value
    yield from written_notes(loaded, settings.calendar, today)
    yield from over_notes(loaded, settings.maintenance, today)
    for file in load_files(sorted(resolve(path, settings.roster).glob("*.yml")), roster.files):
        found = [
            *written_notes(file, calendar_of(file.value.calendar, settings.calendar), today),
            *over_notes(file, file.value.maintenance, today),
            *exemptions.over_notes(file, today),
        ]
        yield from of_office(found, file.value.office)


def guessed(loaded: Loaded, roster: Roster, today: date) -> Iterator[Note]:
    """What nobody wrote, and is nobody's mistake."""
    bureau: Calendar = loaded.value.calendar
    for note in unwritten_notes(loaded, bureau, today):
        if note.word == "make_up_unsaid":
            yield replace(note, settled=frozenset(_settled(note, roster, bureau)))
        else:
            yield note


def _settled(note: Note, roster: Roster, bureau: Calendar) -> Iterator[str]:
    day = date.fromisoformat(note.fields["day"])
    return (o for o, own in roster.calendars.items() if not is_unsaid(day, calendar_of(own, bureau)))
