"""From SNMP values to ``Port`` and ``Segment``, with a driver that answers from a table."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.probes.switch import mib, poll
from agent.snmp import Device, SnmpError, Value
from classready.observation import Observation, Outcome, Port, Reason, Segment
from classready.targets import SwitchTarget
from tests.support import asking
from tests.support.probing import Session, context, wired

_sessions: list[Session] = []
"""What the probe of a test remembers."""


class Table:
    """A driver over fixed values; an exception in place of a value is raised."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.failing: dict[str, SnmpError] = {}
        self.walked: list[str] = []

    def port(self, index: int, name: str, **columns: Value) -> None:
        self.values |= {f"{mib.IF_NAME}.{index}": name.encode()}
        self.values |= {f"{getattr(mib, column)}.{index}": value for column, value in columns.items()}

    async def get(self, _device: Device, oids: Sequence[str]) -> dict[str, Value]:
        return {oid: self.values[oid] for oid in oids if oid in self.values}

    async def walk(self, _device: Device, base: str) -> dict[str, Value]:
        self.walked.append(base)
        if base in self.failing:
            raise self.failing[base]
        return {oid: value for oid, value in self.values.items() if oid.startswith(f"{base}.")}

    def close(self, _session: object, /) -> None: ...


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    asking.use(table)
    _sessions[:] = [Session()]
    yield table
    asking.close()


async def _probe(ports: Sequence[str], trunks: Sequence[str] = ()) -> list[Observation]:
    bound = {name: f"r{i}" for i, name in enumerate(ports)}
    target = SwitchTarget(name="sw1", host="192.0.2.1", ports=bound, trunks=tuple(trunks))
    return wired(await _sessions[-1].probe(target).observe(context()))


async def _one(name: str = "GE1") -> Port:
    (port,) = await _probe([name])
    assert isinstance(port, Port)
    return port


@pytest.mark.parametrize(
    ("high", "low", "speed_bps"),
    [
        (100, 100_000_000, 100_000_000),
        (10_000, 2**32 - 1, 10_000_000_000),
        (None, 100_000_000, 100_000_000),
        (0, 10_000_000, 10_000_000),
        (None, 2**32 - 1, 2**32 - 1),
        (0, 0, None),
        (None, None, None),
        (b"1000", 100_000_000, 100_000_000),
        (-1, b"x", None),
        (2**64, 0, None),
        (100_000_000, 100_000_000, 100_000_000),
        (1_000, 1_000, 1_000_000_000),
        (10_000, 1_410_065_408, 10_000_000_000),
        (1_000_000, 0, None),
        (100_000, 100_000_000, 100_000_000),
        (1_000_000, 1_000_000_000, 1_000_000_000),
        (100_000, 2**32 - 1, 100_000_000_000),
        (1, 1_000_000, 1_000_000),
        (100, 100_000, 100_000_000),
        (1_000, 1_000_000, 1_000_000_000),
        (2_500, 2_500_000, 2_500_000_000),
        (10_000, 10_000_000, None),
        (100_000, 100, None),
        (100_000, 100_000, None),
        (1_000_000, 1_000_000, None),
    ],
)
async def test_speed(table: Table, high: Value | None, low: Value | None, speed_bps: int | None) -> None:
    """ifHighSpeed, else ifSpeed; a port without speed has none, not 0."""
    values = {"IF_HIGH_SPEED": high, "IF_SPEED": low}
    table.port(1, "GE1", **{column: value for column, value in values.items() if value is not None})
    assert (await _one()).speed_bps == speed_bps


@pytest.mark.parametrize("low", [10, 100, 1_000, 10_000, 100_000, 999_999, 1_000_000, 2_500_000])
async def test_a_speed_that_cannot_be(table: Table, low: int) -> None:
    """ifSpeed in Mbit/s or kbit/s is no shortfall: the speed is unknown, and the detail says why."""
    table.port(1, "GE1", IF_OPER_STATUS=1, IF_SPEED=low, DOT3_DUPLEX_STATUS=3)
    table.port(2, "GE2", IF_OPER_STATUS=1, IF_SPEED=low)
    port, trunk = await _probe(["GE1"], trunks=("GE2",))
    for seen in (port, trunk):
        assert (seen.outcome, seen.speed_bps, seen.full_duplex) == (Outcome.ANSWERED, None, None)
        assert f"ifSpeed {low} is no speed of an Ethernet port" in seen.detail


async def test_a_slow_line_that_is_no_ethernet(table: Table) -> None:
    """An ADSL interface (ifType 94) may have 512 kbit/s."""
    table.port(1, "GE1", IF_TYPE=94, IF_SPEED=512_000)
    port = await _one()
    assert (port.speed_bps, port.detail) == (512_000, None)


async def test_half_duplex_that_cannot_be(table: Table) -> None:
    """Above 1 Gbit/s there is none; below there is."""
    table.port(1, "GE1", IF_HIGH_SPEED=10_000, DOT3_DUPLEX_STATUS=2)
    port = await _one()
    assert (port.speed_bps, port.full_duplex) == (None, None)
    assert "half duplex at 10000 Mbit/s cannot be" in port.detail
    table.port(1, "GE1", IF_HIGH_SPEED=100, DOT3_DUPLEX_STATUS=2)
    assert (await _one()).full_duplex is False


@pytest.mark.parametrize("status", [2, 5, 6, 7])
async def test_without_a_link(table: Table, status: int) -> None:
    """What is shown of the speed and duplex of a port without a link is no fact; the rest is."""
    table.port(1, "GE1", IF_OPER_STATUS=status, IF_HIGH_SPEED=10, DOT3_DUPLEX_STATUS=2, IF_ADMIN_STATUS=1)
    table.port(2, "GE2", IF_OPER_STATUS=status, IF_SPEED=100)
    for port in await _probe(["GE1", "GE2"]):
        assert (port.oper_up, port.speed_bps, port.full_duplex, port.detail) == (False, None, None, None)


@pytest.mark.parametrize(
    ("status", "up"),
    [(1, True), (2, False), (4, None), (5, False), (6, False), (7, False), (99, None), (b"", None)],
)
async def test_operational_state(table: Table, status, up) -> None:
    """ifOperStatus: unknown(4) stays unknown; notPresent and lowerLayerDown are down."""
    table.port(1, "GE1", IF_OPER_STATUS=status)
    assert (await _one()).oper_up is up


@pytest.mark.parametrize(("status", "full"), [(1, None), (2, False), (3, True), (None, None), (7, None), (b"3", None)])
async def test_duplex(table: Table, status, full) -> None:
    """Duplex where EtherLike says it, unknown where it does not."""
    table.port(1, "GE1", **({} if status is None else {"DOT3_DUPLEX_STATUS": status}))
    assert (await _one()).full_duplex is full


async def test_counters(table: Table) -> None:
    """64-bit counters win, 32-bit ones stand in for those that are missing or stand still; errors are kept apart.

    What the wire cannot carry is not known.
    """
    table.port(1, "GE1", IF_HC_IN_OCTETS=2**40, IF_IN_OCTETS=7, IF_OUT_OCTETS=8, IF_IN_ERRORS=1, DOT3_FCS_ERRORS=2)
    table.port(2, "GE2", IF_HC_IN_OCTETS=2**64 - 1)
    table.port(3, "GE3", IF_HC_IN_OCTETS=0, IF_IN_OCTETS=9, IF_HC_OUT_OCTETS=0, IF_OUT_OCTETS=0)
    first, second, third = await _probe(["GE1", "GE2", "GE3"])
    assert (third.in_octets, third.out_octets) == (9, 0)
    assert (first.in_octets, first.out_octets) == (2**40, 8)
    assert (first.in_error_count, first.fcs_error_count, first.out_error_count) == (1, 2, None)
    assert second.in_octets is None


async def test_names_are_found_by_ifname_then_alias_then_descr(table: Table) -> None:
    """The first column that has the name wins, and columns that are not needed are not walked."""
    table.port(1, "GE1", IF_ALIAS=b"GE2", IF_DESCR=b"unit 1 port 1")
    table.port(2, "GE2", IF_ALIAS="三年级2班".encode("gbk"), IF_SPEED=100_000_000)
    table.port(3, "", IF_DESCR=b"RMON Port  3 on Unit 1\x00", IF_SPEED=10_000_000)
    (port,) = await _probe(["GE2"])
    assert port.speed_bps == 100_000_000
    assert table.walked == [mib.IF_NAME]
    by_alias, by_descr = await _probe(["三年级2班", "RMON Port  3 on Unit 1"])
    assert (by_alias.if_name, by_alias.speed_bps) == ("GE2", 100_000_000)
    assert (by_descr.if_name, by_descr.speed_bps) == ("RMON Port  3 on Unit 1", 10_000_000)


async def test_missing_and_ambiguous_names(table: Table) -> None:
    """A name that no port has, or two have, is UNMEASURED(not_found) and named; the others are read."""
    table.port(1, "GE1", IF_ALIAS=b"same")
    table.port(2, "GE2", IF_ALIAS=b"same")
    good, missing, twice = await _probe(["GE1", "GE9", "same"])
    assert good.outcome is Outcome.ANSWERED
    assert (missing.outcome, missing.reason) == (Outcome.UNMEASURED, Reason.NOT_FOUND)
    assert "GE9" in missing.detail
    assert "2 ports" in twice.detail


async def test_trunks_become_segments(table: Table) -> None:
    """A trunk is a segment named after its switch, because two switches have ports of the same name."""
    table.port(1, "GE1")
    table.port(24, "GE24", IF_HIGH_SPEED=100, DOT3_DUPLEX_STATUS=3)
    _, trunk, missing = await _probe(["GE1"], ["GE24", "GE25"])
    expected = Segment(name="sw1:GE24", if_name="GE24", outcome=Outcome.ANSWERED)
    assert trunk == replace(expected, speed_bps=100_000_000, full_duplex=True)
    assert (missing.name, missing.outcome) == ("sw1:GE25", Outcome.UNMEASURED)


async def test_a_trunk_without_a_link(table: Table) -> None:
    """It has negotiated nothing: the last or slowest speed that switches show then is not its own."""
    table.port(24, "GE24", IF_OPER_STATUS=2, IF_HIGH_SPEED=10, DOT3_DUPLEX_STATUS=2)
    (trunk,) = await _probe([], ["GE24"])
    assert trunk == Segment(name="sw1:GE24", if_name="GE24", outcome=Outcome.ANSWERED)


async def test_names_are_remembered_while_they_stand_where_they_were(table: Table) -> None:
    """The next poll looks only there; after a move, by ifName or by alias, it searches again at once."""
    table.port(1, "GE1", IF_HIGH_SPEED=100)
    table.port(2, "GE2", IF_ALIAS=b"b2-301", IF_HIGH_SPEED=1_000)
    for expected in (["GE1", "b2-301"], []):
        table.walked.clear()
        by_name, by_alias = await _probe(["GE1", "b2-301"])
        assert (by_name.speed_bps, by_alias.speed_bps) == (100_000_000, 1_000_000_000)
        assert table.walked == ([mib.IF_NAME, mib.IF_ALIAS] if expected else [])
    table.port(1, "GE2")
    table.port(2, "GE1")
    table.values |= {f"{mib.IF_ALIAS}.1": b"b2-301", f"{mib.IF_ALIAS}.2": b""}
    by_name, by_alias = await _probe(["GE1", "b2-301"])
    assert (by_name.speed_bps, by_alias.speed_bps, by_alias.if_name) == (1_000_000_000, 100_000_000, "GE2")


async def test_a_second_port_with_the_same_alias_is_found_out(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at once, for that needs a search, but when the names are searched for the next time."""
    table.port(1, "GE1", IF_ALIAS=b"b2-301")
    assert (await _one("b2-301")).outcome is Outcome.ANSWERED
    table.port(2, "GE2", IF_ALIAS=b"b2-301")
    assert (await _one("b2-301")).if_name == "GE1"
    monkeypatch.setattr(poll, "KNOWN_FOR_S", 0.0)
    assert (await _one("b2-301")).reason is Reason.NOT_FOUND


async def test_names_that_were_not_all_found_are_searched_for_at_every_poll(table: Table) -> None:
    """A port that is renamed to what the settings call it is there with the next poll."""
    table.port(1, "GE1")
    assert (await _one("GE9")).reason is Reason.NOT_FOUND
    table.port(1, "GE9")
    assert (await _one("GE9")).outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (Reason.TIMEOUT, Outcome.NO_ANSWER),
        (Reason.NAME_UNRESOLVED, Outcome.NO_ANSWER),
        (Reason.AUTH_FAILED, Outcome.UNMEASURED),
        (Reason.PERMISSION, Outcome.UNMEASURED),
        (Reason.PROTOCOL, Outcome.UNMEASURED),
    ],
)
async def test_failures(table: Table, reason: Reason, outcome: Outcome) -> None:
    """Only silence is "switch unreachable"; a switch that refuses or confuses us is there."""
    table.failing = dict.fromkeys(mib.NAMES.values(), SnmpError(reason, "because"))
    port, trunk = await _probe(["GE1"], ["GE24"])
    assert (port.outcome, port.reason, port.switch, port.if_name) == (outcome, reason, "sw1", "GE1")
    assert (trunk.outcome, trunk.reason) == (outcome, reason)


async def test_one_broken_column_is_stepped_over(table: Table) -> None:
    """An agent that loops in ifName is read by ifDescr."""
    table.failing = {mib.IF_NAME: SnmpError(Reason.PROTOCOL, "OIDs do not increase")}
    table.values[f"{mib.IF_DESCR}.5"] = b"GE1"
    assert (await _one()).outcome is Outcome.ANSWERED


_VALUES = st.one_of(st.integers(-(2**70), 2**70), st.binary(max_size=90), st.text(max_size=20))


@given(
    st.dictionaries(st.sampled_from([*mib.LINK, *mib.HC_OCTETS, *mib.OCTETS, *mib.ERRORS]), _VALUES),
    st.binary(max_size=90),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_values(table: Table, columns: dict[str, Value], name: bytes) -> None:
    """Whatever a switch says, observations come out that the wire accepts."""
    table.values = {f"{column}.1": value for column, value in columns.items()}
    table.values |= {f"{mib.IF_NAME}.1": name, f"{mib.IF_ALIAS}.1": b"GE1"}
    port, trunk = await _probe(["GE1"], ["GE1"])
    assert port.outcome is trunk.outcome is Outcome.ANSWERED
