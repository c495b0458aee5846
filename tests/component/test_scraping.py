"""The shipped scrape file, read by Prometheus and by VictoriaMetrics as they come."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.collecting import Collector
from tests.support.county import NAMES, county
from tests.support.monitoring import SHIPPED, Database, prometheus, scrape_file, serving, victoria_metrics
from tests.support.mosquitto import free_port

Start = Callable[[Path, Path], AbstractContextManager[Database]]
BOTH = [
    pytest.param(prometheus, marks=pytest.mark.servers("prometheus"), id="prometheus"),
    pytest.param(victoria_metrics, marks=pytest.mark.servers("victoria-metrics"), id="victoria-metrics"),
]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("promtool", "check", "config"), marks=pytest.mark.servers("promtool"), id="promtool"),
        pytest.param(
            ("victoria-metrics", "-dryRun"), marks=pytest.mark.servers("victoria-metrics"), id="victoria-metrics"
        ),
    ],
)
def test_the_shipped_file_is_accepted_as_it_is(command: tuple[str, ...]) -> None:
    """Neither refuses a word of it, and no flag is needed."""
    program, *arguments = command
    file = [f"-promscrape.config={SHIPPED}"] if program == "victoria-metrics" else [str(SHIPPED)]
    done = subprocess.run([program, *arguments, *file], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    running = Collector(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize("start", BOTH)
def test_series_of_the_collector_arrive(collector: Collector, start: Start, tmp_path: Path) -> None:
    """Its own metrics, the roll-up, and what discovery leads to, under their own labels."""
    with start(tmp_path, scrape_file(tmp_path, collector.port)) as database:
        database.wait("classready_collector_messages_received_total", 1)
        database.wait('classready_office_classrooms{office="511402"}', 7)
        database.wait('classready_gateway_up{office="511402",classready_shard="511402"}', 3)
        assert database.instant('{__name__=~"classready_.+",exported_office!=""}') == []


@pytest.mark.parametrize("start", BOTH)
def test_the_token_goes_where_the_file_says(start: Start, tmp_path: Path) -> None:
    """With the line of the comment in both jobs and in discovery, a collector that asks for a token is read."""
    port = free_port()
    token = tmp_path / "token"
    token.write_text("secret-of-the-metrics")
    config = scrape_file(tmp_path, port)
    config.write_text(_as_its_comment_says(config.read_text(), token))
    with serving(county(time.time()), NAMES, port, "secret-of-the-metrics"), start(tmp_path, config) as database:
        database.wait("classready_gateway_up", 13)
        database.wait("up == 1", 4)


@pytest.mark.servers("curl")
@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_curl_reads_the_joined_gzip(tmp_path: Path, accept: str) -> None:
    """Of every page, byte for byte what it is without compression."""
    port = free_port()
    with serving(county(time.time()), NAMES, port):
        for page in ("office/511402", "office/511421", "all"):
            asked = ["curl", "-sSf", "-H", f"Accept: {accept}", f"http://127.0.0.1:{port}/metrics/{page}"]
            text = subprocess.run(asked, capture_output=True, check=True, timeout=30).stdout
            packed = subprocess.run(
                [*asked, "-H", "Accept-Encoding: gzip"], capture_output=True, check=True, timeout=30
            )
            unpacked = subprocess.run([*asked, "--compressed"], capture_output=True, check=True, timeout=30).stdout
            assert unpacked == text
            assert text.count(b"\n") > 100
            assert packed.stdout.startswith(b"\x1f\x8b")
            assert len(packed.stdout) < len(text)


def _as_its_comment_says(text: str, token: Path) -> str:
    """The file with the line of its comment in both jobs and in discovery, and the token's own path."""
    (told,) = re.findall(r"^#   (authorization: .*)$", text, re.MULTILINE)
    line = re.sub(r"/etc/\S*token", str(token), told)
    for place, indent in (("    static_configs:\n", 4), ("    http_sd_configs:\n", 4), ("/sd/prometheus\n", 8)):
        assert text.count(place) == 1
        before, _, after = text.partition(place)
        added = indent * " " + line + "\n"
        text = before + (place + added if indent == 8 else added + place) + after
    return text
