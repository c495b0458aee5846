"""The agent looks around by itself: real packets in a namespace, one search an order, none while quiet is wanted."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.discover import searcher
from agent.discover.searcher import Searcher
from classready.measuring import Discovery
from classready.observation import Found, Outcome, community_digest
from classready.report import Directives, Record
from tests.support.namespaces import Namespace, join, namespaces

pytestmark = [pytest.mark.netns, pytest.mark.servers("ip")]

REPOSITORY = Path(__file__).parents[2]
FAST = {"rate_per_s": 200.0}


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A gateway in a small LAN with a switch, whose community is another one, and a board behind its first port."""
    log = tmp_path_factory.mktemp("devices") / "log"
    with namespaces("sa", "sb") as (gateway, lan), log.open("wb") as output:
        _, device = join(gateway, "10.98.0.1/27", lan, "10.98.0.2/27")
        subprocess.run(lan.command("ip", "address", "add", "10.98.0.30/27", "dev", device), check=True)
        shown = subprocess.run(lan.command("ip", "-j", "link", "show", device), check=True, capture_output=True).stdout
        mac = json.loads(shown)[0]["address"]
        lines = ["port 1 alias 3-2班大屏", f"port 1 plug {mac}", "port 2 alias GE0/0/2", "port 24 neighbour core"]
        command = [sys.executable, "-m", "bench.demo.snmp_devices", "--switch=<b>sw</b>=10.98.0.2:161"]
        command += ["--community=school", *(f"--do={line}" for line in lines)]
        process = subprocess.Popen(lan.command(*command), stdout=output, stderr=output, cwd=REPOSITORY)
        try:
            until_s = time.monotonic() + 20
            while not log.read_bytes() and time.monotonic() < until_s:
                time.sleep(0.05)
            assert json.loads(log.read_text()), log.read_text()
            yield gateway
        finally:
            process.terminate()
            process.wait()


class Box:
    """The agent's part that searches, and what it put into the spool."""

    def __init__(self, folder: Path) -> None:
        self.records: list[Record] = []
        self.directives: Directives | None = Directives(policy_version="1")
        self.clock = Clock("b")
        self.clock.compare(time.time())
        self._folder = folder
        self._task: asyncio.Task[None] | None = None
        self.measured: list[str] = []

    def allow(self, order: Discovery | None) -> None:
        """As a session does: another order takes the place of the one before."""
        if self._task is not None:
            self._task.cancel()
        self._task = None
        if order is not None:
            searching = Searcher(
                order,
                self.clock,
                self._append,
                state_dir=self._folder,
                directives=lambda: self.directives,
                measured=lambda: self.measured,
            )
            self._task = asyncio.create_task(searching.run())

    async def _append(self, records: list[Record]) -> None:  # type: ignore[override]
        self.records += records

    @property
    def found(self) -> list[Found]:
        return [record.observation for record in self.records if isinstance(record.observation, Found)]

    @property
    def sweep_count(self) -> int:
        return sum(each.what == "sweep" for each in self.found)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.sweep_count < count:
                await asyncio.sleep(0.05)


def at_work(school: Namespace, folder: Path, scene: Callable[[Box], Awaitable[None]]) -> Box:
    """Play a scene in the gateway's own network."""

    async def play() -> Box:
        box = Box(folder)
        try:
            await scene(box)
        finally:
            box.allow(None)
        return box

    return school.call(asyncio.run, play())


def test_it_finds_its_own_network(school: Namespace, tmp_path: Path) -> None:
    """Switch, labels, the board's place: of the network that it stands in, without being told which."""

    async def scene(box: Box) -> None:
        box.allow(Discovery(communities=("public", "school"), **FAST))
        await box.until(1)

    sweep, sw, board = at_work(school, tmp_path, scene).found
    assert (sweep.networks, sweep.address_count, sweep.answer_count) == (("10.98.0.0/27",), 29, 2)
    assert (sw.what, sw.host, sw.name, sw.community_digest) == (
        "switch",
        "10.98.0.2",
        "<b>sw</b>",
        community_digest("school"),
    )
    assert sw.ports is not None
    labels = {port.name: (port.label, port.trunk) for port in sw.ports}
    assert labels["GE0/0/1"] == ("3-2班大屏", False)
    assert labels["GE0/0/2"] == (None, False), "its own name is no label"
    assert labels["GE0/0/24"][1] is True
    assert (board.host, board.switch, board.if_name, board.community_digest) == (
        "10.98.0.30",
        "10.98.0.2",
        "GE0/0/1",
        None,
    )


def test_what_the_boxs_own_files_name_is_not_told(school: Namespace, tmp_path: Path) -> None:
    """The bureau does not know those files, and would list it as nobody's; what hangs there is told with its place."""

    async def scene(box: Box) -> None:
        box.measured = ["10.98.0.2"]
        box.allow(Discovery(communities=("school",), **FAST))
        await box.until(1)

    sweep, board = at_work(school, tmp_path, scene).found
    assert (sweep.answer_count, board.host, board.switch) == (1, "10.98.0.30", "10.98.0.2")


def test_of_too_many_switches_no_ports_are_read(
    school: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told, and why nothing more is known of them."""
    monkeypatch.setattr(searcher, "SWITCHES_MAX", 0)

    async def scene(box: Box) -> None:
        box.allow(Discovery(networks=("10.98.0.2/32",), communities=("school",), **FAST))
        await box.until(1)

    _, sw = at_work(school, tmp_path, scene).found
    assert (sw.what, sw.ports, sw.outcome) == ("switch", (), Outcome.UNMEASURED)
    assert "too many switches" in str(sw.detail)


def test_an_order_is_carried_out_once_also_over_restarts(school: Namespace, tmp_path: Path) -> None:
    """The same document again and a restart search nothing; whoever asks again has it searched again."""
    order = Discovery(networks=("10.98.0.2/32",), **FAST)

    async def first(box: Box) -> None:
        box.allow(order)
        await box.until(1)
        box.allow(order)
        await asyncio.sleep(0.3)

    async def after_a_restart(box: Box) -> None:
        box.allow(order)
        await asyncio.sleep(0.3)
        assert box.sweep_count == 0
        box.allow(Discovery(networks=("10.98.0.2/32",), again_at=5.0, **FAST))
        await box.until(1)

    assert at_work(school, tmp_path, first).sweep_count == 1
    assert at_work(school, tmp_path, after_a_restart).sweep_count == 1


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search takes no time: whoever does not wait has searched before anybody looks."""

    async def nobody(*_: object, **__: object) -> tuple[list[object], list[object], bool]:
        return [], [], True

    monkeypatch.setattr(searcher, "LOOK_S", 0.05)
    monkeypatch.setattr(searcher, "discover", nobody)


@pytest.mark.usefixtures("at_once")
def test_it_waits_while_quiet_is_wanted(school: Namespace, tmp_path: Path) -> None:
    """Never before the first directives, in examinations, or in lessons where the order says so; else in lessons."""
    now = time.time()
    around = ((now - 60, now + 600),)
    in_lessons = Directives(policy_version="1", quiet=around)

    async def scene(box: Box) -> None:
        box.directives = None
        box.allow(Discovery(networks=("10.98.0.2/32",), in_lessons=False, **FAST))
        await asyncio.sleep(0.3)
        assert box.sweep_count == 0
        for directives in (in_lessons, Directives(policy_version="1", quiet=around, no_load=around)):
            box.directives = directives
            await asyncio.sleep(0.3)
            assert box.sweep_count == 0
        box.directives = in_lessons
        box.allow(Discovery(networks=("10.98.0.2/32",), **FAST))
        await box.until(1)

    at_work(school, tmp_path, scene)


def test_a_search_that_examinations_begin_in_starts_anew(
    school: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had is not told half: afterwards the whole is."""
    monkeypatch.setattr(searcher, "LOOK_S", 0.05)

    async def scene(box: Box) -> None:
        box.allow(Discovery(communities=("school",), rate_per_s=10.0))
        await asyncio.sleep(1.0)
        now = time.time()
        box.directives = Directives(policy_version="1", no_load=((now - 1, now + 600),))
        await asyncio.sleep(3.0)
        assert box.found == []
        box.directives = Directives(policy_version="1")
        await box.until(1)
        assert box.found[0].answer_count == 2

    at_work(school, tmp_path, scene)


@pytest.mark.usefixtures("at_once")
def test_without_a_clock_it_waits_only_for_what_depends_on_one(
    school: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A box at 1970 cannot know whether it is an examination, so it waits while any is announced."""

    async def scene(box: Box) -> None:
        box.clock.compare(time.time() + 9_000_000)
        monkeypatch.setattr("agent.clock.SYNCHRONIZED_FILE", tmp_path / "never")
        box.directives = Directives(policy_version="1", no_load=((5.0, 6.0),))
        box.allow(Discovery(networks=("10.98.0.2/32",), **FAST))
        await asyncio.sleep(0.3)
        assert box.sweep_count == 0
        box.directives = Directives(policy_version="1")
        await box.until(1)
        assert box.records[0].clock_quality == "unknown"

    at_work(school, tmp_path, scene)


def test_nothing_is_searched_without_an_order_or_after_it_is_taken_back(school: Namespace, tmp_path: Path) -> None:
    """And a network that is not our own is said, not searched."""

    async def scene(box: Box) -> None:
        await asyncio.sleep(0.2)
        box.allow(Discovery(rate_per_s=5.0))
        await asyncio.sleep(0.3)
        box.allow(None)
        await asyncio.sleep(4.0)
        assert box.found == []
        box.allow(Discovery(networks=("8.8.8.0/24",)))
        await box.until(1)

    (sweep,) = at_work(school, tmp_path, scene).found
    assert (sweep.outcome, sweep.address_count) == (Outcome.NO_ANSWER, 0)
    assert "not a network of your own" in str(sweep.detail)
