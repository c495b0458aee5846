"""What is wrong with templates together: names that no roster has, and what they make of each gateway."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from classready import contradictions
from classready.codec import encode
from classready.measuring import DOCUMENT_MAX_BYTES, Measuring
from classready.settings import Problem
from collector.configuring.compose import document, layers
from collector.configuring.reading import TemplatePart
from collector.core.roster import SchoolRoster


def unknown_names(
    parts: Sequence[TemplatePart], offices: Collection[str], schools: Collection[str]
) -> Iterator[Problem]:
    """A gateway need not be listed: it may enrol later."""
    for part in parts:
        audience = part.template.audience
        for field, named, known in (("offices", audience.offices, offices), ("schools", audience.schools, schools)):
            for i, name in enumerate(named):
                if name not in known:
                    yield part.file.problem(f"for.{field}[{i}]", f"no {field[:-1]} {name!r} in the roster")


def problems(parts: Sequence[TemplatePart], gateways: Mapping[str, Sequence[SchoolRoster]]) -> Iterator[Problem]:
    """What forbids any of ``gateways``, with the schools that each serves, to measure by its document.

    Gateways that the same templates are for are looked at once. What is wrong with one of many is told once, too.
    """
    by_name = {part.template.name: part for part in parts}
    templates = [part.template for part in parts]
    seen: set[tuple[str, ...]] = set()
    told: set[tuple[str, int, str]] = set()
    for gateway, schools in gateways.items():
        chosen = layers(gateway, schools, templates)
        names = tuple(template.name for template in chosen)
        if names in seen:
            continue
        seen.add(names)
        made_of = [by_name[name] for name in names]
        for problem in _of_one(gateway, schools, made_of):
            key = (problem.file, problem.line, problem.problem)
            if key not in told:
                told.add(key)
                yield problem


def _of_one(gateway: str, schools: Sequence[SchoolRoster], parts: Sequence[TemplatePart]) -> Iterator[Problem]:
    if not parts:
        return
    last = parts[-1].file
    made = document(gateway, schools, [part.template for part in parts], [])
    try:
        settings = msgspec.convert({**made.settings, "targets": made.targets}, Measuring)
    except msgspec.ValidationError as error:
        yield last.problem("", f"for gateway {gateway}: {error}")
        return
    for path, text in contradictions.problems(settings):
        yield _located(path, text, settings, parts)
    if (size := len(encode(made))) > DOCUMENT_MAX_BYTES:
        yield last.problem("", f"for gateway {gateway}: {size} bytes of settings, at most {DOCUMENT_MAX_BYTES}")


def _located(path: str, text: str, settings: Measuring, parts: Sequence[TemplatePart]) -> Problem:
    """Name the file and line of the template that gave the entry, which is the last one that has it."""
    head, _, rest = path.partition("]")
    if not head.startswith("targets["):
        giver = next((p for p in reversed(parts) if path.partition(".")[0] in p.template.settings), parts[-1])
        return giver.file.problem(path, text)
    name = settings.targets[int(head.removeprefix("targets["))].name
    giver = next(part for part in reversed(parts) if name in part.template.targets)
    number = list(giver.template.targets).index(name)
    return giver.file.problem(f"targets[{number}]{rest}", text)
