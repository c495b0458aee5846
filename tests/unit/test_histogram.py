"""A histogram told many values at once beside the usual one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from collector.engine.histogram import BatchHistogram

BOUNDS = (0.5, 1, 2, 86_400)
NAME, HELP = "classready_collector_delay_seconds", "From here to there."


@given(st.lists(st.lists(st.floats(0, 1e6) | st.sampled_from(BOUNDS))))
def test_many_values_at_once_are_what_they_are_one_by_one(batches: list[list[float]]) -> None:
    """Both formats show the same names, texts and numbers; a value on a bound is below it."""
    usual, told = CollectorRegistry(), CollectorRegistry(auto_describe=True)
    one_by_one = Histogram(NAME, HELP, buckets=BOUNDS, registry=usual)
    at_once = BatchHistogram(NAME, HELP, BOUNDS, registry=told)
    for batch in batches:
        at_once.observe_all(batch)
        for value in batch:
            one_by_one.observe(value)
    for page in (generate_latest, openmetrics):
        assert shown(page(told)) == shown(page(usual))


def shown(page: bytes) -> list[tuple[str, object]]:
    """Lines in order; when it was made is only said to be there, and a sum is as good as its order of adding."""
    found: list[tuple[str, object]] = []
    for line in page.decode().splitlines():
        name, _, value = line.rpartition(" ")
        if line.startswith("#") or value == "":
            found.append((line, None))
        elif name.endswith("_created"):
            found.append((name, float(value) > 0))
        else:
            found.append((name, pytest.approx(float(value)) if name.endswith("_sum") else float(value)))
    return found


def test_its_name_is_taken() -> None:
    """Nothing else may register what it shows."""
    registry = CollectorRegistry(auto_describe=True)
    BatchHistogram(NAME, HELP, BOUNDS, registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Histogram(NAME, HELP, registry=registry)
