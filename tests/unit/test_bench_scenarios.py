"""The simulator of a county: its world is right, causes are seen where they strike, figures count what they say."""

from collections import Counter
from datetime import date, timedelta
from itertools import chain, combinations

import pytest
from msgspec.structs import replace

from bench.scenarios import days, figures, lines, misses, probes, table
from bench.scenarios.__main__ import options
from bench.scenarios.causes import KINDS
from bench.scenarios.gateways import Gateway
from bench.scenarios.parts import FIRST, FULL, PARTS
from bench.scenarios.places import GBIT, Place, Room, places
from bench.scenarios.run import Story, play
from bench.scenarios.schedule import APART_S, Truth, schedule
from bench.scenarios.world import STANDBY_BPS, Breakage, World
from classready.codec import decode_report
from classready.observation import Bandwidth, Device, Outcome, Port, Segment

OFFICE = places(1, 60)
LESSON = days.at(FIRST, 10.0)


def world(now: float = LESSON) -> World:
    made = World(1, OFFICE)
    made.now = now
    return made


def seen_of(found: World, place: Place) -> list[object]:
    """Everything that a school's gateways can see and say at this moment."""
    seen: list[object] = [found.is_connected(place)]
    for gateway in place.gateways:
        looks = (probes.ports, probes.boards, probes.tests)
        running = found.is_running(place, gateway)
        seen += [running, *chain.from_iterable(look(found, place, gateway) for look in looks if running)]
    return [*seen, *probes.pages(found, place)]


def seen(found: World) -> dict[str, list[object]]:
    return {place.id: seen_of(found, place) for place in OFFICE}


def managed(least: int = 2) -> Place:
    """A school with so many managed switches on its first gateway."""
    return next(p for p in OFFICE if sum(owner == p.gateways[0] for owner in p.switches.values()) >= least)


def room_where(place: Place, **wanted: object) -> Room:
    return next(r for r in place.rooms if all(getattr(r, name) == value for name, value in wanted.items()))


# --- the office -----------------------------------------------------------------------------------------------------


def test_the_office() -> None:
    """As large as it is said to be, with everything in it that causes need; the same seed makes the same one."""
    assert sum(len(place.rooms) for place in OFFICE) == 679
    assert Counter(place.kind for place in OFFICE) == {"city": 8, "hub": 6, "base": 30, "point": 16}
    assert OFFICE == places(1, 60) != places(2, 60)
    assert any(len(place.gateways) == 2 for place in OFFICE)
    assert any(place.line_bps == 97e6 for place in OFFICE)
    rooms = [room for place in OFFICE for room in place.rooms]
    assert {room.board for room in rooms} == {"snmp", "mqtt"}
    assert all((room.switch is None) is (room.port is None) for room in rooms)
    assert all(place.hub for place in OFFICE if place.kind == "point")


def test_days() -> None:
    """A working Sunday and Saturday, holidays, sports day; boards are on in lessons, fewer at noon, else none."""
    found = {day.isoformat() for day in days.school_days(FIRST, FULL.days)}
    assert {"2026-09-20", "2026-10-10"} <= found
    assert not found & {"2026-09-25", "2026-09-29", "2026-10-01", "2026-10-07", "2026-09-26"}
    everywhere = [(place, room) for place in OFFICE for room in place.rooms]

    def lit(now: float) -> float:
        return sum(days.is_lit(1, place, room, now) for place, room in everywhere) / len(everywhere)

    assert 0.85 < lit(LESSON) < 0.95
    assert 0.2 < lit(days.at(FIRST, 12.8)) < 0.5
    assert lit(days.at(date(2026, 9, 25), 10.0)) == lit(days.at(FIRST, 20.0)) == 0


def test_nights() -> None:
    """Where the master switch is thrown the gateway is dark at night, and has power in every lesson."""
    cut = [place for place in OFFICE if place.has_night_cut]
    assert cut
    for place in cut:
        assert not days.has_power(1, place, days.at(FIRST, 2.0))
        lessons = [days.at(day, hour) for day in days.school_days(FIRST, FULL.days) for hour in (8.0, 16.9)]
        assert all(days.has_power(1, place, now) for now in lessons)


# --- the world ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_cause_is_seen_where_it_strikes_and_nowhere_else(kind: str) -> None:
    """Put in once, it changes what agents of its schools see, and no others; mended, all is as it was."""
    found, sound = world(), seen(world())
    hit = KINDS[kind].strike(1, OFFICE, f"{kind}-3")
    assert hit is not None
    # a room whose board nobody uses that day shows nothing of its cable
    found.now = next(
        now
        for now in (days.at(day, 10.0) for day in days.school_days(FIRST, 9))
        if all(days.is_lit(1, p, r, now) for p in OFFICE for r in p.rooms if (p.id, r.id) in hit.rooms)
        or len(hit.rooms) > 1
    )
    sound = seen(found)
    found.breaks(hit.breakages)
    changed = {school for school, what in seen(found).items() if what != sound[school]}
    assert changed == {school for school, _ in hit.rooms}
    found.mends(hit.breakages)
    assert seen(found) == sound


def test_a_dead_first_switch_takes_all_behind_it_along() -> None:
    place, found = managed(), world()
    first = next(iter(place.switches))
    found.breaks([Breakage(place.id, "switch off", first)])
    ports = [seen for seen in probes.ports(found, place, place.gateways[0]) if isinstance(seen, Port)]
    assert ports
    assert {port.outcome for port in ports} == {Outcome.NO_ANSWER}
    behind = place.behind(first)
    assert behind
    wired = {room.id for room in place.rooms if room.switch in {first, *behind}}
    boards = {seen.classroom: seen for seen in probes.boards(found, place, place.gateways[0])}
    assert {boards[room].outcome for room in wired} == {Outcome.NO_ANSWER}


def test_a_mute_switch_forwards() -> None:
    """Its ports are not read, and its boards answer as before."""
    place, found = managed(1), world()
    switch = next(iter(place.switches))
    boards = list(probes.boards(found, place, place.gateways[0]))
    found.breaks([Breakage(place.id, "switch mute", switch)])
    assert list(probes.boards(found, place, place.gateways[0])) == boards
    assert not any(
        isinstance(s, Segment) and s.name == f"{switch}:uplink" for s in probes.ports(found, place, place.gateways[0])
    )


def test_standby_renegotiates_and_power_off_takes_the_link() -> None:
    """Outside lessons: a board that sleeps keeps 10M, one without standby has no link."""
    place, found = managed(1), world(days.at(FIRST, 21.0))
    sleeping, off = (room_where(place, sleeps=sleeps, access="wired") for sleeps in (True, False))
    assert found.port(place, sleeping)[1:3] == (True, STANDBY_BPS)
    assert found.port(place, off)[1:3] == (False, 0.0)


def test_a_pulled_cable_leaves_the_board_awake() -> None:
    place, found = managed(1), world()
    room = next(r for r in place.rooms if r.switch and found.is_awake(place, r))
    found.breaks([Breakage(place.id, "cable out", room.id)])
    port = next(s for s in probes.ports(found, place, room.gateway) if isinstance(s, Port) and s.classroom == room.id)
    board = next(
        s for s in probes.boards(found, place, room.gateway) if isinstance(s, Device) and s.classroom == room.id
    )
    assert (port.admin_up, port.oper_up, board.state) == (True, False, "awake")


def test_lines_and_exits_are_told_apart() -> None:
    place = next(place for place in OFFICE if place.is_metro and place.line_bps > 100e6)
    found = world()
    found.breaks([Breakage(place.id, "exit bps", "", 60e6)])
    line, beyond = (
        t for t in probes.tests(found, place, place.gateways[0]) if isinstance(t, Bandwidth) and not t.classroom
    )
    assert (line.outcome, beyond.outcome, beyond.estimate_bps) == (Outcome.PASS, Outcome.FAIL, 60e6)
    assert place.line_bps < GBIT


def test_what_was_seen_while_the_line_was_cut_comes_later() -> None:
    """The live report first, then the backlog, every record once, in the order of its sequence within a report."""
    place, found = managed(1), world()
    gateway = Gateway(place, place.gateways[0], 1, 300.0)
    for n in range(3):
        found.now = LESSON + 300.0 * n
        gateway.look(found)
    decoded = [decode_report(body) for body in gateway.reports(found.now)]
    firsts = [[record.sequence for record in report.records] for report in decoded]
    assert [report.report.spool_records for report in decoded][-1] == 0
    assert firsts[0][0] > firsts[1][0] > firsts[2][0] == 1
    numbers = sorted(chain.from_iterable(firsts))
    assert numbers == list(range(1, len(numbers) + 1))
    assert list(gateway.reports(found.now)) == []


# --- the schedule ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_causes_are_many_and_none_hides_another(seed: int) -> None:
    office = places(seed, 60)
    truths = schedule(seed, office, FIRST, FULL.days, FULL.per_kind)
    assert truths == schedule(seed, office, FIRST, FULL.days, FULL.per_kind)
    assert len(truths) >= 200
    assert len({truth.kind for truth in truths}) >= 20
    assert all(days.in_lesson(truth.began_at) and days.is_school_day(days.day_of(truth.ended_at)) for truth in truths)
    pairs = [(a, b) for a, b in combinations(truths, 2) if a.began_at <= b.ended_at and b.began_at <= a.ended_at]
    assert len(pairs) > 200
    assert not any(a.hit.groups & b.hit.groups for a, b in pairs)
    silent = [(a, b) for a, b in pairs if KINDS[a.kind].is_silence or KINDS[b.kind].is_silence]
    assert not any(a.schools & b.schools for a, b in silent)
    assert APART_S > 0


# --- the figures ----------------------------------------------------------------------------------------------------


def told_of(kind: str) -> Story:
    """The afternoon of a small office in which one school's gateway died at two, counted as if it were ``kind``."""
    office = places(1, 4)
    place = next(place for place in office if len(place.gateways) == 1)
    rooms = frozenset((place.id, room.id) for room in place.rooms)
    hit = KINDS["gateway_dead"].strike(1, [place], "x")
    assert hit is not None
    began_at = days.at(FIRST, 14.0)
    truth = Truth(name="x", kind=kind, hit=replace(hit, rooms=rooms), began_at=began_at, ended_at=began_at + 3_600)
    return play(1, office, [truth], (began_at - 1_800, days.at(FIRST + timedelta(days=1), 18.5)), interval_s=900.0)


def test_figures_of_one_cause() -> None:
    """Named, asked of the school, its end told; the same story is no good word about a slow line."""
    story = told_of("gateway_dead")
    (one,) = figures.judged(story)
    assert (one.is_named, one.has_actor, one.has_words, one.is_recovery_told) == (True, True, None, True)
    assert figures.cause_named_share([one]) == figures.Figure(1.0, 1)
    without = replace(story, messages=[m for m in story.messages if m.told.notice.kind not in {"resolved", "updated"}])
    assert figures.judged(without)[0].is_recovery_told is False
    silent = replace(story, messages=[])
    assert not figures.judged(silent)[0].is_named
    assert figures.false_alerts(silent).value == 0
    (slow,) = figures.judged(replace(story, truths=(replace(story.truths[0], kind="line_slow"),)))
    assert not slow.is_named
    others = figures.wrong_causes(story).value
    assert figures.wrong_causes(replace(story, truths=(slow.truth,))).value == others + 1
    assert any(said.startswith("校园网关无上报") for said in slow.said)
    (miss,) = misses.misses([slow])
    assert (miss.kind, miss.count, miss.unnamed) == ("line_slow", 1, 1)
    assert "Of 1: 1 not named." in "\n".join(table.wrongs([miss]))


def test_what_has_no_reason_is_a_false_alert() -> None:
    story = told_of("gateway_dead")
    beside = figures.false_alerts(story).value
    assert figures.false_alerts(replace(story, truths=())).value > beside
    assert figures.quiet_day_messages(story).value > 0


def test_every_goal_is_defined_and_printed() -> None:
    """Each figure with a goal has its definition for the docs; the lines of the first run have them all."""
    assert set(table.DEFINED) == {*lines.GOALS, "wrong_causes"}
    first = lines.read_file(lines.BASELINE)
    assert set(lines.GOALS) <= {line.metric for line in first if isinstance(line, lines.Line)}
    assert options(["--parts", "quiet,causes"]).parts == ["causes", "quiet"]
    with pytest.raises(SystemExit):
        options(["--parts", "noise"])
    assert set(options([]).parts) == set(PARTS)
