"""python -m bench.province.chart writes docs/img/province.svg: how far each value is from its goal, first and now."""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from bench.province.lines import BASELINE, GOALS, LATEST, Line, read_file

PICTURE: Final = Path(__file__).parents[2] / "docs" / "img" / "province.svg"
_DECADES: Final = (-3, 3)
_LEFT, _WIDTH, _ROW, _TOP = 250, 420, 22, 48
_COLOURS: Final = {"first": "#b35806", "now": "#1b7837"}


def times_worse(line: Line) -> float | None:
    """How many times the value is worse than its goal: below 1 is better. None = without a goal, or endlessly far."""
    goal = GOALS.get(line.metric)
    if goal is None:
        return None
    upper, lower = (line.value, goal.value) if goal.kind == "at most" else (goal.value, line.value)
    return upper / lower if upper and lower else None


def largest(lines: Sequence[Line]) -> dict[str, Line]:
    """Metric -> its line of the largest province, the worst of them where there are several."""
    found: dict[str, Line] = {}
    for line in sorted(lines, key=lambda line: (line.schools, times_worse(line) or 0.0)):
        found[line.metric] = line
    return found


def svg(first: Sequence[Line], now: Sequence[Line]) -> str:
    height = _TOP + _ROW * len(GOALS) + 34
    drawn = [*_axis(height), *_legend(first, now)]
    for row, metric in enumerate(GOALS):
        drawn += _row(_TOP + _ROW * (row + 0.5), metric, {"first": largest(first), "now": largest(now)})
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 40} {height}"',
            ' font-family="sans-serif" font-size="11">',
            "<title>One collector under a province: how far each value is from its goal</title>",
            f'<rect width="{_LEFT + _WIDTH + 40}" height="{height}" fill="#fff"/>',
            *drawn,
            "</svg>",
            "",
        ]
    )


def _x(times: float) -> float:
    low, high = _DECADES
    return _LEFT + _WIDTH * (min(high, max(low, math.log10(times))) - low) / (high - low)


def _axis(height: int) -> Iterator[str]:
    for decade in range(_DECADES[0], _DECADES[1] + 1):
        x, colour = _x(10**decade), "#444" if decade == 0 else "#ddd"
        yield f'<path d="M{x:.1f} {_TOP}V{height - 34}" stroke="{colour}"/>'
        yield f'<text x="{x:.1f}" y="{height - 18}" text-anchor="middle">{_times(decade)}</text>'
    yield f'<text x="{_x(0.03):.1f}" y="{height - 4}" text-anchor="middle">better</text>'
    yield f'<text x="{_x(30):.1f}" y="{height - 4}" text-anchor="middle">worse than the goal</text>'


def _times(decade: int) -> str:
    if decade == 0:
        return "goal"
    return f"{10**decade} x" if decade > 0 else f"1/{10**-decade}"


def _legend(first: Sequence[Line], now: Sequence[Line]) -> Iterator[str]:
    for place, (name, lines) in enumerate({"first": first, "now": now}.items()):
        if lines:
            newest = max(lines, key=lambda line: line.schools)
            text = f"{name}: up to {newest.schools:,} schools, commit {newest.commit}"
            yield f'<circle cx="{_LEFT + 6}" cy="{12 + 16 * place}" r="4" fill="{_COLOURS[name]}"/>'
            yield f'<text x="{_LEFT + 16}" y="{16 + 16 * place}">{escape(text)}</text>'


def _row(y: float, metric: str, series: dict[str, dict[str, Line]]) -> Iterator[str]:
    goal = GOALS[metric]
    label = f"{metric} ({'≤' if goal.kind == 'at most' else '≥'} {goal.value:g})"
    yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="10">{escape(label)}</text>'
    for name, lines in series.items():
        line = lines.get(metric)
        if line is not None:
            x = _x(times_worse(line) or 10.0 ** _DECADES[0])
            title = f"<title>{name} {line.value:.3g}, {line.schools:,} schools</title>"
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_COLOURS[name]}">{title}</circle>'


def main() -> int:
    PICTURE.write_text(svg(read_file(BASELINE), read_file(LATEST)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
