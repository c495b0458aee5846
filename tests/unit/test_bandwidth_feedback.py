"""How the windows of an upload come back: each one once, and what opened the first one where it is still known."""

import pytest

from classready.bandwidth.decider import Window
from classready.bandwidth.feedback import opening, pack_windows, unpack_windows
from classready.bandwidth.packets import FEEDBACK_WINDOW, FEEDBACK_WINDOWS, Feedback

PACKET = 1_530
WHOLE_READ = 70_000


def window(number: int) -> Window:
    return Window(
        seconds=number / 1_000,
        received_bytes=number * PACKET,
        sent_bps=110e6,
        wanted_bps=300e6,
        queue_delay_s=0.001,
        lost_count=number,
        received_count=number,
    )


def feedback(count: int, *, opening_count: int | None) -> Feedback:
    """What a responder says after ``count`` windows; None = an old one, which says nothing of the opening read."""
    said = [window(i + 1) for i in range(count)]
    before = [] if opening_count is None else [opening(opening_count)]
    return Feedback(lease=b"l" * 8, count=count, windows=pack_windows([*before, *said][-FEEDBACK_WINDOWS:]))


@pytest.mark.parametrize("count", [1, 2, FEEDBACK_WINDOWS - 1])
def test_what_opened_the_first_window_is_told_with_it(count: int) -> None:
    """It stands before the first window while there is room for it."""
    told = unpack_windows(feedback(count, opening_count=43), 0, PACKET)
    assert [w.opening_bytes for w in told] == [43 * PACKET] + [0] * (count - 1)
    assert [w.received_count for w in told] == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("count", "opening_count"), [(1, None), (FEEDBACK_WINDOWS - 1, None), (FEEDBACK_WINDOWS, 43), (3, 0)]
)
def test_where_it_is_not_told_a_whole_read_is_assumed(count: int, opening_count: int | None) -> None:
    """An old responder sends zeros; where the first feedbacks got lost the windows have taken its place."""
    told = unpack_windows(feedback(count, opening_count=opening_count), 0, PACKET)
    assert [w.opening_bytes for w in told] == [WHOLE_READ] + [0] * (count - 1)


@pytest.mark.parametrize("after", range(1, 5))
def test_it_is_told_once(after: int) -> None:
    """Windows that come later have none, whatever stands before the first."""
    told = unpack_windows(feedback(4, opening_count=43), after, PACKET)
    assert [w.opening_bytes for w in told] == [0] * (4 - after)


@pytest.mark.parametrize("count", range(FEEDBACK_WINDOWS))
def test_an_old_agent_never_looks_there(count: int) -> None:
    """It reads the last ``count`` windows of the eight: these are the same bytes, with and without the opening read."""
    size = FEEDBACK_WINDOW.size * count
    new, old = (feedback(count, opening_count=n).windows for n in (43, None))
    assert new[len(new) - size :] == old[len(old) - size :]
    assert len(new) == len(old) == FEEDBACK_WINDOWS * FEEDBACK_WINDOW.size


def test_before_the_first_window_nothing_is_told() -> None:
    """The load has begun, no window has ended: no windows, no error."""
    assert unpack_windows(feedback(0, opening_count=43), 0, PACKET) == []
