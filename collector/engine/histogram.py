"""A histogram that is told many values at once: a report brings a delay for each of its records."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import REGISTRY, CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class BatchHistogram(Collector):
    """``prometheus_client.Histogram`` looks through its buckets once for each value; this sorts them first."""

    def __init__(
        self, name: str, help_text: str, buckets: Sequence[float], registry: CollectorRegistry = REGISTRY
    ) -> None:
        # never told anything: it says what a histogram looks like, `_created` as the environment wants it
        self._frame = Histogram(name, help_text, buckets=buckets, registry=None)
        self._bounds = tuple(map(float, buckets))
        self._at_most = [0] * len(buckets)
        """How many values there were up to each bound."""
        self._count = 0
        self._sum = 0.0
        registry.register(self)

    def observe_all(self, values: Iterable[float]) -> None:
        """Count ``values``, which are numbers (no NaN)."""
        ordered = sorted(values)
        for n, bound in enumerate(self._bounds):
            self._at_most[n] += bisect_right(ordered, bound)
        self._count += len(ordered)
        self._sum += sum(ordered)

    def collect(self) -> Iterator[Metric]:
        for family in self._frame.collect():
            buckets = iter((*self._at_most, self._count))
            totals = {f"{family.name}_count": self._count, f"{family.name}_sum": self._sum}
            family.samples = [
                sample._replace(value=next(buckets) if "le" in sample.labels else totals.get(sample.name, sample.value))
                for sample in family.samples
            ]
            yield family
