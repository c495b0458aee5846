"""Which trunks count: those of evidence that is young enough by the timetable, however that is found out."""

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.core.age import ports_valid_from
from collector.core.figures import segments_of
from collector.core.policy import Policy
from collector.core.roster import Hours, SchoolDay
from tests.support.samples import NOW, demo_school, trunk, with_state

GATEWAY = "gw-5114020001"
HOUR_S = 3_600.0


@given(
    starts_h=st.sets(st.integers(-90, 10), max_size=20),
    lesson_h=st.floats(0.1, 1.0),
    limit_h=st.integers(1, 12),
    ages_h=st.lists(st.floats(0, 100), max_size=6),
)
@example(starts_h=set(range(-90, 10)), lesson_h=1.0, limit_h=4, ages_h=[3.9, 4.1])
@example(starts_h={-30}, lesson_h=1.0, limit_h=4, ages_h=[29.5, 60])
@example(starts_h={-30, -29, -28}, lesson_h=1.0, limit_h=2, ages_h=[28.5, 29.5])
def test_a_trunk_counts_as_long_as_its_port(
    starts_h: set[int], lesson_h: float, limit_h: int, ages_h: list[float]
) -> None:
    """Whatever the lessons are: what was told lately is not looked up, and is what a look would say."""
    lessons = [(NOW + start * HOUR_S, NOW + (start + lesson_h) * HOUR_S) for start in sorted(starts_h)]
    hours = Hours(days=(SchoolDay("2025-10-15", tuple(lessons)),))
    trunks = {f"{n}": trunk(GATEWAY, observed_at=NOW - age_h * HOUR_S) for n, age_h in enumerate(ages_h)}
    school, policy = with_state(demo_school(), segments=trunks), Policy(port_max_school_hours=limit_h)
    school = replace(school, hours=hours)
    valid_from = ports_valid_from(school, NOW, policy)
    assert list(segments_of(school, GATEWAY, NOW, policy)) == [
        t for t in trunks.values() if t.observed_at >= valid_from
    ]
    assert list(segments_of(school, "gw-other", NOW, policy)) == []
