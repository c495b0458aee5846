"""Write the generated parts of docs/ anew: what the code says about itself, between markers in the pages.

``python docs/build.py`` writes; with ``--check`` it only says which page is out of date, and exits 1.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec import inspect as shapes

from agent.settings import AgentSettings
from bench.messages import table as messages_table
from bench.province.lines import BASELINE, LATEST, read_file
from bench.province.table import table
from bench.scenarios import lines as scenario_lines
from bench.scenarios import table as scenario_table
from classready.settings import expected
from collector.configuring.reading import TemplateFile
from collector.roster.files import OfficeFile
from collector.settings import CollectorSettings

DOCS = Path(__file__).parent
ROOTS: dict[str, type[Any]] = {
    "agent.yml": AgentSettings,
    "collector.yml": CollectorSettings,
    "roster": OfficeFile,
    "templates": TemplateFile,
}


def meanings(cls: type[Any]) -> dict[str, str]:
    """Return field -> the text under it in the source, also from the classes it inherits from."""
    found: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if issubclass(owner, Struct) and owner is not Struct:
            found |= _texts_under_fields(owner)
    return found


def _texts_under_fields(cls: type[Any]) -> dict[str, str]:
    (tree,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def structs_of(root: type[Any]) -> dict[type[Any], str]:
    """Return every struct in a settings file -> where it stands, in reading order."""
    found: dict[type[Any], str] = {}
    _collect(shapes.type_info(root), "", found)
    return found


def _collect(shape: shapes.Type, path: str, found: dict[type[Any], str]) -> None:
    match shape:
        case shapes.StructType(cls=cls, fields=fields, tag=tag):
            if cls in found:
                return
            found[cls] = f"{path} (kind: {tag})" if tag else path
            for field in fields:
                _collect(field.type, f"{path}.{field.encode_name}".lstrip("."), found)
        case shapes.UnionType(types=types) | shapes.TupleType(item_types=types):
            for member in types:
                _collect(member, path, found)
        case shapes.VarTupleType(item_type=item):
            _collect(item, f"{path}[]", found)
        case shapes.DictType(value_type=value):
            _collect(value, f"{path}.NAME", found)
        case _:
            pass


def configuration(file: str) -> str:
    """Return the tables of one settings file."""
    known = structs_of(ROOTS["agent.yml"]) if file == "templates" else {}
    return "\n".join(_table(cls, path or file) for cls, path in structs_of(ROOTS[file]).items() if cls not in known)


def _table(cls: type[Any], path: str) -> str:
    texts = meanings(cls)
    about = " ".join((cls.__doc__ or "").split()) if "__doc__" in vars(cls) else ""
    lines = [f"### `{path}`", "", *([about.replace("``", "`"), ""] if about else [])]
    lines += ["| setting | value | default | meaning |", "|---|---|---|---|"]
    info = shapes.type_info(cls)
    assert isinstance(info, shapes.StructType)
    for field in info.fields:
        row = (f"`{field.encode_name}`", _value(field.type), _default(field), texts.get(field.name, ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("``", "`") for cell in row) + " |")
    return "\n".join([*lines, ""])


def _value(shape: shapes.Type) -> str:
    match shape:
        case shapes.UnionType(types=types):
            members = [_value(t) for t in types if not isinstance(t, shapes.NoneType)]
            return " or ".join(dict.fromkeys([*members, *(["null"] if shape.includes_none else [])]))
        case shapes.VarTupleType(item_type=item):
            return f"list: {_value(item)}"
        case shapes.TupleType(item_types=items):
            return "[" + ", ".join(_value(t) for t in items) + "]"
        case shapes.DictType(key_type=key, value_type=value):
            return f"mapping: {_value(key)} → {_value(value)}"
        case shapes.StructType():
            return "mapping, see below"
        case _:
            return re.sub(r"^(be |look )(a |an )?", "", expected(shape))


def _default(field: shapes.Field) -> str:
    if field.required:
        return "required"
    default = field.default if field.default is not NODEFAULT else field.default_factory()
    if isinstance(default, Struct):
        return "all defaults"
    plain = msgspec.json.encode(default).decode()
    return f"`{plain}`"


def performance(_: str) -> str:
    return "\n".join([*table(read_file(BASELINE), read_file(LATEST)), ""])


def scenarios(part: str) -> str:
    """What the newest run of the scenarios says, beside the first."""
    first = scenario_lines.read_file(scenario_lines.BASELINE)
    latest = scenario_lines.read_file(scenario_lines.LATEST)
    parts = {
        "definitions": scenario_table.definitions(),
        "results": scenario_table.results(first, latest),
        "wrongs": scenario_table.wrongs(latest or first),
        "kinds": scenario_table.kinds(),
    }
    return "\n".join([*parts[part], ""])


GENERATED: dict[tuple[str, str], tuple[Callable[[str], str], str]] = {
    ("configuration.md", f"configuration {file}"): (configuration, file) for file in ROOTS
}
GENERATED |= {("performance.md", "performance"): (performance, "")}
GENERATED |= {("messages.md", "messages"): (lambda _: "\n".join(messages_table()), "")}
GENERATED |= {
    ("alerts-evaluation.md", f"scenarios {part}"): (scenarios, part)
    for part in ("definitions", "results", "wrongs", "kinds")
}


def render(page: str, text: str) -> str:
    """Return the text of a page with each of its generated parts as the code has it now."""
    for (name, marker), (make, argument) in GENERATED.items():
        if name == page:
            begin, end = f"<!-- begin {marker} -->", f"<!-- end {marker} -->"
            head, found, rest = text.partition(begin)
            _, also_found, tail = rest.partition(end)
            assert found, f"{page}: no {begin}"
            assert also_found, f"{page}: no {end}"
            text = f"{head}{begin}\n\n{make(argument)}\n{end}{tail}"
    return text


def main() -> int:
    outdated = []
    for page in dict.fromkeys(name for name, _ in GENERATED):
        path = DOCS / page
        text = path.read_text("utf-8")
        if (new := render(page, text)) != text:
            outdated.append(page)
            if "--check" not in sys.argv:
                path.write_text(new, "utf-8")
    for page in outdated:
        print(f"docs/{page}: {'out of date' if '--check' in sys.argv else 'written'}")
    return 1 if outdated and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
