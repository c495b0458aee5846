"""YAML files -> frozen structs, strictly, with every problem of a file reported in one run.

YAML 1.1 has traps (``NO`` is false, ``12:34:56`` is a number, ``1.3`` is not an OID, a key given twice wins silently).
So a plain scalar is read by the type that the setting has, not by how it looks, and duplicate keys are refused.
"""

import difflib
import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sized
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import Struct, inspect

from classready.documents import FILE_MAX_BYTES, Problem, SettingsError, compose, read_text
from classready.lookalikes import Lookalike, blank_before_comment, column_of, line_of, lookalikes, remedy, structural

__all__ = [
    "EXIT_CONFIG",
    "FILE_MAX_BYTES",
    "NULLS",
    "Loaded",
    "Problem",
    "SettingsError",
    "expected",
    "load",
    "load_with_lines",
    "plain",
    "read_secret",
    "read_with_lines",
    "resolve",
]

T = TypeVar("T")

EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h: systemd units must not restart on it."""

FOUND_MAX_CHARACTERS = 40

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?")
_BOOLS = {"true": True, "True": True, "false": False, "False": False}
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
"""What an unquoted scalar says where there is nothing."""

_INVALID: Any = object()


class Loaded(Struct, frozen=True):
    """A decoded file, and where each entry stood, so that later checks can name the line too."""

    value: Any
    file: str
    lines: Mapping[str, int]

    def problem(self, path: str, text: str) -> Problem:
        return Problem(self.file, self.lines.get(path, 1), path, text)


def load(path: Path, type_: type[T]) -> T:
    """Read one file into ``type_``.

    Raises:
        SettingsError: with one problem per wrong entry.
    """
    value: T = load_with_lines(path, type_).value
    return value


def load_with_lines(path: Path, type_: Any) -> Loaded:
    """Like ``load``, but keep the line of every entry for checks across entries."""
    return read_with_lines(str(path), read_text(path), type_)


def read_with_lines(file: str, text: str, type_: Any) -> Loaded:
    """Read ``text``, which stands in ``file``.

    Raises:
        SettingsError: with one problem per wrong entry.
    """
    reader = _Reader(file, text)
    value = reader.read(compose(file, text), inspect.type_info(type_))
    if reader.problems:
        raise SettingsError(sorted(reader.problems, key=lambda p: p.line))
    return Loaded(value, file, reader.lines)


def read_secret(path: Path) -> str:
    """Read a token or key file, without the white space around it.

    Raises:
        OSError: it cannot be read, is empty or no text, or (PermissionError) everybody can read or write it.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except PermissionError:
        raise PermissionError(errno.EACCES, "this user may not read it: run this as root", str(path)) from None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "readable or writable by everyone; run: chmod o-rw", str(path))
    try:
        secret = text.decode().strip()
    except UnicodeDecodeError:
        raise OSError(errno.EINVAL, "not UTF-8 text", str(path)) from None
    if not secret:
        raise OSError(errno.EINVAL, "empty", str(path))
    return secret


def resolve(base: Path, path: str) -> Path:
    """Resolve a path from a settings file: relative to that file; ``%d`` is the directory $CREDENTIALS_DIRECTORY.

    Under ``LoadCredential=secrets:/etc/classready/secrets`` the files ``secrets/token`` and ``%d/token`` are both the
    credential ``secrets_token``, and are taken from there: the unit's user may not read the file itself. At a terminal
    nothing is handed in, and ``%d`` is the folder ``secrets`` beside the settings file, which is what the unit loads:
    so whatever is missing there is found before the unit starts.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials is None:
        return base.parent / path.replace("%d", "secrets")
    handed_in = Path(credentials) / path.replace("%d/", "secrets/").replace("/", "_")
    return handed_in if handed_in.exists() else base.parent / path.replace("%d", credentials)


# --- nodes -> values ------------------------------------------------------------------------------------------------


class _Reader:
    """Walks nodes and types side by side, collecting problems instead of stopping at the first."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}

    def read(self, node: yaml.Node, type_: inspect.Type, path: str = "") -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        match _bare(type_):
            case inspect.UnionType() as union:
                return self._union(node, union, path)
            case inspect.StructType() as struct:
                return self._struct(node, struct, path)
            case inspect.DictType() as mapping:
                return self._dict(node, mapping, path)
            case inspect.VarTupleType() as items:
                return self._list(node, items, path)
            case inspect.TupleType() as items:
                return self._tuple(node, items, path)
            case _:
                return self._scalar(node, type_, path)

    def _fail(self, path: str, problem: str) -> Any:
        self.problems.append(Problem(self.file, self.lines.get(path, 1), path, problem))
        return _INVALID

    def _pairs(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(self.file, line, path, "a name must be plain text"))
                continue
            key = key_node.value
            if key in seen:
                text = f"given twice (first on line {seen[key]})"
                self.problems.append(Problem(self.file, line, _join(path, key), text))
                continue
            seen[key] = self.lines[_join(path, key)] = line
            yield key_node, value_node

    def _struct(self, node: yaml.Node, type_: inspect.StructType, path: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self._wrong(node, type_, path)
        fields = {f.encode_name: f for f in type_.fields}
        values: dict[str, Any] = {}
        problems_before = len(self.problems)
        given = {key.value: (key, value) for key, value in self._pairs(node, path) if key.value != type_.tag_field}
        for key, (key_node, value_node) in given.items():
            if key in fields:
                values[fields[key].name] = self.read(value_node, fields[key].type, _join(path, key))
            else:
                self._fail(_join(path, key), _not_known(key, type_.cls, list(fields)) + self._typed(key_node))
        for name in [name for name, field in fields.items() if field.required and name not in given]:
            self._fail(path, f"missing setting {name!r}")
        return _INVALID if len(self.problems) > problems_before else type_.cls(**values)

    def _union(self, node: yaml.Node, type_: inspect.UnionType, path: str) -> Any:
        if type_.includes_none and _is_null(node):
            return None
        members = [m for m in type_.types if not isinstance(m, inspect.NoneType)]
        tagged = {str(m.tag): m for m in members if isinstance(m, inspect.StructType)}
        if len(tagged) > 1 and isinstance(node, yaml.MappingNode):
            return self._tagged(node, tagged, path)
        fitting = [m for m in members if _fits(node, _bare(m))]
        if not fitting:
            return self._wrong(node, type_, path)
        return self.read(node, fitting[0], path)

    def _tagged(self, node: yaml.MappingNode, structs: Mapping[str, inspect.StructType], path: str) -> Any:
        field = str(next(iter(structs.values())).tag_field)
        tag = next((v for k, v in node.value if k.value == field), None)
        known = ", ".join(sorted(structs))
        if tag is None:
            return self._fail(path, f"missing setting {field!r} (one of: {known})")
        if not isinstance(tag, yaml.ScalarNode) or tag.value not in structs:
            self.lines[_join(path, field)] = tag.start_mark.line + 1
            return self._fail(_join(path, field), f"must be one of: {known}; found {_found(tag)}")
        return self._struct(node, structs[tag.value], path)

    def _dict(self, node: yaml.Node, type_: inspect.DictType, path: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self._wrong(node, type_, path)
        found: dict[Any, Any] = {}
        for key_node, value_node in self._pairs(node, path):
            key = key_node.value
            if not _is_valid(key, type_.key_type):
                self._fail(_join(path, key), f"the name must {expected(type_.key_type)}{self._typed(key_node)}")
            found[key] = self.read(value_node, type_.value_type, _join(path, key))
        return self._sized(found, type_, path)

    def _list(self, node: yaml.Node, type_: inspect.VarTupleType, path: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self._wrong(node, type_, path)
        values = tuple(self.read(n, type_.item_type, f"{path}[{i}]") for i, n in enumerate(node.value))
        return self._sized(values, type_, path)

    def _tuple(self, node: yaml.Node, type_: inspect.TupleType, path: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self._wrong(node, type_, path)
        if len(node.value) != len(type_.item_types):
            return self._fail(path, f"must have {len(type_.item_types)} entries; found {len(node.value)}")
        pairs = enumerate(zip(node.value, type_.item_types, strict=True))
        return tuple(self.read(n, t, f"{path}[{i}]") for i, (n, t) in pairs)

    def _sized(self, value: Sized, type_: inspect.VarTupleType | inspect.DictType, path: str) -> Any:
        if len(value) < (type_.min_length or 0):
            least = "one entry" if type_.min_length == 1 else f"{type_.min_length} entries"
            return self._fail(path, f"must have at least {least}; found {len(value)}")
        if type_.max_length is not None and len(value) > type_.max_length:
            return self._fail(path, f"must have at most {type_.max_length} entries; found {len(value)}")
        return value

    def _scalar(self, node: yaml.Node, type_: inspect.Type, path: str) -> Any:
        if not isinstance(node, yaml.ScalarNode) or _is_null(node):
            return self._wrong(node, type_, path)
        if found := self._swallowed(node):
            return self._misplaced(found, path)
        try:
            value = node.value if node.style else plain(node.value, _bare(type_))
            return msgspec.convert(value, _python_type(_bare(type_)), strict=True)
        except msgspec.ValidationError:
            return self._wrong(node, type_, path)

    def _wrong(self, node: yaml.Node, type_: inspect.Type, path: str) -> Any:
        if found := self._structural(node):
            return self._misplaced(found, path)
        hint = " (remove the quotes)" if _is_quoted_number(node, _bare(type_)) else ""
        if not hint and not _takes_any_text(type_):
            hint = self._typed(node)
        return self._fail(path, f"must {expected(type_)}; found {_found(node)}{hint}")

    # --- characters that are not what they look like ---

    def _structural(self, node: yaml.Node) -> Lookalike | None:
        """Find what was meant as structure in an unquoted value that should not be there at all."""
        if not isinstance(node, yaml.ScalarNode) or node.style:
            return None
        return next(structural(self.text, node.start_mark.index, node.end_mark.index), None)

    def _swallowed(self, node: yaml.ScalarNode) -> Lookalike | None:
        """Find further lines, or a comment, that YAML took into an unquoted value."""
        start, end = node.start_mark.index, node.end_mark.index
        if node.style:
            return None
        if node.start_mark.line != node.end_mark.line:
            further = len(self.text[start:end].splitlines(keepends=True)[0])
            if found := next(structural(self.text, start + further, end), None):
                return found
        return blank_before_comment(self.text, start, end)

    def _misplaced(self, found: Lookalike, path: str) -> Any:
        line, column = line_of(self.text, found.index), column_of(self.text, found.index)
        self.problems.append(Problem(self.file, line, path, f"column {column}: {remedy(found.character)}"))
        return _INVALID

    def _typed(self, node: yaml.Node) -> str:
        """Name the first full-width or typographic character of a value or name that is refused, if there is one."""
        if not isinstance(node, yaml.ScalarNode):
            return ""
        found = next(lookalikes(self.text, node.start_mark.index, node.end_mark.index), None)
        return f" (column {column_of(self.text, found.index)}: {remedy(found.character)})" if found else ""


def _join(path: str, key: str) -> str:
    """The path of an entry, on one line whatever its name holds."""
    name = key if key.isprintable() else key.encode("unicode_escape").decode()
    return f"{path}.{name}" if path else name


def _bare(type_: inspect.Type) -> inspect.Type:
    return type_.type if isinstance(type_, inspect.Metadata) else type_


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in NULLS


def _takes_any_text(type_: inspect.Type) -> bool:
    return isinstance(_bare(type_), inspect.StrType) and _is_valid("：", type_)


def _fits(node: yaml.Node, type_: inspect.Type) -> bool:
    """Say whether a node of this shape can become ``type_`` at all."""
    if isinstance(type_, inspect.StructType | inspect.DictType):
        return isinstance(node, yaml.MappingNode)
    if isinstance(type_, inspect.VarTupleType | inspect.TupleType):
        return isinstance(node, yaml.SequenceNode)
    return isinstance(node, yaml.ScalarNode)


def _is_quoted_number(node: yaml.Node, type_: inspect.Type) -> bool:
    return isinstance(node, yaml.ScalarNode) and bool(node.style) and not isinstance(plain(node.value, type_), str)


def plain(text: str, type_: inspect.Type) -> Any:
    """Read a scalar as the setting's type asks; text that does not fit stays text and is refused by the check."""
    if isinstance(type_, inspect.BoolType):
        return _BOOLS.get(text, text)
    if isinstance(type_, inspect.IntType) and _INT.fullmatch(text):
        return int(text)
    if isinstance(type_, inspect.FloatType) and _FLOAT.fullmatch(text):
        return float(text)
    return text


def _is_valid(value: Any, type_: inspect.Type) -> bool:
    try:
        msgspec.convert(value, _python_type(_bare(type_)), strict=True)
    except msgspec.ValidationError:
        return False
    return True


def _python_type(type_: inspect.Type) -> Any:
    """Rebuild the annotated type of a leaf, so that msgspec itself checks ranges and patterns."""
    match type_:
        case inspect.StrType():
            return _annotated(str, min_length=type_.min_length, max_length=type_.max_length, pattern=type_.pattern)
        case inspect.IntType():
            return _annotated(int, ge=type_.ge, gt=type_.gt, le=type_.le, lt=type_.lt)
        case inspect.FloatType():
            return _annotated(float, ge=type_.ge, gt=type_.gt, le=type_.le, lt=type_.lt)
        case inspect.BoolType():
            return bool
        case inspect.LiteralType():
            return Literal[tuple(type_.values)]
        case _:
            raise TypeError(f"settings may not have type {type_!r}")


def _annotated(base: type[Any], **limits: Any) -> Any:
    given = {k: v for k, v in limits.items() if v is not None}
    return Annotated[base, msgspec.Meta(**given)] if given else base


# --- words ----------------------------------------------------------------------------------------------------------


def expected(type_: inspect.Type) -> str:
    """Say what a value must do ("be a number"), in the type's own ``Meta`` example and description if any."""
    if isinstance(type_, inspect.Metadata) and type_.extra_json_schema:
        schema = type_.extra_json_schema
        return f"look like {schema['examples'][0]} ({schema['description']})"
    return f"be {_describe(_bare(type_))}"


def _describe(type_: inspect.Type) -> str:
    match type_:
        case inspect.UnionType():
            members = [_describe(_bare(t)) for t in type_.types if not isinstance(t, inspect.NoneType)]
            return " or ".join(dict.fromkeys(members))
        case inspect.StrType():
            return "text" + _limits(type_.min_length, type_.max_length, " characters")
        case inspect.IntType():
            return "a whole number" + _range(type_)
        case inspect.FloatType():
            return "a number" + _range(type_)
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType():
            return "one of: " + ", ".join(str(v) for v in type_.values)
        case inspect.StructType() | inspect.DictType():
            return "a mapping (name: value)"
        case _:
            return "a list"


def _range(type_: inspect.IntType | inspect.FloatType) -> str:
    above = f" above {type_.gt:g}" if type_.gt is not None else ""
    return above + _limits(type_.ge, type_.le, "")


def _limits(least: float | None, most: float | None, unit: str) -> str:
    low = f" from {least:,}" if least is not None else ""
    high = f" up to {most:,}" if most is not None else ""
    return f"{low}{high}{unit}" if low or high else ""


def _found(node: yaml.Node) -> str:
    if _is_null(node):
        return "nothing"
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    text = node.value
    return repr(text if len(text) <= FOUND_MAX_CHARACTERS else text[:FOUND_MAX_CHARACTERS] + "…")


def _not_known(key: str, cls: type, known: list[str]) -> str:
    """``REMOVED`` of a struct: settings that it had, with what to do instead."""
    instead = getattr(cls, "REMOVED", {}).get(key)
    return f"removed, take it out: {instead}" if instead else _unknown(key, known)


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown setting; did you mean {close[0]!r}?" if close else f"unknown setting; known: {', '.join(known)}"
