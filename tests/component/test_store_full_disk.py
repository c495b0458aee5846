"""A full disk under the collector: whoever asks hears that it is not ready, and that it is again once there is room.

Only a file of ours can be put on a small disk; what `every_store` adds is in test_postgres_away.py.
"""

import contextlib
import subprocess
import time
from math import inf

import pytest

from collector.store.proof import prove
from collector.store.writes import DOUBT_S, PROOF_AFTER_S, VALID_S, Writes
from tests.support.collecting import Collector, body, opened, pings, wait_until
from tests.support.stores import choose, sqlite_in


@pytest.fixture
def disk(tmp_path):
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk) -> None:
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4_096))


@pytest.mark.netns
def test_not_ready_while_reports_are_refused(disk, tmp_path):
    """While every report gets 503 the collector is not ready, and alive; with room again it is ready by itself."""
    with choose(lambda _folder: sqlite_in(disk)):
        collector = Collector(tmp_path)
    collector.start()
    try:
        assert collector.ask("/api/v1/reports", body(pings([1]))) == 200
        assert collector.ask("/readyz") == 200
        fill(disk)
        numbers = iter(range(2, 10_000))
        wait_until(lambda: collector.ask("/api/v1/reports", body(pings([next(numbers)]))) == 503)
        for _ in range(20):
            assert collector.ask("/api/v1/reports", body(pings([next(numbers)]))) in {503, 429}
            assert (collector.ask("/readyz"), collector.ask("/healthz")) == (503, 200)
            time.sleep(0.1)
        (disk / "filler").unlink()
        wait_until(lambda: collector.ask("/readyz") == 200)
        assert collector.ask("/api/v1/reports", body(pings([next(numbers)]))) == 200
    finally:
        assert collector.stop() == 0


@pytest.mark.netns
def test_ready_at_once_when_a_report_gets_through(disk, tmp_path):
    """The first report that is stored again is proof enough."""
    with choose(lambda _folder: sqlite_in(disk)):
        collector = Collector(tmp_path)
    collector.start()
    try:
        fill(disk)
        numbers = iter(range(1, 10_000))
        wait_until(lambda: collector.ask("/api/v1/reports", body(pings([next(numbers)]))) == 503)
        assert collector.ask("/readyz") == 503
        (disk / "filler").unlink()
        assert collector.ask("/api/v1/reports", body(pings([next(numbers)]))) == 200
        assert collector.ask("/readyz") == 200
    finally:
        assert collector.stop() == 0


@pytest.mark.netns
async def test_a_small_write_is_a_real_one(disk):
    """The proof is no empty commit: on a full disk it fails as soon as the log has no room left."""
    async with opened(disk) as store:
        await prove(store)
        assert store.writes.proved_at_s > store.writes.refused_at_s == -inf
        fill(disk)
        for _ in range(600):
            await prove(store)
        assert store.writes.refused_at_s > store.writes.proved_at_s
        (disk / "filler").unlink()
        await prove(store)
        assert store.writes.proved_at_s > store.writes.refused_at_s


@pytest.mark.parametrize(
    ("taken", "proved", "refused", "ready"),
    [
        pytest.param(None, None, None, False, id="nothing was ever written"),
        pytest.param(1, None, None, True, id="a report was stored"),
        pytest.param(None, 1, None, True, id="nobody reports, but a small write is taken"),
        pytest.param(VALID_S, None, None, False, id="too long ago to say anything"),
        pytest.param(2, 1, 1.5, False, id="refused since: a small write so soon proves nothing"),
        pytest.param(DOUBT_S + 2, 1, DOUBT_S + 1, True, id="a small write, long enough after the refusal"),
        pytest.param(DOUBT_S + 2, DOUBT_S + 1, 1, False, id="a small write before the refusal"),
        pytest.param(1, 30, 2, True, id="a report was stored after the refusal"),
        pytest.param(None, None, 1, False, id="refused from the start"),
    ],
)
def test_rule(taken, proved, refused, ready):
    """Ready = the last real write was taken, or a small one was, some time after the last refusal (ages in seconds)."""
    now_s = 1_000.0
    ages = {"taken_at_s": taken, "proved_at_s": proved, "refused_at_s": refused}
    writes = Writes(**{name: now_s - age_s for name, age_s in ages.items() if age_s is not None})
    assert writes.are_taken(now_s) is ready
    if not ready:
        assert writes.need_proof(now_s)


def test_a_quiet_collector_proves_it_in_time():
    """Where nobody reports, the proof comes before readiness ends."""
    writes = Writes(taken_at_s=0.0)
    assert not writes.need_proof(PROOF_AFTER_S - 1)
    assert writes.need_proof(PROOF_AFTER_S)
    assert writes.are_taken(PROOF_AFTER_S)
