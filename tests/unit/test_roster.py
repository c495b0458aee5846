"""The roster: every problem of every file in one run, and what becomes of a good one."""

import pytest

from classready.settings import SettingsError
from collector.roster import load_roster
from collector.roster.importing import import_office
from tests.support.collecting import ROSTER, write_roster

DIGEST = "a" * 64


def problems(folder) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load_roster(folder, {})
    return [str(p).replace(f"{folder}/", "") for p in raised.value.problems]


def test_good_roster(tmp_path):
    """Schools know their office, rooms, gateways and platforms."""
    roster = load_roster(write_roster(tmp_path), {"national": ("page", "content")})
    assert roster.offices == {"511402": "东坡区"}
    assert roster.schools["s1"].gateways == ("gw-one",)
    assert list(roster.schools["s2"].classrooms) == ["r3", "r2"]
    assert roster.schools["s1"].platforms == {"national": ("page", "content")}
    assert roster.gateways["gw-two"].schools == ("s3",)


def test_weak_rural_schools_are_known(tmp_path):
    """The mark of the roster reaches whoever orders schools."""
    roster = load_roster(write_roster(tmp_path, ROSTER.replace("- id: s2\n", "- id: s2\n    rural_weak: true\n")), {})
    assert [school.rural_weak for school in roster.schools.values()] == [False, True, False]


def test_a_file_that_did_not_change_is_not_read_again(tmp_path):
    """A reload reads the offices that changed; what is known of the others is taken as it is, under any file name."""
    folder = write_roster(tmp_path)
    (folder / "szs.yml").write_text("office: szs\nname: old\n")
    before = load_roster(folder, {})
    (folder / "511402.yml").rename(folder / "renamed.yml")
    (folder / "szs.yml").write_text("office: szs\nname: new\n")
    after = load_roster(folder, {}, before.files)
    assert after.offices == {"511402": "东坡区", "szs": "new"}
    assert after.entries["s1"] is before.entries["s1"]
    assert set(after.files) - set(before.files) != set()
    assert len(after.files) == 2


def test_a_known_file_that_contradicts_another_is_told_with_its_lines(tmp_path):
    """The check across files knows the lines of a file that was not read this time."""
    folder = write_roster(tmp_path)
    before = load_roster(folder, {})
    (folder / "z.yml").write_text("office: z\nname: Z\nschools:\n  - {id: s1, name: again}\n")
    with pytest.raises(SettingsError) as raised:
        load_roster(folder, {}, before.files)
    assert str(raised.value).endswith(f"z.yml:4: schools[0].id: 's1' is given twice (first in {folder}/511402.yml:4)")


def test_empty_folder(tmp_path):
    """A folder without files is a mistake, not an empty bureau."""
    assert problems(tmp_path) == [f"{tmp_path}:1: no roster file (*.yml) here"]


def test_problems_of_all_files(tmp_path):
    """Problems of every file are told at once, each with its line."""
    (tmp_path / "a.yml").write_text("office: a\nname: A\nschools:\n  - id: x\n")
    (tmp_path / "b.yml").write_text("office: b\nname: [B\n")
    found = problems(tmp_path)
    assert found[0] == "a.yml:4: schools[0]: missing setting 'name'"
    assert found[1].startswith("b.yml:3: not valid YAML")


@pytest.mark.parametrize(
    ("addition", "expected"),
    [
        pytest.param(
            "schools:\n  - {id: s1, name: again}\n",
            "z.yml:4: schools[0].id: 's1' is given twice (first in 511402.yml:4)",
            id="school twice",
        ),
        pytest.param(
            f"gateways:\n  - {{id: gw-one, token_sha256: {DIGEST}, schools: [s1]}}\n",
            "z.yml:4: gateways[0].id: 'gw-one' is given twice (first in 511402.yml:17)",
            id="gateway twice",
        ),
        pytest.param(
            f"gateways:\n  - {{id: gw-new, token_sha256: {DIGEST}, schools: [s1, nowhere]}}\n",
            "z.yml:4: gateways[0].schools[1]: no school 'nowhere' in the roster",
            id="gateway of no school",
        ),
        pytest.param(
            "schools:\n  - id: z1\n    name: Z\n    hub: nowhere\n",
            "z.yml:6: schools[0].hub: no school 'nowhere' in the roster",
            id="no hub",
        ),
        pytest.param(
            "schools:\n  - id: z1\n    name: Z\n    timezone: Asia/Meishan\n",
            "z.yml:6: schools[0].timezone: unknown time zone 'Asia/Meishan'",
            id="time zone",
        ),
        pytest.param(
            "schools:\n  - id: z1\n    name: Z\n    classrooms:\n      - {id: r1}\n      - {id: r1}\n",
            "z.yml:8: schools[0].classrooms[1].id: 'r1' is given twice (first in z.yml:7)",
            id="room twice",
        ),
        pytest.param(
            'schools:\n  - id: z1\n    name: Z\n    timetable:\n      mon: [["09:00", "08:00"]]\n',
            "z.yml:7: schools[0].timetable.mon: a lesson must end after it begins: 09:00-08:00",
            id="backwards",
        ),
        pytest.param(
            'schools:\n  - id: z1\n    name: Z\n    timetable:\n      mon: [["08:00", "10:00"], ["09:00", "11:00"]]\n',
            "z.yml:7: schools[0].timetable.mon: lessons must be in order and must not overlap: "
            "08:00-10:00, 09:00-11:00",
            id="overlap",
        ),
    ],
)
def test_cross_checks(tmp_path, addition, expected):
    """What contradicts another entry is told with the lines of both."""
    folder = write_roster(tmp_path)
    (folder / "z.yml").write_text(f"office: z\nname: Z\n{addition}")
    assert problems(folder) == [expected]


def test_office_twice(tmp_path):
    """Two files of one office are a mistake: one would win by the order of file names."""
    folder = write_roster(tmp_path)
    (folder / "z.yml").write_text('name: again\noffice: "511402"\n')
    assert problems(folder) == ["z.yml:2: office: '511402' is given twice (first in 511402.yml:1)"]


# --- import ---------------------------------------------------------------------------------------------------------

CSV = "office,school,school_name,classroom,classroom_name,device\n511402,s1,示例中心校,r1,一年级1班,panel\n"


def csv_file(folder, text: str, encoding: str = "utf-8"):
    path = folder / "rooms.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_import_csv(tmp_path, encoding):
    """A CSV file replaces schools and rooms, keeps what it cannot say, in every encoding a spreadsheet writes."""
    folder = write_roster(tmp_path)
    rows = CSV + "511402,s1,,r9,NO,none\n511402,s2,,r3,,\n511402,s3,,r1,,\n"
    done = import_office(csv_file(tmp_path, rows, encoding), folder, {})
    roster = load_roster(folder, {})
    assert (done.schools, done.classrooms, done.schools_gone) == (3, 4, ())
    assert roster.schools["s1"].classrooms["r1"].name == "一年级1班"
    assert roster.schools["s1"].classrooms["r1"].device == "panel"
    assert roster.schools["s1"].classrooms["r9"].name == "NO"
    assert roster.schools["s1"].classrooms["r9"].device is None
    assert roster.entries["s2"].timetable == "always"
    assert roster.gateways["gw-one"].schools == ("s1", "s2")


def test_import_yaml(tmp_path):
    """A YAML file becomes a roster file of its own when its office is new."""
    folder = write_roster(tmp_path)
    source = tmp_path / "new.yml"
    source.write_text(
        'office: szs\nname: 市直属\nschools:\n  - {id: "0012", name: 市一小, classrooms: [{id: "301"}]}\n'
    )
    done = import_office(source, folder, {})
    assert done.file == folder / "szs.yml"
    assert list(load_roster(folder, {}).schools["0012"].classrooms) == ["301"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param("office,school\n511402,s1\n", "rooms.csv:1: classroom: missing column", id="column"),
        pytest.param(CSV + "511402,s1,,,,\n", "rooms.csv:3: classroom: is empty", id="empty"),
        pytest.param(
            CSV + "511402,s1,,r 1,,\n",
            "rooms.csv:3: classroom: must look like b2-301 (letters, digits, hyphen; at most 32); found 'r 1'",
            id="bad id",
        ),
        pytest.param(
            CSV + "511402,s1,,r1,,\n",
            "rooms.csv:3: classroom: 'r1' is given twice in school s1 (first on line 2); "
            "the rows differ in school_name, classroom_name, device",
            id="twice",
        ),
        pytest.param(CSV + "999,s2,,r1,,\n", "rooms.csv:1: office: one file, one office; found 511402, 999", id="two"),
        pytest.param(CSV, "rooms.csv:1: gateways[0].schools[1]: no school 's2' in the roster", id="gateway orphaned"),
    ],
)
def test_import_refused(tmp_path, rows, expected):
    """A file with problems changes nothing, and each problem names the file that was given."""
    folder = write_roster(tmp_path)
    before = (folder / "511402.yml").read_text()
    with pytest.raises(SettingsError) as raised:
        import_office(csv_file(tmp_path, rows), folder, {})
    assert expected in str(raised.value).replace(f"{tmp_path}/", "")
    assert (folder / "511402.yml").read_text() == before
    assert [p.name for p in folder.iterdir()] == ["511402.yml"]
