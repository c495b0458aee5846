"""The operating characteristic of the pure decider: how often it errs and what it costs when windows are noisy.

The line is reduced to what noise can do to a decision: it is always saturated (a queue stands, the bucket is empty from
the start), and each window's rate is its capacity plus AR(1) noise of a given sigma and lag-1 correlation rho. Every
cell has its own seed: it comes out the same whatever else is run, and a short run is the beginning of a long one.
"""

import itertools
import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.bandwidth.cases import MODES, Mode, right_verdict
from classready.bandwidth.decider import (
    BUCKET_BYTES,
    QUICK_MAX_BYTES,
    Decider,
    Plan,
    Result,
    Window,
    start_ratio,
)
from classready.bandwidth.windows import WINDOW_S
from classready.observation import Outcome
from classready.units import MBIT, MBYTE, bps_to_bytes_per_s

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = DOCS / "bandwidth.md"
PLOT: Final = DOCS / "img" / "operating-characteristic.svg"
BEGIN: Final = "<!-- operating-characteristic -->"
END: Final = "<!-- /operating-characteristic -->"

N: Final = 400
SEED: Final = 3
SIGMAS_MBPS: Final = (1, 3, 6, 10)
RHOS: Final = (0.0, 0.5, 0.8)
CAPACITIES_MBPS: Final = (90, 95, 100, 105)
THETAS_BPS: Final = (95 * MBIT, 100 * MBIT)
MAX_SECONDS: Final = 3.0
MAX_BYTES: Final = {"quick": QUICK_MAX_BYTES, "drain": 20 * MBYTE}
"""What the agent allows by default."""
LEARNED_BYTES: Final = 64_000
"""The bucket bound of a quick test."""
_QUEUE_S = 0.005


class Cell(Struct, frozen=True, kw_only=True):
    """One condition."""

    mode: Mode
    sigma_mbps: int
    rho: float
    capacity_mbps: int


class Share(Struct, frozen=True, kw_only=True):
    """What ``n`` trials of a cell came to; shares are 0..1."""

    cell: Cell
    n: int
    wrong: float
    inconclusive: float
    mean_seconds: float
    mean_bytes: float


def cells() -> list[Cell]:
    return [
        Cell(mode=mode, sigma_mbps=sigma, rho=rho, capacity_mbps=capacity)
        for mode, rho, sigma, capacity in itertools.product(MODES, RHOS, SIGMAS_MBPS, CAPACITIES_MBPS)
    ]


def run_cell(cell: Cell, n: int) -> Share:
    rng = random.Random(f"{SEED} {cell}")
    right = right_verdict(cell.capacity_mbps)
    wrong = inconclusive = 0
    seconds = sent_bytes = 0.0
    for _ in range(n):
        outcome, took_s, cost_bytes = _trial(cell, rng)
        inconclusive += outcome is Outcome.UNMEASURED
        wrong += outcome not in {Outcome.UNMEASURED, right}
        seconds += took_s
        sent_bytes += cost_bytes
    return Share(
        cell=cell,
        n=n,
        wrong=wrong / n,
        inconclusive=inconclusive / n,
        mean_seconds=seconds / n,
        mean_bytes=sent_bytes / n,
    )


def _trial(cell: Cell, rng: random.Random) -> tuple[Outcome, float, float]:
    """(outcome, seconds, layer-1 bytes sent)."""
    decider, window_s = Decider(_plan(cell.mode)), WINDOW_S[cell.mode]
    took_s = sent_bytes = 0.0
    for noise_bps in _noise(cell, rng):
        took_s += window_s
        sent_bytes += bps_to_bytes_per_s(decider.rate_bps) * window_s
        rate_bps = max(0.0, cell.capacity_mbps * MBIT + noise_bps)
        decision = decider.feed(_window(rate_bps, decider.rate_bps, window_s))
        if isinstance(decision, Result):
            return decision.outcome, took_s, sent_bytes
    raise AssertionError("the noise never ends")


def _plan(mode: Mode) -> Plan:
    theta0_bps, theta1_bps = THETAS_BPS
    return Plan(
        theta0_bps=theta0_bps,
        theta1_bps=theta1_bps,
        start_bps=start_ratio(mode) * theta1_bps,
        max_bytes=MAX_BYTES[mode],
        max_seconds=MAX_SECONDS,
        bucket_bytes=LEARNED_BYTES if mode == "quick" else BUCKET_BYTES,
        mode=mode,
    )


def _window(rate_bps: float, sent_bps: float, seconds: float) -> Window:
    return Window(
        seconds=seconds,
        received_bytes=bps_to_bytes_per_s(rate_bps) * seconds,
        sent_bps=sent_bps,
        wanted_bps=sent_bps,
        queue_delay_s=_QUEUE_S,
        received_count=1,
    )


def _noise(cell: Cell, rng: random.Random) -> Iterator[float]:
    """Stationary AR(1): x' = rho x + sqrt(1 - rho^2) e."""
    sigma_bps = cell.sigma_mbps * MBIT
    fresh = math.sqrt(1 - cell.rho**2)
    value = rng.gauss(0, sigma_bps)
    while True:
        yield value
        value = cell.rho * value + fresh * rng.gauss(0, sigma_bps)


def measure(n: int) -> list[Share]:
    with ProcessPoolExecutor() as pool:
        return list(pool.map(run_cell, cells(), itertools.repeat(n), chunksize=4))


# --- the page -------------------------------------------------------------------------------------------------------


def table(shares: Sequence[Share]) -> str:
    """Markdown; wrong and inconclusive in percent."""
    by_cell = {share.cell: share for share in shares}
    command = "`python -m bench.bandwidth --characteristic`"
    rows = [
        f"Wrong % / inconclusive % / mean ms / mean MB of {shares[0].n} simulated tests a cell ({command}):",
        "",
        "| mode | rho | sigma, Mbit/s | " + " | ".join(f"C = {c}" for c in CAPACITIES_MBPS) + " |",
        "|---" * (3 + len(CAPACITIES_MBPS)) + "|",
    ]
    for mode, rho, sigma in itertools.product(MODES, RHOS, SIGMAS_MBPS):
        row = [by_cell[Cell(mode=mode, sigma_mbps=sigma, rho=rho, capacity_mbps=c)] for c in CAPACITIES_MBPS]
        rows.append(f"| {mode} | {rho} | {sigma} | " + " | ".join(map(cell_text, row)) + " |")
    return "\n".join(rows)


def cell_text(share: Share) -> str:
    return (
        f"{share.wrong * 100:.1f} / {share.inconclusive * 100:.1f}"
        f" / {share.mean_seconds * 1_000:.0f} / {share.mean_bytes / MBYTE:.2f}"
    )


def committed(page: str, cell: Cell) -> tuple[float, float, float, float]:
    """Read (wrong %, inconclusive %, mean ms, mean MB) of one cell back from the page."""
    start = f"| {cell.mode} | {cell.rho} | {cell.sigma_mbps} | "
    (line,) = (line for line in page.splitlines() if line.startswith(start))
    text = line.removeprefix(start).split(" | ")[CAPACITIES_MBPS.index(cell.capacity_mbps)]
    wrong, inconclusive, ms, megabytes = (float(part) for part in text.rstrip(" |").split(" / "))
    return wrong, inconclusive, ms, megabytes


def insert(page: str, text: str) -> str:
    """Put ``text`` between the two markers.

    Raises:
        ValueError: the page has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN} ... {END} in the page")
    return f"{before}{begin}\n{text}\n{end}{after}"


# --- the plot -------------------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT, _MARGIN = 340, 220, 48
_COLOURS = {0.0: "#1b7837", 0.5: "#d08a00", 0.8: "#b2182b"}


def plot(shares: Sequence[Share]) -> str:
    """Return an SVG: per mode, wrong verdicts and time over sigma, at the worse of the two thresholds."""
    panels = [
        (f"{mode}: {title}", [s for s in shares if s.cell.mode == mode], value, top)
        for mode in MODES
        for title, value, top in (("wrong verdicts, %", _wrong_percent, 20.0), ("mean time, ms", _mean_ms, 1_600.0))
    ]
    width, height = 2 * _WIDTH, len(MODES) * _HEIGHT + 30
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        ' font-family="sans-serif" font-size="11">',
        "<title>Operating characteristic of the threshold test</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, (title, mine, value, top) in enumerate(panels):
        x, y = number % 2 * _WIDTH, number // 2 * _HEIGHT
        body.append(f'<g transform="translate({x} {y})">')
        body.extend(_panel(title, mine, value, top))
        body.append("</g>")
    legend = "   ".join(f'<tspan fill="{colour}">rho = {rho}</tspan>' for rho, colour in _COLOURS.items())
    note = "capacity 95 or 100, whichever is worse; horizontal: sigma of a window, Mbit/s"
    body.append(f'<text x="{_MARGIN}" y="{height - 10}">{legend}   {note}</text>')
    return "\n".join([*body, "</svg>", ""])


def _wrong_percent(share: Share) -> float:
    return share.wrong * 100


def _mean_ms(share: Share) -> float:
    return share.mean_seconds * 1_000


def _panel(title: str, shares: Sequence[Share], value: Callable[[Share], float], top: float) -> Iterator[str]:
    left, right, bottom, upper = _MARGIN, _WIDTH - 12, _HEIGHT - 30, 28

    def at(sigma: float, height: float) -> tuple[float, float]:
        return left + (right - left) * sigma / max(SIGMAS_MBPS), bottom - (bottom - upper) * min(height / top, 1.0)

    yield f'<text x="{left}" y="18" font-weight="bold">{title}</text>'
    for part in range(5):
        height = top * part / 4
        _, y = at(0, height)
        yield f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{height:g}</text>'
    for sigma in SIGMAS_MBPS:
        x, _ = at(sigma, 0)
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{sigma}</text>'
    for rho, colour in _COLOURS.items():
        points = []
        for sigma in SIGMAS_MBPS:
            here = [s for s in shares if (s.cell.rho, s.cell.sigma_mbps) == (rho, sigma)]
            points.append(at(sigma, max(value(s) for s in here if s.cell.capacity_mbps in {95, 100})))
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)


def main(n: int) -> int:
    """Write the table into the page, and the plot beside it."""
    shares = measure(n)
    page = insert(PAGE.read_text(), table(shares))
    PLOT.parent.mkdir(exist_ok=True)
    PLOT.write_text(plot(shares))
    PAGE.write_text(page)
    print(f"{n} tests in each of {len(shares)} cells: {PAGE.name}, {PLOT.name}", file=sys.stderr)
    return 0
