"""What is kept of schools and offices = what all schools say, whatever happened in whatever order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.core.state import School
from collector.text import LANGUAGES
from collector.views.kept import Kept
from collector.views.office import Sums, total
from collector.views.summary import figures, summarise, worded
from tests.support import bureaus
from tests.support.samples import NAMES

OFFICES = 3

CHANGE = st.tuples(
    st.integers(0, 5), st.integers(0, 12), st.sampled_from(bureaus.MOODS), st.integers(0, OFFICES - 1),
    st.sampled_from([None, "改名小学"]), st.booleans(),
)  # fmt: skip
"""(school, rooms, mood, office, name, weak)."""
HISTORY = st.lists(st.one_of(CHANGE, st.integers(0, 6)), max_size=25)
"""A school is new or changed, or (its number alone) leaves, known or not."""


def told(history: list[Any]) -> tuple[Kept, dict[str, School]]:
    kept, schools = Kept(), dict[str, School]()
    for change in history:
        if isinstance(change, int):
            name, made = f"51140{change:05d}", None
            schools.pop(name, None)
        else:
            number, rooms, mood, office, school_name, weak = change
            named = {"name": school_name} if school_name else {}
            made = bureaus.school(number, rooms, mood, office=bureaus.office_id(office), rural_weak=weak, **named)
            name = made.roster.school
            schools[name] = made
        kept.take({name: made}, 0.0)
    return kept, schools


@settings(max_examples=60, deadline=None)
@given(HISTORY)
def test_kept_is_computed(history: list[Any]) -> None:
    """Lines, offices and the whole bureau, by difference and from the beginning; and no office without a school."""
    kept, schools = told(history)
    anew = {name: figures(school) for name, school in schools.items()}
    assert {line.school: line for line in kept.schools()} == anew
    assert kept.offices().keys() == {line.office for line in anew.values()}
    for language in LANGUAGES:
        for office in map(bureaus.office_id, range(OFFICES)):
            own = [line for line in anew.values() if line.office == office]
            assert sorted(kept.schools(office), key=repr) == sorted(own, key=repr)
            assert total(kept.office(office), language) == total(Sums(own), language)
        assert total(kept.whole(), language) == total(Sums(anew.values()), language)


@given(HISTORY, st.sampled_from(LANGUAGES))
@settings(max_examples=20, deadline=None)
def test_words_are_put_in_when_they_are_shown(history: list[Any], language: Any) -> None:
    """A reload that renames an office shows at once, in every language: no kept line holds its name."""
    kept, schools = told(history)
    for names in (NAMES, replace(NAMES, offices={bureaus.office_id(0): "更名局"})):
        shown = {line.school: worded(line, names, language) for line in kept.schools()}
        assert shown == {name: summarise(school, names, language) for name, school in schools.items()}
