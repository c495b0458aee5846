"""For any roster and any list: what is written out and read back changes nothing, and nothing wrong is ever written."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from classready.settings import SettingsError, load
from collector.roster import load_roster
from collector.roster.files import ClassroomEntry, OfficeFile, SchoolEntry
from collector.roster.importing import import_office
from collector.roster.spreadsheet.columns import COLUMNS, NEEDED
from collector.roster.spreadsheet.template import write_template

ids = st.sampled_from(
    ["1-Mar", "2E15", "0012", "12a", "TRUE", "2026-03-01", "-1", "none", "total", "r1"]
) | st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True)
texts = st.sampled_from(
    ["", " x", "无", "-", "=1+1", "'x", "1-Mar", "合计", "是", "a\u3000b", "#N/A", "“x”，"]
) | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"]), max_size=8)
rooms = st.builds(
    ClassroomEntry,
    id=ids,
    name=texts,
    access=st.sampled_from(["wired", "wifi", "cellular"]),
    device=st.sampled_from(["whiteboard", "panel", "projector", "computer", None]),
    exempt=st.none() | texts,
)


def unlike(entries: list) -> tuple:
    """Entries whose ids differ in more than case and leading zeros."""
    return tuple({entry.id.casefold().lstrip("0"): entry for entry in entries}.values())


schools = st.builds(
    SchoolEntry,
    id=ids,
    name=texts,
    kind=st.sampled_from(["city", "hub", "base", "point"]),
    operator=st.none() | texts,
    rural_weak=st.booleans(),
    timetable=st.sampled_from(["always", None]),
    classrooms=st.lists(rooms, min_size=1, max_size=4).map(unlike),
)
offices = st.builds(
    OfficeFile, office=st.just("511402"), name=texts, schools=st.lists(schools, min_size=1, max_size=3).map(unlike)
)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def bureau(office: OfficeFile) -> Iterator[tuple[Path, Path]]:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "roster"
        folder.mkdir()
        file = folder / "511402.yml"
        file.write_text(yaml.safe_dump(msgspec.to_builtins(office), allow_unicode=True), encoding="utf-8")
        assume(load(file, OfficeFile) == office)
        yield Path(scratch), file


def template_rows(folder: Path, office: OfficeFile) -> list[list[str]]:
    write_template(folder / "full.csv", office)
    return list(csv.reader(io.StringIO((folder / "full.csv").read_bytes().decode("utf-8-sig"), newline="")))


def as_csv(rows: list[list[str]], separator: str = ",") -> bytes:
    body = io.StringIO()
    csv.writer(body, delimiter=separator).writerows(rows)
    return body.getvalue().encode()


@given(offices, st.sampled_from(["csv", "xlsx"]))
@quick
def test_out_and_in_changes_nothing(office: OfficeFile, suffix: str) -> None:
    """The filled template of any roster, imported, leaves it as it is, whatever its ids and names look like."""
    with bureau(office) as (folder, file):
        before = file.read_bytes()
        write_template(folder / f"rooms.{suffix}", office)
        done = import_office(folder / f"rooms.{suffix}", file.parent, {})
        assert (done.changes.edits, done.is_change) == ((), False)
        assert file.read_bytes() == before


@given(
    offices,
    st.sets(st.sampled_from([c.name for c in COLUMNS if c.name not in NEEDED])),
    st.randoms(use_true_random=False),
)
@quick
def test_any_columns_in_any_order(office: OfficeFile, optional: set[str], random) -> None:
    """With any of the optional columns, in any order and with any separator, the others keep what they have."""
    with bureau(office) as (folder, file):
        rows = template_rows(folder, office)
        taken = [i for i, column in enumerate(COLUMNS) if column.name in {*NEEDED, *optional}]
        random.shuffle(taken)
        body = as_csv([[row[i] for i in taken] for row in rows], random.choice(",;\t"))
        (folder / "rooms.csv").write_bytes(body)
        assert not import_office(folder / "rooms.csv", file.parent, {}).is_change


@given(offices, st.text(max_size=12) | texts | ids, st.randoms(use_true_random=False))
@quick
def test_anything_in_a_cell(office: OfficeFile, text: str, random) -> None:
    """Whatever stands in a cell, the import writes a good roster or says which line is wrong and writes nothing."""
    with bureau(office) as (folder, file):
        rows = template_rows(folder, office)
        row = random.randrange(len(rows))
        rows[row][random.randrange(len(COLUMNS))] = text
        (folder / "rooms.csv").write_bytes(as_csv(rows).replace(b"\xed", b"?") if text else as_csv(rows))
        before = file.read_bytes()
        try:
            import_office(folder / "rooms.csv", file.parent, {})
        except SettingsError as error:
            told = [str(p) for p in error.problems if p.line >= 1 and p.problem]
            assert len(told) == len(error.problems)  # noqa: PT017 - the only other outcome
            assert not [line for line in told if "\n" in line]
            assert file.read_bytes() == before
        else:
            assert load_roster(file.parent, {}).offices


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode), st.sampled_from(["a.csv", "a.xlsx", "a.xls"]))
@quick
def test_any_bytes(body: bytes, name: str) -> None:
    """No bytes whatever make an import end in anything but a message."""
    office = OfficeFile(office="511402", name="x", schools=(SchoolEntry(id="s1", name="y"),))
    with bureau(office) as (folder, file):
        (folder / name).write_bytes(body)
        try:
            import_office(folder / name, file.parent, {})
        except SettingsError as error:
            assert all("\n" not in str(p) for p in error.problems)  # noqa: PT017 - the only other outcome
