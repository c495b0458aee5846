"""What Prometheus sees: the state of schools as text, kept ready to be sent. Names and labels: docs/metrics.md.

``samples`` and ``grids`` read the core, ``render`` writes lines, ``pieces`` deflates them, ``table`` keeps them by
office.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client import generate_latest as generate_text
from prometheus_client.openmetrics import exposition as openmetrics_format

from collector.core.bureau.words import Bureau
from collector.core.policy import Policy
from collector.core.state import School
from collector.exposition import samples
from collector.exposition.families import (
    COLUMN_OF,
    FAMILIES,
    INCIDENTS,
    OFFICE_CLASSROOMS,
    OFFICE_INFO,
    REQUIRED,
    ROLL_UP,
    Family,
    header,
)
from collector.exposition.grids import grids
from collector.exposition.look import Look, look_at
from collector.exposition.pieces import Deflater, Piece
from collector.exposition.render import Sample, grid_lines, lines
from collector.exposition.samples import GROUPS, Counts, Found, Group
from collector.exposition.table import Table

__all__ = ["END_OF_OPENMETRICS", "FAMILIES", "ROLL_UP", "Exposition", "Family"]

_EOF = b"# EOF\n"
_HEADERS = tuple(Deflater().piece(header(family)) for family in FAMILIES)
END_OF_OPENMETRICS = Deflater().piece(_EOF)
"""Behind the pieces of any page, for who asked for OpenMetrics."""
_LESSON = COLUMN_OF["school_in_lesson"]
_CLOCK, _JUDGED = (
    next(n for n, group in enumerate(GROUPS) if metric in group.metrics)
    for metric in ("school_in_lesson", "school_classrooms")
)


class _Shown:
    """What of a school was rendered last."""

    def __init__(self, school: School) -> None:
        self.school = school
        self.made_from: list[Any] = [None] * len(GROUPS)
        self.counts: Counts = {}


class Exposition:
    """Schools as pieces of exposition text. ``policy`` may be replaced; schools show it at their next ``update``."""

    def __init__(
        self,
        policy: Policy,
        platform_names: Mapping[str, str] = MappingProxyType({}),
        bureau: Callable[[], Bureau] = Bureau,
    ) -> None:
        self.policy = policy
        self.platform_names = platform_names
        self._bureau = bureau
        self._shown: dict[str, _Shown] = {}
        self._tables: dict[str, Table] = {}
        self._counts: dict[str, Counter[tuple[str, str]]] = {}
        self._deflater = Deflater()

    def update(self, school: School, now: float) -> None:
        """Show one school as it stands at ``now``."""
        roster = school.roster
        shown = self._shown.get(roster.school)
        if shown is not None and shown.school.roster.office != roster.office:
            self.remove(roster.school)
            shown = None
        if shown is None:
            shown = self._shown[roster.school] = _Shown(school)
        shown.school = school
        look = self._look(school, now)
        changed, pieces = self._render_changed(shown, look, range(len(GROUPS)))
        self._keep(school, [*pieces, *self._render_grids(look)])
        if _JUDGED in changed:
            self._count(shown, samples.classroom_counts(school))

    def remove(self, school_id: str) -> None:
        """Forget a school that left the roster; unknown ones are ignored."""
        shown = self._shown.pop(school_id, None)
        if shown is None:
            return
        office = shown.school.roster.office
        self._count(shown, {})
        self._tables[office].remove(school_id)
        if not len(self._tables[office]):
            del self._tables[office], self._counts[office]

    def office(self, office_id: str, now: float) -> list[Piece]:
        """Every series of one office; nothing for an office without schools."""
        return self._pages([office_id], now)

    def everything(self, now: float) -> list[Piece]:
        """The union of the offices, for people; never to be scraped beside them."""
        return self._pages(self._tables, now)

    def self_metrics(self, office_names: Mapping[str, str], *, openmetrics: bool = False) -> list[Piece]:
        """The collector's own metrics and the roll-up per office; ``office_names`` by id, as in the roster."""
        text = _own_text(openmetrics=openmetrics)
        rolled_up = (
            ((office, *key), float(count)) for office, total in self._counts.items() for key, count in total.items()
        )
        named = (((office, name or office), 1.0) for office, name in office_names.items())
        told = (
            (OFFICE_CLASSROOMS, rolled_up),
            (OFFICE_INFO, named),
            (REQUIRED, samples.required(self.policy)),
            (INCIDENTS, samples.incidents(self._bureau())),
        )
        blocks = (header(family) + body for family, found in told if (body := lines(family, (), found)))
        return [self._deflater.piece(text + b"".join(blocks))]

    def _pages(self, offices: Iterable[str], now: float) -> list[Piece]:
        """A family's samples stand together, under one HELP and TYPE, over all schools and offices."""
        tables = [table for office in offices if (table := self._tables.get(office))]
        for table in tables:
            self._pass_time(table, now)
        return [
            piece
            for column, head in enumerate(_HEADERS)
            if (found := [piece for table in tables for piece in table.column(column)])
            for piece in (head, *found)
        ]

    def _pass_time(self, table: Table, now: float) -> None:
        """A lesson begins and ends without anything happening in a school: for all of an office at one scrape."""
        in_lesson = samples.lessons_at(now)
        for school_id in table:
            shown = self._shown[school_id]
            is_in_lesson, roster = in_lesson(shown.school), shown.school.roster
            if shown.made_from[_CLOCK] == is_in_lesson:
                continue
            shown.made_from[_CLOCK] = is_in_lesson
            text = lines(FAMILIES[_LESSON], (roster.office, roster.school), [((), float(is_in_lesson))])
            self._keep(shown.school, [(_LESSON, self._deflater.piece(text))])

    def _look(self, school: School, now: float) -> Look:
        return look_at(school, now, self.policy, self.platform_names)

    def _render_changed(
        self, shown: _Shown, look: Look, groups: Iterable[int]
    ) -> tuple[list[int], list[tuple[int, Piece]]]:
        """Render those of ``groups`` whose sources are others than before; return which, and their pieces by column."""
        base = _base(look)
        changed: list[int] = []
        pieces: list[tuple[int, Piece]] = []
        for n in groups:
            made_from = GROUPS[n].made_from(look)
            if made_from == shown.made_from[n]:
                continue
            shown.made_from[n] = made_from
            changed.append(n)
            for column, found in _columns(GROUPS[n], GROUPS[n].samples(look)):
                pieces.append((column, self._deflater.piece(lines(FAMILIES[column], base, found))))
        return changed, pieces

    def _render_grids(self, look: Look) -> Iterator[tuple[int, Piece]]:
        base = _base(look)
        for metric, axes, values in grids(look):
            column = COLUMN_OF[metric]
            yield column, self._deflater.piece(grid_lines(FAMILIES[column], base, axes, values))

    def _keep(self, school: School, pieces: Sequence[tuple[int, Piece]]) -> None:
        self._tables.setdefault(school.roster.office, Table(len(FAMILIES))).put(school.roster.school, pieces)

    def _count(self, shown: _Shown, counts: Counts) -> None:
        """Keep the sums of the office, zeros included, so that no page adds up all schools."""
        total = self._counts.setdefault(shown.school.roster.office, Counter())
        total.update(counts)
        total.subtract(shown.counts)
        shown.counts = counts


def _own_text(*, openmetrics: bool) -> bytes:
    if openmetrics:
        text: bytes = openmetrics_format.generate_latest(REGISTRY)  # type: ignore[no-untyped-call]
        return text.removesuffix(_EOF)
    return generate_text(REGISTRY)


def _base(look: Look) -> tuple[str, str]:
    return look.school.roster.office, look.school.roster.school


def _columns(group: Group, found: Found) -> Iterator[tuple[int, list[Sample]]]:
    """The samples by family, those without any included: what was there before must go."""
    columns: dict[str, list[Sample]] = {metric: [] for metric in group.metrics}
    for metric, labels, value in found:
        columns[metric].append((labels, value))
    return ((COLUMN_OF[metric], told) for metric, told in columns.items())
