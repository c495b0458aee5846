"""What nobody takes is told to somebody else: after hours of lessons, and once."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from collector.core.bureau.root import Scope
from collector.core.bureau.words import Acknowledged
from collector.core.words import Cause
from collector.engine.bureau import _addressed
from collector.settings import ConsoleReceiver
from tests.support.offices import POLICY, Bureau, change
from tests.support.school import at, weekdays

AFTER_4H = replace(POLICY, escalate_after_lesson_hours=4.0)
SCOPES = {"511402": Scope(school_count=60, hours=weekdays())}


def told_at(began: str, until: str, policy=AFTER_4H, cause=Cause.UPLINK_BELOW_REQUIRED, *events) -> list[str]:
    """When what began at ``began`` was escalated, ``events`` coming an hour after it."""
    bureau = Bureau(policy, SCOPES)
    bureau.step(at(began), change(cause=cause, at=at(began), since=at(began)))
    bureau.wait(at(began) + 3_600)
    if events:
        bureau.step(at(began) + 3_600, *events)
    bureau.wait(at(until))
    escalated = [notice for notice in bureau.notices if notice.kind == "escalated"]
    return [datetime.fromtimestamp(notice.at + 28_800, UTC).strftime("%Y-%m-%d %H:%M:%S") for notice in escalated]


@pytest.mark.parametrize(
    ("began", "escalated"),
    [
        pytest.param("2026-11-23 09:00", "2026-11-23 13:00:30", id="the same day"),
        pytest.param("2026-11-23 15:00", "2026-11-24 10:00:30", id="two hours today, two tomorrow"),
        pytest.param("2026-11-27 16:00", "2026-11-30 11:00:30", id="over a weekend"),
        pytest.param("2026-11-28 10:00", "2026-11-30 12:00:00", id="told on a Saturday"),
    ],
)
def test_after_hours_of_lessons(began: str, escalated: str) -> None:
    """Counted from its first message, and told once, however long it lasts."""
    assert told_at(began, "2026-12-04 18:00") == [escalated]


def test_what_somebody_took_is_told_to_nobody_else() -> None:
    taken = Acknowledged(incident="000001", by="王工", note="", at=at("2026-11-23 10:00"))
    assert told_at("2026-11-23 09:00", "2026-12-04 18:00", AFTER_4H, Cause.UPLINK_BELOW_REQUIRED, taken) == []


def test_what_is_over_is_told_to_nobody_else() -> None:
    over = change(kind="closed", at=at("2026-11-23 10:00"))
    assert told_at("2026-11-23 09:00", "2026-12-04 18:00", AFTER_4H, Cause.UPLINK_BELOW_REQUIRED, over) == []


@pytest.mark.parametrize(("policy", "cause"), [(POLICY, Cause.PORT_DOWN), (AFTER_4H, Cause.DEVICE_OFFLINE)])
def test_never(policy, cause) -> None:
    """Where the policy does not ask for it; and a board that stays off is the digest's."""
    assert told_at("2026-11-23 09:00", "2026-12-04 18:00", policy, cause) == []


def test_where_lessons_are_not_known_nothing_is_escalated() -> None:
    bureau = Bureau(AFTER_4H)
    bureau.step(0, change())
    bureau.wait(400_000)
    assert "escalated" not in {notice.kind for notice in bureau.notices}


def test_who_is_told() -> None:
    """Those for escalation get that and nothing else, each for its offices."""
    receivers = [
        ConsoleReceiver(name="group"),
        ConsoleReceiver(name="boss", escalation=True),
        ConsoleReceiver(name="other", escalation=True, offices=("511421",)),
        ConsoleReceiver(name="spare", standby=True),
    ]
    bureau = Bureau(AFTER_4H, SCOPES)
    bureau.step(at("2026-11-23 09:00"), change(at=at("2026-11-23 09:00"), since=at("2026-11-23 09:00")))
    bureau.wait(at("2026-11-23 14:00"))
    assert [(n.kind, [name for names, _ in _addressed(n, receivers) for name in names]) for n in bureau.notices] == [
        ("opened", ["group"]), ("escalated", ["boss"]),
    ]  # fmt: skip
    assert bureau.notices[1].remaining_classrooms == 2
