"""Which incident an alert belongs to, and what several of them hang on: each rule of it alone."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau import groups
from collector.core.bureau.incidents import recounted
from collector.core.bureau.root import Root, Scope
from collector.core.bureau.words import Incident, Member
from collector.core.events import AlertChange
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, change

SCOPE = Scope(school_count=60, operators={"电信": 20, "移动": 40})
SILENT, SLOW, EXIT = Cause.GATEWAY_SILENT, Cause.UPLINK_BELOW_REQUIRED, Cause.EXIT_BELOW_REQUIRED
MISSED, OFF, PORT = Cause.PLATFORM_UNREACHABLE, Cause.DEVICE_OFFLINE, Cause.PORT_DOWN
ROOM = Subject("classroom", name="r1")
NEAR_S = POLICY.same_root_s


def alert(school: str, cause: Cause, subject: Subject | None = None, since: float | None = 0.0, **fields: Any) -> Any:
    kind = {SILENT: "gateway", MISSED: "platform", EXIT: "exit"}.get(cause, "uplink")
    name = {MISSED: "national", EXIT: "metro"}.get(cause, "")
    found = subject or Subject(kind, f"gw-{school}", name)  # type: ignore[arg-type]
    return change(school, cause=cause, subject=found, since=since, **{"operator": "电信", **fields})


def incident(*alerts: AlertChange, scope: str = "school", number: int = 1) -> Incident:
    schools: dict[str, tuple[Member, ...]] = {}
    for each in alerts:
        schools[each.school] = (*schools.get(each.school, ()), Member(alert=each))
    since = min(each.at if each.since is None else each.since for each in alerts)
    made = Incident(
        id=f"{number:06d}", scope=scope, office="511402", cause=alerts[0].cause, opened_at=0, since=since,  # type: ignore[arg-type]
        schools=schools,
    )  # fmt: skip
    return recounted(made)


def over(each: AlertChange) -> AlertChange:
    return replace(each, change="closed")


@pytest.mark.parametrize(
    ("cause", "subject", "scope"),
    [
        (SLOW, None, "operator"),
        (EXIT, None, "exit"),
        (SILENT, None, "school"),
        (PORT, ROOM, "school"),
        (OFF, ROOM, "office"),
        (OFF, Subject("switch", "gw1", "sw1"), "school"),
    ],
)
def test_what_begins_with_one_alert(cause: Cause, subject: Subject | None, scope: str) -> None:
    """A slow line is its operator's from the first one on; one board can wait, those of a switch together cannot."""
    assert groups.scope_of(alert("s1", cause, subject)) == scope


GATEWAY = Subject("gateway", "shared")
OF_OPERATOR = incident(alert("s1", SILENT), alert("s2", SILENT), scope="operator")
OF_EXIT = incident(
    alert("s1", MISSED, exits=("m",)), alert("s1", MISSED, Subject("platform", "gw-s1", "b")), scope="exit"
)


@pytest.mark.parametrize(
    ("known", "new", "is_home"),
    [
        pytest.param(incident(alert("s1", PORT, ROOM)), alert("s1", PORT), True, id="another port of the school"),
        pytest.param(incident(alert("s1", PORT, ROOM)), alert("s1", SILENT), False, id="another cause"),
        pytest.param(incident(alert("s1", PORT, ROOM)), alert("s2", PORT, ROOM), False, id="a room of the same name"),
        pytest.param(incident(alert("s1", SILENT, GATEWAY)), alert("s2", SILENT, GATEWAY), True, id="a shared gateway"),
        pytest.param(incident(alert("s1", SILENT, GATEWAY)), alert("s2", SILENT), False, id="a gateway of its own"),
        pytest.param(
            incident(alert("s1", SLOW), scope="operator"), alert("s2", SLOW), True, id="a slow line of the operator"
        ),
        pytest.param(
            incident(alert("s1", SLOW), scope="operator"), alert("s2", SLOW, operator="移动"), False, id="of another"
        ),
        pytest.param(
            incident(alert("s1", SLOW), scope="operator"), alert("s2", SLOW, since=9 * NEAR_S), True,
            id="a slow line of the operator, hours later",
        ),
        pytest.param(incident(alert("s1", EXIT), scope="exit"), alert("s2", EXIT), True, id="the same exit"),
        pytest.param(
            incident(alert("s1", EXIT), scope="exit"), alert("s2", EXIT, Subject("exit", name="city")), False,
            id="another exit",
        ),
        pytest.param(OF_OPERATOR, alert("s3", SILENT, since=NEAR_S), True, id="silent within minutes"),
        pytest.param(OF_OPERATOR, alert("s3", SILENT, since=NEAR_S + 1), False, id="silent later"),
        pytest.param(OF_OPERATOR, alert("s3", SILENT, since=None, at=0.0), True, id="silent since it was told"),
        pytest.param(OF_OPERATOR, alert("s3", SILENT, since=None, at=NEAR_S + 1), False, id="told later"),
        pytest.param(OF_OPERATOR, alert("s3", SILENT, operator="移动"), False, id="silent, of another operator"),
        pytest.param(OF_EXIT, alert("s2", MISSED, exits=("x", "m")), True, id="missed behind the same exit"),
        pytest.param(OF_EXIT, alert("s2", MISSED, exits=("x",)), False, id="missed behind another exit"),
        pytest.param(OF_EXIT, alert("s2", MISSED), False, id="missed, and no exit is known"),
        pytest.param(
            OF_EXIT, alert("s2", MISSED, Subject("platform", "gw-s2", "b"), exits=("m",)), True,
            id="another platform behind the same exit",
        ),
        pytest.param(
            incident(alert("s1", MISSED), scope="platform"), alert("s2", MISSED, operator="移动"), True,
            id="the same platform",
        ),
        pytest.param(
            incident(alert("s1", MISSED), scope="platform"), alert("s2", MISSED, Subject("platform", "gw-s2", "b")),
            False, id="another platform",
        ),
        pytest.param(
            incident(alert("s1", SILENT), scope="office"), alert("s2", SILENT, operator="移动"), True,
            id="whosever line it is, where all are cut off",
        ),
        pytest.param(
            incident(alert("s1", OFF, ROOM), scope="office"), alert("s2", OFF, ROOM), True, id="another board is off"
        ),
        pytest.param(
            incident(alert("s1", OFF, ROOM), scope="office"), alert("s1", OFF, Subject("switch", "gw1", "sw1")), False,
            id="those of a switch wait for no morning",
        ),
    ],
)  # fmt: skip
def test_where_an_alert_belongs(known: Incident, new: AlertChange, is_home: bool) -> None:  # noqa: FBT001
    """What spans schools is held together by what its first alert says."""
    assert (groups.home_of(new, [known], POLICY) is known) is is_home


def test_what_spans_schools_comes_first() -> None:
    """The school's own incident is not meant where its operator has one, however they are listed."""
    own = incident(alert("s3", SILENT, Subject("gateway", "other")), number=2)
    for known in ([own, OF_OPERATOR], [OF_OPERATOR, own]):
        assert groups.home_of(alert("s3", SILENT), known, POLICY) is OF_OPERATOR
    assert groups.home_of(alert("s3", SILENT, since=9 * NEAR_S), [OF_OPERATOR, own], POLICY) is own


def each_alone(cause: Cause, count: int, **fields: Any) -> list[Incident]:
    return [incident(alert(f"s{n}", cause, **fields), number=n) for n in range(count)]


def test_what_is_never_one() -> None:
    """Slow lines are told as they come, and what an earlier release made of all schools stays as it is."""
    lines = each_alone(SLOW, 6)
    assert groups.same_root(lines[0], lines, SCOPE, POLICY) == [lines[0]]
    silent = each_alone(SILENT, 6)
    office = replace(silent[0], scope="office")
    assert groups.same_root(office, [office, *silent[1:]], SCOPE, POLICY) == [office]


def test_each_platform_has_its_own_root_unless_all_are_behind_one_exit() -> None:
    """Three miss one platform, and a fourth another one: that is its own."""
    three = each_alone(MISSED, 3, operator=None)
    lone = incident(alert("s9", MISSED, Subject("platform", "gw-s9", "b"), operator=None), number=9)
    for one, expected in ((three[0], three), (lone, [lone])):
        assert groups.same_root(one, [*three, lone], SCOPE, POLICY) == expected
    behind = [
        incident(alert(f"s{n}", MISSED, Subject("platform", f"gw-s{n}", p), exits=("m",), operator=None), number=n)
        for n, p in enumerate("abcab")
    ]
    assert groups.same_root(behind[0], behind, SCOPE, POLICY) == behind


def test_near_is_by_when_it_began() -> None:
    """The last moment counts; what began later is a fault of its own."""
    near = each_alone(SILENT, 3)
    for since, count in ((NEAR_S, 4), (NEAR_S + 1, 3)):
        late = incident(alert("s9", SILENT, since=since), number=9)
        assert len(groups.same_root(near[0], [*near, late], SCOPE, POLICY)) == count


def test_two_that_hang_on_nothing_stay_what_they_are() -> None:
    """By chance both are silent."""
    assert groups.joined_scope(each_alone(SILENT, 2), SCOPE) == "school"
    assert groups.joined_scope(each_alone(SILENT, 3), SCOPE) == "operator"


SIX_SLOW = [alert(f"s{n}", SLOW) for n in range(6)]


@pytest.mark.parametrize(
    ("whole", "root"),
    [
        pytest.param(OF_OPERATOR, Root("operator", "电信"), id="an operator's outage"),
        pytest.param(
            incident(over(alert("s1", SILENT)), alert("s2", SILENT), scope="operator"), Root("operator", "电信"),
            id="of which one is well again",
        ),
        pytest.param(incident(alert("s1", SILENT)), Root("school"), id="one school's gateway"),
        pytest.param(incident(*SIX_SLOW, scope="operator"), Root("operator", "电信"), id="many slow lines"),
        pytest.param(
            incident(SIX_SLOW[0], *map(over, SIX_SLOW[1:]), scope="operator"), Root("operator"),
            id="one slow line is left",
        ),
        pytest.param(
            incident(
                alert("s1", MISSED, exits=("n", "m")), alert("s2", MISSED, exits=("m",)),
                alert("s3", MISSED, exits=("n",)), alert("s4", MISSED, exits=("m",)), scope="exit",
            ),
            Root("exit", "m"), id="the exit of most",
        ),
        pytest.param(incident(alert("s1", MISSED), scope="exit"), Root("exit"), id="an exit that nobody names"),
        pytest.param(incident(alert("s1", MISSED), scope="platform"), Root("platform"), id="a platform"),
    ],
)  # fmt: skip
def test_who_is_asked(whole: Incident, root: Root) -> None:
    """What shows late stays as it was found; who owns slow lines is counted anew."""
    assert groups.joined_root(whole, SCOPE) == root
