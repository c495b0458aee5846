"""Whether twice the schools cost twice as much: what a measurement grew by, over what it should have grown by."""

from collections.abc import Iterator, Sequence
from typing import Final

from bench.province.lines import Line

_A_REPORT: Final = {("province.http", "report_cpu_seconds"), ("province.mqtt", "report_cpu_seconds")}
"""The same, however many schools there are."""
_ALL_SCHOOLS: Final = {
    ("province.steady", "cpu_share"),
    ("province.steady", "rss_bytes"),
    ("province.restart", "ready_full_seconds"),
    ("province.idle", "between_reports_cpu_share"),
    ("province.idle", "idle_cpu_share"),
}
"""In proportion to the schools; less where a part of it has nothing to do with them."""


def growth(lines: Sequence[Line]) -> Iterator[Line]:
    """Compare the largest province with the smallest one; 1 = as it should be, more = worse than in proportion."""
    sizes = sorted({line.schools for line in lines})
    if len(sizes) < 2:
        return
    small, large = (
        {(line.bench, line.metric): line for line in lines if line.schools == n} for n in (sizes[0], sizes[-1])
    )
    for name in [name for name in small if name in large and name in _A_REPORT | _ALL_SCHOOLS]:
        before, after = small[name].value, large[name].value
        if before > 0:
            should = 1.0 if name in _A_REPORT else sizes[-1] / sizes[0]
            bench, metric = name
            yield Line(
                bench=f"province.growth{bench.removeprefix('province')}",
                metric=f"{metric}_growth",
                value=after / before / should,
                unit="ratio",
                schools=sizes[-1],
                note=f"{sizes[-1]} beside {sizes[0]} schools",
            )
