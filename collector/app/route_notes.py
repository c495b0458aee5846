"""Routes that lead nowhere: schools of which somebody should hear and nobody does, and receivers that hear of none."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from classready.settings import Loaded
from collector.core.bureau.routing import Route, covers
from collector.core.roster import SchoolRoster
from collector.roster import Roster
from collector.roster.notes import Note, Word, note_of
from collector.settings import route_of


def route_notes(loaded: Loaded, roster: Roster) -> Iterator[Note]:
    """Where anybody is told anything: who is told of nothing, of no digest, and of nothing that nobody takes."""
    receivers, schools = loaded.value.receivers, list(roster.schools.values())
    own = [route_of(r) for r in receivers if not (r.standby or r.escalation)]
    heard = [school for school in schools if _is_covered(school, own)]
    if own:
        yield from _notes(loaded, roster, "office_unheard", _uncovered(schools, own))
        whole = [route for route in own if route.least == "info"]
        yield from _notes(loaded, roster, "digest_unheard", _uncovered(heard, whole))
    if loaded.value.policy.escalate_after_lesson_hours:
        asked = [route_of(r) for r in receivers if r.escalation]
        yield from _notes(loaded, roster, "escalation_unheard", _uncovered(heard, asked))
    for i, receiver in enumerate(receivers):
        if schools and not (receiver.standby or any(_is_covered(school, [route_of(receiver)]) for school in schools)):
            yield note_of(loaded, f"receivers[{i}]", "receiver_idle", receiver=receiver.name)


def _uncovered(schools: Iterable[SchoolRoster], routes: Sequence[Route]) -> list[SchoolRoster]:
    return [school for school in schools if not _is_covered(school, routes)]


def _is_covered(school: SchoolRoster, routes: Iterable[Route]) -> bool:
    return any(covers(route, school.office, school.school, school.hub) for route in routes)


def _notes(loaded: Loaded, roster: Roster, word: Word, schools: Iterable[SchoolRoster]) -> Iterator[Note]:
    """One for each office, for its page and the front page."""
    for office, count in sorted(Counter(school.office for school in schools).items()):
        name = roster.offices.get(office) or office
        yield replace(note_of(loaded, "receivers", word, office=office, name=name, schools=count), office=office)
