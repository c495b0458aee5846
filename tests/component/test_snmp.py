"""The SNMP layer against net-snmp's own agent, and against agents that lie."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent import snmp
from agent.snmp import Device, SnmpError, gufo_driver, manners, pysnmp_driver
from agent.snmp.contract import Driver
from bench.demo.snmp_devices import Agent, Devices, Switch
from classready.devices import Snmp
from classready.observation import Reason
from tests.support import asking, snmpd
from tests.support.lying_agents import (
    Bulkless,
    Disordered,
    Endless,
    Garbling,
    Looping,
    Stingy,
    Stuck,
    WrongTypes,
    as_text,
    shuffled,
)

SYS_NAME = "1.3.6.1.2.1.1.5.0"
IF_NAME = "1.3.6.1.2.1.31.1.1.1.1"
IF_DESCR = "1.3.6.1.2.1.2.2.1.2"
REPLIES = int(os.environ.get("CLASSREADY_SNMP_REPLIES", "2500"))


@pytest.fixture(autouse=True, params=[gufo_driver, pysnmp_driver], ids=["gufo", "pysnmp"])
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
    """Everything here holds for both."""
    asking.use(request.param)
    yield request.param
    asking.close()
    await asyncio.sleep(0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[snmpd.Snmpd]:
    with snmpd.running_snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running


@pytest.fixture
async def devices() -> AsyncIterator[Devices]:
    async with Devices() as devices:
        yield devices


async def _device(devices: Devices, agent: Agent, **changes: object) -> Device:
    host, port = await devices.add("it", agent)
    return asking.device(host=host, settings=Snmp(**{"port": port, "timeout_s": 0.3, "retry_count": 1, **changes}))


@pytest.mark.servers("snmpd")
@pytest.mark.parametrize("version", ["1", "2c", "3"])
async def test_reads_net_snmp_in_every_version(server: snmpd.Snmpd, version: str) -> None:
    """Get and walk agree with net-snmp in v1, v2c and v3; what is absent is left out."""
    settings = server.v3() if version == "3" else server.v2c(version=version)
    device = asking.device(host="127.0.0.1", settings=settings)
    found = await snmp.get(device, [SYS_NAME, "1.3.6.1.2.1.1.99.0"])
    names = await snmp.walk(device, IF_DESCR)
    assert found == {SYS_NAME: snmpd.SYS_NAME.encode()}
    assert b"lo" in names.values()


@pytest.mark.servers("snmpd")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"auth_key": "another-secret"}, Reason.AUTH_FAILED),
        ({"user": "nobody-here"}, Reason.AUTH_FAILED),
        ({"priv_key": "another-secret"}, None),
    ],
)
async def test_wrong_v3_keys_are_named(server: snmpd.Snmpd, changes: dict[str, str], reason: Reason | None) -> None:
    """A refused v3 user or key is AUTH_FAILED; a wrong privacy key makes net-snmp fall silent or report an error."""
    with pytest.raises(SnmpError) as caught:
        await snmp.get(asking.device(host="127.0.0.1", settings=server.v3(**changes)), [SYS_NAME])
    assert caught.value.reason in ({reason} if reason else {Reason.AUTH_FAILED, Reason.TIMEOUT, Reason.PROTOCOL})


@pytest.mark.servers("snmpd")
async def test_same_user_with_other_keys_does_not_disturb(server: snmpd.Snmpd) -> None:
    """Two devices with the same v3 user name and different keys are asked at once, and each gets its own answer."""
    good = asking.device(host="127.0.0.1", settings=server.v3())
    bad = asking.device(host="127.0.0.1", settings=server.v3(auth_key="another-secret"))
    results = await asyncio.gather(
        *(snmp.get(device, [SYS_NAME]) for device in (good, bad, good, bad)), return_exceptions=True
    )
    assert [isinstance(result, SnmpError) for result in results] == [False, True, False, True]


@pytest.mark.servers("snmpd")
async def test_wrong_community_is_silence(server: snmpd.Snmpd) -> None:
    """v2c has no answer to a wrong community: the timeout says that it may be the cause."""
    settings = Snmp(port=server.port, community="wrong", timeout_s=0.3, retry_count=0)
    with pytest.raises(SnmpError, match="community may be wrong") as caught:
        await snmp.get(asking.device(host="127.0.0.1", settings=settings), [SYS_NAME])
    assert caught.value.reason is Reason.TIMEOUT
    assert caught.value.silent


async def test_community_comes_from_its_file(devices: Devices, tmp_path: Path) -> None:
    """``community_file`` wins over ``community``; one that everybody may read is refused with the remedy."""
    path = snmpd.secret(tmp_path / "community", "s3cret")
    host, port = await devices.add("sw", Switch(community="s3cret"))
    device = asking.device(host=host, settings=Snmp(port=port, community_file=str(path)))
    assert await snmp.get(device, [SYS_NAME]) == {SYS_NAME: b"sw1"}
    path.chmod(0o644)
    with pytest.raises(SnmpError, match="chmod o-rw") as caught:
        await snmp.get(device, [SYS_NAME])
    assert caught.value.reason is Reason.PERMISSION


async def test_unknown_name(devices: Devices) -> None:
    """A host name that does not resolve is said to be that."""
    with pytest.raises(SnmpError) as caught:
        await snmp.get(asking.device(host="no-such-host.invalid", settings=Snmp()), [SYS_NAME])
    assert caught.value.reason is Reason.NAME_UNRESOLVED


async def test_retries_after_a_lost_packet(devices: Devices) -> None:
    """The first request is lost, the second is answered: the caller notices nothing."""

    class Deaf(Switch):
        asked = 0

        def answer(self, datagram: bytes) -> bytes | None:
            self.asked += 1
            return super().answer(datagram) if self.asked > 1 else None

    assert await snmp.get(await _device(devices, Deaf()), [SYS_NAME]) == {SYS_NAME: b"sw1"}


async def test_silence_takes_no_longer_than_set(devices: Devices) -> None:
    """Timeout times tries bounds the wait, and a dead device does not delay a living one."""
    dead, alive = Switch(), Switch()
    dead.on = False
    first = await _device(devices, dead)
    second = await _device(devices, alive)
    await snmp.get(second, [SYS_NAME])
    start_s = time.monotonic()
    silent = asyncio.create_task(snmp.get(first, [SYS_NAME]))
    assert await snmp.get(second, [SYS_NAME])
    assert time.monotonic() - start_s < 0.25
    with pytest.raises(SnmpError):
        await silent
    assert 0.5 < time.monotonic() - start_s < 1.5


async def test_stray_answer_at_the_last_moment(devices: Devices) -> None:
    """A datagram that answers nothing, in the same turn of the event loop as the timeout, does not undo the timeout."""

    class Stray(Switch):
        def answer(self, datagram: bytes) -> bytes | None:
            time.sleep(0.3)
            return super().answer(datagram)

        def _fill(self, module, request, reply):
            super()._fill(module, request, reply)
            module.apiPDU.set_request_id(reply, 1)

    device = await _device(devices, Stray(), timeout_s=0.2, retry_count=0)
    async with asyncio.timeout(3):
        for ask in (snmp.get(device, [SYS_NAME]), snmp.walk(device, IF_NAME)):
            with pytest.raises(SnmpError) as caught:
                await ask
            assert caught.value.reason in {Reason.TIMEOUT, Reason.PROTOCOL}


@pytest.mark.parametrize(
    ("agent", "complaint"),
    [(Looping, "do not increase"), (Stuck, "do not increase"), (Endless, "more than 200 values")],
)
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_walks_end(devices: Devices, agent: type[Agent], complaint: str, version: str) -> None:
    """A walk in circles, on the spot or without end is stopped, with the cause."""
    device = await _device(devices, agent(), max_rows=200, version=version)
    with pytest.raises(SnmpError, match=complaint) as caught:
        await snmp.walk(device, IF_NAME)
    assert caught.value.reason is Reason.PROTOCOL


@pytest.mark.parametrize("key", [shuffled, as_text, lambda oid: [-number for number in oid]])
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_order_is_not_a_law(devices: Devices, key: Any, version: str) -> None:
    """A table in the order of a hash, of text, or backwards is read like any other, to its end and no further."""
    device = await _device(devices, Disordered(key), version=version)
    names = await snmp.walk(device, IF_NAME)
    assert names == {f"{IF_NAME}.{i}": f"GE0/0/{i}".encode() for i in range(1, 25)}
    assert list(names) != sorted(names, key=lambda oid: int(oid.rpartition(".")[2]))
    assert await snmp.walk(device, f"{IF_NAME}.99") == {}


@pytest.mark.parametrize(
    "limits", [{"most_count": 10}, {"most_count": 1}, {"most_bytes": 400}], ids=["10", "1", "400 bytes"]
)
async def test_silence_to_a_large_request_is_not_absence(devices: Devices, limits: dict[str, int]) -> None:
    """A device that drops what is too large for it is asked for less, and for no more than that the next time."""
    agent = Stingy(**limits)
    device = await _device(devices, agent, timeout_s=0.2)
    oids = [f"{IF_NAME}.{i}" for i in range(1, 25)]
    assert list(await snmp.walk(device, IF_NAME)) == oids
    assert sorted(await snmp.get(device, oids)) == sorted(oids)
    assert agent.unanswered_count
    agent.unanswered_count = 0
    assert list(await snmp.walk(device, IF_DESCR))
    assert sorted(await snmp.get(device, oids)) == sorted(oids)
    assert agent.unanswered_count == 0


async def test_a_first_large_get_is_asked_for_in_parts(devices: Devices) -> None:
    """It is not necessary that a walk was answered before."""
    device = await _device(devices, Stingy(), timeout_s=0.2)
    oids = [f"{IF_NAME}.{i}" for i in range(1, 60)]
    assert len(await snmp.get(device, oids)) == 24


async def test_a_device_that_is_silent_to_getbulk(devices: Devices) -> None:
    """It is walked row by row, and asked by GETBULK no more."""
    agent = Bulkless()
    device = await _device(devices, agent, timeout_s=0.2)
    assert len(await snmp.walk(device, IF_NAME)) == 24
    assert agent.unanswered_count == 2  # one of 32 rows, one of a single row
    agent.unanswered_count = 0
    assert len(await snmp.walk(device, IF_DESCR)) == 24
    assert len(await snmp.get(device, [f"{IF_NAME}.{i}" for i in range(1, 25)])) == 24
    assert agent.unanswered_count == 0


async def test_a_community_that_just_worked_is_not_blamed(devices: Devices) -> None:
    """Silence after an answer has another cause; without one, the community is the first suspect."""
    agent = Switch()
    device = await _device(devices, agent, timeout_s=0.1)
    agent.on = False
    with pytest.raises(SnmpError, match="the community may be wrong"):
        await snmp.walk(device, IF_NAME)
    agent.on = True
    await snmp.walk(device, IF_NAME)
    agent.on = False
    for ask in (snmp.walk(device, IF_NAME), snmp.get(device, [SYS_NAME, f"{IF_NAME}.1"]), snmp.get(device, [SYS_NAME])):
        with pytest.raises(SnmpError, match="though it answered other requests just before") as caught:
            await ask
        assert caught.value.silent


async def test_limits_are_forgotten(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lost packets look like a limit, so that an hour later the full size is tried again."""
    agent = Stingy()
    device = await _device(devices, agent, timeout_s=0.2)
    await snmp.walk(device, IF_NAME)
    agent.most_count = 100
    agent.request_count = 0
    await snmp.walk(device, IF_NAME)
    small_count, agent.request_count = agent.request_count, 0
    monkeypatch.setattr(manners, "REMEMBERED_S", 0.0)
    await snmp.walk(device, IF_NAME)
    assert agent.request_count < small_count


async def test_sessions_are_strangers(devices: Devices) -> None:
    """What one found out of a device, another does not know; one that ends takes nothing from the other."""
    device = await _device(devices, Switch())
    other = snmp.Session(lambda: asking.session().driver)
    same = other.device(device.host, device.settings)
    await snmp.get(device, [SYS_NAME])
    assert manners.was_heard(device)
    assert not manners.was_heard(same)
    assert await snmp.get(same, [SYS_NAME])
    asking.session().close()
    assert not manners.was_heard(device)
    assert asking.session().opened == {}
    assert manners.was_heard(same)
    assert await snmp.get(same, [SYS_NAME])
    other.close()


async def test_what_is_remembered_is_bounded(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first."""
    monkeypatch.setattr(manners, "DEVICES_MAX", 3)
    for i in range(6):
        manners.hear(asking.device(host=f"127.0.0.{i + 2}", settings=Snmp()))
    assert [device.host for device in asking.session().manners] == ["127.0.0.5", "127.0.0.6", "127.0.0.7"]


async def test_agent_with_small_buffer(devices: Devices) -> None:
    """An agent that answers tooBig to more than five objects is asked in smaller portions."""

    class Small(Switch):
        def _fill(self, module, request, reply):
            if len(module.apiPDU.get_varbinds(request)) > 5:
                module.apiPDU.set_error_status(reply, 1)
            else:
                super()._fill(module, request, reply)

    oids = [f"{IF_NAME}.{i}" for i in range(1, 25)]
    assert len(await snmp.get(await _device(devices, Small()), oids)) == 24


@pytest.mark.parametrize("liar", [Garbling, WrongTypes])
async def test_generated_replies(devices: Devices, liar: type[Switch], caplog: pytest.LogCaptureFixture) -> None:
    """2,500 replies, spoiled or of any type: values or a stated reason each time, no traceback, no memory kept.

    ``CLASSREADY_SNMP_REPLIES=10000`` makes it as many, of each kind and with each driver.
    """
    caplog.set_level(logging.ERROR)
    host, port = await devices.add("it", liar(seed=7))
    # Every reply of wrong types is a reply: it has all the time that a busy machine may need.
    patience_s = 10.0 if liar is WrongTypes else 0.2
    device = asking.device(host=host, settings=Snmp(port=port, timeout_s=patience_s, retry_count=0))
    reasons: list[Reason | None] = []
    for i in range(REPLIES // 100):
        reasons += await asyncio.gather(*(_reason_of(device, get=k % 2 == 0) for k in range(100)))
        if i == 5:
            early_bytes = _rss_bytes()
    patient = asking.device(host=host, settings=replace(device.settings, timeout_s=3.0))
    while None not in reasons:  # on a busy machine every good reply of the crowd may come too late
        reasons.append(await _reason_of(patient, get=True))
    assert set(reasons) <= {None, Reason.TIMEOUT, Reason.PROTOCOL, Reason.AUTH_FAILED}
    assert (liar is WrongTypes) == (len(set(reasons)) == 1)
    assert not [r.getMessage() for r in caplog.records]
    assert _rss_bytes() - early_bytes < 8 * 2**20


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _reason_of(device: Device, *, get: bool) -> Reason | None:
    try:
        if get:
            await snmp.get(device, [SYS_NAME, f"{IF_DESCR}.1", f"{IF_DESCR}.2", f"{IF_DESCR}.99"])
        else:
            await snmp.walk(device, IF_NAME)
    except SnmpError as error:
        return error.reason
    return None


async def test_dead_devices_delay_nobody(devices: Devices) -> None:
    """Thirty dead devices are asked at once; the living one answers as if it were alone, and no socket is left."""
    dead = []
    for i in range(30):
        agent = Switch()
        agent.on = False
        host, port = await devices.add(f"dead-{i}", agent)
        dead.append(asking.device(host=host, settings=Snmp(port=port, timeout_s=2.0, retry_count=1)))
    alive = await _device(devices, Switch())
    await snmp.get(alive, [SYS_NAME])
    before = _open_files()
    silent = [asyncio.create_task(_reason_of(device, get=True)) for device in dead]
    for _ in range(20):
        async with asyncio.timeout(1.5):  # behind a dead one it would take two seconds
            assert await snmp.get(alive, [SYS_NAME])
    assert await asyncio.gather(*silent) == [Reason.TIMEOUT] * 30
    assert _open_files() <= before


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_table_of_a_device_without_getbulk(devices: Devices) -> None:
    """A device that answers GETBULK with an error is walked row by row."""

    class NoBulk(Switch):
        def _fill(self, module: Any, request: Any, reply: Any) -> None:
            super()._fill(module, request, reply)
            if request.isSameTypeWith(module.GetBulkRequestPDU()):
                module.apiPDU.set_error_status(reply, 5)

    assert len(await snmp.walk(await _device(devices, NoBulk()), IF_NAME)) == 24


async def test_v1_agent_without_some_objects(devices: Devices) -> None:
    """v1 refuses a whole GET for one absent object; all that are there come all the same."""
    oids = [f"{IF_NAME}.{i}" for i in range(1, 30)]
    assert len(await snmp.get(await _device(devices, Switch(), version="1"), oids)) == 24


@pytest.mark.servers("snmpd")
async def test_v3_agent_that_restarts(tmp_path: Path) -> None:
    """A restarted agent counts boots and time anew: the next question finds its new time window by itself."""
    with snmpd.running_snmpd(tmp_path) as running:
        device = asking.device(host="127.0.0.1", settings=replace(running.v3(), retry_count=1))
        assert await snmp.get(device, [SYS_NAME])
    with snmpd.running_snmpd(tmp_path, running.port):
        with contextlib.suppress(SnmpError):  # pysnmp finds out by this one
            await snmp.get(device, [SYS_NAME])
        assert await snmp.get(device, [SYS_NAME])


async def test_timeouts_do_not_follow_the_wall_clock(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """While NTP holds or turns back the clock, a silent device is still given up in time."""
    monkeypatch.setattr("pysnmp.carrier.asyncio.dispatch.time", lambda: 0.0)
    agent = Switch()
    agent.on = False
    device = await _device(devices, agent)
    async with asyncio.timeout(1.5):
        with pytest.raises(SnmpError):
            await snmp.get(device, [SYS_NAME])


async def test_ipv6(devices: Devices) -> None:
    """A device with an IPv6 address is asked like any other."""
    _, port = await devices.add("sw6", Switch(), host="::1")
    device = asking.device(host="::1", settings=Snmp(port=port))
    assert await snmp.get(device, [SYS_NAME]) == {SYS_NAME: b"sw1"}


async def test_cancelled_request_leaves_the_engine_usable(devices: Devices) -> None:
    """A probe cut off by its deadline does not spoil the next one."""
    agent = Switch()
    device = await _device(devices, agent)
    agent.on = False
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await snmp.get(device, [SYS_NAME])
    agent.on = True
    assert await snmp.get(device, [SYS_NAME])
