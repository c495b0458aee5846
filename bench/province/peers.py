"""The same series served by others: prometheus_client, and Debian's prometheus-pushgateway."""

import sys
import threading
import urllib.request
from pathlib import Path
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from bench.agent.processes import absent, free_port, module, started, until_answering
from bench.province.collector import cpu_s, fetch

CLIENT: Final = "prometheus_client"
PUSHGATEWAY: Final = "prometheus-pushgateway"


class Cost(Struct, frozen=True):
    """Of one scrape, the best of several: until it was there, and processor time."""

    seconds: float
    cpu_s: float


def costs(exposition: bytes, folder: Path, rounds: int) -> dict[str, Cost]:
    """Peer -> what a compressed scrape of the samples in ``exposition`` costs it; without those not installed."""
    text = folder / "series.txt"
    text.write_bytes(exposition)
    found = {CLIENT: _cost_of(module("bench.province.peers", str(text)), None, rounds, folder)}
    if not absent(PUSHGATEWAY):
        found[PUSHGATEWAY] = _cost_of([PUSHGATEWAY, "--log.level=error"], exposition, rounds, folder)
    return found


def _cost_of(command: list[str], pushed: bytes | None, rounds: int, folder: Path) -> Cost:
    port, log = free_port(), folder / "peer.log"
    with started([*command, f"--web.listen-address=127.0.0.1:{port}"], log) as process:
        until_answering(f"http://127.0.0.1:{port}/metrics", log, limit_s=300.0)
        if pushed is not None:
            url = f"http://127.0.0.1:{port}/metrics/job/bench"
            urllib.request.urlopen(urllib.request.Request(url, pushed, method="PUT"), timeout=300).close()
        found = []
        for _ in range(rounds):
            before_s = cpu_s(process)
            page = fetch(port, "/metrics")
            found.append(Cost(page.seconds, cpu_s(process) - before_s))
        return Cost(min(cost.seconds for cost in found), min(cost.cpu_s for cost in found))


def _serve(text: str, listen: str) -> None:
    """Serve the samples in the file ``text`` as a program does that keeps a gauge for each."""
    registry = CollectorRegistry()
    for family in text_string_to_metric_families(Path(text).read_text()):
        if family.samples:
            gauge = Gauge(family.name, family.documentation, tuple(family.samples[0].labels), registry=registry)
            for sample in family.samples:
                gauge.labels(**sample.labels).set(sample.value)
    start_http_server(int(listen.rpartition(":")[2]), "127.0.0.1", registry)
    threading.Event().wait()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
