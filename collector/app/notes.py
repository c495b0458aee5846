"""What settings and roster leave open: `check` tells it once, the board as long as it is so."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from msgspec.structs import replace

from classready.settings import Loaded, SettingsError, load_with_lines, resolve
from collector.app.route_notes import route_notes
from collector.core.hours import Calendar
from collector.roster import Roster, exemptions
from collector.roster.calendar import is_unsaid
from collector.roster.calendar_notes import unwritten_notes, written_notes
from collector.roster.loading import load_files
from collector.roster.maintenance_checks import over_notes
from collector.roster.notes import Note, of_office
from collector.roster.timetables import of_office as calendar_of
from collector.settings import CollectorSettings
from collector.views.notes import Files


class OpenQuestions:
    """``files`` is what the board shows, renewed whenever settings or days are."""

    def __init__(self) -> None:
        self.files = Files()
        self.alarms: tuple[Note, ...] = ()
        """What is wrong with the collector's own files, before all that settings leave open."""
        self.broker: tuple[Note, ...] = ()
        """What the broker does not know."""
        self._asked: tuple[Path, CollectorSettings, Roster] | None = None
        self._is_asked = asyncio.Event()

    def shown(self) -> Files:
        return replace(self.files, notes=(*self.alarms, *self.broker, *self.files.notes))

    def look_at(self, path: Path, settings: CollectorSettings, roster: Roster) -> None:
        """These are in force now, or a day has begun."""
        self._asked = path, settings, roster
        self._is_asked.set()

    def accept(self) -> None:
        """What stands on disk is in force."""
        self.files = replace(self.files, refused=())
        self._is_asked.set()

    def refuse(self, error: SettingsError, folder: Path) -> None:
        """Keep why what stands on disk is not in force: who changed it may have left before the reload."""
        told = tuple(str(problem).replace(f"{folder}/", "") for problem in error.problems)
        self.files = replace(self.files, refused=told)

    async def run(self) -> None:
        """Beside everything else: to find the lines of a province's roster takes longer than a start may."""
        while True:
            await self._is_asked.wait()
            self._is_asked.clear()
            await self.look()

    async def look(self) -> None:
        if (asked := self._asked) is None:
            return
        today = datetime.now(UTC).astimezone().date()
        found = await asyncio.to_thread(notes_in_force, *asked, today)
        if found is not None and not self.files.refused:
            self.files = replace(self.files, notes=found)


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
    yield from route_notes(loaded, roster)
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
