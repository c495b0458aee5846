"""The first measurement and the latest one as a table in Markdown, for docs/performance.md."""

from collections.abc import Iterator, Sequence

from bench.province.lines import GOALS, Line


def table(first: Sequence[Line], latest: Sequence[Line]) -> Iterator[str]:
    """A row a metric, a column for each size of the province in each of the two."""
    columns = [("first", size, first) for size in _sizes(first)] + [("now", size, latest) for size in _sizes(latest)]
    yield "| | goal | " + " | ".join(f"{when}: {size:,} schools" for when, size, _ in columns) + " |"
    yield "|---|---|" + "---|" * len(columns)
    for name, goal in {_name(line): _goal(line) for line in [*first, *latest]}.items():
        shown = (_shown(name, size, lines) for _, size, lines in columns)
        yield f"| {name} | {goal} | " + " | ".join(shown) + " |"


def _sizes(lines: Sequence[Line]) -> list[int]:
    return sorted({line.schools for line in lines})


def _shown(name: str, size: int, lines: Sequence[Line]) -> str:
    found = (line for line in lines if (_name(line), line.schools) == (name, size))
    values = (line.value if line.peer_value is None else line.peer_value for line in found)
    return next((_number(value) for value in values), "")


def _name(line: Line) -> str:
    """The metric, and under what load where several parts measure the same."""
    part = line.bench.rpartition(".")[2]
    several = line.metric in {"report_cpu_seconds", "healthz_worst_seconds"}
    beside = f", {line.peer}" if line.peer else ""
    return f"`{line.metric}`{beside}" + (f" ({part})" if several else "")


def _goal(line: Line) -> str:
    goal = GOALS.get(line.metric) if line.peer is None else None
    return f"{'≤' if goal.kind == 'at most' else '≥'} {_number(goal.value)}" if goal else ""


def _number(value: float) -> str:
    return f"{value / 1e6:,.0f} M" if value >= 1e6 else f"{value:,.3g}" if value < 1_000 else f"{value:,.0f}"
