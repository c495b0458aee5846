"""A full disk under the collector: whoever asks hears that it is not ready, and that it is again once there is room.

Only a file of ours can be put on a small disk; what `every_store` adds is in test_postgres_away.py.
"""

import contextlib
import subprocess
import sys
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from collector.store import lives
from collector.store.database import open_store
from collector.store.transaction import StoreAwayError
from tests.support.collecting import NOW, Collector, body, opened, pings, wait_until
from tests.support.mosquitto import free_port
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
        with pytest.raises(HTTPError) as shown:  # people read on; the page says with its status that it is not fresh
            urlopen(f"{collector.url}/", timeout=30)
        assert shown.value.code == 503
        assert "东坡区" in shown.value.read().decode()
        assert collector.ask("/metrics") == 200
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
async def test_a_heartbeat_is_a_real_write(disk):
    """On a full disk it fails, too, as soon as the log has no room left: it proves what an empty commit does not."""
    async with opened(disk) as store:

        async def beat(count: int) -> None:
            for n in range(count):
                async with store.writer.begin() as connection:
                    await lives.go_on(connection, NOW + n)

        async with store.writer.begin() as connection:
            await lives.begin(connection, NOW, NOW)
        fill(disk)
        with pytest.raises(OperationalError, match="full"):
            await beat(600)
        (disk / "filler").unlink()
        await beat(1)


@pytest.mark.netns
def test_a_start_on_a_full_disk_is_explained(disk, tmp_path):
    """The store opens, and takes nothing of what a start writes: the program ends with a sentence."""
    settings = tmp_path / "collector.yml"
    settings.write_text(
        f"listen: {{port: 0}}\nstore: sqlite+aiosqlite:///{disk}/collector.db\nresponder: null\n"
        "receivers: [{kind: console, name: terminal}]\n"
    )
    (tmp_path / "roster").mkdir()
    (tmp_path / "roster" / "511402.yml").write_text(
        "office: '511402'\nname: 东坡区\nschools: [{id: s1, name: 一小, classrooms: [{id: r1}]}]\ngateways: []\n"
    )
    command = [sys.executable, "-m", "collector", "run", "-c", str(settings)]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert any('"listening"' in line for line in first.stdout)
    first.kill()
    first.communicate()
    fill(disk)
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert second.returncode == 1
    last = second.stderr.strip().splitlines()[-1]
    assert last.startswith(f"the store {disk}/collector.db cannot be used: ")
    assert last.endswith(
        "(0 MB are free on its disk). Until then nothing is acknowledged, and the agents keep what they have."
    )


@pytest.mark.netns
async def test_a_store_that_cannot_be_opened_is_named(disk, tmp_path):
    """A collector that starts on a full disk says which file, why, how much room there is, and that nothing is lost."""
    fill(disk)
    with pytest.raises(StoreAwayError) as refused:
        await open_store(sqlite_in(disk))
    words = str(refused.value)
    assert words.startswith(f"the store {disk}/")
    assert "disk is full (0 MB are free on its disk). Until then nothing is acknowledged" in words
    assert "sqlalche.me" not in words


async def test_a_server_that_is_away_is_named_without_its_password(tmp_path):
    """Whoever runs the machine reads where it should be."""
    with pytest.raises(StoreAwayError) as refused:
        await open_store(make_url(f"postgresql+asyncpg://classready:geheim@127.0.0.1:{free_port()}/classready"))
    words = str(refused.value)
    assert words.startswith("the store postgresql+asyncpg://classready:***@127.0.0.1:")
    assert "geheim" not in words
