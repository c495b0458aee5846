"""A bureau's monitoring: schools served as the collector serves them, read by a real Prometheus or VictoriaMetrics.

Both start with the shipped scrape file.
"""

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from aiohttp import web

from collector import web as pages
from collector.core.policy import Policy
from collector.core.state import School
from collector.exposition import Exposition
from collector.text import Names
from collector.views import Bureau, Kept
from tests.support.mosquitto import free_port

SHIPPED = Path(__file__).parents[2] / "configs" / "prometheus" / "prometheus.yml"
DEADLINE_S = 60.0


@contextmanager
def serving(schools: Mapping[str, School], names: Names, port: int, token: str | None = None) -> Iterator[Exposition]:
    """The collector's pages for Prometheus, of ``schools``, on loopback from a thread of its own."""
    policy, loop = Policy(), asyncio.new_event_loop()
    exposition = Exposition(policy)
    for school in schools.values():
        exposition.update(school, time.time())
    bureau = Bureau(
        schools=lambda: schools,
        kept=lambda: Kept(schools.values()),
        names=lambda: names,
        policy=lambda: policy,
        clock=time.time,
    )
    app = web.Application(middlewares=[pages.require_tokens(metrics=token)])
    app.add_routes(pages.routes(bureau, exposition, lambda: True))
    runner = web.AppRunner(app)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield exposition
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def scrape_file(folder: Path, collector_port: int) -> Path:
    """The shipped file for a collector on another port, read every second."""
    text = SHIPPED.read_text(encoding="utf-8")
    for shipped, here in (
        ("127.0.0.1:9711", f"127.0.0.1:{collector_port}"),
        ("scrape_interval: 30s", "scrape_interval: 1s"),
        ("scrape_timeout: 20s", "scrape_timeout: 1s"),
    ):
        assert shipped in text
        text = text.replace(shipped, here)
    file = folder / "prometheus.yml"
    file.write_text(text, encoding="utf-8")
    return file


@dataclass
class Database:
    """Prometheus' HTTP API, whoever answers it."""

    url: str

    def instant(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        return self._ask("query", query=expr, time=time.time() if at is None else at)["result"]

    def range(self, expr: str, start: float, end: float, step_s: float) -> list[dict[str, Any]]:
        return self._ask("query_range", query=expr, start=start, end=end, step=step_s)["result"]

    def label_values(self, label: str, series: str) -> list[str]:
        asked = {"match[]": series, "start": time.time() - 3_600, "end": time.time()}
        return self._ask(f"label/{label}/values", **asked)

    def wait(self, expr: str, count: int) -> None:
        """Until ``expr`` has ``count`` results."""
        until, found = time.monotonic() + DEADLINE_S, -1
        while time.monotonic() < until:
            try:
                found = len(self.instant(expr))
            except (URLError, OSError):
                found = -1
            if found == count:
                return
            time.sleep(0.1)
        raise AssertionError(f"{expr} gave {found} results, not {count}, within {DEADLINE_S:g} s")

    def _ask(self, path: str, **fields: Any) -> Any:
        label = path.startswith("label/")
        query = urlencode({"nocache": 1, **fields})
        url = f"{self.url}/api/v1/{path}"
        request = Request(f"{url}?{query}") if label else Request(url, query.encode())
        with urlopen(request, timeout=20) as answer:
            return json.load(answer)["data"]


@contextmanager
def prometheus(folder: Path, config: Path) -> Iterator[Database]:
    port = free_port()
    with _running(
        folder / "prometheus.log",
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
    ):
        yield Database(f"http://127.0.0.1:{port}")


@contextmanager
def victoria_metrics(folder: Path, config: Path) -> Iterator[Database]:
    """With no flag but where to listen and to store, what to scrape, and that this very second may be asked about."""
    port = free_port()
    with _running(
        folder / "victoria.log",
        [
            "victoria-metrics",
            f"-promscrape.config={config}",
            f"-storageDataPath={folder / 'victoria'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-search.latencyOffset=0s",
        ],
    ):
        yield Database(f"http://127.0.0.1:{port}")


@contextmanager
def _running(log: Path, command: Sequence[str]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield
            if process.poll() is not None:
                raise AssertionError(f"{command[0]} ended:\n{log.read_text(errors='replace')[-2_000:]}")
        finally:
            process.terminate()
            process.wait(timeout=20)


@contextmanager
def alertmanager(folder: Path, webhook_url: str, token: Path) -> Iterator[str]:
    """An Alertmanager of its own that hands each office's alerts to ``webhook_url``, at once; yields its address."""
    config = folder / "alertmanager.yml"
    config.write_text(
        "route: {receiver: chat, group_by: [alertname, office], group_wait: 50ms, group_interval: 300ms}\n"
        f"receivers: [{{name: chat, webhook_configs: [{{url: '{webhook_url}', send_resolved: true, "
        f"http_config: {{authorization: {{credentials_file: '{token}'}}}}}}]}}]\n"
    )
    port = free_port()
    with _running(
        folder / "alertmanager.log",
        [
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
    ):
        url = f"http://127.0.0.1:{port}"
        _wait_ready(f"{url}/-/ready")
        yield url


def _wait_ready(url: str) -> None:
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"{url} did not answer within {DEADLINE_S:g} s")
