"""Whatever happens: who hears of some schools alone hears a whole story of them, and all together hear all of it."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.core.bureau.routing import Route, narrowed, routed
from collector.core.bureau.words import Notice, SchoolGone
from collector.core.events import AlertChange
from collector.core.words import Cause
from tests.properties.test_bureau import HISTORIES, SUBJECTS, adds_up, ended, play

EXAMPLES = settings(max_examples=80, deadline=None)
SCHOOLS = ("s1", "s2", "s3", "s4")
HUBS = {"s1": "s1", "s2": "s1", "s3": None, "s4": "s3"}
ALERTS = st.builds(
    AlertChange,
    change=st.sampled_from(["opened", "opened", "closed"]),
    office=st.just("o1"),
    school=st.sampled_from(SCHOOLS),
    school_name=st.just("甲"),
    subject=SUBJECTS,
    cause=st.sampled_from([Cause.UPLINK_BELOW_REQUIRED, Cause.GATEWAY_SILENT]),
    at=st.just(0.0),
    why=st.sampled_from(["recovered", "withdrawn"]),
    operator=st.just("电信"),
    classrooms=st.lists(st.sampled_from(["r1", "r2", "r3"]), unique=True, min_size=1).map(tuple),
)
"""Of one operator in one office: most incidents are of several schools, which those of all kinds hardly ever are."""
SHARED = st.lists(
    st.tuples(st.sampled_from([0, 30, 100, 270, 400]), st.lists(ALERTS, min_size=1, max_size=6)),
    min_size=3, max_size=12,
)  # fmt: skip
PARTITIONS = st.lists(st.integers(0, 2), min_size=4, max_size=4).map(
    lambda homes: [{school for school, home in zip(SCHOOLS, homes, strict=True) if home == n} for n in range(3)]
)


def parts(notices):
    return [part for notice in notices for part in notice.parts or (notice,)]


def is_whole(told):
    """Each incident begins first, begins again only after something of it was over, and ends with nothing left."""
    last: dict[str, Notice] = {}
    for notice in told:
        if notice.kind in {"moved", "reminder", "digest"}:
            continue
        before = [last.pop(number) for number in notice.joined]
        if notice.kind == "opened":
            assert not before
            assert notice.incident not in last or last[notice.incident].kind in {"resolved", "withdrawn"}
        else:
            assert before or notice.incident in last
        last[notice.incident] = notice
    assert all(n.kind in {"resolved", "withdrawn"} and n.remaining_classrooms == 0 for n in last.values())


def all_told(player, schools):
    return [its for notice in player.sent() if (its := narrowed(notice, schools)) is not None]


@EXAMPLES
@given(SHARED | HISTORIES, PARTITIONS)
def test_each_hears_a_whole_story(history, homes):
    """Sums add up, and when all schools are gone everything that began is over."""
    player = ended(play(history), [SchoolGone(school=school) for school in SCHOOLS])
    for schools in homes:
        told = parts(all_told(player, schools))
        adds_up(told)
        is_whole(told)


@EXAMPLES
@given(SHARED | HISTORIES, PARTITIONS)
def test_together_they_hear_all(history, homes):
    """Every member and every move of a message goes to exactly one of them, and nobody is named another's school."""
    for notice in play(history).sent():
        shares = [its for schools in homes if (its := narrowed(notice, schools)) is not None]
        for field in ("members", "moves"):
            heard = [repr(each) for its in parts(shares) for each in getattr(its, field)]
            whole = [repr(each) for part in parts([notice]) for each in getattr(part, field)]
            assert Counter(heard) == Counter(whole)


@EXAMPLES
@given(SHARED | HISTORIES)
def test_a_hub_hears_of_its_schools_whatever_its_roster_says_later(history):
    """Its route picks what narrowing to its schools picks, and nothing that only routing asks is kept."""
    with_hubs = [
        (wait, [replace(e, hub=HUBS[e.school]) if hasattr(e, "hub") else e for e in events]) for wait, events in history
    ]
    for notice in play(with_hubs).sent():
        its, by_name = routed(notice, Route(hubs=("s1",))), routed(notice, Route(schools=("s1", "s2")))
        assert its == by_name
        assert its is None or not any(part.shares for part in (its, *its.parts))
