"""Backups of an SQLite store, restored and damaged ones: the program itself, and what is in its file afterwards."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from collector.app import backing_up, keeping
from collector.store import backup
from collector.store.files import damage, held, lying_aside
from tests.support.collecting import Collector, bandwidth, body, pings, record, wait_until


@pytest.fixture
def collector(tmp_path):
    made = Collector(tmp_path)
    yield made
    if made.process and made.process.poll() is None:
        made.kill()


def run(collector: Collector, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector", *map(str, words), "-c", str(collector.settings)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def store_of(collector: Collector) -> Path:
    return collector.folder / "collector.db"


def ranges(file: Path) -> list[list[int]]:
    with closing(sqlite3.connect(file)) as db:
        rows = db.execute("SELECT ranges FROM ledger").fetchall()
        return json.loads(rows[0][0]) if rows else []


def report(collector: Collector, *sequences: int) -> int:
    """Return the status; 0 = nobody listens, or the connection ended."""
    try:
        return collector.ask("/api/v1/reports", body(pings(sequences)))
    except OSError:
        return 0


def page(collector: Collector, path: str) -> str:
    with urlopen(f"{collector.url}{path}", timeout=30) as answer:
        return str(answer.read(), "utf-8")


def overwrite(file: Path, first_page: int, count: int = 1) -> None:
    with file.open("rb+") as opened:
        opened.seek(first_page * 4_096)
        opened.write(b"\xa5" * 4_096 * count)


def pages(file: Path) -> int:
    return file.stat().st_size // 4_096


def test_a_backup_of_the_running_collector_comes_back(collector, tmp_path):
    """With what was known then; what was acknowledged since is named, the store before is kept."""
    collector.start()
    assert report(collector, 1, 2) == 200
    assert collector.ask("/api/v1/reports", body([record(3, bandwidth(passed=True))])) == 200
    made = json.loads(run(collector, "backup", "--json").stdout)
    file = Path(made["file"])
    assert file.parent == tmp_path / "backups"
    assert made["bytes"] == file.stat().st_size
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    assert report(collector, 4) == 200
    refused = run(collector, "restore", file)
    assert (refused.returncode, "stop that one first" in refused.stderr) == (1, True)
    assert collector.stop() == 0
    done = run(collector, "restore", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "acknowledged since the backup" in done.stdout
    [before] = tmp_path.glob("collector.db.replaced-*")
    assert str(before) in done.stdout
    assert (ranges(store_of(collector)), ranges(before)) == ([[1, 3]], [[1, 4]])
    collector.start()
    assert report(collector, 3, 5) == 200
    assert collector.stop() == 0
    assert ranges(store_of(collector)) == [[1, 3], [5, 5]]


def test_what_is_restored_tells_nothing_twice(collector, tmp_path):
    """What waited in the backup may have been sent since."""
    collector.start()
    assert collector.stop() == 0
    store = store_of(collector)
    with closing(sqlite3.connect(store)) as db, db:
        row = "INSERT INTO outbox (receiver, notice, created_at, state, attempt_count, due_at) VALUES ('r','',1,?,0,1)"
        db.executemany(row, [["pending"], ["sent"]])
    backing_up.back_up(collector.settings, tmp_path / "b.db", None)
    assert backing_up.restore(collector.settings, tmp_path / "b.db").untold_count == 1
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("SELECT state, reason FROM outbox ORDER BY id").fetchall() == [
            ("refused", "restored"),
            ("sent", None),
        ]


def test_what_is_no_backup_is_refused(collector, tmp_path):
    """And nothing is changed: cut off, garbage, somebody else's, of a later release, the store itself."""
    collector.start()
    assert report(collector, 1) == 200
    assert collector.stop() == 0
    good, store = tmp_path / "good.db", store_of(collector)
    backup.make(store, good)
    (cut := tmp_path / "cut.db").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (garbage := tmp_path / "garbage.db").write_bytes(b"nothing" * 1_000)
    (later := tmp_path / "later.db").write_bytes(good.read_bytes())
    for file, statement in (
        (later, "UPDATE alembic_version SET version_num = '9999'"),
        (tmp_path / "o.db", "CREATE TABLE o (a)"),
    ):
        with closing(sqlite3.connect(file)) as db, db:
            db.execute(statement)
    os.mkfifo(tmp_path / "pipe")
    was = store.read_bytes()
    for file, word in (
        (tmp_path / "pipe", "no file"),
        (tmp_path, "no file"),
        (cut, "damaged"),
        (garbage, "damaged"),
        (later, "newer release"),
        (tmp_path / "o.db", "no store"),
        (store, "itself"),
        (tmp_path / "none.db", "unable to open"),
    ):
        with pytest.raises(backing_up.BackupError, match=word):
            backing_up.restore(collector.settings, file)
    refused = run(collector, "restore", cut)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert store.read_bytes() == was
    assert not list(tmp_path.glob("collector.db.*-*"))


def test_a_restore_that_finds_no_room_gives_back_what_it_took(collector, tmp_path):
    """A limit of the process stands for the disk's end; the store stays, and the collector has its room."""
    collector.start()
    assert report(collector, 1) == 200
    assert collector.stop() == 0
    backup.make(store_of(collector), good := tmp_path / "good.db")
    was = store_of(collector).read_bytes()
    command = [sys.executable, "-m", "collector", "restore", good, "-c", collector.settings]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 20; exec "$@"', "sh", *command], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert store_of(collector).read_bytes() == was
    assert not list(tmp_path.glob("collector.db.re*"))


def test_a_backup_replaces_backups_alone(collector, tmp_path):
    collector.start()
    store, letter = store_of(collector), tmp_path / "letter.txt"
    letter.write_text("dear school")
    os.mkfifo(tmp_path / "pipe")
    pipe = (tmp_path / "pipe", "no file")
    for target, word in (
        pipe,
        (letter, "stays as it is"),
        (store, "itself"),
        (Path("/dev/full/x.db"), "Not a directory"),
    ):
        with pytest.raises(backing_up.BackupError, match=word):
            backing_up.back_up(collector.settings, target, None)
    assert letter.read_text() == "dear school"
    folder = tmp_path / "kept"
    folder.mkdir()
    for day in range(3):
        backup.make(store, folder / f"collector-2026010{day + 1}T000000Z.db")
    (folder / "collector-mine.db").write_text("")
    backing_up.back_up(collector.settings, folder, 2)
    names = sorted(f.name for f in folder.iterdir())
    assert (len(names), names[0], names[-1]) == (3, "collector-20260103T000000Z.db", "collector-mine.db")


@pytest.mark.parametrize("first_page", ["first", "middle"])
def test_a_damaged_store_is_set_aside_at_the_start(collector, tmp_path, first_page):
    """And the collector serves with the last good backup; a damaged backup is passed over."""
    collector.start()
    assert report(collector, 1, 2) == 200
    backing_up.back_up(collector.settings, None, None)
    assert report(collector, 3) == 200
    collector.kill()
    store = store_of(collector)
    with closing(sqlite3.connect(store)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "backups" / "collector-20990101T000000Z.db").write_bytes(store.read_bytes()[:9_000])
    count = pages(store)
    overwrite(store, *{"first": (0, 1), "middle": (1, count - 1)}[first_page])
    was = store.read_bytes()
    collector.start(deadline_s=10)
    [aside] = lying_aside(store)
    assert aside.read_bytes() == was
    assert "store_set_aside" in collector.log
    assert report(collector, 4) == 200
    wait_until(lambda: aside.name in page(collector, "/"))
    assert "classready_collector_store_set_aside 1.0" in page(collector, "/metrics")
    assert collector.stop() == 0
    assert ranges(store) == [[1, 2], [4, 4]]
    collector.start()
    assert collector.stop() == 0
    assert lying_aside(store) == [aside]


@pytest.mark.parametrize("how", ["overwritten", "deleted"])
def test_a_store_that_goes_bad_underneath_is_replaced(collector, tmp_path, how):
    """It stops to acknowledge, and serves again within ten seconds; without a backup from an empty store."""
    with collector.settings.open("a") as settings:
        settings.write("store_check_every_s: 1\n")
    collector.start()
    assert report(collector, 1) == 200
    store = store_of(collector)
    if how == "deleted":
        store.unlink()
    else:
        with closing(sqlite3.connect(store)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        overwrite(store, 1, pages(store) - 1)
    wait_until(lambda: "store_set_aside" in collector.log, 10)
    wait_until(lambda: report(collector, 2) == 200, 10)
    assert collector.process
    assert collector.process.poll() is None
    assert len(lying_aside(store)) == (how == "overwritten")
    assert collector.stop() == 0
    assert ranges(store) == [[2, 2]]
    assert damage(store) is None


def test_two_collectors_do_not_work_on_one_store(collector, tmp_path):
    collector.start()
    second = run(collector, "run")
    assert (second.returncode, "another collector runs" in second.stderr) == (1, True)
    assert collector.stop() == 0
    with held(store_of(collector)):
        pass


def test_postgresql_has_its_own_tools(tmp_path):
    """And the command names server, port, user and database, never a password."""
    address = "postgresql+asyncpg://classready:secret@db.edu.example:5433/classready"
    made = Collector(tmp_path, f"store: {address}\n")
    for command, *words in (("backup",), ("restore", tmp_path / "x")):
        refused = run(made, command, *words)
        assert refused.returncode == 1
        wanted = "--host=db.edu.example --port=5433 --username=classready classready"
        assert f"pg_dump --format=custom --file=classready.dump {wanted}" in refused.stderr
        assert "secret" not in refused.stderr


def test_a_backup_a_day(collector, tmp_path):
    """The first at once, for none was made since it was due; one that cannot be made is counted, and harms nobody."""
    with collector.settings.open("a") as settings:
        settings.write("backup: {directory: nightly, keep: 2}\n")
    collector.start()
    wait_until(lambda: len(backup.kept(tmp_path / "nightly")) == 1)
    assert report(collector, 1) == 200
    assert collector.stop() == 0
    (tmp_path / "nightly").rename(tmp_path / "before")
    (tmp_path / "nightly").write_text("no folder")
    collector.start()
    wait_until(lambda: "backup_failed" in collector.log)
    assert report(collector, 2) == 200
    assert collector.stop() == 0


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-29T02:29", "2026-11-28T02:30"),
        ("2026-11-29T02:30", "2026-11-29T02:30"),
        ("2026-11-29T23:59", "2026-11-29T02:30"),
        ("2026-12-01T00:00", "2026-11-30T02:30"),
    ],
)
def test_when_a_backup_is_due(now, due):
    at = keeping.last_due_at("02:30", datetime.fromisoformat(now).astimezone().timestamp())
    assert at == datetime.fromisoformat(due).astimezone().timestamp()


def named(folder: Path, *names: str) -> list[Path]:
    files = [folder / f"collector-{name}.db" for name in names]
    for file in files:
        file.touch()
    return files


def test_a_backup_of_a_clock_that_was_ahead_is_not_the_newest(tmp_path):
    """Else none is made until that day, its age is told as 0, and a damaged store goes back to what it was then."""
    ahead, before, last = named(tmp_path, "20991231T000000Z", "20251231T020000Z", "20260101T020000Z")
    assert backup.kept(tmp_path) == [last, before, ahead]
    assert backup.newest_at(tmp_path) == backup.made_at(last)
    last.unlink()
    before.unlink()
    assert backup.newest_at(tmp_path) is None
    assert backup.kept(tmp_path) == [ahead]
    assert keeping._age_s(tmp_path) == float("inf")


def test_what_was_just_made_is_never_what_is_deleted(collector, tmp_path):
    """However many a clock that was ahead has left, and whatever else has such a name: it costs no backup a minute."""
    collector.start()
    assert report(collector, 1) == 200
    assert collector.stop() == 0
    folder = tmp_path / "nightly"
    folder.mkdir()
    ahead = named(folder, "20991230T000000Z", "20991231T000000Z", "20991231T000001Z")
    (folder / "collector-20200101T000000Z.db").mkdir()
    named(folder, "20261399T999999Z")
    left, growing = folder / "collector-20250101T020000Z.db.part", folder / "collector-20250102T020000Z.db.part"
    left.write_bytes(b"cut off")
    growing.write_bytes(b"of another")
    os.utime(left, (1, 1))
    made = backup.make(store_of(collector), folder, 2, into_folder=True)
    assert backup.kept(folder) == [Path(made.file), ahead[-1]]
    assert ranges(Path(made.file)) == [[1, 1]]
    assert growing.exists()
    assert not left.exists()


def test_a_disk_that_spoils_one_store_after_the_other_is_given_up(tmp_path):
    """By when they were set aside: what was last written to them may be of last week."""
    store = tmp_path / "collector.db"
    for number in range(keeping.SET_ASIDE_MAX):
        spoilt = tmp_path / f"collector.db.set-aside-20200101T00000{number}Z"
        spoilt.touch()
        os.utime(spoilt, (1, 1))
    with pytest.raises(OSError, match="look at the disk"):
        keeping.replace_damaged(store, None, "damaged")


def test_a_restore_that_was_cut_off_is_finished(tmp_path):
    """Between the renaming of the store and that of the backup."""
    store = tmp_path / "collector.db"
    (tmp_path / "collector.db.restored").write_bytes(b"backup")
    (tmp_path / "collector.db-wal").write_bytes(b"log of another")
    backup.finish(store)
    assert store.read_bytes() == b"backup"
    assert not (tmp_path / "collector.db-wal").exists()
