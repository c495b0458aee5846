"""The lines of all schools and what they add up to: a page asks for ten sums, and not for twenty thousand schools.

Nothing here is a truth of its own: it is told which schools changed, and holds what ``figures`` says of them.
"""

from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from collector.core.state import School
from collector.views.office import Sums
from collector.views.summary import SchoolFigures, figures


class Kept:
    """Adjusted by difference; offices without a school are not in it."""

    def __init__(self, schools: Iterable[School] = ()) -> None:
        self._schools: dict[str, SchoolFigures] = {}
        self._offices: dict[str, dict[str, SchoolFigures]] = {}
        self._sums: dict[str, Sums] = {}
        for school in schools:
            self.update(school)

    def take(self, changed: Mapping[str, School | None], _now: float) -> None:
        """What a commit changed: schools that are new or changed, None for those that left the roster."""
        for name, school in changed.items():
            if school is None:
                self.remove(name)
            else:
                self.update(school)

    def update(self, school: School) -> None:
        """Take in a school that is new or changed, wherever it was before."""
        now = figures(school)
        if not self._is_like(now):
            self.remove(now.school)
            self._sums.setdefault(now.office, Sums()).add(now)
        self._schools[now.school] = now
        self._offices.setdefault(now.office, {})[now.school] = now

    def _is_like(self, now: SchoolFigures) -> bool:
        """Whether the school was only heard again, as after nearly every report: no sum counts that."""
        before = self._schools.get(now.school)
        return before is not None and replace(now, last_report_at=before.last_report_at) == before

    def remove(self, school_id: str) -> None:
        """Forget a school that left the roster; unknown ones are ignored."""
        before = self._schools.pop(school_id, None)
        if before is None:
            return
        del self._offices[before.office][school_id]
        self._sums[before.office].add(before, -1)
        if not self._offices[before.office]:
            del self._offices[before.office], self._sums[before.office]

    def schools(self, office: str | None = None) -> Collection[SchoolFigures]:
        """Those of one office, or all."""
        return (self._schools if office is None else self._offices.get(office, {})).values()

    def offices(self) -> Mapping[str, Sums]:
        return self._sums

    def office(self, office: str) -> Sums:
        return self._sums.get(office) or Sums()

    def whole(self) -> Sums:
        """The bureau: the sum of its offices."""
        whole = Sums()
        for sums in self._sums.values():
            whole.join(sums)
        return whole
