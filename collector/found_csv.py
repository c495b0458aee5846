"""What was found as a table for Excel and WPS, and the table that comes back filled in.

A row is a port of a switch, or a device; a switch itself has a row, too. Only gateway, address, port, classroom and
action are read again.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from classready.settings import SettingsError
from collector.core.confirming import Choice
from collector.roster.spreadsheet.cells import as_id, as_text, as_word, inert, mangled
from collector.roster.spreadsheet.reading import read_sheets
from collector.roster.spreadsheet.table import Line, Sheet
from collector.text import LANGUAGES, Language, say
from collector.views.found import FoundDeviceView, FoundGatewayView, FoundSwitchView

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of the machine."""
COLUMNS = (
    "school", "gateway", "kind", "host", "mac", "name", "port", "label", "state", "room", "why", "action",
)  # fmt: skip
_READ = ("gateway", "host", "port", "room", "action")
_HEADINGS_WITHIN_LINES = 10
_KEPT = re.compile(r"[A-Za-z0-9 ./:_-]{1,64}")


class Said(NamedTuple):
    """``ignored``: (gateway, host)."""

    choices: list[Choice]
    ignored: list[tuple[str, str]]
    lines: Mapping[tuple[str, str], int]
    """Where each device stands first."""


def table(gateways: Sequence[FoundGatewayView], school_names: Mapping[str, str], language: Language) -> str:
    """What waits to be assigned, with what is proposed."""
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow([say(f"found.column.{column}", language) for column in COLUMNS])
    for each in gateways:
        served = say("record.separator", language).join(school_names.get(school, school) for school in each.schools)
        for row in _rows(each, language):
            writer.writerow([inert(served), inert(each.gateway), *row])
    return BYTE_ORDER_MARK + file.getvalue()


def _rows(gateway: FoundGatewayView, language: Language) -> Iterator[list[str]]:
    for switch in gateway.switches:
        yield from _switch_rows(switch, language)
    for device in (*gateway.devices, *gateway.others):
        yield _device_row(device, language)


def _switch_rows(switch: FoundSwitchView, language: Language) -> Iterator[list[str]]:
    mac, name = switch.mac or "", switch.name or switch.description
    kind = say("found.kind.switch", language)
    yield [inert(kind), inert(switch.host), inert(mac), inert(name), "", "", "", "", inert(switch.problem or ""), ""]
    for port in switch.ports:
        if port.trunk:
            continue
        state = "" if port.up is None else say("found.up" if port.up else "found.down", language)
        cells = [say("found.kind.port", language), switch.host, mac, name]
        kept = [_as_typed(port.name), inert(port.label), inert(state), _as_typed(port.classroom or "")]
        yield [*map(inert, cells), *kept, inert(port.text), ""]


def _device_row(device: FoundDeviceView, language: Language) -> list[str]:
    kind = say("found.kind.printer" if device.what == "printer" else "found.kind.device", language)
    there = (
        say("found.at", language, switch=device.switch, port=device.if_name) if device.switch and device.if_name else ""
    )
    cells = [kind, device.host, device.mac or "", device.name or device.description]
    return [*map(inert, cells), "", inert(there), "", _as_typed(device.classroom or ""), inert(device.text), ""]


def _as_typed(text: str) -> str:
    """A cell that a spreadsheet leaves alone: 3-1 and 1/2 would become dates, 1E5 a number (CWE-1236 as ever)."""
    return f'="{text}"' if _KEPT.fullmatch(text) else inert(text)


# --- and back -------------------------------------------------------------------------------------------------------


class SheetError(ValueError):
    """The table cannot be used; ``problems``: why, for people."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read(raw: bytes, language: Language) -> Said:
    """Read a table as ``table`` makes it, in whichever form a spreadsheet saved it.

    Raises:
        SheetError: with every problem.
    """
    sheet = _sheet(raw)
    at, places = _headings(sheet, language)
    rows, problems = list[tuple[int, dict[str, str]]](), list[str]()
    for line in sheet.lines[at + 1 :]:
        cells = {name: line.cells[i].text if i < len(line.cells) else "" for name, i in places.items()}
        if not as_word(cells["action"]):
            continue
        problems += _mangled(cells, line.number, language)
        rows.append((line.number, cells))
    actions = _actions()
    for number, cells in rows:
        if as_word(cells["action"]) not in actions:
            problems.append(say("found.sheet.action", language, line=number, what=as_text(cells["action"])))
    if problems:
        raise SheetError(problems)
    return _said([(number, cells, actions[as_word(cells["action"])]) for number, cells in rows])


def _sheet(raw: bytes) -> Sheet:
    # the readers know files, which tell by their content what they are
    with NamedTemporaryFile(prefix="classready-found-") as file:
        file.write(raw)
        file.flush()
        try:
            sheets = read_sheets(Path(file.name))
        except SettingsError as error:
            raise SheetError([problem.problem for problem in error.problems]) from None
    return sheets[0]


def _headings(sheet: Sheet, language: Language) -> tuple[int, dict[str, int]]:
    """The line of the headings, in either language, and the place of each column that is read."""
    best: dict[str, int] = {}
    for at, line in enumerate(sheet.lines[:_HEADINGS_WITHIN_LINES]):
        found = _places(line)
        if len(found) == len(_READ):
            return at, found
        best = max(best, found, key=len)
    missing = [say(f"found.column.{column}", language) for column in _READ if column not in best]
    columns = say("record.separator", language).join(missing)
    raise SheetError([say("found.sheet.columns", language, columns=columns)])


def _places(line: Line) -> dict[str, int]:
    known = {as_word(say(f"found.column.{c}", language)): c for c in _READ for language in LANGUAGES}
    words = [as_word(cell.text) for cell in line.cells]
    return {known[word]: i for i, word in enumerate(words) if word in known}


def _actions() -> dict[str, str]:
    return {
        as_word(say(f"found.action.{act}", language)): act for act in ("confirm", "ignore") for language in LANGUAGES
    }


def _mangled(cells: Mapping[str, str], number: int, language: Language) -> Iterator[str]:
    for column in ("room", "port"):
        if problem := mangled(as_text(cells[column])):
            yield say("found.sheet.cell", language, line=number, problem=problem)


def _said(rows: Sequence[tuple[int, Mapping[str, str], str]]) -> Said:
    """Ports of one switch are one choice; a switch may be confirmed by its own row, or by that of any port."""
    ports: dict[tuple[str, str], dict[str, str]] = {}
    rooms: dict[tuple[str, str], str | None] = {}
    ignored: dict[tuple[str, str], None] = {}
    lines: dict[tuple[str, str], int] = {}
    for number, cells, act in rows:
        key = (as_id(cells["gateway"]), as_id(cells["host"]))
        lines.setdefault(key, number)
        port, room = as_text(cells["port"]), as_id(cells["room"])
        if act == "ignore":
            ignored[key] = None
            continue
        ports.setdefault(key, {})
        if port and room:
            ports[key][port] = room
        elif room:
            rooms[key] = room
    choices = [
        Choice(gateway=gateway, host=host, ports=own, classroom=rooms.get((gateway, host)))
        for (gateway, host), own in ports.items()
    ]
    return Said(choices, [key for key in ignored if key not in ports], lines)
