"""Which alerts are one incident, and what is said when that shows late."""

import pytest
from msgspec.structs import replace

from collector.core.bureau import groups, incidents
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Member
from collector.core.events import AlertChange
from collector.core.policy import Policy
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, Bureau, change

SILENT, PLATFORM = Cause.GATEWAY_SILENT, Cause.PLATFORM_UNREACHABLE
SCOPE = Scope(school_count=60, operators={"电信": 20, "移动": 25, "联通": 15})
HOUR_S = 3_600.0
HALVES = [("电信", 11), ("移动", 13), ("联通", 8)]


def office(policy: Policy = POLICY) -> Bureau:
    """Sixty schools and three operators."""
    return Bureau(policy, {"511402": SCOPE})


def silent(number: int, operator: str | None = "电信", at: float = 0.0) -> AlertChange:
    fields = {"subject": Subject("gateway", f"gw-{operator}{number}"), "operator": operator, "at": at, "since": at}
    return change(f"{operator}{number}", cause=SILENT, **fields)


def missed(
    number: int, operator: str = "电信", platform: str = "national", at: float = 0.0, exits: tuple[str, ...] = ()
) -> AlertChange:
    fields = {
        "subject": Subject("platform", f"gw-{operator}{number}", platform),
        "operator": operator,
        "at": at,
        "since": at,
    }
    return change(f"{operator}{number}", cause=PLATFORM, exits=exits, **fields)


def over(alert: AlertChange, at: float) -> AlertChange:
    return replace(alert, change="closed", at=at)


@pytest.mark.parametrize(
    ("alerts", "told"),
    [
        pytest.param([silent(1), silent(2)], [("school", 1)] * 2, id="two schools, by chance"),
        pytest.param([silent(n) for n in range(3)], [("operator", 3)], id="three of one operator"),
        pytest.param(
            [silent(n) for n in range(3)] + [silent(9, "移动")], [("operator", 3), ("school", 1)], id="and one"
        ),
        pytest.param([silent(n, None) for n in range(3)], [("school", 1)] * 3, id="nobody knows whose lines they are"),
        pytest.param([silent(n, o) for o, count in HALVES for n in range(count)], [("bureau", 32)], id="half of all"),
        pytest.param([silent(n, at=n * HOUR_S) for n in range(3)], [("school", 1)] * 3, id="one after another"),
        pytest.param([missed(1), missed(2, "移动")], [("school", 1)] * 2, id="two miss a platform"),
        pytest.param([missed(1), missed(2, "移动"), missed(3, "联通")], [("platform", 3)], id="three miss it together"),
        pytest.param([missed(n, at=n * HOUR_S) for n in range(3)], [("school", 1)] * 3, id="three on and on"),
        pytest.param(
            [missed(1), missed(2, "移动"), missed(3, "联通"), missed(7, platform="other")],
            [("platform", 3), ("school", 1)],
            id="one alone misses another platform",
        ),
        pytest.param([missed(n) for n in range(4)], [("operator", 4)], id="only one operator's schools"),
        pytest.param(
            [missed(n, o, p, exits=("m",)) for n, (o, _) in enumerate(HALVES) for p in ("a", "b")],
            [("exit", 3)],
            id="every platform behind one exit",
        ),
    ],
)
def test_what_is_one_incident(alerts: list[AlertChange], told: list[tuple[str, int]]) -> None:
    """Who is asked, and for how many schools."""
    bureau = office(replace(POLICY, messages_per_window=100))
    for alert in alerts:
        bureau.wait(alert.at)
        bureau.step(alert.at, alert)
    bureau.wait(alerts[-1].at + 60)
    found = [(str(notice.actor), len({m.school for m in notice.members})) for notice in bureau.told]
    assert sorted(found) == sorted(told)


def test_two_operators_within_the_half_hour() -> None:
    """What the one explains says nothing of the schools of the other: each is asked for its own."""
    bureau = office()
    bureau.step(0, *(silent(n) for n in range(10)))
    bureau.wait(500)
    bureau.step(600, *(silent(n, "移动", at=600) for n in range(10, 13)), silent(20, "联通", at=600))
    bureau.wait(700)
    told = [(notice.actor, notice.root_name, len(notice.members)) for notice in bureau.told]
    assert sorted(told, key=str) == [("operator", "电信", 10), ("operator", "移动", 3), ("school", None, 1)]


def test_a_root_that_no_incident_hangs_on() -> None:
    """An incident of two operators' schools, most of them one's: that explains no other school, and the search ends."""
    mixed, schools = incidents.founded(1, missed(1), 0.0), dict[str, incidents.Members]()
    for alert in (missed(1), *(missed(n, "移动") for n in range(2, 7))):
        mixed = incidents.put(mixed, schools, alert.school, (Member(alert=alert),))
    alone = incidents.founded(2, missed(9, "联通"), 0.0)
    alone = incidents.put(alone, {}, "s9", (Member(alert=missed(9, "联通")),))
    assert groups.same_root(alone, [mixed, alone], SCOPE, POLICY) == [alone]


def test_an_operator_shows_late() -> None:
    """Two schools were told by themselves; with the third they are one, said once, and the numbers add up."""
    bureau = office()
    for n in range(3):
        bureau.step(60.0 * n, silent(n, at=60.0 * n))
        bureau.wait(60.0 * n + 55)
    first, second, whole = bureau.notices
    assert [notice.actor for notice in bureau.notices] == ["school", "school", "operator"]
    assert (whole.kind, whole.incident) == ("updated", first.incident)
    assert (whole.joined, whole.joined_classrooms) == ((second.incident,), 2)
    assert ([m.school for m in whole.members], whole.remaining_classrooms) == (["电信2"], 6)
    bureau.step(900, *(over(silent(n), 900) for n in range(3)))
    (end,) = bureau.wait(2_000)
    assert (end.kind, end.incident, end.remaining_classrooms) == ("resolved", first.incident, 0)
    assert bureau.incidents == []
    ends = [(h.change, h.incident.id) for h in bureau.history if h.change == "closed"]
    assert [number for _, number in ends] == [second.incident, "000003", first.incident]


def test_a_school_that_fails_on_another_day_is_alone() -> None:
    """It does not join an outage that began long before, and does not keep that one open."""
    bureau = office()
    bureau.step(0, *(silent(n) for n in range(5)))
    bureau.wait(60)
    bureau.step(5 * HOUR_S, silent(9, at=5 * HOUR_S))
    bureau.wait(5 * HOUR_S + 60)
    told = [(notice.kind, notice.actor, len(notice.members)) for notice in bureau.notices]
    assert told == [("opened", "operator", 5), ("opened", "school", 1)]
    bureau.step(6 * HOUR_S, *(over(silent(n), 6 * HOUR_S) for n in range(5)))
    (end,) = bureau.wait(7 * HOUR_S)
    assert (end.kind, end.remaining_classrooms) == ("resolved", 0)
    assert [list(incident.schools) for incident in bureau.incidents] == [["电信9"]]


def test_who_is_asked_stays_while_some_are_well_again() -> None:
    """Of an operator's outage one school is left, and another joins: the operator is asked as before."""
    bureau = office()
    bureau.step(0, *(silent(n) for n in range(3)))
    bureau.wait(60)
    bureau.step(600, over(silent(0), 600), over(silent(1), 600))
    bureau.wait(1_000)
    bureau.step(1_100, silent(4, at=1_100))
    (more,) = bureau.wait(2_000)
    assert (more.kind, more.actor, more.root_name, more.remaining_classrooms) == ("updated", "operator", "电信", 4)


def test_a_trunk_that_two_schools_share_is_one_incident() -> None:
    """One gateway serves both: what fails of it fails once. Another trunk of that gateway is another matter."""
    bureau = office(replace(POLICY, messages_per_window=100))
    trunks = [Subject("segment", "gw1", name) for name in ("sw1:uplink", "sw1:uplink", "sw2:uplink")]
    schools = ("s1", "s2", "s3")
    bureau.step(
        0, *(change(s, cause=Cause.SEGMENT_BELOW_REQUIRED, subject=t) for s, t in zip(schools, trunks, strict=True))
    )
    bureau.wait(60)
    assert sorted(sorted(m.school for m in notice.members) for notice in bureau.told) == [["s1", "s2"], ["s3"]]
