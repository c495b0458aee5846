"""Edges of rules that a small breakage of the core went past unseen."""

from msgspec.structs import replace

from classready.observation import Outcome, Reason
from collector.core.bureau.step import resume
from collector.core.events import AlertChange, RosterChanged
from collector.core.figures import segments_on_the_way
from collector.engine.identity import Router
from tests.support.offices import Bureau, change
from tests.support.school import GATEWAY, POLICY, Story, device, port, trunk


def test_a_device_on_another_switch_of_its_gateway_leaves_the_old_trunk_at_once() -> None:
    """The trunk that it left serves nobody now: what was told of it is taken back with that very reading."""
    story = Story(policy=POLICY).all_well()
    for room in ("r1", "r2"):
        story.saw(port(room), room)
    for _ in range(4):
        story.later(60).heard().saw(trunk(10))
    assert [c.change for c in story.told(AlertChange)] == ["opened"]
    for room in ("r1", "r2"):
        story.later(1).saw(port(room, switch="sw2"), room)
    assert [(c.change, c.why) for c in story.told(AlertChange)][1:] == [("closed", "withdrawn")]


def test_a_switch_that_was_not_asked_is_neither_there_nor_silent() -> None:
    """No credentials, no time: that says nothing of the switch."""
    for reason in (Reason.PERMISSION, Reason.DEADLINE):
        story = Story().heard()
        story.saw(replace(port("r1"), outcome=Outcome.UNMEASURED, reason=reason), "r1")
        assert story.school.state.switches == {}
    story.saw(replace(port("r1"), outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), "r1")
    assert [reading.reachable for reading in story.school.state.switches.values()] == [False]


def test_an_unlisted_room_outlives_a_roster_that_does_not_list_it() -> None:
    """It goes with the roster that does."""
    story = Story().heard().saw(device("r9"), "r9")
    roster = story.school.roster
    story.event(RosterChanged(roster=replace(roster, name="新名小学"), hours=story.school.hours))
    assert list(story.school.state.unlisted) == ["r9"]
    rooms = {**roster.classrooms, "r9": replace(roster.classrooms["r1"], id="r9")}
    story.event(RosterChanged(roster=replace(roster, classrooms=rooms), hours=story.school.hours))
    assert story.school.state.unlisted == {}


def test_what_is_known_stays_welcome_under_a_smaller_cap() -> None:
    """A trunk that lists as many as before, after the policy allows fewer."""
    story = Story().heard().saw(trunk(name="sw1:up", switches=("a", "b", "c")))
    tight = replace(POLICY, switches_behind_trunks_max=2)
    seen = trunk(name="sw1:up", switches=("d", "e", "f"))
    assert Router(GATEWAY, {"s1": story.school}, tight).route(seen).schools == ("s1",)


def test_a_trunk_of_another_switch_is_not_on_the_way() -> None:
    """Nor is one that was told of too long ago; an access point, of no switch, may be on any room's."""
    story = Story().all_well().saw(port("r1", switch="sw1"), "r1")
    for name in ("sw1:up", "sw2:up", "ap-1"):
        story.saw(trunk(name=name))
    found = segments_on_the_way(story.school, "r1", story.now, story.policy)
    assert sorted(segment.seen.name for segment in found) == ["ap-1", "sw1:up"]
    later = story.now + 30 * 86_400
    assert list(segments_on_the_way(story.school, "r1", later, story.policy)) == []


def test_a_bureau_that_was_put_together_again_knows_whose_alerts_are_open() -> None:
    """After a restart an alert that closes is told to be over, and a school that leaves is withdrawn."""
    before = Bureau()
    before.step(0, change("s1"))
    before.step(30)
    after = Bureau()
    after.state = resume(before.incidents, {}, before.state.incident_count)
    assert dict(after.state.holders) == {"s1": "511402"}
    after.step(100, change("s1", "closed"))
    assert [notice.kind for notice in after.wait(200)] == ["resolved"]
