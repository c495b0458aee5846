"""What a reading of a port, or of a board, changes in what is known of a room; decision tables."""

import pytest
from msgspec.structs import replace

from classready.observation import Device, Outcome
from collector.core.events import DeviceMoved
from collector.core.fold.device import AWAKE_WINDOW_MAX_S
from collector.core.state import ClassroomState
from tests.support.school import POLICY, Story, at, device, port


def room(story: Story) -> ClassroomState:
    return story.school.state.classrooms["r1"]


# --- what a port counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", [{"if_name": "Gi0/9"}, {"switch": "sw2"}])
def test_another_port_is_no_beginning_to_count_from(elsewhere: dict[str, str]) -> None:
    """Its counters are about another cable: the octets are not the board's."""
    story = Story().heard().saw(port("r1", in_octets=10), "r1").later(60)
    story.saw(port("r1", in_octets=99, **elsewhere), "r1")
    assert (room(story).device, room(story).last_awake_at) == (None, None)


@pytest.mark.parametrize(
    ("were", "are", "is_awake"),
    [(None, 5, False), (5, None, False), (5, 5, False), (5, 6, True), (6, 5, False), (0, 1, True)],
)
def test_who_sends_is_awake(were: int | None, are: int | None, *, is_awake: bool) -> None:
    """A counter that fell proves nothing, nor does one that was not told."""
    story = Story().heard()
    for octets in (were, are):
        story.later(60).saw(port("r1", in_octets=octets), "r1")
    known = room(story)
    assert (known.last_awake_at == story.now, known.device is not None) == (is_awake, is_awake)
    assert (known.port is not None) is is_awake
    if known.device is not None:
        assert (known.device.state, known.device.seen_by, known.device.seen) == ("awake", "traffic", None)


# --- which reading counts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval_s", "after_s", "counts"),
    [
        pytest.param(60, 0, True, id="in the same second"),
        pytest.param(60, 300, True, id="five minutes later"),
        pytest.param(60, 301, False, id="later than that"),
        pytest.param(900, 900, True, id="where it reports each quarter of an hour"),
        pytest.param(900, 901, False, id="later than that"),
        pytest.param(60, -1, False, id="just before it: by then it may have slept"),
    ],
)
def test_a_reading_counts_once_its_board_was_awake_after_it(interval_s: float, after_s: float, *, counts: bool) -> None:
    """Soon after it: what a port negotiated with a board that slept since is another matter."""
    policy = replace(POLICY, awake_window_s=300.0)
    story = Story(policy=policy).heard(interval_s=interval_s).saw(port("r1"), "r1").later(max(after_s, 0))
    story.saw(device("r1"), "r1", ago_s=max(-after_s, 0))
    known = room(story)
    assert (known.port is not None, known.pending_port is None) == (counts, counts)
    assert known.last_awake_at == story.now - max(-after_s, 0)


@pytest.mark.parametrize(
    ("after_s", "counts"), [(60, True), (AWAKE_WINDOW_MAX_S, True), (AWAKE_WINDOW_MAX_S + 1, False)]
)
def test_a_reading_before_octets_came_counts_for_an_hour(after_s: float, *, counts: bool) -> None:
    """Ports may be polled more seldom than reports go; beyond an hour nothing ties the two."""
    assert AWAKE_WINDOW_MAX_S == 3_600
    story = Story().heard().saw(port("r1", in_octets=1), "r1").later(after_s).saw(port("r1", in_octets=2), "r1")
    assert (room(story).port is not None) is counts


def test_what_was_read_while_the_board_slept_never_counts() -> None:
    """It shows what sleep negotiated, however soon the board woke after it."""
    story = Story().heard().saw(device("r1", "asleep"), "r1").later(10).saw(port("r1", 10), "r1").later(1)
    story.saw(device("r1"), "r1")
    assert room(story).port is None
    assert story.later(10).saw(port("r1"), "r1").later(1).saw(device("r1"), "r1")
    accepted = room(story).port
    assert accepted is not None
    assert accepted.seen.speed_bps == 10**9


def test_a_port_without_link_waits_for_nobody() -> None:
    """Whatever speed it still shows."""
    story = Story().heard().saw(port("r1", oper_up=False), "r1").later(1).saw(device("r1"), "r1")
    assert (room(story).port, room(story).pending_port) == (None, None)
    story.saw(port("r1", oper_up=None), "r1").later(1).saw(device("r1"), "r1")
    assert room(story).port is not None


def test_a_newer_word_of_the_board_stands() -> None:
    """Octets that a late reading tells of are older than what it said itself, and wake nobody."""
    story = Story().heard().saw(port("r1", in_octets=1), "r1").later(100).saw(device("r1", "asleep"), "r1")
    story.saw(port("r1", in_octets=2), "r1", ago_s=50)
    known = room(story)
    assert known.device is not None
    assert (known.device.state, known.device.by_traffic, known.last_awake_at) == ("asleep", False, None)


# --- where the board is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "place", "told"),
    [
        pytest.param("abb", "sw1:b", [("sw1:a", "sw1:b")], id="twice in a row"),
        pytest.param("abc", "sw1:a", [], id="twice elsewhere, each time at another port"),
        pytest.param("abbaa", "sw1:a", [("sw1:a", "sw1:b"), ("sw1:b", "sw1:a")], id="there and back"),
        pytest.param("a-a", "sw1:a", [], id="once nobody knows where"),
        pytest.param("a--", "sw1:a", [], id="nobody knows where any more"),
    ],
)
def test_a_board_moved_when_two_readings_in_a_row_found_it_elsewhere(seen: str, place: str, told: list) -> None:
    """Who plugged it is told from where to where."""
    story = Story().heard()
    for name in seen:
        story.later(60).saw(port("r1", if_name=None if name == "-" else name), "r1")
    assert room(story).place == place
    assert [(moved.before, moved.after) for moved in story.told(DeviceMoved)] == told


def test_a_move_of_which_late_records_tell_is_followed_silently() -> None:
    """By now the board may be back."""
    story = Story().heard()
    for name in "abb":
        story.later(60).saw(port("r1", if_name=name), "r1", late=True)
    assert (room(story).place, story.told(DeviceMoved)) == ("sw1:b", [])


# --- what a board says ------------------------------------------------------------------------------------------------

SILENT = device("r1", answered=False)
IN_LESSON, AFTER = at("2026-11-23 10:00"), at("2026-11-23 18:00")


@pytest.mark.parametrize(
    ("said", "link_up", "now", "state"),
    [
        pytest.param(SILENT, True, IN_LESSON, "asleep", id="link and no answer: it sleeps"),
        pytest.param(SILENT, True, AFTER, "asleep", id="also after lessons"),
        pytest.param(SILENT, False, IN_LESSON, "away", id="no link in lessons: it is away"),
        pytest.param(SILENT, False, AFTER, "asleep", id="no link after lessons: as it should be"),
        pytest.param(SILENT, None, IN_LESSON, "asleep", id="its port is not known"),
        pytest.param(device("r1", "away"), None, IN_LESSON, "away", id="not known: as the gateway says"),
        pytest.param(device("r1", "away"), True, IN_LESSON, "asleep", id="away, and its link is up"),
        pytest.param(device("r1", "asleep"), False, IN_LESSON, "asleep", id="it said so itself before it went"),
        pytest.param(device("r1"), False, IN_LESSON, "awake", id="awake by another path"),
        pytest.param(device("r1", None), False, IN_LESSON, "awake", id="it answers: it is awake"),
    ],
)
def test_what_a_board_is_by_what_it_says_and_its_link(
    said: Device, now: float, state: str, *, link_up: bool | None
) -> None:
    """A gateway cannot tell a board that sleeps from one that was cut off."""
    story = Story(now=now).heard()
    if link_up is not None:
        story.saw(port("r1", oper_up=link_up), "r1")
    known = room(story.later(1).saw(said, "r1")).device
    assert known is not None
    assert known.state == state


def test_a_link_that_was_read_long_ago_says_nothing_of_now() -> None:
    """Ten minutes, where reports come each minute."""
    story = Story().heard().saw(port("r1", oper_up=False), "r1").later(600).heard().saw(SILENT, "r1")
    known = room(story).device
    assert known is not None
    assert known.state == "asleep"


@pytest.mark.parametrize("outcome", [Outcome.UNMEASURED, Outcome.NO_ANSWER])
def test_what_was_not_asked_changes_nothing(outcome: Outcome) -> None:
    """No credentials, no time: that is no silence."""
    story = Story().heard().saw(device("r1"), "r1").later(60)
    before = room(story).device
    story.saw(replace(SILENT, outcome=outcome), "r1")
    assert (room(story).device == before) is (outcome is Outcome.UNMEASURED)


def test_a_board_that_drops_pings_and_works() -> None:
    """Its octets are the better witness, as long as they are the newest word."""
    story = Story().heard()
    for octets in (1, 2):
        story.later(60).saw(port("r1", in_octets=octets), "r1")
    story.later(1).saw(SILENT, "r1")
    known = room(story).device
    assert known is not None
    assert (known.state, known.seen_by) == ("awake", "traffic")
    story.later(60).saw(port("r1", in_octets=2), "r1").later(1).saw(SILENT, "r1")
    known = room(story).device
    assert known is not None
    assert (known.state, known.by_traffic) == ("asleep", False)


@pytest.mark.parametrize(
    ("said", "nic_bps"),
    [
        pytest.param([(10**9, "awake")], 10**9, id="awake"),
        pytest.param([(10**9, "awake"), (10**7, "asleep")], 10**9, id="a card that goes to sleep negotiates down"),
        pytest.param([(10**9, "awake"), (10**8, "awake")], 10**8, id="another cable"),
        pytest.param([(10**9, "awake"), (None, "awake")], 10**9, id="this time it did not say"),
        pytest.param([(10**7, "asleep")], None, id="asleep, and never heard awake"),
    ],
)
def test_what_a_card_says_counts_while_it_is_awake(said: list[tuple[int | None, str]], nic_bps: int | None) -> None:
    """And stands until it is awake again."""
    story = Story().heard()
    for speed_bps, state in said:
        story.later(60).saw(replace(device("r1", state), nic_speed_bps=speed_bps), "r1")
    assert room(story).nic_speed_bps == nic_bps
    assert room(story).watched_since == story.now - 60 * (len(said) - 1)
