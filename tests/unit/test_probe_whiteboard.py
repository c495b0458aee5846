"""Who counts as awake, and what is known of the device."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from agent import snmp
from agent.probes import whiteboard
from agent.probes.icmp import Echoes, Unanswered
from agent.snmp import SnmpError, Value
from classready.devices import Snmp
from classready.observation import Device, Outcome, Reason
from classready.targets import WhiteboardTarget
from tests.support import asking
from tests.support.probing import context, made, wired

SYSTEM: dict[str, Value] = {whiteboard.SYS_UP_TIME: 360_099, whiteboard.SYS_NAME: "一体机".encode()}


class Stand:
    """Stands for both ways of asking: SNMP values or an error, echoes or an error."""

    def __init__(self) -> None:
        self.values: dict[str, Value] | SnmpError = SnmpError(Reason.TIMEOUT, "no SNMP answer")
        self.walk_error: SnmpError | None = None
        self.echoes: Echoes | Unanswered = _echoes()

    async def get(self, _device: snmp.Device, oids: Sequence[str]) -> dict[str, Value]:
        if isinstance(self.values, SnmpError):
            raise self.values
        return {oid: self.values[oid] for oid in oids if oid in self.values}

    async def walk(self, _device: snmp.Device, base: str) -> dict[str, Value]:
        assert not isinstance(self.values, SnmpError)
        if self.walk_error:
            raise self.walk_error
        return {oid: value for oid, value in self.values.items() if oid.startswith(f"{base}.")}

    def close(self, _session: object, /) -> None: ...

    async def echo(self, _host: str, **_: Any) -> Echoes:
        if isinstance(self.echoes, Unanswered):
            raise self.echoes
        return self.echoes


def _echoes(*rtts_s: float) -> Echoes:
    return Echoes(address="192.0.2.9", privileged=True, sent_count=2, rtts_s=list(rtts_s))


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    stand = Stand()
    asking.use(stand)
    monkeypatch.setattr(whiteboard, "echo", stand.echo)
    yield stand
    asking.close()


async def _probe(**changes: Any) -> Device:
    target = WhiteboardTarget(name="board", host="192.0.2.9", classroom="b2-301", **changes)
    (device,) = wired(await made(target).observe(context()))
    assert isinstance(device, Device)
    return device


async def test_awake_by_snmp(stand: Stand) -> None:
    """Name, description and uptime are facts; what it does not say is left out."""
    stand.values = dict(SYSTEM)
    device = await _probe()
    assert (device.outcome, device.state, device.seen_by) == (Outcome.ANSWERED, "awake", "snmp")
    assert device.facts == {"name": "一体机", "uptime_s": "3600"}


async def test_uptime_of_the_device_comes_before_that_of_its_agent(stand: Stand) -> None:
    """An SNMP agent that was restarted does not make the device young."""
    stand.values = SYSTEM | {whiteboard.HR_SYSTEM_UPTIME: 720_000}
    device = await _probe()
    assert device.facts is not None
    assert device.facts["uptime_s"] == "7200"


async def test_vendor_objects_are_facts(stand: Stand) -> None:
    """Numbers, texts and addresses are shown; what is empty or absent is left out."""
    vendor = "1.3.6.1.4.1.99999.1"
    stand.values = {
        f"{vendor}.1": -5,
        f"{vendor}.2": "输入\x00HDMI".encode(),
        f"{vendor}.3": "10.1.2.3",
        f"{vendor}.4": b"",
    }
    oids = {name: f"{vendor}.{i}" for i, name in enumerate(("temperature_c", "input", "address", "empty", "absent"), 1)}
    device = await _probe(oids=oids)
    assert device.facts == {"temperature_c": "-5", "input": "输入 HDMI", "address": "10.1.2.3"}


async def test_an_empty_answer_is_an_answer(stand: Stand) -> None:
    """A device without a system group is awake all the same."""
    stand.values = {}
    assert ((await _probe()).state, (await _probe()).facts) == ("awake", None)


async def test_awake_by_icmp_when_snmp_is_silent(stand: Stand) -> None:
    """No SNMP, or a wrong community: an echo proves as much."""
    stand.echoes = _echoes(0.001)
    assert ((await _probe()).state, (await _probe()).seen_by) == ("awake", "icmp")


@pytest.mark.parametrize("reason", [Reason.AUTH_FAILED, Reason.PROTOCOL])
async def test_a_refusal_is_an_answer(stand: Stand, reason: Reason) -> None:
    """Wrong v3 keys: nobody sends a refusal in his sleep. The reason tells the admin what to mend."""
    stand.values = SnmpError(reason, "refused")
    device = await _probe(icmp=False)
    assert (device.outcome, device.state, device.seen_by, device.reason) == (Outcome.ANSWERED, "awake", "snmp", reason)


async def test_silence_leaves_the_state_open(stand: Stand) -> None:
    """Asleep or away is not for the agent to say."""
    device = await _probe()
    assert (device.outcome, device.reason, device.state) == (Outcome.NO_ANSWER, Reason.TIMEOUT, None)
    assert "SNMP" in device.detail
    assert "ICMP" in device.detail


@pytest.mark.parametrize(
    ("snmp_error", "echoes"),
    [
        (SnmpError(Reason.TIMEOUT, "silent"), Unanswered(Reason.PERMISSION, "no permission")),
        (SnmpError(Reason.PERMISSION, "no file"), _echoes()),
    ],
)
async def test_what_may_not_be_asked_is_not_known(stand: Stand, snmp_error: SnmpError, echoes: Any) -> None:
    """If one way is closed by our own fault, silence on the other proves nothing."""
    stand.values, stand.echoes = snmp_error, echoes
    device = await _probe()
    assert (device.outcome, device.reason) == (Outcome.UNMEASURED, Reason.PERMISSION)


async def test_settings_are_honoured(stand: Stand) -> None:
    """``snmp: null`` asks by ICMP only, ``icmp: false`` by SNMP only, neither is UNMEASURED."""
    stand.values, stand.echoes = dict(SYSTEM), _echoes(0.001)
    assert (await _probe(snmp=None)).seen_by == "icmp"
    assert (await _probe(icmp=False)).seen_by == "snmp"
    assert (await _probe(snmp=None, icmp=False)).outcome is Outcome.UNMEASURED
    stand.values = SnmpError(Reason.TIMEOUT, "no SNMP answer")
    assert (await _probe(icmp=False)).outcome is Outcome.NO_ANSWER


def _nics(*rows: tuple[int, int, int, int]) -> dict[str, Value]:
    columns = (whiteboard.IF_TYPE, whiteboard.IF_OPER_STATUS, whiteboard.IF_CONNECTOR_PRESENT, whiteboard.IF_HIGH_SPEED)
    return {f"{column}.{i}": value for i, row in enumerate(rows, 1) for column, value in zip(columns, row, strict=True)}


@pytest.mark.parametrize(
    ("nics", "speed_bps"),
    [
        (_nics((24, 1, 2, 10), (6, 1, 1, 1000)), 1_000_000_000),
        (_nics((6, 2, 1, 1000), (6, 1, 1, 10)), 10_000_000),
        (_nics((6, 1, 2, 10_000), (6, 1, 1, 100)), 100_000_000),
        (_nics((6, 1, 1, 1000), (6, 1, 1, 100)), None),
        (_nics((71, 1, 1, 300)), None),
        (_nics((6, 1, 1, 0)), None),
        ({f"{whiteboard.IF_TYPE}.1": 6, f"{whiteboard.IF_OPER_STATUS}.1": 1, f"{whiteboard.IF_SPEED}.1": 10**8}, 10**8),
        ({f"{whiteboard.IF_TYPE}.1": 6, f"{whiteboard.IF_OPER_STATUS}.1": 1, f"{whiteboard.IF_SPEED}.1": 100}, None),
        ({}, None),
    ],
)
async def test_network_card(stand: Stand, nics: dict[str, Value], speed_bps: int | None) -> None:
    """The one speed of the Ethernet sockets in use: not loopback, not Wi-Fi, not virtual; None where they differ."""
    stand.values = SYSTEM | nics
    assert (await _probe()).nic_speed_bps == speed_bps


async def test_unknown_card_leaves_it_awake(stand: Stand) -> None:
    """A device that answers the system group and loops in the interfaces is awake; its card is not known."""
    stand.values = SYSTEM | _nics((6, 1, 1, 1000))
    stand.walk_error = SnmpError(Reason.PROTOCOL, "OIDs do not increase")
    device = await _probe()
    assert (device.state, device.nic_speed_bps) == ("awake", None)


@pytest.mark.usefixtures("stand")
async def test_snmp_settings_have_a_default() -> None:
    """A whiteboard that names only its host is asked with SNMP v2c."""
    assert WhiteboardTarget(name="b", host="h", classroom="r").snmp == Snmp()
