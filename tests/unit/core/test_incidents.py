"""One message per office and cause, never more than a few, and an end to everything that was told."""

from typing import Any

from collector.core.incidents import step
from collector.core.policy import Policy
from collector.core.state import AlertChange, BureauState, Cause, DeviceMoved, IncidentChanged, Notice

POLICY = Policy(group_wait_s=30)


def change(school: str = "s1", kind: str = "opened", cause: Cause = Cause.UPLINK_BELOW_REQUIRED, **fields: Any) -> Any:
    given = {"office": "511402", "school_name": school, "subject": "uplink:gw1", "classrooms": ("r1", "r2"), "at": 0.0}
    return AlertChange(change=kind, school=school, cause=cause, **{**given, **fields})


class Bureau:
    def __init__(self, policy: Policy = POLICY) -> None:
        self.state = BureauState()
        self.policy = policy
        self.notices: list[Notice] = []
        self.history: list[IncidentChanged] = []

    def step(self, now: float, *changes: AlertChange | DeviceMoved) -> list[Notice]:
        self.state, effects = step(self.state, changes, now, self.policy)
        notices = [e for e in effects if isinstance(e, Notice)]
        self.notices += notices
        self.history += [e for e in effects if isinstance(e, IncidentChanged)]
        return notices


def test_waits_then_tells_once():
    """What falls within the group wait is one message; later nothing is repeated."""
    bureau = Bureau()
    assert bureau.step(0, change("s1")) == []
    assert bureau.step(10, change("s2")) == []
    (notice,) = bureau.step(30)
    assert (notice.kind, len(notice.members), notice.remaining_classrooms) == ("opened", 2, 4)
    assert bureau.step(60) == []


def test_one_recovery_message():
    """When the last member closes, one message names all that were told."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2"))
    bureau.step(30)
    assert bureau.step(100, change("s1", "closed")) == []
    bureau.step(200, change("s2", "closed"))
    (notice,) = bureau.step(230)
    assert (notice.kind, len(notice.members), notice.remaining_classrooms) == ("resolved", 2, 0)
    assert [h.change for h in bureau.history] == ["opened", "closed"]
    assert bureau.state.incidents == {}


def test_over_before_it_was_told_is_not_told():
    """A flap inside the group wait says nothing at all."""
    bureau = Bureau()
    bureau.step(0, change())
    bureau.step(10, change(kind="closed"))
    assert bureau.step(100) == []
    assert bureau.state.incidents == {}


def test_new_member_is_an_update_with_only_what_is_new():
    """A school that joins later is told alone, with the total."""
    bureau = Bureau()
    bureau.step(0, change("s1"))
    bureau.step(30)
    bureau.step(600, change("s2"))
    (notice,) = bureau.step(630)
    assert (notice.kind, [m.school for m in notice.members], notice.remaining_classrooms) == ("updated", ["s2"], 4)


def test_flapping_member_is_not_told_again():
    """A member that closes and opens while its incident lasts makes no message."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2"))
    bureau.step(30)
    for now in range(100, 200, 10):
        bureau.step(now, change("s1", "closed"))
        bureau.step(now + 5, change("s1"))
    assert bureau.step(400) == []


def test_at_most_three_messages_per_office_in_five_minutes():
    """However many causes fall at once, the fourth message waits for the window; another office does not."""
    bureau = Bureau()
    causes = [Cause.UPLINK_BELOW_REQUIRED, Cause.PORT_DOWN, Cause.DEVICE_OFFLINE, Cause.PORT_HALF_DUPLEX]
    bureau.step(0, *[change(cause=c) for c in causes], change("t1", office="511403"))
    assert len(bureau.step(30)) == 4
    assert [n.office for n in bureau.notices].count("511402") == 3
    assert bureau.step(300) == []
    assert len(bureau.step(331)) == 1


def test_reminder_once_a_day():
    """What is still open after a day is told again, once."""
    bureau = Bureau()
    bureau.step(0, change())
    bureau.step(30)
    assert [n.kind for n in bureau.step(30 + 86_400)] == ["reminder"]
    assert bureau.step(40 + 86_400) == []


def moved(room: str, office: str = "511402", at: float = 0.0) -> DeviceMoved:
    return DeviceMoved(
        office=office, school="s1", school_name="s1", classroom=room, before="sw1:1", after=f"sw2:{room}", at=at
    )


def test_moves_of_an_office_are_one_message():
    """A rewired building is one piece of news, told once, and is no incident."""
    bureau = Bureau()
    assert bureau.step(0, moved("r1")) == []
    assert bureau.step(20, moved("r2"), moved("r9", office="511403", at=20)) == []
    (notice,) = bureau.step(30)
    assert (notice.kind, notice.cause, [m.classroom for m in notice.moves]) == ("moved", None, ["r1", "r2"])
    (other,) = bureau.step(50)
    assert (other.office, [m.classroom for m in other.moves]) == ("511403", ["r9"])
    assert bureau.step(500) == []
    assert (bureau.state.moves, bureau.history) == ({}, [])


def test_moves_keep_to_the_limit_of_messages():
    """Where an office had its messages already, moves wait and are then told together."""
    bureau = Bureau(Policy(group_wait_s=0, messages_per_window=1, message_window_s=600))
    assert len(bureau.step(0, moved("r1"))) == 1
    assert bureau.step(10, moved("r2", at=10)) == []
    (notice,) = bureau.step(700, moved("r3", at=700))
    assert [m.classroom for m in notice.moves] == ["r2", "r3"]
