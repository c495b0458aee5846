"""The roster as it was read last: a shortcut for the next start that never says anything else than the files."""

import os
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from collector.app.loading import load_to_run
from collector.roster import load_roster, recall
from collector.roster.files import OfficeFile
from tests.support.collecting import ROSTER, Collector, write_roster

TIMETABLE = 'timetable: {mon: [["08:00", "08:40"]]}'
OTHER_TIMETABLE = 'timetable: {mon: [["08:00", "08:45"]]}'
ODD = "    operator: 'a # b'\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / recall.FILE_NAME


def test_what_was_remembered_is_what_the_files_say(tmp_path: Path, file: Path) -> None:
    """The roster is the same, and no file of it is read again."""
    folder = write_roster(tmp_path)
    read = load_roster(folder, {})
    recall.remember(file, read.files)
    recalled = recall.recall(file)
    assert recalled == read.files
    again = load_roster(folder, {}, recalled)
    assert again == read
    assert all(again.files[digest] is office for digest, office in recalled.items())


def test_a_file_that_changed_is_read(tmp_path: Path, file: Path) -> None:
    """What is remembered belongs to a text and not to a name."""
    recall.remember(file, load_roster(write_roster(tmp_path), {}).files)
    folder = write_roster(tmp_path, ROSTER.replace("示例小学", "新小学"))
    assert load_roster(folder, {}, recall.recall(file)).schools["s3"].name == "新小学"


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc1", b"SQLite format 3\0", msgspec.msgpack.encode({"format": "", "files": 3})],
    ids=["empty", "no msgpack", "another file", "another shape"],
)
def test_what_is_damaged_is_as_if_it_were_not_there(file: Path, content: bytes) -> None:
    """The files are read then, as at the first start."""
    for written in (content, sha256(content).digest() + content):
        file.write_bytes(written)
        assert recall.recall(file) == {}


def test_one_bit_that_turned_over(tmp_path: Path, file: Path) -> None:
    """A name with another letter in it is a good name, so no shape tells it from the right one."""
    recall.remember(file, load_roster(write_roster(tmp_path), {}).files)
    whole = file.read_bytes()
    for at in (*range(0, len(whole), 7), len(whole) - 1):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert recall.recall(file) == {}


def test_half_of_it_is_nothing(tmp_path: Path, file: Path) -> None:
    """A disk that was full, or a copy that broke off."""
    recall.remember(file, load_roster(write_roster(tmp_path), {}).files)
    file.write_bytes(file.read_bytes()[:-20])
    assert recall.recall(file) == {}


def test_another_release_may_read_the_same_text_otherwise(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an update every file is read."""
    recall.remember(file, load_roster(write_roster(tmp_path), {}).files)
    monkeypatch.setattr(recall, "_FORMAT", "of another release")
    assert recall.recall(file) == {}


def test_a_value_that_no_roster_may_have_is_not_recalled(file: Path) -> None:
    """What comes from the shortcut has passed the same bounds as what comes from YAML."""
    wrong = OfficeFile(office="../etc", name="x")
    recall.remember(file, {"0" * 64: wrong})
    assert recall.recall(file) == {}


def test_where_nothing_can_be_written_the_roster_is_read_each_time(file: Path) -> None:
    """No start fails for want of a shortcut, and nothing half written stays."""
    file.mkdir()
    recall.remember(file, {})
    assert recall.recall(file) == {}
    missing = file / "no" / "folder"
    recall.remember(missing, {})
    assert recall.recall(missing) == {}


def test_only_its_owner_reads_it(file: Path) -> None:
    """It holds the digests of tokens; whatever the umask, and whatever a start that was killed left behind."""
    file.with_suffix(".new").write_text("left behind")
    before = os.umask(0)
    try:
        recall.remember(file, {})
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not file.with_suffix(".new").exists()


def test_the_second_start_knows_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start remembers what it read, and the next one reads only what changed."""
    settings = Collector(tmp_path).settings
    write_roster(tmp_path)
    first = load_to_run(settings)
    with monkeypatch.context() as patched:
        patched.setattr("collector.roster.reading.read_fast", None)
        assert load_to_run(settings).roster == first.roster
    write_roster(tmp_path, ROSTER.replace("示例小学", "新小学"))
    assert load_to_run(settings).roster.schools["s3"].name == "新小学"
    assert load_to_run(settings, first.roster.files).roster.schools["s3"].name == "新小学"


# --- equal parts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", ["", ODD], ids=["read fast", "read thoroughly"])
def test_equal_parts_are_kept_once(tmp_path: Path, file: Path, odd: str) -> None:
    """Timetables and rooms of schools that do not differ in them: read either way, or recalled."""
    text = ROSTER.replace("timetable: always", TIMETABLE).replace("[{id: r3}, {id: r2}]", "[{id: r1}, {id: r2}]")
    folder = write_roster(tmp_path, text.replace("  - id: s2\n", f"  - id: s2\n{odd}"))
    read = load_roster(folder, {})
    recall.remember(file, read.files)
    for roster in (read, load_roster(folder, {}, recall.recall(file))):
        one, two, three = (roster.entries[name] for name in ("s1", "s2", "s3"))
        assert one.timetable is two.timetable is three.timetable
        assert one.classrooms is two.classrooms
        assert one.classrooms[0] is three.classrooms[0]
        assert roster.schools["s1"].classrooms is roster.schools["s2"].classrooms
        assert list(roster.schools["s3"].classrooms) == ["r1"]


def test_unequal_parts_stay_apart(tmp_path: Path) -> None:
    """One lesson that ends later, one room that is exempt."""
    text = ROSTER.replace("timetable: always", TIMETABLE, 1).replace("timetable: always", OTHER_TIMETABLE)
    folder = write_roster(tmp_path, text.replace("[{id: r1}]", "[{id: r1, exempt: rebuilt}]"))
    roster = load_roster(folder, {})
    assert roster.entries["s1"].timetable == {"mon": (("08:00", "08:40"),)}
    assert roster.entries["s2"].timetable == {"mon": (("08:00", "08:45"),)}
    assert roster.schools["s1"].classrooms["r1"].exempt is None
    assert roster.schools["s3"].classrooms["r1"].exempt == "rebuilt"
