"""Lists of rooms for tests: workbooks as a spreadsheet saves them, and what an import of them says."""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from classready.settings import SettingsError
from collector.roster import load_roster
from collector.roster.importing import Imported, import_office
from tests.support.collecting import write_roster

ROSTER = """\
# by hand
office: "511402"
name: 东坡区
region: 四川省眉山市
schools:
  - id: "3251140201"
    name: 示例中心校
    kind: hub
    operator: 示例运营商
    timetable: always
    classrooms:
      - {id: r1, name: 一年级1班, exempt: 维修, access: wifi, device: panel}
      - {id: r2, device: null}
      - {id: "0012"}
  - id: point-01
    name: 示例教学点
    kind: point
    hub: "3251140201"
    rural_weak: true
    classrooms:
      - {id: r3}
gateways:
  - {id: gw-one, token_sha256: ONE, schools: ["3251140201"]}
"""
ROOMS = (("3251140201", "r1"), ("3251140201", "r2"), ("3251140201", "0012"), ("point-01", "r3"))
"""Every room of it."""
FIRST_SHEET = "xl/worksheets/sheet1.xml"


class Bureau:
    """A roster folder, and imports into it."""

    def __init__(self, folder: Path) -> None:
        self.base = folder
        self.folder = write_roster(folder, ROSTER)
        self.file = self.folder / "511402.yml"

    def source(self, name: str, body: str | bytes, encoding: str = "utf-8") -> Path:
        path = self.base / name
        path.write_bytes(body.encode(encoding) if isinstance(body, str) else body)
        return path

    def take(self, name: str, body: str | bytes, encoding: str = "utf-8", **how: Any) -> Imported:
        return import_office(self.source(name, body, encoding), self.folder, {}, **how)

    def problems(self, name: str, body: str | bytes, encoding: str = "utf-8", **how: Any) -> list[str]:
        """What is told of a file that is refused; nothing may have been written."""
        before = {path: path.read_bytes() for path in self.folder.iterdir()}
        with pytest.raises(SettingsError) as raised:
            self.take(name, body, encoding, **how)
        assert {path: path.read_bytes() for path in self.folder.iterdir()} == before
        return [str(problem).replace(f"{self.base}/", "") for problem in raised.value.problems]

    def room(self, school: str, room: str) -> Any:
        return load_roster(self.folder, {}).schools[school].classrooms[room]

    def school(self, school: str) -> Any:
        return load_roster(self.folder, {}).entries[school]


def workbook(
    rows: Sequence[Sequence[Any]], merged: Sequence[str] = (), more: Callable[[Workbook], None] | None = None
) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    for area in merged:
        sheet.merge_cells(area)
    if more:
        more(book)
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def archive(**parts: str | bytes) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as written:
        for name, text in parts.items():
            written.writestr(name, text)
    return body.getvalue()


def rewritten(body: bytes, part: str, old: str, new: str, **more: str) -> bytes:
    """A workbook with one of its parts changed, and more parts."""
    with zipfile.ZipFile(io.BytesIO(body)) as read:
        parts = {name: read.read(name).decode() for name in read.namelist()}
    assert old in parts[part]
    return archive(**{**parts, **more, part: parts[part].replace(old, new, 1)})
