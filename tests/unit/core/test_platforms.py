"""A platform that is itself at fault: when it is, what everybody is told, and what becomes of each school."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.platforms import at_fault
from collector.core.bureau.root import Scope
from collector.core.bureau.words import Acknowledged, SchoolChanged, SchoolGone
from collector.core.events import AlertChange, PlatformFault
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, Bureau, change
from tests.support.school import Story

MISSED, SILENT = Cause.PLATFORM_UNREACHABLE, Cause.GATEWAY_SILENT
A, B = "511402", "511421"
TWO = {"p": 20, "q": 20}
SCOPES = {office: Scope(school_count=20, platforms=TWO) for office in (A, B)}
OVER_S = POLICY.spread_wait_s


def missed(school: str, kind: str = "opened", **fields: Any) -> AlertChange:
    """Told by a school of one gateway and two rooms; schools a1, a2 ... belong to one office, b1 ... to the other."""
    office = A if school.startswith("a") else B
    platform, gateway = fields.pop("platform", "p"), fields.pop("gateway", f"gw-{school}")
    subject = Subject("platform", gateway, platform)
    fields = {"subject": subject, "office": office, **fields}
    return change(school, kind, MISSED, **{"since": fields.get("at", 0.0), **fields})


def many(letter: str, count: int, kind: str = "opened", **fields: Any) -> list[AlertChange]:
    return [missed(f"{letter}{n}", kind, **fields) for n in range(count)]


def silent(school: str) -> AlertChange:
    return change(school, "opened", SILENT, subject=Subject("gateway", f"gw-{school}"), office=A, since=0.0)


def one_fault() -> Bureau:
    """Of three schools in each of two offices, and told."""
    bureau = Bureau(POLICY, SCOPES)
    bureau.step(0, *many("a", 3), *many("b", 3))
    bureau.wait(100)
    return bureau


def everywhere(bureau: Bureau) -> frozenset[str]:
    return at_fault(bureau.state, 1e9)


def bought(operator: str, count: int) -> list[AlertChange]:
    return [replace(alert, operator=operator) for alert in (*many("a", count), *many("b", count))]


FAULTS: dict[str, tuple[list[AlertChange], dict[str, Scope], bool]] = {
    "several schools in each of two offices": ([*many("a", 3), *many("b", 3)], SCOPES, True),
    "two schools in each": ([*many("a", 2), *many("b", 2)], SCOPES, False),
    "several in one, one in the other": ([*many("a", 5), *many("b", 1)], SCOPES, False),
    "most of a small office, several of a large one": (
        [*many("a", 1), *many("b", 3)], {**SCOPES, A: Scope(school_count=1, platforms={"p": 1})}, True,
    ),
    "the only school of each of two offices": (
        [*many("a", 1), *many("b", 1)],
        {office: Scope(school_count=1, platforms={"p": 1}) for office in (A, B)},
        True,
    ),
    "one gateway that serves a school of each": (
        [missed("a1", gateway="gw"), missed("b1", gateway="gw")],
        {office: Scope(school_count=1, platforms={"p": 1}) for office in (A, B)},
        False,
    ),
    "half of one office": (many("a", 10), SCOPES, False),
    "most of one office": (many("a", 11), SCOPES, True),
    "half of one office, where another gateway is silent": ([silent("a19"), *many("a", 10)], SCOPES, True),
    "the only school there is": (many("a", 1), {A: Scope(school_count=1, platforms={"p": 1})}, False),
    "both schools there are": (many("a", 2), {A: Scope(school_count=2, platforms={"p": 2})}, True),
    "an office whose roster nobody knows": (many("a", 9), {}, False),
    "everything is missed at each of them: they are cut off": (
        [missed(f"{office}{n}", platform=p) for office in "ab" for n in range(12) for p in "pq"], SCOPES, False,
    ),
    "half of those that are not cut off from everything": (
        [*(missed(f"a{n}", platform=p) for n in (17, 18, 19) for p in "pq"), *many("a", 10)],
        SCOPES,
        True,
    ),
    "schools of one operator alone, in both offices": (
        bought("电信", 4), {office: Scope(school_count=20, operators={"电信": 8}) for office in (A, B)}, False,
    ),
    "schools of the only operator there is": (
        bought("电信", 4), {office: Scope(school_count=20, operators={"电信": 20}) for office in (A, B)}, True,
    ),
    "days apart": ([*many("a", 3), *many("b", 3, at=90_000.0)], SCOPES, False),
    "half an hour apart": ([*many("a", 3), *many("b", 3, at=1_800.0)], SCOPES, True),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_when_it_is_the_platforms_own_fault(name: str) -> None:
    """Missed from two offices, or from most of one, by gateways that reach anything else."""
    alerts, scopes, expected = FAULTS[name]
    bureau = Bureau(POLICY, scopes)
    for alert in alerts:
        bureau.wait(alert.at)
        bureau.step(alert.at, alert)
    assert everywhere(bureau) == (frozenset("p") if expected else frozenset())


def test_one_notice_for_everybody_and_one_end() -> None:
    """Six schools in two offices: one message for all, and one when it is over."""
    bureau = one_fault()
    (began,) = bureau.notices
    assert (began.office, began.kind, began.actor, len(began.members)) == ("", "opened", "platform", 6)
    assert at_fault(bureau.state, 0.0) == {"p"}
    bureau.step(1_000, *many("a", 3, "closed", at=1_000.0), *many("b", 3, "closed", at=1_000.0))
    bureau.wait(1_000 + OVER_S - 1)
    assert (everywhere(bureau), len(bureau.notices)) == ({"p"}, 1)
    bureau.wait(1_000 + OVER_S)
    assert (everywhere(bureau), len(bureau.notices)) == (frozenset(), 2)
    over = bureau.notices[-1]
    assert (over.office, over.kind, over.incident, over.remaining_classrooms) == ("", "resolved", began.incident, 0)
    assert (bureau.incidents, bureau.state.holders, bureau.wake_at) == ([], {}, None)


def test_what_offices_were_told_goes_on_as_one() -> None:
    """Two offices heard of it by themselves: the incident that is known longest goes on, the other is said to be it."""
    bureau = Bureau(POLICY, SCOPES)
    bureau.step(0, *many("a", 3))
    bureau.wait(60)
    bureau.step(70, *many("b", 2, at=70.0))
    bureau.wait(130)
    first, *others = bureau.notices
    told = {part.incident for notice in others for part in notice.parts or (notice,)}
    bureau.step(140, missed("b2", at=140.0))
    bureau.wait(200)
    whole = bureau.notices[-1]
    assert (whole.office, whole.kind, whole.incident, set(whole.joined)) == ("", "updated", first.incident, told)
    assert (whole.joined_classrooms, whole.remaining_classrooms) == (4, 12)
    assert [incident.scope for incident in bureau.incidents] == ["bureau"]


def test_of_one_office_everybody_hears_when_all_have_looked() -> None:
    """Its own message went at once; schools are told of the fault when the last of them had time to look."""
    bureau = Bureau(POLICY, SCOPES)
    bureau.step(0, *many("a", 11))
    assert at_fault(bureau.state, OVER_S - 1) == frozenset()
    assert at_fault(bureau.state, OVER_S) == {"p"}
    bureau.step(60, *many("b", 3, at=60.0))
    assert at_fault(bureau.state, 60) == {"p"}


def test_a_school_that_goes_on_to_miss_it_is_its_offices_again() -> None:
    """Five of six reach it again: that ends the fault for everybody, and the sixth is a school's own case."""
    bureau = one_fault()
    others = [alert for alert in (*many("a", 3, "closed"), *many("b", 3, "closed")) if alert.school != "b1"]
    bureau.step(1_000, *(replace(alert, at=1_000.0) for alert in others))
    bureau.wait(2_000)
    _, over, own = bureau.notices
    assert [(m.school, m.why, m.still) for m in over.members if m.why == "withdrawn"] == [("b1", "withdrawn", True)]
    assert (over.kind, over.remaining_classrooms) == ("resolved", 0)
    assert (own.office, own.kind, own.actor, [m.school for m in own.members]) == (B, "opened", "school", ["b1"])
    assert (everywhere(bureau), bureau.state.holders) == (frozenset(), {"b1": B})
    bureau.step(3_000, missed("b1", "closed", at=3_000.0))
    bureau.wait(4_000)
    assert bureau.notices[-1].kind == "resolved"
    assert (bureau.incidents, bureau.state.holders) == ([], {})


def test_it_goes_on_while_half_of_an_office_misses_it() -> None:
    """And as long as it comes back before it counts as over."""
    bureau = one_fault()
    bureau.step(1_000, *many("a", 3, "closed", at=1_000.0), missed("b0", "closed", at=1_000.0))
    bureau.wait(5_000)
    assert everywhere(bureau) == {"p"}
    bureau.step(5_000, missed("b1", "closed", at=5_000.0))
    bureau.step(5_100, missed("b1", at=5_100.0))
    bureau.wait(9_000)
    assert (everywhere(bureau), len(bureau.notices)) == ({"p"}, 1)


def test_what_opens_meanwhile_is_told_to_nobody() -> None:
    """It is that fault; once it is over, what is still missed is told by its own office."""
    bureau = one_fault()
    bureau.step(500, missed("a7", at=500.0))
    assert len(bureau.wait(900)) == 0
    bureau.step(1_000, *many("a", 3, "closed", at=1_000.0), *many("b", 3, "closed", at=1_000.0))
    bureau.wait(2_000)
    assert [(n.office, [m.school for m in n.members if m.change == "opened"]) for n in bureau.notices[1:]] == [
        ("", []), (A, ["a7"]),
    ]  # fmt: skip


def test_a_fault_that_is_over_before_it_is_told_is_told_to_nobody() -> None:
    """As everything else that came and went."""
    bureau = Bureau(POLICY, SCOPES)
    bureau.step(0, *many("a", 3), *many("b", 3))
    bureau.step(10, *many("a", 3, "closed", at=10.0), *many("b", 3, "closed", at=10.0))
    bureau.wait(1_000)
    assert (bureau.notices, bureau.incidents, everywhere(bureau)) == ([], [], frozenset())
    assert [made.change for made in bureau.history].count("opened") == len(bureau.history) / 2


def test_what_opens_as_a_fault_that_nobody_heard_of_ends() -> None:
    """In one step all that was missed is back, and another school begins to miss it: its office is told of that one."""
    bureau = Bureau(POLICY, SCOPES)
    bureau.step(0, *many("a", 3), *many("b", 3))
    bureau.step(10, *many("a", 3, "closed", at=10.0), *many("b", 3, "closed", at=10.0), missed("a7", at=10.0))
    bureau.wait(1_000)
    assert [(n.office, [m.school for m in n.members]) for n in bureau.notices] == [(A, ["a7"])]
    assert bureau.state.holders == {"a7": A}


def test_a_fault_follows_upon_one_that_nobody_heard_of() -> None:
    """In one step all that was missed is back, and as many other schools begin to miss it."""
    bureau = Bureau(POLICY, SCOPES)
    bureau.step(0, *many("a", 3), *many("b", 3))
    back = [*many("a", 3, "closed", at=10.0), *many("b", 3, "closed", at=10.0)]
    bureau.step(10, *back, *(missed(f"{office}{n}", at=10.0) for office in "ab" for n in (7, 8, 9)))
    bureau.wait(300)
    assert [(n.office, len(n.members)) for n in bureau.notices] == [("", 6)]


def test_a_school_that_moves_or_leaves_meanwhile() -> None:
    """Its office changes, or it is gone: the fault goes on without anybody being told of that by itself."""
    bureau = one_fault()
    bureau.step(500, SchoolChanged(school="a0", office=B, name="甲"), SchoolGone(school="a1"))
    bureau.wait(900)
    assert (len(bureau.notices), bureau.state.holders["a0"]) == (1, B)
    assert "a1" not in bureau.state.holders
    (incident,) = bureau.incidents
    (moved,) = incident.schools["a0"]
    assert (moved.alert.office, moved.alert.school_name) == (B, "甲")
    ends = [*many("a", 3, "closed"), *many("b", 3, "closed")]
    bureau.step(1_000, *(replace(end, at=1_000.0) for end in ends))
    bureau.wait(2_000)
    over = bureau.notices[-1]
    assert {m.school: m.why for m in over.members}["a1"] == "withdrawn"
    assert (over.remaining_classrooms, bureau.incidents, bureau.state.holders) == (0, [], {})


def test_somebody_may_say_to_be_on_it() -> None:
    bureau = one_fault()
    bureau.step(200, Acknowledged(incident=bureau.incidents[0].id, by="王", note="", at=200.0))
    (incident,) = bureau.incidents
    assert incident.acknowledgement is not None


# --- in a school ------------------------------------------------------------------------------------------------------


def test_a_school_opens_nothing_and_closes_what_it_reaches() -> None:
    """Bad is unknown, good is good: so a fault ends by what schools see, and the clause is unknown until it is over."""
    story = Story().all_well()
    for _ in range(4):
        story.later(30).heard().platform(up=False)
    assert [change.change for change in story.told(AlertChange)] == ["opened"]
    story.event(PlatformFault(platform="national", on=True))
    for _ in range(4):
        story.later(30).heard().platform(up=True)
    assert [change.change for change in story.told(AlertChange)] == ["opened", "closed"]
    assert story.ready() == "unknown"
    for _ in range(6):
        story.later(30).heard().platform(up=False)
    assert len(story.told(AlertChange)) == 2
    story.event(PlatformFault(platform="national", on=False))
    for _ in range(4):
        story.later(30).heard().platform(up=False)
    assert (story.ready(), len(story.told(AlertChange))) == ("no", 3)
