"""What can wait is told once a school day, in the morning; nothing is told at midnight or on a free day."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.core.bureau.morning import CAN_WAIT, next_morning
from collector.core.bureau.root import Scope, scopes_of
from collector.core.bureau.step import step
from collector.core.bureau.words import Bureau, Notice
from collector.core.census import Census, Found, GroupKind
from collector.core.events import Episode, Meanwhile
from collector.core.policy import Policy
from collector.core.roster import Hours, SchoolRoster
from collector.core.subject import Subject
from collector.core.words import Cause
from tests.support.offices import change
from tests.support.school import at, weekdays

POLICY = Policy()
DAYS = weekdays()


class Office:
    """One office, whose schools have lessons Monday to Friday; told and asked whenever the bureau says."""

    def __init__(self, hours: Hours = DAYS, *, counts: bool = False) -> None:
        """``counts``: its schools are counted each morning, and ``census`` is what is found."""
        self.state = Bureau()
        self.census: Census = {}
        take = (lambda _now: self.census) if counts else None
        self.scopes = {"511402": Scope(school_count=60, hours=hours, take_census=take)}
        self.wake_at: float | None = None
        self.notices: list[Notice] = []

    def hears(self, when: str, *changes: Any) -> "Office":
        self.until(when)
        self._step(at(when), *changes)
        return self

    def until(self, when: str) -> "Office":
        while self.wake_at is not None and self.wake_at <= at(when):
            self._step(self.wake_at)
        return self

    def _step(self, now: float, *changes: Any) -> None:
        self.state, effects, self.wake_at = step(self.state, changes, now, POLICY, self.scopes)
        self.notices += [effect for effect in effects if isinstance(effect, Notice)]

    @property
    def told(self) -> list[tuple[str, float]]:
        return [(notice.kind, notice.at) for notice in self.notices]


@pytest.mark.parametrize(
    ("after", "morning"),
    [
        pytest.param("2026-11-23 07:00", "2026-11-23 08:40", id="the same day"),
        pytest.param("2026-11-23 08:40", "2026-11-23 08:40", id="at that moment"),
        pytest.param("2026-11-23 08:41", "2026-11-24 08:40", id="the next day"),
        pytest.param("2026-11-27 12:00", "2026-11-30 08:40", id="over a weekend"),
        pytest.param("2026-11-28 00:00", "2026-11-30 08:40", id="on a Saturday"),
    ],
)
def test_the_next_morning(after: str, morning: str) -> None:
    """Of a school day, at 08:40."""
    assert next_morning(DAYS, at(after), at(after), POLICY) == at(morning)


def test_another_time_of_day() -> None:
    """As the policy says, before the first lesson or in the afternoon."""
    assert next_morning(DAYS, at("2026-11-23 07:00"), at("2026-11-23 07:00"), Policy(digest_at="07:05")) == at(
        "2026-11-23 07:05"
    )
    assert next_morning(DAYS, at("2026-11-23 07:06"), at("2026-11-23 07:06"), Policy(digest_at="07:05")) == at(
        "2026-11-24 07:05"
    )
    assert next_morning(DAYS, at("2026-11-23 17:06"), at("2026-11-23 17:06"), Policy(digest_at="24:00")) == at(
        "2026-11-24 00:00"
    )


def test_beyond_all_known_days() -> None:
    """The calendar is laid out anew each day: whoever is asked again tomorrow knows more. Without any there is none."""
    assert next_morning(DAYS, at("2027-06-01 12:00"), at("2027-06-01 12:00"), POLICY) == at("2027-06-02 12:00")
    assert next_morning(Hours(), 5.0, 7.0, POLICY) == 5.0


@pytest.mark.parametrize("cause", sorted(CAN_WAIT))
def test_boards_that_stay_off_are_told_in_the_morning(cause: Cause) -> None:
    """All of a day in one message, on the next school day."""
    office = Office()
    for minute in range(10, 50):
        office.hears(f"2026-11-27 10:{minute}", change(f"s{minute}", cause=cause))
    office.until("2026-11-30 08:39")
    assert office.told == []
    office.until("2026-11-30 09:00")
    assert office.told == [("digest", at("2026-11-30 08:40"))]
    assert len({member.school for member in office.notices[0].members}) == 40


def test_a_board_that_is_on_again_before_the_morning() -> None:
    """Nobody hears of it."""
    office = Office().hears("2026-11-23 10:00", change(cause=Cause.DEVICE_OFFLINE))
    office.hears("2026-11-23 15:00", change(kind="closed", cause=Cause.DEVICE_OFFLINE)).until("2026-11-25 12:00")
    assert office.told == []


def test_all_else_is_told_at_once() -> None:
    """A slow port beside it is told after the usual wait."""
    office = Office().hears(
        "2026-11-23 10:00", change("s1", cause=Cause.DEVICE_OFFLINE), change("s2", cause=Cause.PORT_BELOW_REQUIRED)
    )
    office.until("2026-11-23 12:00")
    assert [(n.cause, n.at) for n in office.notices] == [(Cause.PORT_BELOW_REQUIRED, at("2026-11-23 10:00") + 30)]


def test_a_reminder_comes_in_the_morning_of_school_days() -> None:
    """Told on Thursday: again on Friday and on Monday, never at midnight, never on a free day."""
    office = Office().hears("2026-11-26 14:00", change()).until("2026-12-01 07:00")
    assert office.told == [
        ("opened", at("2026-11-26 14:00") + 30),
        ("digest", at("2026-11-27 08:40")),
        ("digest", at("2026-11-30 08:40")),
    ]


def test_the_digest_is_one_message() -> None:
    """What stays off, what is told and not fixed, and how much began and ended since the one before; then nothing."""
    office = Office().hears("2026-11-23 10:00", change("s1", cause=Cause.PORT_BELOW_REQUIRED), change("s2"))
    office.hears("2026-11-23 11:00", change("s3", cause=Cause.DEVICE_OFFLINE), change("s4", cause=Cause.PORT_DOWN))
    office.hears("2026-11-23 15:00", change("s4", "closed", cause=Cause.PORT_DOWN)).until("2026-11-24 08:39")
    told = len(office.notices)
    office.until("2026-11-24 12:00")
    (digest,) = office.notices[told:]
    assert (digest.kind, digest.at) == ("digest", at("2026-11-24 08:40"))
    assert sorted((part.kind, str(part.cause)) for part in digest.parts) == [
        ("opened", "device_offline"), ("reminder", "port_below_required"), ("reminder", "uplink_below_required"),
    ]  # fmt: skip
    assert digest.since_digest is not None
    assert (digest.since_digest.began_count, digest.since_digest.ended_count) == (3, 1)
    assert [(each.school, each.cause) for each in digest.since_digest.fixed] == [("s4", Cause.PORT_DOWN)]
    everything = [("s1", Cause.PORT_BELOW_REQUIRED), ("s2", Cause.UPLINK_BELOW_REQUIRED), ("s3", Cause.DEVICE_OFFLINE)]
    office.hears("2026-11-24 13:00", *(change(school, "closed", cause) for school, cause in everything))
    office.until("2026-11-25 12:00")
    last = office.notices[-1]
    assert (last.kind, last.since_digest and last.since_digest.ended_count) == ("digest", 2)
    assert {each.school for each in last.since_digest.fixed} == {"s1", "s2"} if last.since_digest else False
    assert [(part.kind, part.cause) for part in last.parts] == [("resolved", Cause.DEVICE_OFFLINE)]
    count = len(office.notices)
    office.until("2026-11-27 12:00")
    assert len(office.notices) == count


@pytest.mark.parametrize(
    ("back", "told"),
    [
        pytest.param("2026-11-24 09:30", "2026-11-24 09:30", id="the same morning"),
        pytest.param("2026-11-24 11:40", "2026-11-24 11:40", id="at its end"),
        pytest.param("2026-11-24 11:41", "2026-11-25 08:40", id="at noon"),
        pytest.param("2026-11-24 20:00", "2026-11-25 08:40", id="in the evening"),
        pytest.param("2026-11-28 03:00", "2026-11-30 08:40", id="in a night to Saturday"),
    ],
)
def test_a_digest_that_was_missed(back: str, told: str) -> None:
    """The collector was away at 08:40: it says it as long as it is morning, else on the next school day."""
    office = Office().hears("2026-11-23 10:00", change(cause=Cause.DEVICE_OFFLINE))
    office._step(at(back))
    office.until("2026-12-01 12:00")
    assert office.told[0] == ("digest", at(told))


def test_what_was_told_a_moment_ago_is_not_in_the_digest() -> None:
    office = Office().hears("2026-11-24 08:20", change("s1")).until("2026-11-24 12:00")
    assert [kind for kind, _ in office.told] == ["opened"]


@pytest.mark.parametrize(
    ("opened", "again"),
    [
        pytest.param("2026-11-24 06:30", "2026-11-25 08:40", id="told as the night ended"),
        pytest.param("2026-11-24 21:50", "2026-11-25 08:40", id="told in the evening"),
        pytest.param("2026-11-27 23:00", "2026-11-30 08:40", id="told on a Saturday morning"),
    ],
)
def test_what_is_open_is_told_again_on_another_day(opened: str, again: str) -> None:
    """Ten hours after the evening's message as well as a day after the morning's; never twice in a day."""
    office = Office().hears(opened, change("s1")).until("2026-11-30 12:00")
    assert office.told[1] == ("digest", at(again))


def test_a_restart_does_not_tell_what_waits() -> None:
    """The first step after a start looks at everything anew: the morning stays the morning."""
    office = Office().hears("2026-11-23 10:00", change(cause=Cause.DEVICE_OFFLINE))
    office.state = Bureau(
        desks=office.state.desks, holders=office.state.holders, incident_count=office.state.incident_count
    )
    office.hears("2026-11-23 11:00").until("2026-11-24 08:39")
    assert office.told == []
    office.until("2026-11-24 09:00")
    assert [kind for kind, _ in office.told] == ["digest"]


def test_a_holiday_longer_than_the_days_that_are_known() -> None:
    """Five weeks without school, laid out two weeks ahead and anew each day: one message, on the first school day."""
    first_day = at("2026-12-28 08:40")
    for cause, told_before in ((Cause.DEVICE_OFFLINE, 0), (Cause.UPLINK_BELOW_REQUIRED, 1)):
        office = Office(weekdays("2026-11-16", 7)).hears("2026-11-20 16:00", change(cause=cause))
        for _ in range(2_000):
            if office.wake_at is None or office.wake_at > first_day + 60:
                break
            if office.wake_at > at("2026-12-14 12:00"):  # from now on the end of the holiday is known
                days = (*weekdays("2026-11-16", 7).days, *weekdays("2026-12-28", 5).days)
                office.scopes = {"511402": Scope(school_count=60, hours=Hours(days))}
            office._step(office.wake_at)
        assert [notice.at for notice in office.notices[told_before:]] == [first_day], cause


def test_a_school_day_that_is_none_any_more() -> None:
    """Tuesday was taken off after the board was missed on Monday: told on Wednesday."""
    office = Office().hears("2026-11-23 10:00", change(cause=Cause.DEVICE_OFFLINE))
    without = tuple(day for day in DAYS.days if day.date != "2026-11-24")
    office.scopes = {"511402": Scope(school_count=60, hours=Hours(without))}
    office.until("2026-11-25 12:00")
    assert office.told == [("digest", at("2026-11-25 08:40"))]


def test_the_hours_of_an_office_are_those_of_most_of_its_schools() -> None:
    """One school that is open every day does not make it a bureau without weekends."""
    every_day = weekdays("2026-11-01", 30)
    schools = [SchoolRoster(office="o", school=f"s{n}") for n in range(3)]
    (scope,) = scopes_of(schools, {"s0": every_day, "s1": DAYS, "s2": DAYS}).values()
    assert scope.hours is DAYS


def test_boards_that_went_together_wait_for_no_morning() -> None:
    """Beside a single board that stays off: the switch's are told at once, the other one in the morning."""
    dark = Subject("switch", "gw", "sw1")
    office = Office().hears(
        "2026-11-23 10:00",
        replace(change("s1", cause=Cause.DEVICE_OFFLINE), subject=Subject("classroom", name="r9")),
        replace(change("s1", cause=Cause.DEVICE_OFFLINE), subject=dark),
    )
    office.until("2026-11-23 12:00")
    assert [(n.at, [m.subject for m in n.members]) for n in office.notices] == [(at("2026-11-23 10:00") + 30, [dark])]
    office.hears("2026-11-23 12:00", replace(change("s1", "closed", cause=Cause.DEVICE_OFFLINE), subject=dark))
    office.until("2026-11-24 09:00")
    assert [(n.kind, n.at) for n in office.notices[1:]] == [
        ("resolved", at("2026-11-23 12:00") + 30),
        ("digest", at("2026-11-24 08:40")),
    ]


# --- with a census ----------------------------------------------------------------------------------------------------


def found(kind: GroupKind, *names: str) -> Census:
    return {kind: (Found(school="s9", school_name="s9", names=names, count=len(names)),)}


def said(office: Office) -> list[tuple[float, list[str]]]:
    return [(notice.at, [group.kind for group in notice.census]) for notice in office.notices]


def test_a_census_alone_makes_a_digest() -> None:
    """Nobody ever told of an alert there; each morning it is counted, and told when there is something new."""
    office = Office(counts=True).hears("2026-11-23 07:00")
    office.until("2026-11-24 07:00").census = found("unlisted", "x1")
    office.until("2026-11-26 12:00")
    assert said(office) == [(at("2026-11-24 08:40"), ["unlisted"])]
    assert (office.notices[0].kind, office.notices[0].office, office.notices[0].parts) == ("digest", "511402", ())


def test_the_first_census_is_another_days() -> None:
    """A collector that is installed at ten has nothing to say to a group that was just opened."""
    office = Office(counts=True)
    office.census = found("unlisted", "x1")
    office.hears("2026-11-23 08:00").until("2026-11-23 23:00")
    assert said(office) == []


def test_a_census_goes_along_with_what_else_there_is() -> None:
    """One message; what incidents tell of as silent stands there once."""
    office = Office(counts=True).hears("2026-11-23 10:00", change("s1", cause=Cause.GATEWAY_SILENT))
    office.census = found("silent", "gw1", "gw2") | found("unlisted", "x1")
    office.until("2026-11-24 12:00")
    digest = office.notices[-1]
    assert [notice.kind for notice in office.notices] == ["opened", "digest"]
    assert [(group.kind, group.found[0].names) for group in digest.census] == [
        ("silent", ("gw2",)),
        ("unlisted", ("x1",)),
    ]
    assert [part.kind for part in digest.parts] == ["reminder"]


@pytest.mark.parametrize(
    ("back", "told"),
    [
        pytest.param("2026-11-24 09:30", "2026-11-24 09:30", id="the same morning"),
        pytest.param("2026-11-24 13:00", "2026-11-25 08:40", id="after it"),
        pytest.param("2026-11-28 03:00", "2026-11-30 08:40", id="in a night to Saturday"),
    ],
)
def test_a_census_that_was_missed(back: str, told: str) -> None:
    """The collector was away at 08:40."""
    office = Office(counts=True).hears("2026-11-23 10:00")
    office.census = found("unlisted", "x1")
    office._step(at(back))
    office.until("2026-11-30 12:00")
    assert [when for when, _ in said(office)] == [at(told)]


def test_a_census_waits_for_a_free_message() -> None:
    """Three messages in five minutes are the most, the last of them for what begins: it goes on the same morning."""
    office = Office(counts=True).hears("2026-11-23 10:00")
    office.census = found("unlisted", "x1")
    for minute in (37, 38, 39):
        office.hears(f"2026-11-24 08:{minute}", change(f"s{minute}", cause=Cause.PORT_DOWN))
    office.until("2026-11-24 12:00")
    assert office.told[2:] == [("opened", at("2026-11-24 08:39") + 30), ("digest", at("2026-11-24 08:38") + 330)]


def test_a_census_that_was_taken_and_not_told() -> None:
    """Messages had run out at 08:40, and the collector was away for the rest of that day: it is as new on the next."""
    office = Office(counts=True).hears("2026-11-23 10:00")
    office.census = found("unlisted", "x1")
    for minute in (37, 38, 39):
        office.hears(f"2026-11-24 08:{minute}", change(f"s{minute}", cause=Cause.PORT_DOWN))
    office.until("2026-11-24 08:41")
    assert office.told[-1][0] == "opened"
    office._step(at("2026-11-25 08:40"))
    office.until("2026-11-26 12:00")
    assert [(when, kinds) for when, kinds in said(office) if kinds] == [(at("2026-11-25 08:40"), ["unlisted"])]


def test_what_was_fixed_is_told_within_a_week() -> None:
    """By itself it makes no message on the next morning: it was told when it was well."""
    office = Office(counts=True).hears(
        "2026-11-24 10:00", change("s1", cause=Cause.PORT_DOWN, at=at("2026-11-24 10:00"))
    )
    well = change("s1", "closed", Cause.PORT_DOWN, at=at("2026-11-24 12:00"), since=at("2026-11-24 10:00"))
    office.hears("2026-11-24 12:00", well).until("2026-12-07 12:00")
    assert [kind for kind, _ in office.told] == ["opened", "resolved", "digest"]
    digest = office.notices[-1]
    assert digest.at == at("2026-12-01 08:40")
    assert digest.since_digest is not None
    (fixed,) = digest.since_digest.fixed
    assert (fixed.school, fixed.cause, fixed.at - fixed.since) == ("s1", Cause.PORT_DOWN, 7_200)


def test_what_fails_again_is_not_fixed() -> None:
    """One school of an outage came back and fails again; another stays well; a third one was taken off the roster."""
    fails = [change(school, cause=Cause.UPLINK_BELOW_REQUIRED, operator="o") for school in ("s1", "s2", "s3", "s4")]
    office = Office(counts=True).hears("2026-11-24 10:00", *fails)
    over = [change(school, "closed", Cause.UPLINK_BELOW_REQUIRED) for school in ("s1", "s2")]
    office.hears("2026-11-24 12:00", *over, change("s4", "closed", Cause.UPLINK_BELOW_REQUIRED, why="withdrawn"))
    office.hears("2026-11-24 14:00", fails[0]).until("2026-11-25 12:00")
    digest = office.notices[-1]
    assert digest.since_digest is not None
    assert [each.school for each in digest.since_digest.fixed] == ["s2"]


def test_a_clock_that_was_ahead_skips_no_morning() -> None:
    office = Office(counts=True).hears("2027-01-01 10:00")
    office.census = found("unlisted", "x1")
    office.hears("2026-11-23 10:00").until("2026-11-24 12:00")
    assert said(office) == [(at("2026-11-24 08:40"), ["unlisted"])]


# --- 补报 -------------------------------------------------------------------------------------------------------------


def came_and_went(gateway: str = "gw1") -> Meanwhile:
    bad = Episode(subject=Subject("uplink", gateway), cause=Cause.UPLINK_BELOW_REQUIRED, first_at=1.0, last_at=2.0)
    return Meanwhile(office="511402", school="s1", school_name="s1", gateway=gateway, episodes=(bad,), at=3.0)


def test_what_came_and_went_is_told_on_the_next_morning() -> None:
    """Once, by itself if there is nothing else, and never as news of now."""
    office = Office(counts=True).hears("2026-11-23 10:00")
    office.hears("2026-11-23 14:00", came_and_went(), came_and_went()).hears("2026-11-23 15:00", came_and_went("gw2"))
    office.until("2026-12-04 12:00")
    assert office.told == [("digest", at("2026-11-24 08:40"))]
    since = office.notices[0].since_digest
    assert since is not None
    assert [each.gateway for each in since.meanwhile] == ["gw1", "gw2"]
    assert office.notices[0].members == ()
