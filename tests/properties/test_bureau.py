"""Whatever schools tell, in whatever order: the bureau says it once, it adds up, and it comes to an end."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.core.bureau import incidents
from collector.core.bureau.root import Scope
from collector.core.bureau.step import step
from collector.core.bureau.words import (
    Bureau,
    BureauEvent,
    Incident,
    IncidentChanged,
    Notice,
    SchoolChanged,
    SchoolGone,
)
from collector.core.events import AlertChange, DeviceMoved
from collector.core.policy import Policy
from collector.core.roster import Hours, SchoolDay
from collector.core.subject import Subject
from collector.core.words import Cause

POLICY = Policy(
    group_wait_s=30, message_window_s=300, messages_per_window=3, digest_at="00:20",
    quiet_chat_from="23:55", quiet_chat_until="00:05",
)  # fmt: skip
DAYS = Hours(days=(SchoolDay("1970-01-01", ()), SchoolDay("1970-01-02", ())), utc_offset_s=85_200.0)
"""The night is from 900 s to 1,500 s, the second day begins at 1,200 s, and its digest is due at 2,400 s."""
SCOPES = {"o1": Scope(school_count=8, operators={"电信": 4}, hours=DAYS), "o2": Scope(school_count=3)}
EXAMPLES = settings(max_examples=150, deadline=None)

OFFICES, SCHOOLS = st.sampled_from(["o1", "o2"]), st.sampled_from(["s1", "s2", "s3", "s4"])
CAUSES = st.sampled_from([Cause.UPLINK_BELOW_REQUIRED, Cause.GATEWAY_SILENT, Cause.PLATFORM_UNREACHABLE])
SUBJECTS = st.sampled_from([Subject("platform", "g", "a"), Subject("platform", "g", "b")])
ROOMS = st.lists(st.sampled_from(["r1", "r2", "r3", "r4"]), unique=True).map(tuple)
ALERTS = st.builds(
    AlertChange,
    change=st.sampled_from(["opened", "opened", "closed"]),
    office=OFFICES,
    school=SCHOOLS,
    school_name=st.sampled_from(["甲", "乙"]),
    subject=SUBJECTS,
    cause=CAUSES,
    at=st.just(0.0),
    why=st.sampled_from(["recovered", "withdrawn"]),
    operator=st.sampled_from(["电信", "电信", None]),
    classrooms=ROOMS,
)
MOVES = st.builds(
    DeviceMoved,
    office=OFFICES,
    school=SCHOOLS,
    school_name=st.just("甲"),
    classroom=st.sampled_from(["r1", "r2"]),
    before=st.just("sw1:1"),
    after=st.sampled_from(["sw1:2", "sw2:1"]),
    at=st.just(0.0),
)
ROSTERS = st.builds(SchoolChanged, school=SCHOOLS, office=OFFICES, name=st.sampled_from(["甲", "乙"])) | st.builds(
    SchoolGone, school=SCHOOLS
)
WAITS = st.sampled_from([0, 1, 5, 29, 30, 31, 100, 270, 1_000, 2_500])
HISTORIES = st.lists(st.tuples(WAITS, st.lists(ALERTS | ALERTS | MOVES | ROSTERS, max_size=4)), max_size=25)

History = Sequence[tuple[int, Sequence[BureauEvent]]]


def dated(event: BureauEvent, now: float) -> BureauEvent:
    return msgspec.structs.replace(event, at=now) if isinstance(event, AlertChange | DeviceMoved) else event


class Player:
    """A bureau, and everything that it ever said."""

    def __init__(self, scopes: Mapping[str, Scope] = SCOPES) -> None:
        self.scopes = scopes
        self.bureau, self.effects, self.now = Bureau(), list[Any](), 0.0
        self.wake_at: float | None = None

    def put(self, events: Sequence[BureauEvent] = ()) -> None:
        """Let it hear ``events``, and again for as long as it asks to be woken at once."""
        self.bureau, effects, self.wake_at = step(self.bureau, events, self.now, POLICY, self.scopes)
        self.effects += effects
        if self.wake_at is not None and self.wake_at <= self.now:
            self.put()

    def sleep(self, until: float) -> None:
        """Wake it when it said, and not otherwise."""
        while self.wake_at is not None and self.wake_at <= until:
            self.now = self.wake_at
            self.put()
        self.now = until

    def tick(self, until: float) -> None:
        """Wake it every second."""
        while self.now < until:
            self.now += 1
            self.put()

    def told(self) -> list[Notice]:
        return [part for notice in self.sent() for part in notice.parts or (notice,)]

    def sent(self) -> list[Notice]:
        return [effect for effect in self.effects if isinstance(effect, Notice)]

    def open_incidents(self) -> list[Incident]:
        return [incident for desk in self.bureau.desks.values() for incident in desk.incidents.values()]


def play(history: History, *, ticking: bool = False, times: int = 1, scopes: Mapping[str, Scope] = SCOPES) -> Player:
    player = Player(scopes)
    for wait, events in history:
        pass_time = player.tick if ticking else player.sleep
        pass_time(player.now + wait)
        player.put([dated(event, player.now) for event in events for _ in range(times)])
    return player


def ended(player: Player, endings: Iterable[BureauEvent]) -> Player:
    """Everything closes; then a long time passes."""
    player.put([dated(event, player.now) for event in endings])
    player.sleep(player.now + 10_000)
    return player


@EXAMPLES
@given(HISTORIES)
def test_waking_by_need_is_ticking_every_second(history):
    """The same messages at the same times, and the same bureau."""
    woken, ticked = play(history), play(history, ticking=True)
    woken.sleep(woken.now + 400)
    ticked.tick(ticked.now + 400)
    assert woken.effects == ticked.effects
    assert woken.bureau.desks == ticked.bureau.desks


@EXAMPLES
@given(HISTORIES)
def test_twice_is_once(history):
    """A change that comes twice, as after a kill, says nothing that it did not say the first time."""
    assert play(history, times=2).effects == play(history).effects


@EXAMPLES
@given(HISTORIES)
def test_sums_are_kept_right(history):
    """What is summed change by change is what counting everything gives; nothing stays that nobody waits for."""
    for incident in play(history).open_incidents():
        assert incidents.recounted(incident).tally == incident.tally
        assert incident.schools
        assert (incident.due_at is None) == (incident.tally.news_count == 0)


@EXAMPLES
@given(HISTORIES)
def test_a_school_stands_at_one_desk(history):
    """The office that the last news of a school named has all its open alerts, and the index says so."""
    bureau = play(history).bureau
    found = {
        (school, office)
        for office, desk in bureau.desks.items()
        for incident in desk.incidents.values()
        for school, members in incident.schools.items()
        if any(member.is_open for member in members)
    }
    assert found == set(bureau.holders.items())


@EXAMPLES
@given(HISTORIES)
def test_counts_add_up(history):
    """Whoever adds up the rooms of an incident's messages has what the last of them says."""
    adds_up(play(history).told())


def adds_up(told: Iterable[Notice]) -> None:
    sums: dict[str, int] = defaultdict(int)
    joined: set[str] = set()
    for notice in told:
        if notice.kind in {"moved", "reminder"}:
            continue
        assert notice.incident not in joined
        joined.update(notice.joined)
        assert sum(sums.pop(number) for number in notice.joined) >= notice.joined_classrooms
        sums[notice.incident] += notice.joined_classrooms
        opened = {(m.school, room) for m in notice.members if m.change == "opened" for room in m.classrooms}
        closed = {(m.school, room) for m in notice.members if m.change == "closed" for room in m.classrooms}
        sums[notice.incident] += len(opened) - notice.known_classrooms - len(closed) + notice.still_classrooms
        assert sums[notice.incident] == notice.remaining_classrooms


@EXAMPLES
@given(HISTORIES, st.booleans(), st.permutations(["s1", "s2", "s3", "s4"]))
def test_every_end_is_an_end(history, by_roster, schools):
    """Bad then good leaves nothing open, whatever the order, roster changes and leaving schools included."""
    player = play(history)
    if by_roster:
        endings: list[BureauEvent] = [SchoolGone(school=school) for school in schools]
    else:
        endings = [
            msgspec.structs.replace(member.alert, change="closed")
            for incident in player.open_incidents()
            for members in incident.schools.values()
            for member in members
        ]
    ended(player, endings)
    is_over(player)


def is_over(player: Player) -> None:
    """Nothing is left, and every story that began has an end."""
    assert (player.open_incidents(), player.bureau.holders, player.wake_at) == ([], {}, None)
    states = defaultdict(list)
    for effect in player.effects:
        if isinstance(effect, IncidentChanged):
            states[effect.incident.id].append(effect.change)
    assert all(changes == ["opened", "closed"] for changes in states.values())
    assert sorted(states) == [f"{n:06d}" for n in range(1, player.bureau.incident_count + 1)]
    kinds = defaultdict(list)
    joined = {number for notice in player.told() for number in notice.joined}
    for notice in player.told():
        kinds[notice.incident].append((notice.kind, notice.remaining_classrooms))
    for incident, said in kinds.items():
        if incident:
            assert [kind for kind, _ in said].count("opened") == 1
            assert said[0][0] == "opened"
            # what turned out to be another incident goes on as that one, and ends with it
            if incident not in joined:
                assert said[-1][0] in {"resolved", "withdrawn"}
                assert said[-1][1] == 0


@EXAMPLES
@given(HISTORIES)
def test_messages_are_few(history):
    """Never more than three messages to an office in five minutes."""
    told = play(history).sent()
    for notice in told:
        near = [o for o in told if o.office == notice.office and notice.at - 300 < o.at <= notice.at]
        assert len(near) <= POLICY.messages_per_window


@EXAMPLES
@given(HISTORIES)
def test_nobody_is_told_at_night(history):
    """In the office that has one."""
    assert not [notice for notice in play(history).sent() if notice.office == "o1" and 900 <= notice.at < 1_500]


@EXAMPLES
@given(HISTORIES)
def test_nothing_is_called_recovered_that_was_withdrawn(history):
    """A message of recovery has something that recovered; one of withdrawal has nothing that did."""
    for notice in play(history).told():
        whys = {m.why for m in notice.members if m.change == "closed"}
        assert notice.kind != "resolved" or "recovered" in whys
        assert notice.kind != "withdrawn" or whys == {"withdrawn"}
