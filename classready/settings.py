"""YAML files -> frozen structs, strictly, with every problem of a file reported in one run.

YAML 1.1 has traps (``NO`` is false, ``12:34:56`` is a number, ``1.3`` is not an OID, a key given twice wins silently). So
a plain scalar is read by the type that the setting has, not by how it looks, and duplicate keys are refused.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import Struct, inspect

T = TypeVar("T")

EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h: systemd units must not restart on it."""

FILE_MAX_BYTES = 16 * 2**20

_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?")

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
    reader = _Reader(str(path))
    value = reader.read(_compose(path), inspect.type_info(type_))
    if reader.problems:
        raise SettingsError(sorted(reader.problems, key=lambda p: p.line))
    return Loaded(value, str(path), reader.lines)


def read_secret(path: Path) -> str:
    """Read a token or key file.

    Raises:
        OSError: it cannot be read.
        PermissionError: it is readable by others than its owner and group.
    """
    mode = path.stat().st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise PermissionError(f"readable or writable by everyone; run: chmod o-rw {path}")
    return path.read_text(encoding="utf-8").strip()


def resolve(base: Path, path: str) -> Path:
    """Resolve a path from a settings file: relative to that file; ``%d`` is systemd's credentials directory."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return base.parent / path.replace("%d", credentials)


def _compose(path: Path) -> yaml.Node | None:
    file = str(path)
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise SettingsError([Problem(file, 1, "", f"larger than {FILE_MAX_BYTES} bytes")])
        text = path.read_bytes().decode("utf-8")
        if alias := next((e for e in yaml.parse(text, _LOADER) if isinstance(e, yaml.AliasEvent)), None):
            line = alias.start_mark.line + 1
            raise SettingsError([Problem(file, line, "", "aliases (*name) are not allowed; write the value out")])
        return yaml.compose(text, _LOADER)
    except OSError as error:
        raise SettingsError([Problem(file, 1, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise SettingsError([Problem(file, 1, "", f"not UTF-8 (byte {error.start})")]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError([Problem(file, line, "", f"not valid YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise SettingsError([Problem(file, 1, "", f"not valid YAML: {error}")]) from None
    except RecursionError:
        raise SettingsError([Problem(file, 1, "", "nested too deeply")]) from None


_INVALID = object()


class _Reader:
    """Walks nodes and types side by side, collecting problems instead of stopping at the first."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}

    def read(self, node: yaml.Node | None, type_: inspect.Type, path: str = "") -> Any:
        if node is None:
            node = yaml.MappingNode("tag:yaml.org,2002:map", [])
        self.lines[path] = node.start_mark.line + 1 if node.start_mark else 1
        if isinstance(type_, inspect.Metadata):
            type_ = type_.type
        if isinstance(type_, inspect.UnionType):
            return self._union(node, type_, path)
        if isinstance(type_, inspect.StructType):
            return self._struct(node, type_, path)
        if isinstance(type_, inspect.DictType):
            return self._dict(node, type_, path)
        if isinstance(type_, inspect.VarTupleType | inspect.ListType):
            return self._list(node, type_.item_type, path, type_)
        if isinstance(type_, inspect.TupleType):
            return self._tuple(node, type_, path)
        return self._scalar(node, type_, path)

    def _fail(self, path: str, problem: str) -> Any:
        self.problems.append(Problem(self.file, self.lines.get(path, 1), path, problem))
        return _INVALID

    def _pairs(self, node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self._fail(path, "must be a mapping (name: value)")
            return
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
            seen[key] = line
            self.lines[_join(path, key)] = line
            yield key, value_node

    def _struct(self, node: yaml.Node, type_: inspect.StructType, path: str) -> Any:
        fields = {f.encode_name: f for f in type_.fields}
        values: dict[str, Any] = {}
        given: set[str] = set()
        before = len(self.problems)
        for key, value_node in self._pairs(node, path):
            if key == type_.tag_field:
                continue
            if key not in fields:
                known = ", ".join(sorted(fields))
                self._fail(_join(path, key), f"unknown setting; known here: {known}")
                continue
            given.add(key)
            values[fields[key].name] = self.read(value_node, fields[key].type, _join(path, key))
        for name, field in fields.items():
            if field.required and name not in given and isinstance(node, yaml.MappingNode):
                self._fail(path, f"missing setting {name!r}")
        if len(self.problems) > before:
            return _INVALID
        try:
            return type_.cls(**values)
        except (ValueError, TypeError) as error:
            return self._fail(path, str(error))

    def _union(self, node: yaml.Node, type_: inspect.UnionType, path: str) -> Any:
        if type_.includes_none and _is_null(node):
            return None
        members = [t for t in type_.types if not isinstance(t, inspect.NoneType)]
        if len(members) == 1:
            return self.read(node, members[0], path)
        structs = {m.tag: m for m in members if isinstance(m, inspect.StructType)}
        others = [m for m in members if not isinstance(m, inspect.StructType)]
        if others and (not structs or not isinstance(node, yaml.MappingNode)):
            return self._first_that_fits(node, others, path)
        if not isinstance(node, yaml.MappingNode):
            return self._fail(path, "must be a mapping (name: value)")
        tag_field = next(m.tag_field for m in structs.values())
        tag = next((v.value for k, v in node.value if k.value == tag_field), None)
        if tag not in structs:
            known = ", ".join(sorted(str(t) for t in structs))
            return self._fail(path, f"{tag_field!r} must be one of: {known}" + (f"; found {tag!r}" if tag else ""))
        return self._struct(node, structs[tag], path)

    def _first_that_fits(self, node: yaml.Node, types: list[inspect.Type], path: str) -> Any:
        before = list(self.problems)
        for candidate in types:
            self.problems = list(before)
            value = self.read(node, candidate, path)
            if value is not _INVALID:
                return value
        return _INVALID

    def _dict(self, node: yaml.Node, type_: inspect.DictType, path: str) -> Any:
        found: dict[Any, Any] = {}
        for key, value_node in self._pairs(node, path):
            key_path = _join(path, key)
            self._check(key, type_.key_type, key_path, "name")
            found[key] = self.read(value_node, type_.value_type, key_path)
        return found

    def _items(self, node: yaml.Node, path: str) -> list[yaml.Node] | None:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self._fail(path, "must be a list")
        return None

    def _list(self, node: yaml.Node, item_type: inspect.Type, path: str, type_: inspect.Type) -> Any:
        nodes = self._items(node, path)
        if nodes is None:
            return _INVALID
        values = [self.read(n, item_type, f"{path}[{i}]") for i, n in enumerate(nodes)]
        return tuple(values) if isinstance(type_, inspect.VarTupleType) else values

    def _tuple(self, node: yaml.Node, type_: inspect.TupleType, path: str) -> Any:
        nodes = self._items(node, path)
        if nodes is None:
            return _INVALID
        if len(nodes) != len(type_.item_types):
            return self._fail(path, f"must have {len(type_.item_types)} entries, found {len(nodes)}")
        return tuple(self.read(n, t, f"{path}[{i}]") for i, (n, t) in enumerate(zip(nodes, type_.item_types, strict=True)))

    def _scalar(self, node: yaml.Node, type_: inspect.Type, path: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return self._fail(path, f"must be {_describe(type_)}, found a {'list' if isinstance(node, yaml.SequenceNode) else 'mapping'}")
        if _is_null(node) and not isinstance(type_, inspect.AnyType):
            return self._fail(path, f"must be {_describe(type_)}, found nothing")
        return self._check(_plain(node, type_), type_, path, "value")

    def _check(self, value: Any, type_: inspect.Type, path: str, what: str) -> Any:
        try:
            return msgspec.convert(value, _python_type(type_), strict=True)
        except msgspec.ValidationError as error:
            text = str(error).split(" - at")[0]
            found = f"; found {what} {str(value)!r}" if what == "name" or not isinstance(value, dict) else ""
            return self._fail(path, f"{_soften(text)}{found}")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value in {"", "~", "null"}


def _plain(node: yaml.ScalarNode, type_: inspect.Type) -> Any:
    """Read a scalar as the setting's type asks; text that does not fit stays text and is refused by the check."""
    text: str = node.value
    if isinstance(type_, inspect.StrType | inspect.EnumType | inspect.LiteralType) or node.style:
        return text
    if isinstance(type_, inspect.BoolType):
        return {"true": True, "false": False}.get(text, text)
    if isinstance(type_, inspect.IntType) and _INT.fullmatch(text):
        return int(text)
    if isinstance(type_, inspect.FloatType) and _FLOAT.fullmatch(text):
        return float(text)
    return text


def _describe(type_: inspect.Type) -> str:
    names: list[tuple[type[inspect.Type], str]] = [
        (inspect.StrType, "text"),
        (inspect.IntType, "a whole number"),
        (inspect.FloatType, "a number"),
        (inspect.BoolType, "true or false"),
    ]
    return next((name for cls, name in names if isinstance(type_, cls)), "a value")


def _soften(text: str) -> str:
    """msgspec's wording with the names a reader of YAML knows."""
    words = {"`str`": "text", "`int`": "a whole number", "`float`": "a number", "`bool`": "true or false", "`object`": "a mapping"}
    for theirs, ours in words.items():
        text = text.replace(theirs, ours)
    return text


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
        case inspect.EnumType():
            return type_.cls
        case inspect.LiteralType():
            return Literal[tuple(type_.values)]
        case _:
            raise TypeError(f"settings may not have type {type_!r}")


def _annotated(base: type[Any], **limits: Any) -> Any:
    given = {k: v for k, v in limits.items() if v is not None}
    return Annotated[base, msgspec.Meta(**given)] if given else base
