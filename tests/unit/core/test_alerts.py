"""Hysteresis: when trouble becomes an alert, when it ends, and who is told."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Http, Outcome, Port, Reason
from collector.core.alerts import decide
from collector.core.events import AlertChange, PlatformFault, RosterChanged
from collector.core.findings import Finding
from collector.core.policy import Policy
from collector.core.roster import Classroom
from collector.core.state import AlertState
from collector.core.subject import Subject
from collector.core.words import Cause, VerdictValue
from tests.support.school import GATEWAY, POLICY, Story, Tick, at, bandwidth, device, exit_test, port, roster

SUBJECT = Subject("classroom", name="r1")


def alert(*, cause: Cause = Cause.PORT_DOWN, **fields: Any) -> AlertState:
    """A past whose newest evidence is of the moment 5."""
    return AlertState(subject=SUBJECT, cause=cause, evidence_at=5.0, **fields)


OPEN = alert(bad_streak=3, opened_at=1.0, bad_since=1.0, announced=True)
UNTOLD = alert(bad_streak=3, opened_at=1.0, bad_since=1.0, announced=False)


def finding(
    bad: VerdictValue, *, cause: Cause = Cause.PORT_DOWN, late: bool = False, at: float = 6.0, **fields: Any
) -> Finding:
    """By evidence that is new, unless told."""
    return Finding(subject=SUBJECT, cause=cause, bad=bad, gateway=GATEWAY, late=late, evidence_at=at, **fields)


@pytest.mark.parametrize(
    ("before", "seen", "observing", "opened", "told"),
    [
        pytest.param(alert(), finding("yes"), False, False, None, id="first bad: not yet"),
        pytest.param(alert(bad_streak=2), finding("yes"), False, True, True, id="third bad: opens"),
        pytest.param(alert(bad_streak=2), finding("yes", late=True), False, False, None, id="late: no"),
        pytest.param(alert(bad_streak=2), finding("yes"), True, True, None, id="opens untold"),
        pytest.param(UNTOLD, finding("yes", at=5.0), False, True, True, id="told when observing ends"),
        pytest.param(UNTOLD, finding("yes"), True, True, None, id="still observing: silence"),
        pytest.param(OPEN, finding("yes"), False, True, None, id="still bad: silence"),
        pytest.param(OPEN, finding("unknown"), False, True, None, id="unknown holds"),
        pytest.param(OPEN, finding("no"), False, True, None, id="first good: not yet"),
        pytest.param(alert(bad_streak=2), finding("yes", at=5.0), False, False, None, id="no new evidence"),
        pytest.param(alert(bad_streak=2), finding("yes", explained=True), False, False, None, id="told by another"),
        pytest.param(
            alert(opened_at=1.0, announced=True, good_streak=1), finding("no"), False, False, False,
            id="second good: closes",
        ),
        pytest.param(
            alert(opened_at=1.0, good_streak=1), finding("no"), False, False, None, id="untold closes untold"
        ),
        pytest.param(
            alert(cause=Cause.UPLINK_BELOW_REQUIRED), finding("yes", cause=Cause.UPLINK_BELOW_REQUIRED), False, True,
            True,
            id="bandwidth has its own majority: opens at once",
        ),
    ],
)  # fmt: skip
def test_decide(before, seen, observing, opened, told):
    """The table in the docstring of ``decide``, row by row."""
    after, tell = decide(before, seen, 10.0, POLICY, observing=observing)
    assert (after.opened_at is not None, tell) == (opened, told)


def test_platform_alert_waits_for_its_hold():
    """A platform's alert opens only after the hold, driven by a Tick, with nothing new observed."""
    story = Story(policy=Policy(observation_school_days=0, platform_hold_s=120)).all_well()
    for _ in range(3):
        story.later(20).heard().platform(up=False)
    assert story.told(AlertChange) == []
    story.event(Tick(), now=story.now + 100)
    assert [(c.subject.label, c.cause) for c in story.told(AlertChange)] == [
        (f"platform:{GATEWAY}/national", "platform_unreachable")
    ]


def test_somebody_else_in_its_place_is_a_platform_out_of_reach():
    """A portal that answers is no platform; the alert opens as for any other reason, which is kept."""
    portal = Http(target="national", outcome=Outcome.NO_ANSWER, reason=Reason.NOT_THE_PLATFORM, status=302)
    story = Story().all_well()
    for _ in range(3):
        story.later(20).heard().saw(portal)
    assert [(c.subject.label, c.cause) for c in story.told(AlertChange)] == [
        (f"platform:{GATEWAY}/national", "platform_unreachable")
    ]
    assert story.ready() == "no"
    assert story.school.state.platforms[f"{GATEWAY}/national"].http.seen.reason == "not_the_platform"


def test_an_unproven_answer_neither_raises_nor_clears():
    """An answer that anybody may have given makes the platform unknown at once, opens no alert and closes none."""
    unproven = Http(target="national", outcome=Outcome.UNMEASURED, reason=Reason.UNPROVEN, status=200)
    story = Story().all_well()
    for _ in range(4):
        story.later(20).heard().saw(unproven)
    assert (story.ready(), story.told(AlertChange)) == ("unknown", [])
    assert story.school.state.platforms[f"{GATEWAY}/national"].http.seen.reason == "unproven"
    for _ in range(3):
        story.later(20).heard().platform(up=False)
    for _ in range(4):
        story.later(20).heard().saw(unproven)
    assert [change.change for change in story.told(AlertChange)] == ["opened"]
    assert story.ready() == "unknown"


def test_platform_fault_makes_the_clause_unknown():
    """When the platform itself is at fault nobody here is blamed, until the fault is over."""
    story = Story().all_well().later(10).platform(up=False).event(PlatformFault(platform="national", on=True))
    assert (story.ready(), story.causes()) == ("unknown", ["not_measured"])
    assert story.school.state.classrooms["r1"].verdict.next_step == "wait_for_platform"
    story.event(PlatformFault(platform="national", on=False))
    assert story.ready() == "no"


def test_uplink_alert_opens_and_closes_by_majority():
    """Two failed tests open one alert for all rooms with the measured value; two good ones close it."""
    story = Story().all_well()
    for passed in (False, False, False, True, True):
        story.later(60).heard().uplink(passed=passed, estimate_mbps=120 if passed else 80)
    changes = story.told(AlertChange)
    assert [(c.change, c.subject.label) for c in changes] == [
        ("opened", f"uplink:{GATEWAY}"),
        ("closed", f"uplink:{GATEWAY}"),
    ]
    assert (changes[0].classrooms, changes[0].measured, changes[0].limit) == (("r1", "r2"), 80e6, 100e6)


def test_port_alert_names_one_room():
    """Three accepted readings at 10M open an alert about exactly that room, two good ones close it."""
    story = Story().all_well()
    for speed in (10, 10, 10, 1000, 1000):
        story.later(10).heard().room_well("r1", speed)
    changes = story.told(AlertChange)
    assert [(c.change, c.subject.label, c.cause) for c in changes] == [
        ("opened", "classroom:r1", "port_below_required"),
        ("closed", "classroom:r1", "port_below_required"),
    ]
    assert changes[0].measured == 10e6


def test_slow_half_duplex_port_is_told_once():
    """Both causes hold and are exported, but the first one, in root-cause order, speaks for the room."""
    story = Story().all_well()
    for _ in range(4):
        story.later(10).heard().room_well("r1", 10, full=False)
    assert story.causes() == ["port_below_required", "port_half_duplex"]
    assert [c.cause for c in story.told(AlertChange)] == ["port_below_required"]
    for _ in range(3):
        story.later(10).heard().room_well("r1", 1000, full=False)
    assert [c.cause for c in story.told(AlertChange)][-1] == "port_half_duplex"


def test_switch_ports_of_one_poll_count_once():
    """An unreachable switch with two rooms opens after three polls, not after two."""
    story = Story().all_well()
    polls = []
    for _ in range(3):
        story.later(10).heard()
        for room in ("r1", "r2"):
            story.saw(Port(classroom=room, switch="sw1", outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT), room)
        polls.append(len(story.told(AlertChange)))
    assert polls == [0, 0, 1]
    assert story.told(AlertChange)[0].classrooms == ("r1", "r2")


def test_device_alert_holds_overnight():
    """A board missed in lessons stays missed after them, without a message of recovery, until it is seen awake."""
    story = Story(now=at("2026-11-23 16:50")).all_well()
    for _ in range(3):
        story.later(60).heard().saw(device("r1", answered=False), "r1")
    story.later(3600).heard().saw(device("r1", answered=False), "r1").event(Tick())
    assert [c.change for c in story.told(AlertChange)] == ["opened"]
    for _ in range(2):
        story.later(60).heard().saw(device("r1"), "r1")
    assert [c.change for c in story.told(AlertChange)] == ["opened", "closed"]


def test_silent_gateway_is_one_alert_and_heals():
    """Silence opens one alert for the gateway at the Tick that finds it, and the next report closes it."""
    story = Story().all_well().event(Tick(), now=at("2026-11-23 10:10"))
    story.event(Tick(), now=at("2026-11-23 10:11")).heard()
    assert [(c.change, c.cause) for c in story.told(AlertChange)] == [
        ("opened", "gateway_silent"),
        ("closed", "gateway_silent"),
    ]


def test_observation_period_tells_nobody_until_it_ends():
    """观察期: a new gateway's alerts are kept quiet for seven school days, then told if they still hold."""
    story = Story(policy=Policy(blame_spacing_s=0)).all_well()
    for _ in range(3):
        story.later(60).heard().uplink(passed=False, estimate_mbps=80)
    assert story.told(AlertChange) == []
    assert story.school.state.alerts
    story.now = at("2026-12-01 16:00")
    for _ in range(2):
        story.later(60).heard().uplink(passed=False, estimate_mbps=80)
    assert story.told(AlertChange) == []
    story.now = at("2026-12-02 10:00")
    story.heard().event(Tick())
    assert [c.change for c in story.told(AlertChange)] == ["opened"]


def test_removed_room_closes_its_alert():
    """A room that leaves the roster takes its alert with it."""
    story = Story().all_well()
    for _ in range(3):
        story.later(10).heard().room_well("r1", 10)
    rooms = {"r2": Classroom(id="r2", device="panel")}
    story.event(RosterChanged(roster=roster(classrooms=rooms), hours=story.school.hours))
    assert [c.change for c in story.told(AlertChange)] == ["opened", "closed"]
    assert story.school.state.alerts == ()


def test_exempt_room_raises_nothing():
    """Nobody is told about a room that is not judged."""
    rooms = {"r1": Classroom(id="r1", device="panel", exempt="拆除中")}
    story = Story()
    story.event(RosterChanged(roster=roster(classrooms=rooms), hours=story.school.hours)).heard()
    for _ in range(4):
        story.later(10).heard().room_well("r1", 10)
    assert story.told(AlertChange) == []


def test_a_roster_that_changes_elsewhere_tells_nothing_anew():
    """What is open stays open and told: only another office would not know of it."""
    story = Story().all_well()
    for _ in range(2):
        story.later(60).heard().uplink(passed=False)
    story.effects.clear()
    story.event(RosterChanged(roster=roster(name="示例中心小学"), hours=story.school.hours))
    assert story.told(AlertChange) == []
    story.event(RosterChanged(roster=roster(office="511403"), hours=story.school.hours))
    changes = [(change.change, change.office, change.why) for change in story.told(AlertChange)]
    assert sorted(changes) == [("closed", "511402", "withdrawn"), ("opened", "511403", "recovered")]


def test_in_silence_nothing_is_told_of_a_room():
    """The observation period ends while the gateway is silent: its rooms' alerts wait until it is heard."""
    story = Story(policy=replace(POLICY, observation_school_days=1)).all_well()
    for _ in range(3):
        story.later(30).heard().room_well("r1", 10)
    story.event(Tick(), now=at("2026-11-24 08:30"))
    assert [change.subject.kind for change in story.told(AlertChange)] == ["gateway"]
    story.heard()
    assert [change.subject.kind for change in story.told(AlertChange)][-1] == "classroom"


# --- what is counted, and what an alert says ------------------------------------------------------------------------

LINE = Cause.UPLINK_BELOW_REQUIRED


@pytest.mark.parametrize(
    ("before", "seen", "bad_streak", "good_streak"),
    [
        pytest.param(alert(), finding("yes"), 1, 0, id="bad"),
        pytest.param(alert(), finding("yes", at=5.0), 0, 0, id="bad, by what was counted"),
        pytest.param(alert(), finding("yes", late=True), 0, 0, id="bad, and may be over by now"),
        pytest.param(alert(bad_streak=2), finding("no"), 0, 1, id="good after bad"),
        pytest.param(OPEN, finding("no", late=True), 0, 1, id="good, late and newer than what is known"),
        pytest.param(OPEN, finding("no", at=5.0), 3, 0, id="good by old evidence, of what is counted"),
        pytest.param(OPEN, finding("unknown"), 3, 0, id="unknown"),
        pytest.param(OPEN, finding("yes", in_doubt=True), 3, 0, id="in doubt"),
        pytest.param(alert(cause=LINE), finding("yes", cause=LINE, at=5.0), 1, 0, id="a majority turned by age"),
        pytest.param(alert(cause=LINE, bad_streak=1), finding("no", cause=LINE, at=5.0), 0, 1, id="and back by age"),
        pytest.param(
            alert(cause=LINE, bad_streak=1), finding("yes", cause=LINE, at=5.0), 1, 0, id="a majority that stands"
        ),
    ],
)
def test_what_is_counted(before: AlertState, seen: Finding, bad_streak: int, good_streak: int) -> None:
    """Evidence once; what another rule decides also where it turns without a newer date."""
    after, _ = decide(before, seen, 10.0, POLICY, observing=True)
    assert (after.bad_streak, after.good_streak) == (bad_streak, good_streak)


GROUP, TRUNK = Subject("gateway", GATEWAY), Subject("segment", GATEWAY, "sw1:uplink")


@pytest.mark.parametrize(
    ("subject", "cause", "raise_after", "clear_after"),
    [
        pytest.param(SUBJECT, Cause.PORT_DOWN, 3, 2, id="a port: three readings, and two"),
        pytest.param(SUBJECT, Cause.SEGMENT_BELOW_REQUIRED, 1, 1, id="the way to a room: two of three tests were bad"),
        pytest.param(TRUNK, Cause.SEGMENT_BELOW_REQUIRED, 3, 2, id="a trunk: three readings of its speed"),
        pytest.param(SUBJECT, Cause.DEVICE_OFFLINE, 3, 2, id="one board: it may be a stray reading"),
        pytest.param(GROUP, Cause.DEVICE_OFFLINE, 1, 1, id="several boards at once are none"),
        pytest.param(GROUP, Cause.GATEWAY_SILENT, 1, 1, id="silence of three intervals"),
        pytest.param(Subject("uplink", GATEWAY), LINE, 1, 1, id="a line"),
        pytest.param(Subject("exit", name="metro"), Cause.EXIT_BELOW_REQUIRED, 1, 1, id="an exit"),
        pytest.param(Subject("switch", GATEWAY, "sw1"), Cause.SWITCH_UNREACHABLE, 3, 2, id="a switch"),
    ],
)
def test_how_often_it_must_be_seen(subject: Subject, cause: Cause, raise_after: int, clear_after: int) -> None:
    """A rule that has waited already is not waited for again."""
    now, state = AlertState(subject=subject, cause=cause), []
    for n, bad in enumerate(["yes"] * 5 + ["no"] * 5):
        seen = replace(finding(bad, cause=cause, at=10.0 + n), subject=subject)  # type: ignore[arg-type]
        now, _ = decide(now, seen, 100.0, POLICY, observing=False)
        state.append(now.opened_at is not None)
    assert (state.index(True) + 1, state.index(False, raise_after) - 4) == (raise_after, clear_after)


@pytest.mark.parametrize(
    ("bad_streak", "now", "opens"),
    [
        pytest.param(2, 219.0, False, id="a moment too early"),
        pytest.param(2, 220.0, True, id="two minutes after it was missed first"),
        pytest.param(1, 900.0, False, id="seen twice"),
    ],
)
def test_a_platform_is_missed_for_a_while_and_by_several_looks(bad_streak: int, now: float, *, opens: bool) -> None:
    """It may be gone for a minute, at noon each day."""
    missed = Cause.PLATFORM_UNREACHABLE
    before = alert(cause=missed, bad_streak=bad_streak, bad_since=100.0)
    policy = replace(POLICY, platform_hold_s=120.0)
    after, told = decide(before, finding("yes", cause=missed, at=now), now, policy, observing=False)
    assert (after.opened_at is not None, told) == (opens, True if opens else None)


@pytest.mark.parametrize(
    ("known", "of_subject", "at_", "since"),
    [(1.0, 2.0, 6.0, 1.0), (None, 2.0, 6.0, 2.0), (None, None, 6.0, 6.0), (None, None, None, 10.0)],
)
def test_since_when_it_is_bad(known: float | None, of_subject: float | None, at_: float | None, since: float) -> None:
    """As known; else as its subject remembers, by its evidence, or from now on."""
    before = AlertState(subject=SUBJECT, cause=LINE, bad_since=known)
    after, _ = decide(before, finding("yes", cause=LINE, at=at_, since=of_subject), 10.0, POLICY, observing=False)  # type: ignore[arg-type]
    assert after.bad_since == since


def test_what_was_open_before_it_is_told_is_still_so() -> None:
    """It opened while nobody was to be told, or another office had it; what opens now does not go on."""
    silent = Story(policy=replace(POLICY, observation_school_days=1)).all_well()
    for _ in range(4):
        silent.later(60).heard().room_well("r1", 10)
    assert silent.told(AlertChange) == []
    silent.later(2 * 86_400).heard().room_well("r1", 10)
    silent.event(RosterChanged(roster=roster(office="511403"), hours=silent.school.hours))
    known = [(change.change, change.office, change.still) for change in silent.told(AlertChange)]
    assert known == [("opened", "511402", True), ("closed", "511402", False), ("opened", "511403", True)]
    loud = Story().all_well()
    for _ in range(4):
        loud.later(60).heard().room_well("r1", 10)
    assert [(change.change, change.still) for change in loud.told(AlertChange)] == [("opened", False)]


def test_what_was_told_is_not_told_again() -> None:
    """Neither what opened nor what was announced when the observation ended."""
    for before, at_ in ((alert(bad_streak=2), 6.0), (UNTOLD, 5.0)):
        after, tell = decide(before, finding("yes", at=at_), 10.0, POLICY, observing=False)
        assert tell is True
        assert decide(after, finding("yes", at=at_ + 1), 11.0, POLICY, observing=False)[1] is None


def test_an_alert_and_its_end_say_since_when() -> None:
    """Since the first bad evidence, not since the third that opened it; and its end says the same."""
    story = Story().all_well()
    began_at = story.later(10).now
    for passes in (False, False, False, True, True):
        story.heard().platform(up=passes).later(10)
    opened, closed = story.told(AlertChange)
    assert (opened.change, opened.since, closed.change, closed.since) == ("opened", began_at, "closed", began_at)


def test_what_late_evidence_began_dates_from_it() -> None:
    """A line failed while it was cut off, and fails still: it opens by the test that is news, since the first."""
    story = Story().all_well().later(1_000).heard()
    for ago_s in (400, 300):
        story.saw(bandwidth(passed=False), ago_s=ago_s, late=True)
    assert story.told(AlertChange) == []
    began_at = story.now - 400
    story.later(70).heard().uplink(passed=False)
    assert [(change.change, change.since) for change in story.told(AlertChange)] == [("opened", began_at)]


def test_exits_are_named_where_a_platform_is_missed() -> None:
    """They may be what several schools have in common; a slow line has none before it."""
    story = Story().all_well().saw(exit_test("metro"))
    for _ in range(3):
        story.later(60).heard().platform(up=False).uplink(passed=False)
    assert {change.cause: change.exits for change in story.told(AlertChange)} == {
        Cause.PLATFORM_UNREACHABLE: ("metro",),
        LINE: (),
    }


def test_what_nobody_was_told_of_is_not_taken_back() -> None:
    """A room leaves whose port was slow twice, and one whose trouble was kept quiet."""
    rooms = {"r2": Classroom(id="r2", device="panel")}
    for policy, count in ((POLICY, 2), (replace(POLICY, observation_school_days=3), 4)):
        story = Story(policy=policy).all_well()
        for _ in range(count):
            story.later(10).heard().room_well("r1", 10)
        assert story.school.state.alerts
        story.event(RosterChanged(roster=roster(classrooms=rooms), hours=story.school.hours))
        assert (story.told(AlertChange), story.school.state.alerts) == ([], ())


def test_what_is_in_doubt_leaves_nothing_behind() -> None:
    """Failing tests of a few minutes, then a pass: an alert would begin from nothing. Of ten minutes they are news."""
    story = Story(policy=replace(POLICY, blame_spacing_s=600)).all_well().later(3_600).heard()
    for passed in (False, False, False, True, True):
        story.later(60).heard().uplink(passed=passed)
        assert story.school.state.alerts == ()
    story.later(60).heard().uplink(passed=False).later(600).heard().uplink(passed=False)
    assert [change.cause for change in story.told(AlertChange)] == [LINE]


def test_who_was_not_judged_keeps_what_is_open() -> None:
    """A report about one room says nothing of another's alert."""
    story = Story().all_well()
    for _ in range(3):
        story.later(10).heard().room_well("r1", 10)
    story.effects.clear()
    story.later(1).saw(port("r2", 100), "r2")
    assert story.told(AlertChange) == []
    assert [change.subject.name for change in story.school.state.alerts] == ["r1"]
