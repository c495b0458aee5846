"""When a message may go, and what goes along with it."""

import pytest
from msgspec.structs import replace

from collector.core.bureau.pace import free_at, free_of_beginnings_at, noted
from collector.core.bureau.root import Scope
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import POLICY, Bureau, change


@pytest.mark.parametrize(
    ("most", "sent_at", "begins_at", "follows_at"),
    [
        pytest.param(3, (), 0, 0, id="nothing went"),
        pytest.param(3, (10,), 0, 0, id="one of three went"),
        pytest.param(3, (10, 20), 0, 610, id="the last of a window is for what begins"),
        pytest.param(3, (10, 20, 30), 610, 620, id="three went"),
        pytest.param(2, (10,), 0, 610, id="one of two went"),
        pytest.param(2, (10, 20), 610, 620, id="two went"),
        pytest.param(1, (), 0, 0, id="one a window: also for what goes on"),
        pytest.param(1, (10,), 610, 610, id="the one went"),
    ],
)
def test_when_one_more_message_may_go(
    most: int, sent_at: tuple[float, ...], begins_at: float, follows_at: float
) -> None:
    """So many in ten minutes."""
    policy = replace(POLICY, messages_per_window=most, message_window_s=600.0)
    assert free_at(sent_at, policy) == begins_at
    assert free_of_beginnings_at(sent_at, None, policy) == follows_at
    assert free_of_beginnings_at(sent_at, 100.0, policy) == max(follows_at, 700.0)
    assert len(noted(sent_at, 99.0, policy)) == min(len(sent_at) + 1, most)


@pytest.mark.parametrize(
    ("spread_wait_s", "is_along"),
    [
        pytest.param(40.0, True, id="due before it"),
        pytest.param(90.0, True, id="due a minute after it"),
        pytest.param(91.0, False, id="due later: who else is cut off may show until then"),
    ],
)
def test_what_is_due_within_a_minute_goes_along(spread_wait_s: float, *, is_along: bool) -> None:
    """A reader of two messages a minute apart would have liked one."""
    policy = replace(POLICY, spread_wait_s=spread_wait_s)
    bureau = Bureau(policy, {"511402": Scope(school_count=60, operators={"电信": 20})})

    def silent(number: int, at: float) -> object:
        fields = {"subject": Subject("gateway", f"gw{number}"), "operator": "电信", "since": at, "at": at}
        return change(f"s{number}", cause=Cause.GATEWAY_SILENT, **fields)

    bureau.step(0, *(silent(n, 0.0) for n in range(3)))  # type: ignore[arg-type]
    bureau.wait(900)
    bureau.step(1_000, silent(9, 1_000.0), change("slow", at=1_000.0))  # type: ignore[arg-type]
    first, *_ = bureau.wait(1_200)
    assert first.at == 1_030
    assert sorted(member.school for member in first.members) == (["s9", "slow"] if is_along else ["slow"])
