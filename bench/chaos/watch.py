"""Who looks on: a scraper that wants whole pages of metrics whatever happens, and the collector's memory."""

import http.client
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import linear_regression
from typing import Final

from bench.chaos.county import OFFICE, County

_EVERY_S: Final = 1.0
_ANSWER_LIMIT_S: Final = 5.0
_WARM_S: Final = 10.0
"""Memory grows at the start of a life: caches and pools fill."""


class Watch:
    """``torn`` = pages that came with 200 and were not whole; ``rss`` = (life's begin, seconds of that life, bytes)."""

    def __init__(self) -> None:
        self.scraped_count = 0
        self.torn_count = 0
        self.rss: list[tuple[float, float, int]] = []

    def slope_bytes_per_minute(self) -> float:
        """Of the collector's memory over the longest of its lives; 0 where none was long enough to say."""
        lives: dict[float, list[tuple[float, int]]] = {}
        for began_s, age_s, rss_bytes in self.rss:
            if age_s >= _WARM_S:
                lives.setdefault(began_s, []).append((age_s, rss_bytes))
        longest = max(lives.values(), key=len, default=[])
        if len(longest) < 3:
            return 0.0
        ages_s, sizes = zip(*longest, strict=True)
        return 60.0 * linear_regression(ages_s, sizes).slope


@contextmanager
def watching(county: County) -> Iterator[Watch]:
    watch, stop = Watch(), threading.Event()
    thread = threading.Thread(target=_look, args=(county, watch, stop), daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join(3 * _ANSWER_LIMIT_S)


def _look(county: County, watch: Watch, stop: threading.Event) -> None:
    while not stop.wait(_EVERY_S):
        for path in ("/metrics", f"/metrics/office/{OFFICE}"):
            _scrape(f"http://127.0.0.1:{county.port}{path}", watch)
        pid, began_s = county.collector.pid, county.collector.started_at_s
        with suppress(OSError, StopIteration):
            watch.rss.append((began_s, time.monotonic() - began_s, _rss_bytes(pid)))


def _scrape(url: str, watch: Watch) -> None:
    """No answer is none; one that is there must be whole (Prometheus would take a part for all there is)."""
    with suppress(OSError, http.client.HTTPException), urllib.request.urlopen(url, timeout=_ANSWER_LIMIT_S) as answer:
        text = answer.read()
        watch.scraped_count += 1
        watch.torn_count += not text.endswith(b"\n")


def _rss_bytes(pid: int | None) -> int:
    """VmRSS of proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith("VmRSS:"))
