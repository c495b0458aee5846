"""Exemptions that end: the room is judged again, and `check` says so."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from classready.settings import SettingsError
from collector.app.loading import advice, load_configuration
from collector.roster import Roster, load_roster
from collector.roster.exemptions import in_force, next_end
from collector.roster.importing import import_office
from tests.support.collecting import ROSTER, write_roster

UNTIL = "{id: r1, exempt: 维修, exempt_until: 2026-12-31}"


def roster_file(folder, room: str = UNTIL, extra: str = ""):
    text = ROSTER.replace(
        "classrooms: [{id: r1}, {id: r2}]", f"classrooms:\n      - {room}\n      - {{id: r2}}\n{extra}"
    )
    write_roster(folder, text)
    path = folder / "collector.yml"
    path.write_text("{}\n")
    return path


def at(text: str, zone: str = "Asia/Shanghai") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def exempt(roster: Roster, now: float) -> list[str]:
    rooms = in_force(roster, now).schools["s1"].classrooms.values()
    return [room.id for room in rooms if room.exempt is not None]


@pytest.mark.parametrize(
    ("room", "zone", "now", "expected"),
    [
        pytest.param(UNTIL, "Asia/Shanghai", at("2026-12-31T23:59"), ["r1"], id="its last day"),
        pytest.param(UNTIL, "Asia/Shanghai", at("2027-01-01T00:00"), [], id="the midnight after"),
        pytest.param(UNTIL, "Asia/Urumqi", at("2027-01-01T01:59"), ["r1"], id="the school's own midnight"),
        pytest.param(UNTIL, "Asia/Urumqi", at("2027-01-01T02:00"), [], id="and after it"),
        pytest.param("{id: r1, exempt: 维修}", "Asia/Shanghai", at("2099-01-01T00:00"), ["r1"], id="without an end"),
    ],
)
def test_an_exemption_ends(tmp_path, room, zone, now, expected):
    """With the last day, as the school counts days."""
    roster_file(tmp_path, room, f"    timezone: {zone}\n")
    assert exempt(load_roster(tmp_path / "roster", {}), now) == expected


def test_the_rest_is_as_it_was(tmp_path):
    """Nothing but the exemption is another than before; where none is over, the roster is the same."""
    roster_file(tmp_path)
    roster = load_roster(tmp_path / "roster", {})
    assert in_force(roster, at("2026-12-31T00:00")) is roster
    after = in_force(roster, at("2027-01-01T00:00"))
    assert after.schools["s1"].classrooms["r2"] is roster.schools["s1"].classrooms["r2"]
    assert after.schools["s2"] is roster.schools["s2"]
    assert next_end(roster, at("2026-12-31T00:00")) == at("2027-01-01T00:00")
    assert next_end(roster, at("2027-01-01T00:00")) is None


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        pytest.param(
            "{id: r1, exempt_until: 2026-12-31}",
            "until 2026-12-31, and why not at all: write the reason into exempt, or take this away",
            id="no reason",
        ),
        pytest.param("{id: r1, exempt: x, exempt_until: 2026-06-31}", "no such day: 2026-06-31", id="no such day"),
    ],
)
def test_an_exemption_that_is_wrong(tmp_path, room, expected):
    """Told with its line."""
    path = roster_file(tmp_path, room)
    with pytest.raises(SettingsError) as raised:
        load_configuration(path)
    assert str(raised.value) == (f"{tmp_path}/roster/511402.yml:8: schools[0].classrooms[0].exempt_until: {expected}")


def test_check_says_which_are_over(tmp_path):
    """From the day after on, with the line."""
    path = roster_file(tmp_path)
    roster = load_configuration(path).roster
    assert advice(path, roster, date(2026, 12, 31)) == []
    (note,) = advice(path, roster, date(2027, 1, 1))
    assert str(note) == (
        f"{tmp_path}/roster/511402.yml:8: schools[0].classrooms[0].exempt_until: over since 2026-12-31: the room is "
        "judged again, whatever exempt says (维修): write a later day, or take both away"
    )


@pytest.mark.parametrize(
    ("cell", "reason", "until"),
    [
        pytest.param("维修", "维修", "2026-12-31", id="the same reason"),
        pytest.param("", "维修", "2026-12-31", id="an empty cell"),
        pytest.param("搬迁", "搬迁", None, id="another reason"),
        pytest.param("无", None, None, id="none"),
    ],
)
def test_an_import(tmp_path, cell, reason, until):
    """A list cannot say until when: what it leaves as it is keeps its day, another reason has none."""
    roster_file(tmp_path)
    rows = tmp_path / "rows.csv"
    rows.write_text(
        f"office,school,classroom,exempt\n511402,s1,r1,{cell}\n511402,s1,r2,\n511402,s2,r2,\n511402,s3,r1,\n"
    )
    import_office(rows, tmp_path / "roster", {})
    room = load_roster(tmp_path / "roster", {}).entries["s1"].classrooms[0]
    assert (room.exempt, room.exempt_until) == (reason, until)
