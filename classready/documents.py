"""YAML text as nodes, with what a file must not hold refused before anything recurses into it."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from classready.lookalikes import Lookalike, column_of, line_of, lookalikes, remedy, repaired, structural

FILE_MAX_BYTES = 16 * 2**20
MAX_DEPTH = 20
LOOKALIKES_MAX = 20
"""Lines named in one run; a whole file typed that way is mended at the third."""

LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTROL = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STRAY = re.compile("[\x85\u2028\u2029\ufeff]")
"""YAML ends a line at U+0085, U+2028 and U+2029, editors do not: behind one, every line number would be wrong."""


class Problem(Struct, frozen=True):
    """One wrong entry. ``line`` counts from 1; ``path`` is like ``targets[2].interval_s``, empty for the whole file."""

    file: str
    line: int
    path: str
    problem: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return f"{where}{self.path}: {self.problem}" if self.path else f"{where}{self.problem}"


class SettingsError(Exception):
    """The operator's fault: nothing may be started. Carries every problem found, in file order."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


def read_text(path: Path) -> str:
    """Read a file of at most ``FILE_MAX_BYTES`` that must be UTF-8, with or without a byte order mark.

    Raises:
        SettingsError: with the line that is not UTF-8.
    """
    file = str(path)
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise SettingsError([Problem(file, 1, "", f"larger than {FILE_MAX_BYTES} bytes")])
        body = path.read_bytes()
        return body.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError([Problem(file, 1, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise SettingsError([Problem(file, line, "", "not UTF-8 text; save the file as UTF-8")]) from None


def compose(file: str, text: str) -> yaml.Node:
    """Parse ``text``, which stands in ``file``. The marks of the nodes count characters and lines of ``text``.

    Raises:
        SettingsError: it is no YAML, or uses what settings may not.
    """
    try:
        if problem := unreadable(file, text) or _forbidden(file, text):
            raise SettingsError([problem])
        node: yaml.Node | None = yaml.compose(text, LOADER)
    except yaml.MarkedYAMLError as error:
        raise SettingsError(_syntax_problems(file, text, error)) from None
    if node is None:
        raise SettingsError([Problem(file, 1, "", "empty; to accept every default, write: {}")])
    return node


def unreadable(file: str, text: str) -> Problem | None:
    """Find a character that is refused wherever it stands: YAML itself would count bytes and name a wrong line."""
    if control := _CONTROL.search(text):
        return Problem(file, line_of(text, control.start()), "", "holds a control character")
    if stray := _STRAY.search(text):
        column, code = column_of(text, stray.start()), ord(stray[0])
        name = "byte order mark" if stray[0] == "\ufeff" else "line separator"
        problem = f"column {column}: an invisible {name} (U+{code:04X}); delete it"
        return Problem(file, line_of(text, stray.start()), "", problem)
    return None


def _forbidden(file: str, text: str) -> Problem | None:
    """Find what YAML allows and settings do not, before anything recurses into it."""
    depth = 0
    events: Iterator[Any] = yaml.parse(text, LOADER)
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return Problem(file, line, "", "aliases (*name) are not allowed; write the value out")
        if getattr(event, "tag", None):
            return Problem(file, line, "", "tags (!name) are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return Problem(file, line, "", f"nested deeper than {MAX_DEPTH}")
    return None


# --- what is not YAML -----------------------------------------------------------------------------------------------


def _syntax_problems(file: str, text: str, error: yaml.MarkedYAMLError) -> list[Problem]:
    """Blame look-alikes if the text gets further without them, else say what YAML says, on the line that it means."""
    begin, end = _span(error)
    on_its_lines = list(lookalikes(text, text.rfind("\n", 0, begin) + 1, end))
    for found in (list(structural(text)), on_its_lines):
        if found and _first_error_line(repaired(text, found)) > _line(error):
            return _per_line(file, text, found)
    mark = error.context_mark if _is_unfinished(error) else error.problem_mark
    return [Problem(file, mark.line + 1 if mark else 1, "", _yaml_problem(error, text))]


def _per_line(file: str, text: str, found: Sequence[Lookalike]) -> list[Problem]:
    first: dict[int, Lookalike] = {}
    line, counted = 1, 0
    for each in found:
        line += line_of(text[counted : each.index], each.index - counted) - 1
        counted = each.index
        first.setdefault(line, each)
        if len(first) == LOOKALIKES_MAX:
            break
    return [
        Problem(file, line, "", f"column {column_of(text, each.index)}: {remedy(each.character)}")
        for line, each in first.items()
    ]


def _first_error_line(text: str) -> float:
    try:
        for _ in yaml.parse(text, LOADER):
            pass
    except yaml.MarkedYAMLError as error:
        return _line(error)
    return float("inf")


def _line(error: yaml.MarkedYAMLError) -> int:
    return error.problem_mark.line if error.problem_mark else 0


def _span(error: yaml.MarkedYAMLError) -> tuple[int, int]:
    """Where the trouble can stand: from what was being read to where it could not be read on."""
    end = error.problem_mark.index if error.problem_mark else 0
    return (error.context_mark.index if _is_unfinished(error) and error.context_mark else end), end + 1


def _is_unfinished(error: yaml.MarkedYAMLError) -> bool:
    """A name without colon, a quote without end: YAML notices only where something else begins, perhaps far below."""
    return error.context in {"while scanning a simple key", "while scanning a quoted scalar"}


def _yaml_problem(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    if mark and text[mark.index : mark.index + 1] == "\t":
        return "a tab where spaces are needed; indent with spaces"
    return "not valid YAML: " + ", ".join(part for part in (error.context, error.problem) if part)
