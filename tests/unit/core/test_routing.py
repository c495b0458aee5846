"""Who hears what of a message."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from collector.core.bureau.pace import together
from collector.core.bureau.routing import URGENT, Route, covers, narrowed, routed, severity
from collector.core.bureau.words import Fixed, Group, Notice, Share, Since
from collector.core.census import Found
from collector.core.checkup import Surveyed
from collector.core.events import DeviceMoved, Episode, Meanwhile
from collector.core.subject import Subject
from collector.core.words import Cause
from collector.engine.bureau import _addressed
from collector.settings import ConsoleReceiver
from tests.support.offices import Bureau, change, moved

GATEWAY = Subject("gateway", "gw1")
WELL = Fixed(incident="1", school="s1", school_name="", cause=Cause.PORT_DOWN, since=0, at=5)


def incident(*members: Any, **fields: Any) -> Notice:
    """A message of one incident."""
    given = {"kind": "opened", "incident": "1", "office": "o", "cause": Cause.PORT_DOWN, "at": 9, "since": 0}
    return Notice(members=members, **{**given, **fields})


def outage(*schools: str, cause: Cause = Cause.UPLINK_BELOW_REQUIRED, **fields) -> list:
    return [change(school, cause=cause, operator="电信", hub=f"h{school}", **fields) for school in schools]


def told(bureau: Bureau, route: Route) -> list[tuple[str, tuple[str, ...], int]]:
    """Kind, schools and the sum of what a receiver of ``route`` gets."""
    its = [each for notice in bureau.notices if (each := routed(notice, route)) is not None]
    parts = [part for notice in its for part in notice.parts or (notice,)]
    return [(n.kind, tuple(m.school for m in n.members), n.remaining_classrooms) for n in parts]


def an_operator_incident() -> Bureau:
    """s1 and s2 fail, then s3; s2 is well again, then all."""
    bureau = Bureau()
    bureau.step(0, *outage("s1", "s2"))
    bureau.wait(100)
    bureau.step(400, *outage("s3", at=400.0))
    bureau.wait(800)
    bureau.step(900, *outage("s2", kind="closed", at=900.0))
    bureau.wait(1_500)
    bureau.step(1_600, *outage("s1", "s3", kind="closed", at=1_600.0))
    bureau.wait(2_400)
    return bureau


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (
            Route(),
            [
                ("opened", ("s1", "s2"), 4), ("updated", ("s3",), 6), ("resolved", ("s2",), 4),
                ("resolved", ("s1", "s3"), 0),
            ],
        ),
        (Route(schools=("s1",)), [("opened", ("s1",), 2), ("resolved", ("s1",), 0)]),
        (Route(schools=("s3",)), [("opened", ("s3",), 2), ("resolved", ("s3",), 0)]),
        (Route(hubs=("hs2",)), [("opened", ("s2",), 2), ("resolved", ("s2",), 0)]),
        (Route(hubs=("s2",)), [("opened", ("s2",), 2), ("resolved", ("s2",), 0)]),
        (
            Route(hubs=("hs2",), schools=("s1",)),
            [("opened", ("s1", "s2"), 4), ("resolved", ("s2",), 2), ("resolved", ("s1",), 0)],
        ),
        (Route(schools=("s9",)), []),
        (Route(offices=("511421",)), []),
        (Route(offices=("511421",), schools=("s3",)), [("opened", ("s3",), 2), ("resolved", ("s3",), 0)]),
        (Route(least="urgent"), []),
    ],
)  # fmt: skip
def test_a_story_by_route(route, expected) -> None:
    """Whoever hears of some schools hears when it begins and ends for them."""
    assert told(an_operator_incident(), route) == expected


@pytest.mark.parametrize(
    ("route", "is_covered"),
    [
        pytest.param(Route(), True, id="everything"),
        pytest.param(Route(offices=("o",)), True, id="its office"),
        pytest.param(Route(hubs=("h",)), True, id="its hub"),
        pytest.param(Route(hubs=("s",)), True, id="it is a hub itself"),
        pytest.param(Route(schools=("s",)), True, id="it"),
        pytest.param(Route(offices=("x",), hubs=("x",), schools=("s",)), True, id="it, and others"),
        pytest.param(Route(offices=("x",)), False, id="another office"),
        pytest.param(Route(hubs=("x",)), False, id="another hub"),
        pytest.param(Route(schools=("x", "h", "o")), False, id="other schools"),
    ],
)
def test_where_a_route_leads(route: Route, *, is_covered: bool) -> None:
    """One of its three lists is enough; where all are empty it leads everywhere."""
    assert covers(route, "o", "s", "h") is is_covered
    assert covers(route, "o", "s", None) is (is_covered and route.hubs != ("h",))


def test_of_offices_all_is_heard() -> None:
    bureau = an_operator_incident()
    assert told(bureau, Route(offices=("511402",), schools=("s1",))) == told(bureau, Route())


def test_whose_fault_it_is_stays_said_and_other_schools_are_not_named() -> None:
    first = an_operator_incident().notices[0]
    its = routed(first, Route(schools=("s1",)))
    assert its is not None
    assert (its.actor, its.root_name, its.incident) == ("operator", first.root_name, first.incident)
    assert "s2" not in repr(its)


def test_the_end_goes_where_the_beginning_went() -> None:
    """By then the roster gives the school to another hub."""
    bureau = Bureau()
    bureau.step(0, change(hub="old"))
    bureau.wait(100)
    bureau.step(500, change(kind="closed", hub="new", at=500.0))
    bureau.wait(1_000)
    assert [kind for kind, _, _ in told(bureau, Route(hubs=("old",)))] == ["opened", "resolved"]
    assert told(bureau, Route(hubs=("new",))) == []


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("kind", ["opened", "updated", "resolved", "withdrawn", "escalated"])
def test_severity_rests_on_the_cause_alone(cause, kind) -> None:
    notice = Notice(kind=kind, incident="1", office="o", cause=cause, at=0, since=0, members=(change(cause=cause),))
    assert severity(notice) == ("urgent" if cause in URGENT else "normal")
    assert (routed(notice, Route(least="urgent")) is not None) == (cause in URGENT)
    assert routed(notice, Route(least="normal")) is not None


@pytest.mark.parametrize("kind", ["moved", "reminder", "digest"])
def test_what_nobody_acts_on_at_once_is_info(kind) -> None:
    notice = Notice(kind=kind, incident="", office="o", cause=None, at=0, since=0, moves=(moved("r1"),))
    assert severity(notice) == "info"
    assert routed(notice, Route(least="normal")) is None


def test_a_message_of_several_has_what_is_severe_enough() -> None:
    """Of a message of two, one alone is a message by itself."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2", cause=Cause.PORT_DOWN))
    bureau.wait(200)
    (both,) = bureau.notices
    assert [part.cause for part in both.parts] == [Cause.UPLINK_BELOW_REQUIRED, Cause.PORT_DOWN]
    urgent = routed(both, Route(least="urgent"))
    assert urgent is not None
    assert (urgent.kind, urgent.cause, urgent.parts) == ("opened", Cause.PORT_DOWN, ())


def test_moves_of_ones_own_schools() -> None:
    moves = tuple(
        DeviceMoved(office="o", school=school, school_name="", classroom="r", before="", after="", at=at, hub=hub)
        for school, hub, at in (("s1", None, 5.0), ("s2", "s1", 7.0), ("s3", None, 9.0))
    )
    notice = Notice(kind="moved", incident="", office="o", cause=None, at=10, since=5, moves=moves)
    its = routed(notice, Route(hubs=("s1",)))
    assert its is not None
    assert (its.moves, its.since) == (moves[:2], 5.0)
    assert narrowed(notice, {"s9"}) is None


def test_receivers_of_one_route_get_the_same_and_who_stands_by_nothing() -> None:
    receivers = [
        ConsoleReceiver(name="office", offices=("511402",)),
        ConsoleReceiver(name="a", schools=("s1",)),
        ConsoleReceiver(name="b", schools=("s1",)),
        ConsoleReceiver(name="none", schools=("s9",)),
        ConsoleReceiver(name="spare", standby=True),
        ConsoleReceiver(name="boss", escalation=True),
    ]
    first = an_operator_incident().notices[0]
    assert [(names, len(its.members)) for names, its in _addressed(first, receivers)] == [
        (["office"], 2), (["a", "b"], 1),
    ]  # fmt: skip


def test_a_check_up_of_ones_own_schools() -> None:
    surveys = tuple(
        Surveyed(school=school, school_name="", hub=hub) for school, hub in (("s1", None), ("s2", "s1"), ("s3", "x"))
    )
    notice = Notice(kind="checkup", incident="", office="o", cause=None, at=0, since=0, surveys=surveys)
    its = routed(notice, Route(hubs=("s1",), least="normal"))
    assert its is not None
    assert its.surveys == surveys[:2]
    assert routed(notice, Route(least="urgent")) is None
    assert narrowed(notice, {"s9"}) is None


def test_a_digest_of_ones_own_schools() -> None:
    """How many began is known of the office alone; where nothing of it is one's own there is none."""
    groups = tuple(
        Group(kind="silent", found=(Found(school=school, school_name="", names=("g",), count=1, hub=hub),))
        for school, hub in (("s2", "s1"), ("s3", None))
    )
    bad = Episode(subject=GATEWAY, cause=Cause.GATEWAY_SILENT, first_at=0, last_at=5)
    back = [
        Meanwhile(office="o", school=school, school_name="", gateway="g", episodes=(bad,), at=6, hub=hub)
        for school, hub in (("s2", "s1"), ("s3", None))
    ]
    since = Since(began_count=3, ended_count=2, fixed=(WELL,), meanwhile=tuple(back), meanwhile_more_count=7)
    notice = Notice(
        kind="digest", incident="", office="o", cause=None, at=9, since=0, census=groups, since_digest=since
    )
    its = routed(notice, Route(hubs=("s1",)))
    assert its is not None
    own = Since(began_count=None, ended_count=None, fixed=(WELL,), meanwhile=(back[0],))
    assert (its.census, its.since_digest) == (groups[:1], own)
    assert b"s3" not in msgspec.json.encode(its)
    only_back = routed(replace(notice, census=()), Route(schools=("s3",)))
    assert only_back is not None
    assert only_back.since_digest == Since(began_count=None, ended_count=None, meanwhile=(back[1],))
    assert routed(notice, Route(schools=("s9",))) is None
    assert routed(notice, Route(least="normal")) is None


@pytest.mark.parametrize(
    ("route", "office", "hears_all"),
    [
        pytest.param(Route(), "o", True, id="everything"),
        pytest.param(Route(), "", True, id="everything, of what is everybody's"),
        pytest.param(Route(offices=("o",)), "o", True, id="its office"),
        pytest.param(Route(offices=("x",)), "", True, id="an office, of what is everybody's"),
        pytest.param(Route(offices=("o",), schools=("s9",)), "o", True, id="its office, and a school of another"),
        pytest.param(Route(offices=("x",), hubs=("h",)), "", True, id="an office and a hub, of what is everybody's"),
        pytest.param(Route(offices=("x",), schools=("s1",)), "o", False, id="a school"),
        pytest.param(Route(hubs=("s1",)), "", False, id="a hub, of what is everybody's"),
    ],
)
def test_who_hears_of_an_office_is_told_how_many_began(route: Route, office: str, *, hears_all: bool) -> None:
    """That counts incidents; how many of them are of some schools nobody counted."""
    since = Since(began_count=3, ended_count=2, fixed=(WELL,))
    part = incident(change("s1"), kind="reminder", office=office, since=4)
    notice = Notice(
        kind="digest", incident="", office=office, cause=None, at=9, since=4, since_digest=since, parts=(part,),
        members=part.members,
    )  # fmt: skip
    told = routed(notice, route)
    assert told is not None
    assert (told == notice) is hears_all
    assert (told.since_digest == Since(began_count=None, ended_count=None, fixed=(WELL,))) is not hears_all


def test_what_is_escalated_goes_to_the_hubs_that_its_members_name() -> None:
    """It counts nothing by school; each member says which hub it was told to."""
    members = tuple(change(school, hub=hub) for school, hub in (("s1", "h"), ("s2", "x"), ("s3", "h")))
    notice = incident(*members, kind="escalated", remaining_classrooms=6)
    told = routed(notice, Route(hubs=("h",)))
    assert told is not None
    assert ([m.school for m in told.members], told.remaining_classrooms, told.kind) == (["s1", "s3"], 4, "escalated")
    assert routed(notice, Route(hubs=("y",))) is None


def test_a_school_that_changed_its_hub_is_told_to_the_one_that_knows_of_it() -> None:
    """Alone, and among others in one message: what began later at the school goes there, too."""
    shares = {"s1": Share(hub="old", remaining_classrooms=4)}
    members = (change("s1", hub="old"), change("s1", cause=Cause.PORT_DOWN, hub="new"))
    one = incident(*members, shares=shares)
    for notice in (one, together([one, replace(one, incident="2")])):
        assert routed(notice, Route(hubs=("new",))) is None
        told = routed(notice, Route(hubs=("old",)))
        assert told is not None
        assert len(told.members) == len(notice.members)


BEGAN, WELL_AGAIN, GONE = change("s1"), change("s1", "closed"), change("s2", "closed", why="withdrawn")
KNOWN, UNKNOWN = Share(was_told=True, brought={"2": 1}), Share()


@pytest.mark.parametrize(
    ("kind", "members", "shares", "expected"),
    [
        pytest.param("updated", [BEGAN], [UNKNOWN], "opened", id="others knew of it, these schools did not"),
        pytest.param("updated", [BEGAN], [KNOWN, UNKNOWN], "updated", id="one of them did"),
        pytest.param("updated", [], [KNOWN], "updated", id="it turned out to be another that they knew"),
        pytest.param("updated", [WELL_AGAIN], [KNOWN], "resolved", id="it begins elsewhere, here it is over"),
        pytest.param("updated", [WELL_AGAIN, change("s2")], [KNOWN, KNOWN], "updated", id="one is over, one begins"),
        pytest.param("updated", [WELL_AGAIN, GONE], [KNOWN, KNOWN], "resolved", id="one is well, one is gone"),
        pytest.param("updated", [GONE], [KNOWN, KNOWN], "withdrawn", id="gone, which nobody calls well"),
        pytest.param("reminder", [BEGAN], [KNOWN], "reminder", id="a reminder"),
        pytest.param("escalated", [BEGAN], [KNOWN], "escalated", id="what nobody takes"),
        pytest.param("opened", [WELL_AGAIN], [], "opened", id="what stands, told again and again"),
    ],
)
def test_what_a_message_is_for_some_schools(kind: Any, members: list, shares: list[Share], expected: str) -> None:
    """Whether it begins, goes on or is over, is so for them; what it is of others does not matter."""
    by_school = dict(zip(("s1", "s2"), shares, strict=False))
    others = {"s9": Share(was_told=True)} if shares else {}
    notice = incident(*members, change("s9"), kind=kind, shares={**by_school, **others}, joined=("2",))
    told = narrowed(notice, {"s1", "s2"})
    assert told is not None
    assert (told.kind, told.members) == (expected, tuple(members))


def test_what_turned_out_to_be_one_is_told_to_whom_it_concerns() -> None:
    """By the incidents that a school was in, and by no others."""
    shares = {"s1": Share(was_told=True, brought={"2": 1}), "s2": Share(was_told=True, brought={"2": 1, "3": 4})}
    notice = incident(kind="updated", joined=("2", "3", "4"), joined_classrooms=9, shares={**shares, "s3": Share()})
    told = {school: narrowed(notice, {school}) for school in ("s1", "s2", "s3")}
    assert told["s3"] is None
    found = {school: (its.joined, its.joined_classrooms) for school, its in told.items() if its is not None}
    assert found == {"s1": (("2",), 1), "s2": (("2", "3"), 5)}
    both = narrowed(notice, {"s1", "s2"})
    assert both is not None
    assert (both.joined, both.joined_classrooms) == (("2", "3"), 6)


def test_since_when_it_is_so_for_some_schools() -> None:
    """From the first of what they are told; where nothing but a number changed, as for everybody."""
    members = (change("s1", since=5.0), change("s1", since=None, at=3.0), change("s2", since=1.0))
    shares = {"s1": Share(was_told=True, brought={"2": 1})}
    told = [narrowed(incident(*some, joined=("2",), shares=shares), {"s1"}) for some in (members, members[:1], ())]
    assert [its.since for its in told if its is not None] == [3.0, 5.0, 0.0]


def test_a_message_of_several_for_one_school() -> None:
    """What is not about it is left out; one that is left is a message by itself, and of none there is none."""
    one, other = incident(change("s1"), since=7), incident(change("s2"), incident="2", since=3)
    both = together([one, other, replace(one, incident="3", since=5)])
    assert both.since == 3
    told = narrowed(both, {"s1"})
    assert told is not None
    assert ([part.incident for part in told.parts], told.kind) == (["1", "3"], "several")
    alone = narrowed(both, {"s2"})
    assert alone is not None
    assert (alone.incident, alone.parts) == ("2", ())
    assert narrowed(both, {"s9"}) is None
    assert (
        routed(replace(both, parts=tuple(replace(p, kind="reminder") for p in both.parts)), Route(least="normal"))
        is None
    )


def test_a_digest_begins_with_the_first_of_its_parts() -> None:
    """Of those that are left; without any it is of its day."""
    parts = tuple(incident(change(s, since=n), kind="reminder", since=n) for s, n in (("s1", 6), ("s1", 4), ("s2", 2)))
    digest = Notice(kind="digest", incident="", office="o", cause=None, at=9, since=2, parts=parts)
    told = narrowed(digest, {"s1"})
    assert told is not None
    assert (told.since, told.since_digest, [m.school for m in told.members]) == (4, None, ["s1", "s1"])
    only = narrowed(replace(digest, since_digest=Since(fixed=(replace(WELL, school="s9"),))), {"s9"})
    assert only is not None
    assert (only.since, only.parts) == (9, ())
