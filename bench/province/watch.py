"""Who else asks while reports come in: Prometheus every 30 seconds, and a watchdog that wants an answer at once."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from bench.province.collector import Collector
from bench.province.roster import offices

SCRAPE_EVERY_S: Final = 30.0
_ASK_EVERY_S: Final = 0.1
_ANSWER_LIMIT_S: Final = 120.0


class Watch:
    """What the watchdog saw."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        """The longest that ``/healthz`` kept it waiting, from when it should have been asked."""
        self.noise_s = 0.0
        """The longest that it woke up too late: what the machine, not the collector, did."""


@contextmanager
def watching(collector: Collector) -> Iterator[Watch]:
    """Ask ``/healthz`` ten times a second."""
    watch = Watch()
    with _meanwhile(lambda stop: _ask_health(collector, watch, stop)):
        yield watch


@contextmanager
def scraping(collector: Collector, schools: int) -> Iterator[None]:
    """Read every page of metrics once in ``SCRAPE_EVERY_S``."""
    paths = ["/metrics", *(f"/metrics/office/{office}" for office in offices(schools))]
    with _meanwhile(lambda stop: _scrape(collector, paths, stop)):
        yield


@contextmanager
def _meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_ANSWER_LIMIT_S)


def _ask_health(collector: Collector, watch: Watch, stop: threading.Event) -> None:
    due_s = time.monotonic()
    while not stop.wait(max(0.0, due_s - time.monotonic())):
        watch.noise_s = max(watch.noise_s, time.monotonic() - due_s)
        with suppress(OSError, http.client.HTTPException):
            collector.get("/healthz", timeout_s=_ANSWER_LIMIT_S)
        watch.worst_s = max(watch.worst_s, time.monotonic() - due_s)
        due_s = max(due_s + _ASK_EVERY_S, time.monotonic())


def _scrape(collector: Collector, paths: Sequence[str], stop: threading.Event) -> None:
    """Spread evenly, as Prometheus does."""
    began_s, number = time.monotonic(), 0
    while not stop.wait(max(0.0, began_s + number * SCRAPE_EVERY_S / len(paths) - time.monotonic())):
        with suppress(OSError, http.client.HTTPException):
            collector.get(paths[number % len(paths)])
        number += 1
