"""A sheet in words: titles, tables and lines, which ``html`` and ``text`` lay out. Pure."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from agent.acceptance import cells
from agent.acceptance import sheet as sheets
from agent.acceptance.cells import Cell
from agent.acceptance.sheet import Change, Sheet, Switch
from agent.findings import RESULTS, Finding
from agent.words import Language, say

UNBOUND_MAX_COUNT = 40
"""Shown of one switch: an office floor hangs on it, and the sheet is one of classrooms."""
CHANGES_MAX_COUNT = 60
PARTIES = ("school", "contractor", "bureau")


class Table(Struct, frozen=True, kw_only=True):
    """``lines`` stand above the rows; without rows they are all there is."""

    title: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    lines: tuple[str, ...] = ()


class Document(Struct, frozen=True, kw_only=True):
    language: Language
    title: str
    number: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    signatures: str
    parties: tuple[tuple[str, str, str], ...]
    """Who signs, and what stands before signature and date."""
    foot: str


def document(sheet: Sheet, digest: str, language: Language) -> Document:
    """``digest``: of the kept file (``sheet.digest``)."""
    return Document(
        language=language,
        title=say(language, "sheet.title"),
        number=sheet.number,
        facts=_facts(sheet, language),
        notes=_notes(sheet, language),
        tables=(
            _lines(sheet, language),
            _rooms(sheet, language),
            _switches(sheet, language),
            _checks(sheet.findings, language),
            _changes(sheet, language),
        ),
        signatures=say(language, "sheet.signatures"),
        parties=tuple(
            (say(language, f"sheet.party_{party}"), say(language, "sheet.sign"), say(language, "sheet.sign_date"))
            for party in PARTIES
        ),
        foot=say(language, "sheet.digest", digest=digest, number=sheet.number),
    )


def _facts(sheet: Sheet, language: Language) -> tuple[tuple[str, str], ...]:
    facts = {
        "school": sheet.school or say(language, "sheet.blank"),
        "gateway": sheet.gateway,
        "number": sheet.number,
        "made": _when(sheet, language),
        "version": sheet.agent_version,
        "required": cells.required(sheet.theta, language),
    }
    return tuple((say(language, f"sheet.{name}"), value) for name, value in facts.items())


def _when(sheet: Sheet, language: Language) -> str:
    return sheet.made_local if sheet.clock_good else say(language, "sheet.clock_doubt", when=sheet.made_local)


def _notes(sheet: Sheet, language: Language) -> tuple[str, ...]:
    counts = Counter(finding.result for finding in sheet.findings)
    rooms = sheets.rooms(sheet)
    known = sum(any(port.speed_bps for port in r.ports) or any(b.nic_speed_bps for b in r.boards) for r in rooms)
    notes = [
        say(language, "sheet.sum", count=len(sheet.findings), **{result: counts[result] for result in RESULTS}),
        say(language, "sheet.sum_rooms", count=len(rooms), known=known),
        say(language, "sheet.statement"),
    ]
    if sheet.forced is not None:
        notes.append(say(language, "sheet.forced_lessons" if sheet.forced.in_lessons else "sheet.forced"))
    return tuple(notes)


def _head(language: Language, *names: str) -> tuple[str, ...]:
    return tuple(say(language, f"sheet.{name}") for name in names)


def _lines(sheet: Sheet, language: Language) -> Table:
    lines = sheets.lines(sheet)
    return Table(
        title=say(language, "sheet.lines"),
        head=_head(language, "line", "direction", "interval", "required", "observed"),
        rows=tuple(cells.line(line, language) for line in lines),
        lines=() if lines else (say(language, "sheet.lines_none"),),
    )


def _rooms(sheet: Sheet, language: Language) -> Table:
    rooms = sheets.rooms(sheet)
    return Table(
        title=say(language, "sheet.rooms"),
        head=_head(language, "room", "port", "link", "board", "compared"),
        rows=tuple(cells.room(room, sheet.theta, language) for room in rooms),
        lines=() if rooms else (say(language, "sheet.rooms_none"),),
    )


def _switches(sheet: Sheet, language: Language) -> Table:
    return Table(
        title=say(language, "sheet.switches"),
        head=_head(language, "switch", "trunks", "unbound"),
        rows=tuple(_switch(sheet, switch, language) for switch in sheet.switches),
        lines=() if sheet.switches else (say(language, "sheet.switches_none"),),
    )


def _switch(sheet: Sheet, switch: Switch, language: Language) -> tuple[Cell, ...]:
    if switch.problem is not None:
        problem = say(language, "sheet.ports_unread", problem=say(language, "original", text=switch.problem))
        return Cell(f"{switch.name} · {switch.host}"), Cell(problem, tone="doubt"), Cell("")
    used = sum(bool(port.up) for port in switch.ports)
    ports = say(language, "sheet.ports_used", count=len(switch.ports), used=used)
    named = Cell(f"{switch.name} · {switch.host}", "\n".join(filter(None, (switch.description, ports))))
    prefix = f"{switch.name}:"
    trunks = [cells.trunk(trunk, language) for trunk in sheets.trunks(sheet) if trunk.name.startswith(prefix)]
    unbound = [cells.unbound(port, language) for port in sheets.unbound(sheet, switch)]
    more = say(language, "sheet.more", count=len(unbound)) if len(unbound) > UNBOUND_MAX_COUNT else ""
    none = say(language, "sheet.none")
    return named, Cell("\n".join(trunks) or none), Cell("\n".join(unbound[:UNBOUND_MAX_COUNT]) or none, more)


def _checks(findings: Sequence[Finding], language: Language) -> Table:
    """What is to be mended first: the reader has the whole sheet in hand."""
    return Table(
        title=say(language, "sheet.checks"),
        head=_head(language, "result", "check", "subject", "situation"),
        rows=tuple(cells.check(found, language) for found in sorted(findings, key=lambda f: RESULTS.index(f.result))),
    )


def _changes(sheet: Sheet, language: Language) -> Table:
    title = say(language, "sheet.changes")
    if sheet.before is None:
        return Table(title=title, lines=(say(language, "sheet.changes_first"),))
    if not sheet.changes:
        return Table(title=title, lines=(say(language, "sheet.changes_none", before=sheet.before),))
    told = [f"· {changed(change, language)}" for change in sheet.changes[:CHANGES_MAX_COUNT]]
    if len(sheet.changes) > CHANGES_MAX_COUNT:
        told.append(say(language, "sheet.changes_more", count=len(sheet.changes)))
    return Table(title=title, lines=(say(language, "sheet.changes_since", before=sheet.before), *told))


def changed(change: Change, language: Language) -> str:
    values = dict(change.values)
    if "check" in values:
        values["check"] = f"{say(language, 'check.' + values['check'])} {change.subject}".rstrip()
    return say(language, f"change.{change.code}", subject=change.subject, **values)
