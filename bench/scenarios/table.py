"""A run as Markdown, for docs/alerts-evaluation.md: figures beside their goals, then what was told wrong, in words."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from bench.scenarios import figures
from bench.scenarios.causes import KINDS
from bench.scenarios.lines import GOALS, Example, Line, Miss, Printed

DEFINED: Final[Mapping[str, Callable[..., Any]]] = {
    name: getattr(figures, name) for name in (*GOALS, "wrong_causes") if hasattr(figures, name)
}


def definitions() -> Iterator[str]:
    """What each figure is: the docstring of the function that counts it."""
    yield "| figure | goal | exactly |"
    yield "|---|---|---|"
    for name, function in DEFINED.items():
        about = " ".join((inspect.getdoc(function) or "").split())
        yield f"| `{name}` | {_goal(name)} | {about} |"


def kinds() -> Iterator[str]:
    yield "| kind | what is injected | what should be said |"
    yield "|---|---|---|"
    for name, kind in KINDS.items():
        yield f"| `{name}` | {kind.about} | {kind.should} |"


def results(first: Sequence[Printed], latest: Sequence[Printed]) -> Iterator[str]:
    """A row a figure: the first run, and the latest where there is one."""
    runs = [("first", first), *([("now", latest)] if latest else [])]
    heads = [f"{name} ({_of_run(lines)})" for name, lines in runs]
    yield "| figure | goal | " + " | ".join(heads) + " |"
    yield "|---|---|" + "---|" * len(runs)
    found = (line.metric for line in [*first, *latest] if isinstance(line, Line))
    names = [name for name in dict.fromkeys(found) if name != "cpu_seconds"]
    for name in names:
        yield f"| `{name}` | {_goal(name)} | " + " | ".join(_shown(name, lines) for _, lines in runs) + " |"


def wrongs(lines: Sequence[Printed]) -> Iterator[str]:
    """By kind of cause: how many were told wrong, and the worst of them."""
    for miss in (line for line in lines if isinstance(line, Miss)):
        yield f"**`{miss.kind}`**: {miss.injected}. Should be: {miss.should}. Of {miss.count}: {_counts(miss)}."
        yield ""
        yield from (_example(example) for example in miss.examples)
        yield ""


def _counts(miss: Miss) -> str:
    found = {
        "not named": miss.unnamed,
        "wrong actor": miss.wrong_actor,
        "without the name or half duplex": miss.without_words,
        "recovery not told": miss.unrecovered,
    }
    return ", ".join(f"{count} {what}" for what, count in found.items() if count)


def _example(example: Example) -> str:
    return f"* {example.where}, {example.began} to {example.ended}: {' · '.join(example.said)}"


def _of_run(lines: Sequence[Printed]) -> str:
    line = next(line for line in lines if isinstance(line, Line))
    return f"seed {line.seed}, {line.commit}"


def _shown(name: str, lines: Sequence[Printed]) -> str:
    for line in lines:
        if isinstance(line, Line) and line.metric == name:
            goal = GOALS.get(name)
            missed = " **missed**" if goal and not goal.is_met_by(line.value) else ""
            notes = [f"n = {line.n}", *(["quick"] if line.quick else []), *([line.note] if line.note else [])]
            return f"{line.value:.4g}{missed}; {', '.join(notes)}"
    return ""


def _goal(name: str) -> str:
    goal = GOALS.get(name)
    return "" if goal is None else f"{'≤' if goal.kind == 'at most' else '≥'} {goal.value:g}"
