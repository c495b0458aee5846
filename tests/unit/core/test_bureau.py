"""One message per office and cause, never more than a few, and an end to everything that was told."""

from collector.core.bureau.step import OFFICES_PER_STEP
from collector.core.bureau.words import SchoolChanged, SchoolGone
from collector.core.policy import Policy
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import Bureau, change, moved


def test_waits_then_tells_once():
    """What falls within the group wait is one message; later nothing is repeated."""
    bureau = Bureau()
    assert bureau.step(0, change("s1")) == []
    assert bureau.step(10, change("s2")) == []
    (notice,) = bureau.step(30)
    assert (notice.kind, len(notice.members), notice.remaining_classrooms) == ("opened", 2, 4)
    assert bureau.step(60) == []


def test_one_recovery_message():
    """The first member that closes waits for the others; when the last one has, one message names all."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2"))
    bureau.step(30)
    assert bureau.step(100, change("s1", "closed")) == []
    assert bureau.step(120, change("s2", "closed")) == []
    (notice,) = bureau.wait(230)
    assert (notice.at, notice.kind, len(notice.members), notice.remaining_classrooms) == (150, "resolved", 2, 0)
    assert [h.change for h in bureau.history] == ["opened", "closed"]
    assert bureau.incidents == []


def test_over_before_it_was_told_is_not_told():
    """A flap inside the group wait says nothing at all."""
    bureau = Bureau()
    bureau.step(0, change())
    bureau.step(10, change(kind="closed"))
    assert bureau.step(100) == []
    assert bureau.incidents == []


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
    """What is too much for the limit goes along at once; another office is told by itself."""
    bureau = Bureau()
    causes = [Cause.UPLINK_BELOW_REQUIRED, Cause.PORT_DOWN, Cause.DEVICE_OFFLINE, Cause.PORT_HALF_DUPLEX]
    bureau.step(0, *[change(cause=c) for c in causes], change("t1", office="511403"))
    several, other = sorted(bureau.step(30), key=lambda n: n.office)
    assert (several.kind, {part.cause for part in several.parts}) == ("several", set(causes))
    assert [(m.school, m.cause) for m in several.members] == [("s1", part.cause) for part in several.parts]
    assert (other.office, other.kind, other.parts) == ("511403", "opened", ())
    assert bureau.wait(400) == []


def test_the_last_message_of_a_window_is_for_what_begins():
    """More of what is known leaves it free, goes along with what begins, and otherwise waits for the next window."""
    bureau = Bureau()
    for at, school in ((0, "s1"), (50, "s2")):
        bureau.step(at, change(school, cause=Cause.PORT_DOWN))
        assert [n.at for n in bureau.wait(at + 40)] == [at + 30]
    bureau.step(100, change("s1", "closed", cause=Cause.PORT_DOWN))
    assert bureau.wait(190) == []
    bureau.step(200, change("s3", cause=Cause.PORT_DOWN))
    (both,) = bureau.wait(240)
    assert (both.at, [part.kind for part in both.parts]) == (230, ["resolved", "opened"])
    bureau.step(250, change("s3", "closed", cause=Cause.PORT_DOWN))
    (end,) = bureau.wait(900)
    assert (end.at, end.kind) == (380, "resolved")


def test_one_message_of_a_window_is_without_a_beginning():
    """Two that are well again within minutes are one message more, not two."""
    bureau = Bureau()
    causes = (Cause.PORT_DOWN, Cause.PORT_HALF_DUPLEX, Cause.SEGMENT_BELOW_REQUIRED)
    bureau.step(0, *(change(cause=cause) for cause in causes))
    bureau.wait(60)
    for at, cause in zip((1_000, 1_050, 1_150), causes, strict=True):
        bureau.step(at, change(kind="closed", cause=cause))
        bureau.wait(at + 40)
    bureau.wait(2_000)
    told = [(n.at, [(p.cause, p.kind) for p in n.parts or (n,)]) for n in bureau.notices[1:]]
    assert told == [(1_030, [(causes[0], "resolved")]), (1_330, [(cause, "resolved") for cause in causes[1:]])]


def test_what_is_due_soon_or_is_over_goes_along():
    """Within a minute it would be another message; and where all is over no more will come that it could wait for."""
    bureau = Bureau()
    bureau.step(0, change("s1", cause=Cause.PORT_DOWN), change("s2", cause=Cause.PORT_DOWN))
    bureau.wait(60)
    bureau.step(1_000, change("s1", "closed", cause=Cause.PORT_DOWN))
    bureau.step(1_010, change("s3", cause=Cause.PORT_HALF_DUPLEX), change("s2", "closed", cause=Cause.PORT_DOWN))
    (notice,) = bureau.wait(1_500)
    assert (notice.at, sorted(part.kind for part in notice.parts)) == (1_030, ["opened", "resolved", "resolved"])


def test_a_part_of_many_schools_waits_for_the_rest():
    """Of an operator's line two schools are well: the third has its time to follow, whatever else is told meanwhile."""
    bureau = Bureau()
    bureau.step(0, *(change(f"s{n}") for n in range(3)))
    bureau.wait(60)
    bureau.step(1_000, change("s0", "closed"), change("s1", "closed"), change(cause=Cause.PORT_DOWN))
    (other,) = bureau.wait(1_060)
    assert other.cause is Cause.PORT_DOWN
    bureau.step(1_200, change("s2", "closed"))
    (end,) = bureau.wait(2_000)
    assert (end.at, end.kind, len(end.members)) == (1_230, "resolved", 3)


def test_reminder_once_a_day():
    """What is still open after a day is told again, once."""
    bureau = Bureau()
    bureau.step(0, change())
    bureau.step(30)
    assert [n.kind for n in bureau.step(30 + 86_400)] == ["reminder"]
    assert bureau.step(40 + 86_400) == []


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
    assert ([desk.moves for desk in bureau.state.desks.values()], bureau.history) == ([(), ()], [])


def test_moves_keep_to_the_limit_of_messages():
    """Where an office had its messages already, moves wait and are then told together."""
    bureau = Bureau(Policy(group_wait_s=0, messages_per_window=1, message_window_s=600))
    assert len(bureau.step(0, moved("r1"))) == 1
    assert bureau.step(10, moved("r2", at=10)) == []
    (notice,) = bureau.step(700, moved("r3", at=700))
    assert [m.classroom for m in notice.moves] == ["r2", "r3"]


# --- what is over ---------------------------------------------------------------------------------------------------


def test_a_part_that_is_over_is_told_and_counts_add_up():
    """What closes while others stay is news once the rest had time to follow, and so is what opens again."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2", classrooms=("r1", "r2", "r3")))
    bureau.wait(60)
    bureau.step(100, change("s1", "closed", at=100.0))
    (part,) = bureau.wait(500)
    assert (part.at, part.kind, part.remaining_classrooms) == (430, "resolved", 3)
    assert [(m.school, m.change, m.classrooms) for m in part.members] == [("s1", "closed", ("r1", "r2"))]
    bureau.step(800, change("s1", at=800.0))
    (again,) = bureau.wait(900)
    assert (again.kind, [m.school for m in again.members], again.remaining_classrooms) == ("updated", ["s1"], 5)
    assert [incident.classroom_peak_count for incident in bureau.incidents] == [5]


def test_what_began_and_what_ended_are_one_message():
    """An office that reads 5 rooms, then 2 new and 3 over, reads 4."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2", classrooms=("r1", "r2", "r3")))
    bureau.wait(60)
    bureau.step(100, change("s2", "closed", classrooms=(), at=100.0), change("s3", at=100.0))
    (notice,) = bureau.wait(200)
    assert (notice.kind, notice.remaining_classrooms) == ("updated", 4)
    assert {(m.school, m.change, len(m.classrooms)) for m in notice.members} == {
        ("s2", "closed", 3),
        ("s3", "opened", 2),
    }


def test_rooms_that_two_subjects_share_add_up():
    """A second platform fails in the same rooms: they were known; one that recovers leaves them affected."""
    bureau, cause = Bureau(), Cause.PLATFORM_UNREACHABLE
    first, second = Subject("platform", "gw1", "national"), Subject("platform", "gw1", "provincial")
    bureau.step(0, change(cause=cause, subject=first))
    bureau.wait(60)
    bureau.step(100, change(cause=cause, subject=second, classrooms=("r2", "r3")))
    (more,) = bureau.wait(200)
    assert (more.kind, more.known_classrooms, more.remaining_classrooms) == ("updated", 1, 3)
    bureau.step(500, change(kind="closed", cause=cause, subject=first))
    (less,) = bureau.wait(600)
    assert (less.kind, less.still_classrooms, less.remaining_classrooms) == ("resolved", 1, 2)


def test_rooms_that_join_and_leave_a_member():
    """More rooms behind a dead switch are told by themselves; one that is exempt now is withdrawn, not recovered."""
    bureau = Bureau()
    bureau.step(0, change())
    bureau.wait(60)
    assert bureau.step(90, change(measured=5.0)) == []
    bureau.step(100, change(classrooms=("r2", "r3")))
    (notice,) = bureau.wait(200)
    assert (notice.kind, notice.remaining_classrooms) == ("updated", 2)
    assert [(m.change, m.why, m.classrooms) for m in notice.members] == [
        ("opened", "recovered", ("r3",)),
        ("closed", "withdrawn", ("r1",)),
    ]


def test_what_is_withdrawn_is_not_called_recovered():
    """A room that was exempted, a school that was removed: told as that; with nothing recovered, the title as well."""
    bureau = Bureau()
    bureau.step(0, change("s1"), change("s2"))
    bureau.wait(60)
    bureau.step(100, change("s1", "closed", why="withdrawn", classrooms=()))
    (part,) = bureau.wait(500)
    assert (part.kind, [m.why for m in part.members], part.remaining_classrooms) == ("withdrawn", ["withdrawn"], 2)
    bureau.step(800, change("s2", "closed"))
    (end,) = bureau.wait(900)
    assert (end.kind, [m.why for m in end.members]) == ("resolved", ["recovered"])


def test_since_is_when_the_evidence_was_bad():
    """Not when the alert opened, and of an incident the first of its members, also of one that joined later."""
    bureau = Bureau()
    bureau.step(1_000, change("s1", since=900.0, at=1_000.0))
    (first,) = bureau.wait(1_100)
    assert (first.since, first.members[0].since) == (900, 900)
    bureau.step(1_200, change("s2", since=600.0, at=1_200.0), change("s1", since=950.0, at=1_200.0, measured=1.0))
    (more,) = bureau.wait(1_300)
    assert (more.since, [m.school for m in more.members]) == (600, ["s2"])
    assert [m.alert.since for i in bureau.incidents for m in i.schools["s1"]] == [900]


def test_the_history_follows_the_members():
    """An incident of 100 uplinks that began with one school says in its history how many rooms it affected at most."""
    bureau = Bureau()
    bureau.step(0, change("s0"))
    bureau.step(1, *[change(f"s{n}") for n in range(1, 100)])
    bureau.step(2, *[change(f"s{n}", "closed") for n in range(100)])
    bureau.wait(60)
    assert [(h.change, h.incident.classroom_peak_count) for h in bureau.history] == [("opened", 2), ("closed", 200)]


# --- schools that move, leave and return ----------------------------------------------------------------------------


def test_a_school_that_changes_its_office():
    """The old office is told that it moved away, the new one has it, and its end reaches the new one."""
    bureau = Bureau()
    bureau.step(0, change("s1", since=-50.0), change("s2"))
    bureau.wait(60)
    bureau.step(100, SchoolChanged(school="s1", office="511403", name="新名"))
    old, new = sorted(bureau.wait(500), key=lambda n: n.office)
    assert (old.office, old.kind, [(m.school, m.why) for m in old.members]) == (
        "511402",
        "withdrawn",
        [("s1", "withdrawn")],
    )
    assert (old.members[0].office, old.remaining_classrooms) == ("511403", 2)
    assert (new.office, new.kind, new.since) == ("511403", "opened", -50)
    assert [(m.school_name, m.office) for m in new.members] == [("新名", "511403")]
    bureau.step(800, change("s1", "closed", office="511403"), change("s2", "closed"))
    assert {(n.office, n.kind) for n in bureau.wait(900)} == {("511402", "resolved"), ("511403", "resolved")}
    assert (bureau.incidents, bureau.state.holders) == ([], {})


def test_a_move_told_by_the_alert_itself():
    """An alert that says another office than its school had moves it: also when closed and opened by the school."""
    over, opened = change("s1", "closed", why="withdrawn"), change("s1", office="511403")
    moved_on = SchoolChanged(school="s1", office="511403", name="s1")
    late = change("s1", "closed", office="511403", why="withdrawn")
    for events in ([opened], [over, opened], [over, moved_on, opened], [moved_on, late, opened]):
        bureau = Bureau()
        bureau.step(0, change("s1"), change("s1", cause=Cause.PORT_DOWN))
        bureau.wait(60)
        bureau.step(100, *events)
        bureau.wait(600)
        told = {(n.office, n.cause, n.kind) for n in bureau.told}
        assert ("511402", Cause.UPLINK_BELOW_REQUIRED, "withdrawn") in told
        assert ("511403", Cause.UPLINK_BELOW_REQUIRED, "opened") in told
        assert bureau.step(700, *events) == []
        bureau.step(800, change("s1", "closed"), change("s1", "closed", cause=Cause.PORT_DOWN))
        bureau.wait(1_200)
        assert bureau.incidents == []


def test_a_school_that_is_renamed():
    """A message after the change has the new name; the change itself is no news."""
    bureau = Bureau()
    bureau.step(0, change("s1"))
    bureau.step(10, SchoolChanged(school="s1", office="511402", name="城关小学"))
    (notice,) = bureau.wait(60)
    assert [m.school_name for m in notice.members] == ["城关小学"]
    assert bureau.step(100, SchoolChanged(school="s1", office="511402", name="别名")) == []
    assert bureau.wait(300) == []


def test_a_school_that_leaves_and_returns():
    """It is withdrawn; when it is back and its line still fails, that is told again."""
    bureau = Bureau()
    bureau.step(0, change("s1"))
    bureau.wait(60)
    bureau.step(100, SchoolGone(school="s1"))
    assert [n.kind for n in bureau.wait(200)] == ["withdrawn"]
    assert bureau.incidents == []
    assert bureau.step(250, SchoolGone(school="s1"), change("s1", "closed")) == []
    bureau.step(300, change("s1"))
    assert [n.kind for n in bureau.wait(400)] == ["opened"]
    assert [h.incident.id for h in bureau.history if h.change == "opened"] == ["000001", "000002"]


def test_gone_before_it_was_told():
    """Nobody heard of it: nobody hears of its end."""
    bureau = Bureau()
    bureau.step(0, change("s1"))
    bureau.step(10, SchoolGone(school="s1"))
    assert (bureau.wait(500), bureau.incidents, bureau.wake_at) == ([], [], None)


def test_moves_follow_their_school():
    """A move that was not told goes to the office where the school is now, and nowhere if it is gone."""
    bureau = Bureau()
    bureau.step(0, moved("r1"))
    bureau.step(10, SchoolChanged(school="s1", office="511403", name="新名"))
    (notice,) = bureau.wait(100)
    assert (notice.office, [m.school_name for m in notice.moves]) == ("511403", ["新名"])
    bureau.step(200, moved("r1", at=200))
    bureau.step(210, SchoolGone(school="s1"))
    assert bureau.wait(500) == []


# --- what comes twice, out of place, or from a wrong clock ----------------------------------------------------------


def test_the_same_change_twice_does_nothing():
    """A second opening puts nothing off, a second closing says nothing, and no row would be written."""
    bureau = Bureau()
    bureau.step(0, change("s1"))
    before = bureau.incidents
    bureau.step(20, change("s1"), moved("r1", at=20), moved("r1", at=20))
    assert bureau.incidents[0] is before[0]
    bureau.wait(60)
    assert [(n.at, len(n.members), len(n.moves)) for n in bureau.told] == [(30, 1, 0), (30, 0, 1)]
    bureau.step(100, change("s1", "closed"))
    bureau.step(110, change("s1", "closed"))
    assert [n.at for n in bureau.wait(500)] == [130]


def test_an_end_without_a_beginning():
    """Nothing, also where another subject of the school or another school is open."""
    bureau = Bureau()
    assert bureau.step(0, change(kind="closed")) == []
    assert (bureau.state.desks, bureau.history) == ({}, [])
    bureau.step(0, change("s1"))
    bureau.wait(60)
    bureau.step(100, change("s1", "closed", subject=Subject("uplink", "gw2")), change("s2", "closed"))
    assert bureau.wait(500) == []


def test_a_clock_that_was_ahead_holds_nothing_back():
    """What was written in a future that never came is due as if it were new: limits, waits, moves, reminders."""
    bureau, ahead = Bureau(), 31_536_000.0
    bureau.step(ahead, change("s1"), change("s2", cause=Cause.PORT_DOWN), moved("r1", at=ahead))
    bureau.wait(ahead + 31)
    bureau.step(ahead + 40, change("s3", cause=Cause.DEVICE_OFFLINE), moved("r2", at=ahead + 40))
    assert bureau.step(1_000) == []
    bureau.wait(1_100)
    assert [(n.at, n.cause) for n in bureau.told[-2:]] == [(1_030, None), (1_030, Cause.DEVICE_OFFLINE)]
    (reminder,) = bureau.wait(1_001 + 86_400)
    assert (reminder.at, {part.kind for part in reminder.parts}) == (1_000 + 86_400, {"reminder"})


def test_another_policy_counts_at_once():
    """Where a wait or a limit is shortened, what is due by the new one does not wait for the old one."""
    bureau = Bureau(Policy(group_wait_s=600))
    bureau.step(0, change("s1"), change("s2", office="511403"))
    bureau.wait(700)
    bureau.step(900, change("s3"))
    bureau.policy = Policy(group_wait_s=30)
    assert bureau.step(1_000) == []
    assert [(n.at, n.office, n.kind) for n in bureau.wait(1_040)] == [(1_030, "511402", "updated")]


def test_an_incident_without_rooms():
    """A gateway that serves no judged room is told all the same, with no rooms."""
    bureau = Bureau()
    bureau.step(0, change(classrooms=(), cause=Cause.GATEWAY_SILENT))
    (notice,) = bureau.wait(60)
    assert (notice.remaining_classrooms, len(notice.members)) == (0, 1)
    bureau.step(100, change(kind="closed", classrooms=(), cause=Cause.GATEWAY_SILENT))
    assert [n.kind for n in bureau.wait(200)] == ["resolved"]
    assert [h.incident.classroom_peak_count for h in bureau.history] == [0, 0]


def test_who_waits_longest_is_told_first():
    """An old incident with ever new members does not keep the end of another one waiting."""
    bureau = Bureau(Policy(group_wait_s=10, messages_per_window=1, message_window_s=100))
    bureau.step(0, change("s0"))
    assert [n.cause for n in bureau.wait(50)] == [Cause.UPLINK_BELOW_REQUIRED]
    bureau.step(50, change("t0", cause=Cause.PORT_DOWN))
    bureau.step(100, *[change(f"s{n}") for n in range(1, 5)])
    (several,) = bureau.wait(120)
    assert [(part.cause, part.kind) for part in several.parts] == [
        (Cause.PORT_DOWN, "opened"), (Cause.UPLINK_BELOW_REQUIRED, "updated"),
    ]  # fmt: skip
    bureau.step(130, change("t0", "closed", cause=Cause.PORT_DOWN))
    assert [(n.cause, n.kind) for n in bureau.wait(400)] == [(Cause.PORT_DOWN, "resolved")]


def test_many_offices_are_told_a_few_at_a_time():
    """More than one step is needed; each says that it is needed at once, and all are told at that moment."""
    bureau = Bureau()
    offices = [f"o{n}" for n in range(3 * OFFICES_PER_STEP)]
    bureau.step(0, *[change(f"s{office}", office=office) for office in offices])
    assert len(bureau.step(30)) == OFFICES_PER_STEP
    assert bureau.wake_at == 30
    bureau.wait(30)
    assert (sorted(n.office for n in bureau.notices), bureau.wake_at) == (sorted(offices), 30 + 86_400)
