"""Who hears what of a message."""

import msgspec
import pytest
from msgspec.structs import replace

from collector.core.bureau.routing import URGENT, Route, narrowed, routed, severity
from collector.core.bureau.words import Fixed, Group, Notice, Since
from collector.core.census import Found
from collector.core.checkup import Surveyed
from collector.core.events import DeviceMoved, Episode, Meanwhile
from collector.core.subject import Subject
from collector.core.words import Cause
from collector.engine.bureau import _addressed
from collector.settings import ConsoleReceiver
from tests.support.offices import Bureau, change, moved

GATEWAY = Subject("gateway", "gw1")


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
    assert its.moves == moves[:2]
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
    fixed = Fixed(incident="1", school="s1", school_name="", cause=Cause.PORT_DOWN, since=0, at=5)
    bad = Episode(subject=GATEWAY, cause=Cause.GATEWAY_SILENT, first_at=0, last_at=5)
    back = [
        Meanwhile(office="o", school=school, school_name="", gateway="g", episodes=(bad,), at=6, hub=hub)
        for school, hub in (("s2", "s1"), ("s3", None))
    ]
    since = Since(began_count=3, ended_count=2, fixed=(fixed,), meanwhile=tuple(back), meanwhile_more_count=7)
    notice = Notice(
        kind="digest", incident="", office="o", cause=None, at=9, since=0, census=groups, since_digest=since
    )
    its = routed(notice, Route(hubs=("s1",)))
    assert its is not None
    own = Since(began_count=None, ended_count=None, fixed=(fixed,), meanwhile=(back[0],))
    assert (its.census, its.since_digest) == (groups[:1], own)
    assert b"s3" not in msgspec.json.encode(its)
    only_back = routed(replace(notice, census=()), Route(schools=("s3",)))
    assert only_back is not None
    assert only_back.since_digest == Since(began_count=None, ended_count=None, meanwhile=(back[1],))
    assert routed(notice, Route(schools=("s9",))) is None
    assert routed(notice, Route(least="normal")) is None
