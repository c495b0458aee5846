"""At night nobody is told anything, and of single rooms nothing on a day without school."""

from typing import Any

import pytest

from collector.core.bureau.rest import awake_at, may_be_told_at
from collector.core.bureau.root import Scope
from collector.core.policy import Policy
from collector.core.roster import Hours
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import Bureau, change
from tests.support.school import at, weekdays

DAYS = weekdays()
POLICY = Policy(group_wait_s=30)
SILENT, PORT = Cause.GATEWAY_SILENT, Cause.PORT_DOWN


@pytest.mark.parametrize(
    ("cause", "moment", "told"),
    [
        pytest.param(SILENT, "2026-11-23 10:00", "2026-11-23 10:00", id="by day"),
        pytest.param(SILENT, "2026-11-23 21:59", "2026-11-23 21:59", id="in the evening"),
        pytest.param(SILENT, "2026-11-23 22:00", "2026-11-24 07:00", id="at night"),
        pytest.param(SILENT, "2026-11-24 00:00", "2026-11-24 07:00", id="at midnight"),
        pytest.param(SILENT, "2026-11-24 06:59", "2026-11-24 07:00", id="before the morning"),
        pytest.param(SILENT, "2026-11-24 07:00", "2026-11-24 07:00", id="in the morning"),
        pytest.param(SILENT, "2026-11-27 23:00", "2026-11-28 07:00", id="a Friday night: what schools share"),
        pytest.param(PORT, "2026-11-27 23:00", "2026-11-30 07:00", id="a Friday night: a room"),
        pytest.param(PORT, "2026-11-29 12:00", "2026-11-30 07:00", id="a room on a Sunday"),
        pytest.param(PORT, "2026-11-30 12:00", "2026-11-30 12:00", id="a room on a school day"),
        pytest.param(None, "2026-11-29 23:30", "2026-11-30 07:00", id="what is no fault"),
    ],
)
def test_when_it_may_be_told(cause: Cause | None, moment: str, told: str) -> None:
    """Where lessons are Monday to Friday."""
    assert may_be_told_at(cause, at(moment), DAYS, POLICY) == at(told)


@pytest.mark.parametrize(
    ("begins", "ends", "moment", "told"),
    [
        ("23:30", "06:15", "2026-11-24 03:00", "2026-11-24 06:15"),
        ("00:30", "06:00", "2026-11-24 00:29", "2026-11-24 00:29"),
        ("00:30", "06:00", "2026-11-24 00:30", "2026-11-24 06:00"),
        ("22:00", "22:00", "2026-11-24 03:00", "2026-11-24 03:00"),
    ],
)
def test_another_night(begins: str, ends: str, moment: str, told: str) -> None:
    """Within one day, over midnight, or none."""
    policy = Policy(quiet_chat_from=begins, quiet_chat_until=ends)
    assert awake_at(at(moment), DAYS, policy) == at(told)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        pytest.param("2026-11-27 23:59", "2026-11-27 23:59", id="the last minute of a Friday"),
        pytest.param("2026-11-28 00:00", "2026-11-30 00:00", id="Saturday has begun"),
        pytest.param("2026-12-23 12:00", "2026-12-23 12:00", id="the last day that is known"),
        pytest.param("2026-12-24 12:00", "2026-12-24 12:00", id="beyond it: nobody knows when there is school again"),
    ],
)
def test_where_there_is_no_night_a_room_waits_for_a_day_with_school(moment: str, told: str) -> None:
    """From its midnight on."""
    policy = Policy(quiet_chat_from="22:00", quiet_chat_until="22:00")
    assert may_be_told_at(PORT, at(moment), DAYS, policy) == at(told)


def test_where_no_days_are_known() -> None:
    """Nobody knows when it is night there."""
    assert may_be_told_at(PORT, at("2026-11-24 03:00"), Hours(), POLICY) == at("2026-11-24 03:00")


def office() -> Bureau:
    return Bureau(POLICY, {"511402": Scope(school_count=60, operators={"电信": 20}, hours=DAYS)})


def silent(number: int, kind: str, moment: str) -> Any:
    fields = {"subject": Subject("gateway", f"gw-{number}"), "operator": "电信", "at": at(moment)}
    return change(f"s{number}", kind, SILENT, **fields)


def test_an_outage_at_night_is_told_in_the_morning() -> None:
    """As it is then: what came and went is not told, what was told before and is well is told to be well."""
    bureau = office()
    bureau.step(at("2026-11-23 16:00"), silent(9, "opened", "2026-11-23 16:00"))
    bureau.wait(at("2026-11-23 17:00"))
    bureau.step(at("2026-11-23 23:00"), *(silent(n, "opened", "2026-11-23 23:00") for n in range(5)))
    bureau.step(at("2026-11-24 02:00"), *(silent(n, "closed", "2026-11-24 02:00") for n in (0, 9)))
    assert bureau.wait(at("2026-11-24 06:59")) == []
    (told,) = bureau.wait(at("2026-11-24 07:01"))
    assert [(n.at, n.kind, n.actor, sorted(m.school for m in n.members)) for n in told.parts] == [
        (at("2026-11-24 07:00"), "resolved", "school", ["s9"]),
        (at("2026-11-24 07:00"), "opened", "operator", ["s1", "s2", "s3", "s4"]),
    ]


def test_who_was_late_for_the_evening_waits() -> None:
    """The collector was away when it was due: it does not speak at night, nor ask to be woken at once."""
    bureau = office()
    bureau.step(at("2026-11-23 21:50"), silent(1, "opened", "2026-11-23 21:50"))
    assert bureau.step(at("2026-11-24 02:00")) == []
    assert bureau.wake_at == at("2026-11-24 07:00")
    assert [n.at for n in bureau.wait(at("2026-11-24 08:00"))] == [at("2026-11-24 07:00")]
