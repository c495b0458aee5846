"""Two incidents that become one, and members that go without being told: what stays of each."""

from msgspec.structs import replace

from collector.core.bureau import incidents
from collector.core.bureau.root import Scope
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, Bureau, change

PLATFORM, SILENT = Cause.PLATFORM_UNREACHABLE, Cause.GATEWAY_SILENT
EACH = replace(POLICY, messages_per_window=100)
"""Each incident has its own message."""
SCOPES = {"511402": Scope(school_count=60, operators={"电信": 20, "移动": 40})}


def silent(school: str, operator: str = "电信", at: float = 0.0, kind: str = "opened"):
    fields = {"subject": Subject("gateway", f"gw-{school}"), "operator": operator, "at": at, "since": at}
    return change(school, kind, SILENT, **fields)


def test_the_earliest_of_each_date_stays() -> None:
    """When it opened, was told, is due and may end: of two incidents what came, or comes, first."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2", cause=Cause.PORT_DOWN))
    one, other = bureau.incidents
    early = replace(one, opened_at=10.0, told_at=40.0, due_at=90.0, ends_at=500.0)
    late = replace(other, opened_at=20.0, told_at=50.0, due_at=80.0, ends_at=400.0)
    for first, second in ((early, late), (late, early)):
        whole, _ = incidents.joined(first, second, dict(first.schools))
        dates = (whole.opened_at, whole.told_at, whole.due_at, whole.ends_at)
        assert dates == (10.0, 40.0, 80.0, 400.0)
        assert sorted(whole.schools) == ["s1", "s2"]
    untold = replace(late, told_at=None, due_at=None, ends_at=None)
    whole, _ = incidents.joined(untold, early, dict(untold.schools))
    assert (whole.told_at, whole.due_at, whole.ends_at) == (40.0, 90.0, 500.0)
    whole, _ = incidents.joined(untold, replace(untold, id="9"), dict(untold.schools))
    assert (whole.told_at, whole.due_at, whole.ends_at) == (None, None, None)


def test_only_what_was_told_is_said_to_be_the_same_fault() -> None:
    """Two schools were told by themselves, two were not yet: the message names the incident that stood in the chat."""
    bureau = Bureau(POLICY, SCOPES)
    bureau.step(0, silent("s1"))
    bureau.step(5, silent("s2", at=5))
    bureau.wait(55)
    first, second = bureau.told
    bureau.step(50, silent("s3", at=50), silent("s4", at=50))
    (whole,) = bureau.wait(120)
    assert (whole.incident, whole.joined, whole.joined_classrooms) == (first.incident, (second.incident,), 2)
    assert (sorted(m.school for m in whole.members), whole.remaining_classrooms) == (["s3", "s4"], 8)


def test_two_incidents_are_enough_to_become_one() -> None:
    """Two schools share a gateway, which is one incident; with a third school of the operator both are its outage."""
    bureau = Bureau(EACH, SCOPES)
    shared = Subject("gateway", "gw-both")
    bureau.step(0, *(replace(silent(school), subject=shared) for school in ("s1", "s2")), silent("s3"))
    bureau.wait(100)
    assert [(str(n.actor), sorted({m.school for m in n.members})) for n in bureau.told] == [
        ("operator", ["s1", "s2", "s3"])
    ]


def test_schools_of_another_operator_do_not_join() -> None:
    """They fell silent at the same time, and have an incident of their own."""
    bureau = Bureau(EACH, SCOPES)
    bureau.step(0, *(silent(f"s{n}") for n in range(4)), silent("other", operator="移动"))
    bureau.wait(100)
    told = sorted((str(notice.actor), sorted({m.school for m in notice.members})) for notice in bureau.told)
    assert told == [("operator", ["s0", "s1", "s2", "s3"]), ("school", ["other"])]
    assert [notice.root_name for notice in bureau.told if notice.actor == "operator"] == ["电信"]


def test_one_of_two_that_ends_before_it_is_told_takes_nothing_with_it() -> None:
    """Two ports of a school are down; one is up again within the wait: the other is told."""
    bureau = Bureau()
    ports = [Subject("classroom", name=room) for room in ("r1", "r2")]
    opened = [change(cause=Cause.PORT_DOWN, subject=port, classrooms=(port.name,)) for port in ports]
    bureau.step(0, *opened)
    bureau.step(10, replace(opened[0], change="closed"))
    (notice,) = bureau.wait(60)
    assert [member.subject.name for member in notice.members] == ["r2"]


def test_messages_about_an_incident_are_counted() -> None:
    """From its first one on; before, there was none."""
    bureau = Bureau()
    bureau.step(0, change("s1"))
    assert [incident.notified_count for incident in bureau.incidents] == [0]
    bureau.wait(60)
    assert [(i.notified_count, i.told_at) for i in bureau.incidents] == [(1, 30.0)]
    bureau.step(600, change("s2"))
    bureau.wait(700)
    assert [(i.notified_count, i.told_at) for i in bureau.incidents] == [(2, 30.0)]


def test_the_exit_that_most_of_them_are_behind() -> None:
    """Every platform is missed at schools behind two exits: the one that explains most is named."""
    bureau = Bureau(EACH, SCOPES)
    behind = {"s1": ("m",), "s2": ("m", "n"), "s3": ("m",), "s4": ("n",)}
    for school, exits in behind.items():
        for platform in ("a", "b"):
            fields = {"subject": Subject("platform", f"gw-{school}", platform), "exits": exits, "since": 0.0}
            bureau.step(0, change(school, cause=PLATFORM, **fields))
    bureau.wait(100)
    exits = [(n.root_name, sorted({m.school for m in n.members})) for n in bureau.told if n.actor == "exit"]
    assert exits == [("m", ["s1", "s2", "s3"])]
