"""The agent's part of an upgrade: a signed bundle over real HTTP, in pieces, and a request beside it."""

import asyncio
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.upgrading import fetching, kept, upgrader
from agent.upgrading.bundle import RefusedError
from agent.upgrading.fetching import Fetching, NotNowError
from agent.upgrading.home import Home
from agent.upgrading.source import PIECE_BYTES, Source
from agent.upgrading.upgrader import Upgrader, Ways
from classready.measuring import Release
from collector import install_page
from collector.enrol_api import Desk
from tests.support.bundle import new_key, small_bundle
from tests.support.raw_servers import conversing, saying

OLD = "0.1.0-00000000"
FAST_BYTES_PER_S = 1e9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, with a wheel for another machine and one that no agent needs, signed once more."""
    folder = tmp_path_factory.mktemp("bundle")
    return small_bundle(folder, new_key(folder))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


class Doors:
    """The collector's own, and what was asked of them. ``before`` may answer in their place."""

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle
        self.version = (bundle / "VERSION").read_text().strip()
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[web.Request], web.StreamResponse | None] = lambda _request: None
        self.base = ""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append((request.path.rpartition(f"{self.version}/")[2], request.headers.get("Range", "")))
        return self.before(request) or await handler(request)


@asynccontextmanager
async def doors(bundle: Path) -> AsyncIterator[Doors]:
    found = Doors(bundle)
    desk: Any = Desk(engine=None, admit=None, clock=time.time)  # type: ignore[arg-type]
    application = web.Application(middlewares=[found.middleware])
    application.add_routes(install_page.routes(desk, bundle, None))
    async with TestServer(application) as server:
        found.base = str(server.make_url("")).rstrip("/")
        yield found


async def fetch(found: Doors, folder: Path, **changes: Any) -> Path:
    options = {"bytes_per_s": FAST_BYTES_PER_S, "is_quiet": lambda: False, "version": found.version} | changes
    source = Source(f"{found.base}/install/release/{found.version}", ssl.create_default_context, 10.0)
    version = options.pop("version")
    folder.mkdir(exist_ok=True)
    key_file = options.pop("key_file", found.bundle / "bundle.pub")
    try:
        await Fetching(source, folder / "bundle", key_file, **options).run(version)
    finally:
        source.close()
    return folder / "bundle"


async def test_fetched_as_it_was_signed(bundle: Path, tmp_path: Path) -> None:
    """Every file that this machine needs, and install.sh takes it; asked for again, nothing but the list comes."""
    async with doors(bundle) as found:
        folder = await fetch(found, tmp_path / "state")
        names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert names == {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
        root = tmp_path / "root"
        for part in ("opt", "etc"):
            (root / part).mkdir(parents=True)
        check = ["sh", folder / "install.sh", "--check", "--root", root, "--python", sys.executable]
        done = await asyncio.to_thread(subprocess.run, check, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        found.asked.clear()
        await fetch(found, tmp_path / "state")
        assert {name for name, _ in found.asked} == {"SHA256SUMS", "SHA256SUMS.sig"}


async def test_goes_on_where_it_stopped(bundle: Path, tmp_path: Path) -> None:
    """Cut off again and again, in the midst of files: no piece that came whole is asked for twice."""
    async with doors(bundle) as found:
        turns = 0

        def cut(request: web.Request) -> None:
            nonlocal turns
            turns += 1
            if turns % 3 == 0:
                assert request.transport is not None
                request.transport.abort()

        found.before = cut
        for _ in range(100):
            with suppress(NotNowError):
                folder = await fetch(found, tmp_path / "state")
                break
        pieces = [asked for asked in found.asked if asked[0].startswith("wheels/") and asked[1]]
        served = len(set(pieces))
        assert len(pieces) <= served * 3
        assert served >= sum(path.stat().st_size / PIECE_BYTES for path in (folder / "wheels").iterdir())


async def test_no_faster_than_it_may(bundle: Path, tmp_path: Path) -> None:
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    begun_s = time.monotonic()
    async with doors(bundle) as found:
        await fetch(found, tmp_path / "state", bytes_per_s=size * 2)
    assert time.monotonic() - begun_s >= 0.5


async def test_lessons_come_first(bundle: Path, tmp_path: Path) -> None:
    """Not one piece while a lesson has the line, also when it begins in the midst; then on from there."""
    async with doors(bundle) as found:
        with pytest.raises(NotNowError, match="quiet"):
            await fetch(found, tmp_path / "state", is_quiet=lambda: len(found.asked) >= 5)
        assert len(found.asked) == 5
        await fetch(found, tmp_path / "state")


async def test_room_for_others(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk must keep free stays free."""
    monkeypatch.setattr(fetching, "SPARE_BYTES", shutil.disk_usage(tmp_path).free * 2)
    async with doors(bundle) as found:
        with pytest.raises(NotNowError, match="are free") as stopped:
            await fetch(found, tmp_path / "state")
        assert (stopped.value.reason, found.asked) == ("no_space", [])


def _tampered(bundle: Path) -> None:
    (wheel, *_) = bundle.glob("wheels/icmplib*")
    wheel.write_bytes(b"x" * wheel.stat().st_size)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(_tampered, "damaged", id="another-wheel"),
        pytest.param(lambda b: (b / "SHA256SUMS").write_bytes(b"y" * 70), "unsigned", id="no-list"),
        pytest.param(
            lambda b: (b / "SHA256SUMS").write_text((b / "SHA256SUMS").read_text() + "x"), "unsigned", id="list-grew"
        ),
        pytest.param(lambda b: (b / "SHA256SUMS.sig").write_bytes(b"x" * 64), "unsigned", id="another-signature"),
        pytest.param(lambda b: (b / "SHA256SUMS.sig").write_bytes(b"x" * 65), "damaged", id="endless-signature"),
        pytest.param(lambda b: new_key(b, "bundle.pub"), "unsigned", id="no-public-key"),
        pytest.param(lambda b: (b / "bundle.pub").unlink(), "unsigned", id="no-key"),
    ],
)
async def test_refused(bundle: Path, tmp_path: Path, spoil: Callable[[Path], Any], reason: str) -> None:
    async with doors(bundle) as found:
        spoil(bundle)
        with pytest.raises(RefusedError) as refused:
            await fetch(found, tmp_path / "state")
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", id="portal"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", id="redirect"),
        pytest.param(b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-0/0\r\nContent-Length: 1\r\n\r\nx", id="odd-range"),
        pytest.param(b"HTTP/1.1 206 OK\r\nContent-Length: 1\r\n\r\nx", id="no-range"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", id="cut-off"),
        pytest.param(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", id="not-there"),
        pytest.param(b"\x16\x03\x01", id="no-http"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_whoever_answers_in_its_place(bundle: Path, tmp_path: Path, answer: bytes) -> None:
    """Wastes a little time, and that is all: it comes again, or refuses what is not signed."""
    async with conversing(saying(answer)) as port:
        found = Doors(bundle)
        found.base = f"http://127.0.0.1:{port}"
        with pytest.raises((NotNowError, RefusedError)) as stopped:
            await fetch(found, tmp_path / "state")
    assert stopped.value.reason in {"unreachable", "unsigned"}
    assert not (tmp_path / "state/bundle").exists()


async def test_a_file_without_end(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends on and on does not fill the disk."""
    monkeypatch.setattr(fetching, "BUNDLE_MAX_BYTES", 1_000_000)
    async with doors(bundle) as found:

        def more(request: web.Request) -> web.StreamResponse | None:
            if not request.path.endswith(".whl"):
                return None
            start = int(request.headers["Range"].removeprefix("bytes=").partition("-")[0])
            said = {"Content-Range": f"bytes {start}-{start + PIECE_BYTES - 1}/{10**12}"}
            return web.Response(status=206, body=b"x" * PIECE_BYTES, headers=said)

        found.before = more
        with pytest.raises(RefusedError, match="too_large"):
            await fetch(found, tmp_path / "state")
    assert sum(path.stat().st_size for path in (tmp_path / "state").rglob("*")) < 1_300_000


async def test_another_release_under_that_name(bundle: Path, tmp_path: Path) -> None:
    """Replaced at the collector, or made once more: what was fetched of the other one goes."""
    async with doors(bundle) as found:
        with pytest.raises(NotNowError, match="the collector gave"):
            await fetch(found, tmp_path / "state", version="0.9.0-ffffffff")
        (tmp_path / "state/bundle/wheels").mkdir()
        (tmp_path / "state/bundle/wheels/left.whl").write_text("x")
        folder = await fetch(found, tmp_path / "state")
    assert not (folder / "wheels/left.whl").exists()


# --- the whole agent side -------------------------------------------------------------------------------------------


class Box:
    """A box with an agent that runs ``OLD``, and an installer that a test plays."""

    def __init__(self, state_dir: Path, found: Doors, *, base: str | None = "") -> None:
        state_dir.mkdir(exist_ok=True)
        self.folder = state_dir / kept.FOLDER
        self.home = Home(OLD, state_dir / "upgraded")
        self.told: list[tuple[str, str | None]] = []
        self.quiet = False
        ways = Ways(
            base=found.base if base == "" else base, trust=ssl.create_default_context, timeout_s=10.0,
            key_file=found.bundle / "bundle.pub",
        )  # fmt: skip
        self._ways, self._state_dir = ways, state_dir
        self.upgrader = self.made(self.home)

    def made(self, home: Home) -> Upgrader:
        upgrader = Upgrader(home, self._ways, self._state_dir, lambda: self.quiet)
        upgrader.on_news = self.note
        return upgrader

    def note(self) -> None:
        told = self.upgrader.told
        self.told.append((told.state, told.reason) if told else ("", None))

    def restarted(self, release: str = OLD) -> None:
        self.upgrader = self.made(self.home._replace(release=release))

    async def until(self, state: str, reason: str | None = None) -> None:
        running = asyncio.create_task(self.upgrader.run(FAST_BYTES_PER_S))
        try:
            async with asyncio.timeout(30):
                while (told := self.upgrader.told) is None or (told.state, told.reason) != (state, reason):
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()

    def request(self) -> list[str]:
        return (self.folder / kept.REQUEST).read_text().split()

    def install(self, code: int) -> None:
        """Take the request, as install.sh does, and say what became of it."""
        version, nonce = self.request()
        (self.folder / kept.REQUEST).unlink()
        self.home.result_file.write_text(f"{version} {nonce} {code}\n")


async def test_from_the_wish_to_the_new_release(bundle: Path, tmp_path: Path) -> None:
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found)
        box.upgrader.want(Release(version=found.version, asked_at=5.0))
        await box.until("installing")
        assert box.request()[0] == found.version
        assert box.told == [("fetching", None), ("installing", None)]
        box.restarted(found.version)
        box.upgrader.want(Release(version=found.version, asked_at=5.0))
        await box.until("installing")
        assert (box.folder / kept.STATE).read_bytes().count(b"installing") == 1, (
            "the one before must know, if it comes back"
        )
        box.install(0)
        await box.until("done")
        told = box.upgrader.told
        assert told is not None
        assert (told.version, told.asked_at) == (found.version, 5.0)
        assert not (box.folder / kept.BUNDLE).exists()


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [(14, "rolled_back", "unhealthy"), (11, "refused", "unsigned"), (7, "refused", "no_space"), (1, "failed", "other")],
)
async def test_what_became_of_it(bundle: Path, tmp_path: Path, code: int, state: str, reason: str) -> None:
    """Told, kept over a restart, and not tried again until it is asked for anew."""
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found)
        wanted = Release(version=found.version, asked_at=5.0)
        box.upgrader.want(wanted)
        await box.until("installing")
        box.restarted()  # as a rollback does
        box.install(code)
        box.upgrader.want(wanted)
        await box.until(state, reason)
        box.restarted()
        box.upgrader.want(wanted)
        found.asked.clear()
        await box.until(state, reason)
        await asyncio.sleep(0)
        assert found.asked == []
        box.upgrader.want(Release(version=found.version, asked_at=6.0))
        await box.until("installing")


async def test_one_that_ran_for_a_while(bundle: Path, tmp_path: Path) -> None:
    """The release ran, was found not well, and the one before is back: that knows what it came from."""
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found)
        box.upgrader.want(Release(version=found.version))
        await box.until("installing")
        box.restarted(found.version)
        running = asyncio.create_task(box.upgrader.run(FAST_BYTES_PER_S))
        await asyncio.sleep(0.1)
        running.cancel()
        box.restarted()
        box.install(14)
        box.upgrader.want(Release(version=found.version))
        await box.until("rolled_back", "unhealthy")


async def test_a_result_of_an_earlier_request(bundle: Path, tmp_path: Path) -> None:
    """What lies there from the last time says nothing of this time."""
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found)
        box.home.result_file.write_text(f"{found.version} {'0' * 16} 14\n")
        box.upgrader.want(Release(version=found.version))
        await box.until("installing")
        running = asyncio.create_task(box.upgrader.run(FAST_BYTES_PER_S))
        await asyncio.sleep(0.2)
        running.cancel()
        assert box.told[-1] == ("installing", None)


async def test_taken_back_in_the_midst(bundle: Path, tmp_path: Path) -> None:
    """A pause ends the fetching at once; what is fetched is there when it goes on."""
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found)
        box.upgrader.want(Release(version=found.version))
        running = asyncio.create_task(box.upgrader.run(FAST_BYTES_PER_S))
        while not any(name.endswith(".whl") for name, _ in found.asked):
            await asyncio.sleep(0)
        box.upgrader.want(None)
        async with asyncio.timeout(10):
            while box.upgrader.told is not None:
                await asyncio.sleep(0.01)
        running.cancel()
        assert not (box.folder / kept.REQUEST).exists()
        assert (box.folder / kept.BUNDLE / "SHA256SUMS").exists()


@pytest.mark.parametrize("quiet", [True, False])
async def test_later(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, quiet: bool) -> None:
    """Told why it waits, once; and tried again by itself."""
    monkeypatch.setattr(upgrader, "AGAIN_S", dict.fromkeys(upgrader.AGAIN_S, 0.02))
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found)
        box.quiet = quiet
        found.before = lambda _request: None if box.quiet or quiet else web.Response(status=500)
        box.upgrader.want(Release(version=found.version))
        await box.until("waiting", "quiet" if quiet else "unreachable")
        running = asyncio.create_task(box.upgrader.run(FAST_BYTES_PER_S))
        await asyncio.sleep(0.2)
        running.cancel()
        assert len(box.told) == 1
        box.quiet, found.before = False, lambda _request: None
        await box.until("installing")


async def test_nobody_installs_here(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit takes the request: said, and nothing is left lying about."""
    monkeypatch.setattr(upgrader, "TAKEN_WITHIN_S", 0.0)
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found)
        box.upgrader.want(Release(version=found.version))
        await box.until("installing")
        await box.until("refused", "no_installer")
    assert {path.name for path in box.folder.iterdir()} == {kept.STATE}


@pytest.mark.parametrize(
    ("url", "reason"),
    [(None, "no_address"), ("http://127.0.0.1:1/x", "no_address"), ("https://127.0.0.1:1/x", "unreachable")],
)
async def test_a_link_without_an_address(bundle: Path, tmp_path: Path, url: str | None, reason: str) -> None:
    """Of a box that reports to a broker the release must say where it is, and over https."""
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found, base=None)
        box.upgrader.want(Release(version=found.version, url=url))
        await box.until("waiting", reason)


async def test_not_installed_by_us(bundle: Path, tmp_path: Path) -> None:
    """A checkout, or a package of somebody else's: nothing is done."""
    async with doors(bundle) as found:
        box = Box(tmp_path / "state", found)
        box.upgrader = box.made(Home(None, tmp_path / "x"))
        box.upgrader.want(Release(version=found.version))
        await asyncio.wait_for(box.upgrader.run(FAST_BYTES_PER_S), 5)
    assert box.upgrader.told is None


async def test_state_that_cannot_be_read(bundle: Path, tmp_path: Path) -> None:
    async with doors(bundle) as found:
        (tmp_path / "state" / kept.FOLDER).mkdir(parents=True)
        (tmp_path / "state" / kept.FOLDER / kept.STATE).write_bytes(b'{"version": 1}')
        box = Box(tmp_path / "state", found)
        assert box.upgrader.told is None
        box.upgrader.want(Release(version=found.version))
        await box.until("installing")
