"""When an office is told: every wait and every limit of the bureau to the moment."""

import pytest

from collector.core.policy import Policy
from collector.core.words import Cause
from tests.support.offices import Bureau, change, moved


def test_a_move_waits_for_others_and_is_put_off_by_none():
    """From the first of them on; the message dates from it."""
    bureau = Bureau()
    bureau.step(0, moved("r1", at=0))
    bureau.step(20, moved("r2", at=20))
    assert (bureau.wake_at, bureau.step(29.999)) == (30, [])
    (notice,) = bureau.step(30)
    assert (notice.since, notice.at, [m.classroom for m in notice.moves]) == (0, 30, ["r1", "r2"])
    assert bureau.wake_at is None


@pytest.mark.parametrize("wait_s", [0, 1, 30])
def test_news_waits_so_long_from_the_first_of_it(wait_s):
    """What comes meanwhile goes along; what comes after it waits anew."""
    bureau = Bureau(Policy(group_wait_s=wait_s))
    told = bureau.step(100, change("s1"))
    if wait_s:
        bureau.step(100 + wait_s / 2, change("s2"))
        assert (told, bureau.wake_at) == ([], 100 + wait_s)
        told = bureau.step(100 + wait_s)
    assert [notice.at for notice in told] == [100 + wait_s]
    bureau.step(200, change("s3"))
    assert [notice.at for notice in bureau.wait(250)] == ([] if wait_s == 0 else [200 + wait_s])


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("window_s", [60, 300])
def test_so_many_messages_in_a_window(limit, window_s):
    """One more goes when the window of the first is over, not a moment before."""
    policy = Policy(group_wait_s=0, messages_per_window=limit, message_window_s=window_s)
    bureau = Bureau(policy)
    for n in range(limit):
        assert len(bureau.step(n, change(f"s{n}", cause=Cause.PORT_DOWN))) == 1
    assert (bureau.step(limit, change("late", cause=Cause.PORT_DOWN)), bureau.wake_at) == ([], window_s)
    assert bureau.step(window_s - 0.001) == []
    assert [len(notice.members) for notice in bureau.step(window_s)] == [1]
    bureau.step(window_s, change("later", cause=Cause.PORT_DOWN))
    assert bureau.wake_at == (2 * window_s if limit == 1 else 1 + window_s)


def test_a_reminder_to_the_moment():
    """Where no school days are known: a day after the last message about it, a reminder is one, too."""
    bureau, after_s = Bureau(Policy(group_wait_s=30)), 86_400
    bureau.step(0, change())
    (first,) = bureau.step(30)
    assert (first.kind, bureau.wake_at) == ("opened", 30 + after_s)
    assert bureau.step(29.999 + after_s) == []
    (second,) = bureau.step(30 + after_s)
    assert (second.kind, second.remaining_classrooms, bureau.wake_at) == ("reminder", 2, 30 + 2 * after_s)
