"""Who else asks while reports come in: Prometheus every 30 seconds, and a watchdog that wants an answer at once."""

import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from bench.province.collector import Collector
from bench.province.roster import offices

SCRAPE_EVERY_S: Final = 30.0
_ASK_EVERY_S: Final = 0.1
_ANSWER_LIMIT_S: Final = 120.0


class Watch:
    """``worst_s``: the longest that ``/healthz`` kept anybody waiting, from when it should have been asked."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self.noise_s = 0.0
        """The longest that this process itself woke up too late: what the machine, not the collector, did."""
        self.scrape_count = 0
        self.stopped = threading.Event()


@contextmanager
def watching(collector: Collector, schools: int, *, scrape: bool = True) -> Iterator[Watch]:
    watch = Watch()
    tasks = [threading.Thread(target=_ask_health, args=(collector, watch), daemon=True)]
    if scrape:
        paths = ["/metrics", *(f"/metrics/office/{office}" for office in offices(schools))]
        tasks.append(threading.Thread(target=_scrape, args=(collector, paths, watch), daemon=True))
    for task in tasks:
        task.start()
    try:
        yield watch
    finally:
        watch.stopped.set()
        for task in tasks:
            task.join(_ANSWER_LIMIT_S)


def _ask_health(collector: Collector, watch: Watch) -> None:
    due_s = time.monotonic()
    while not watch.stopped.wait(max(0.0, due_s - time.monotonic())):
        watch.noise_s = max(watch.noise_s, time.monotonic() - due_s)
        with suppress(OSError, http.client.HTTPException):
            collector.get("/healthz", timeout_s=_ANSWER_LIMIT_S)
        watch.worst_s = max(watch.worst_s, time.monotonic() - due_s)
        due_s = max(due_s + _ASK_EVERY_S, time.monotonic())


def _scrape(collector: Collector, paths: Sequence[str], watch: Watch) -> None:
    """Each target once in ``SCRAPE_EVERY_S``, spread evenly as Prometheus does."""
    began_s, number = time.monotonic(), 0
    while not watch.stopped.wait(max(0.0, began_s + number * SCRAPE_EVERY_S / len(paths) - time.monotonic())):
        with suppress(OSError, http.client.HTTPException):
            collector.get(paths[number % len(paths)])
            watch.scrape_count += 1
        number += 1
