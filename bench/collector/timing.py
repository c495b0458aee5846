"""Processor time of short work, as the median of several runs in this process."""

import time
from collections.abc import Callable
from statistics import median

RUNS = 7


def cpu_s(work: Callable[[], object], *, times: int = 1, runs: int = RUNS) -> float:
    """Seconds of this process for one call of ``work``: the median of ``runs``, each of ``times`` calls."""
    return median(_one_run(work, times) for _ in range(runs))


def _one_run(work: Callable[[], object], times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times
