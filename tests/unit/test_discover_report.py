"""What a search found, as records: bounded, cut to their fields, fit for the wire whatever devices call themselves."""

from hypothesis import given
from hypothesis import strategies as st

from agent.discover.inspect import Device, Port, Switch
from agent.discover.report import FOUND_MAX, PORTS_MAX_BYTES, Search, checked, observations
from agent.discover.sweep import System
from classready.codec import encode
from classready.devices import Snmp
from classready.observation import FOUND_PORTS_MAX, Found, FoundPort, Outcome, Reason, clean_text, community_digest


def system(name: str = "sw-core", **changes: object) -> System:
    known = {"description": "S5720", "is_switch": True, "is_printer": False, "access": Snmp(community="读者")}
    return System(name=name, **{**known, **changes})  # type: ignore[arg-type]


def port(index: int, label: str = "", trunk: str | None = None, name: str = "", *, up: bool | None = True) -> Port:
    return Port(index=index, name=name or f"GE0/0/{index}", label=label, state="up", trunk=trunk, up=up)


def switch(*ports: Port, **changes: object) -> Switch:
    return Switch(**{"address": "192.168.1.2", "system": system(), "ports": list(ports), **changes})  # type: ignore[arg-type]


def told(*switches: Switch, devices: tuple[Device, ...] = (), **changes: object) -> list[Found]:
    given = {"networks": ["192.168.1.0/24"], "address_count": 254, "may_ping": True, "elapsed_s": 61.0, **changes}
    return observations(Search(switches=switches, devices=devices, **given))  # type: ignore[arg-type]


def test_a_school() -> None:
    """The search first, then the switch with its ports, then the board with its place, then whoever is nowhere."""
    found = switch(port(1, "3-2班 大屏"), port(24, "core", "towards the gateway"), mac="a4:5d:36:00:00:02")
    board = Device(address="192.168.1.31", system=None, mac="a4:5d:36:00:11:22", switch="192.168.1.2", port=port(1))
    printer = Device(address="192.168.1.9", system=system("hp", is_switch=False, is_printer=True), mac=None)
    sweep, sw, first, second = told(found, devices=(printer, board))
    assert (sweep.what, sweep.outcome, sweep.networks) == ("sweep", Outcome.ANSWERED, ("192.168.1.0/24",))
    assert (sweep.address_count, sweep.answer_count, sweep.reason) == (254, 3, None)
    assert (sw.what, sw.host, sw.name, sw.mac) == ("switch", "192.168.1.2", "sw-core", "a4:5d:36:00:00:02")
    assert sw.ports == (
        FoundPort(name="GE0/0/1", label="3-2班 大屏", up=True, trunk=False),
        FoundPort(name="GE0/0/24", label="core", up=True, trunk=True),
    )
    assert sw.community_digest == community_digest("读者")
    assert "读者" not in encode(sw).decode()
    assert (first.what, first.host, first.switch, first.if_name) == ("device", "192.168.1.31", "192.168.1.2", "GE0/0/1")
    assert (second.what, second.host, second.switch, second.if_name) == ("printer", "192.168.1.9", None, None)


def test_nobody_answered_and_no_permission() -> None:
    """That it was looked, and what was not, is worth a record."""
    (sweep,) = told(may_ping=False, left_out="10.0.0.0/8 is not searched")
    assert (sweep.outcome, sweep.reason, sweep.answer_count) == (Outcome.NO_ANSWER, Reason.PERMISSION, 0)
    assert sweep.detail == "10.0.0.0/8 is not searched"


def test_a_switch_that_could_not_be_read() -> None:
    _, sw = told(switch(problem="no answer\nwithin 2 s"))
    assert (sw.outcome, sw.detail, sw.ports) == (Outcome.UNMEASURED, "no answer within 2 s", ())


def test_a_stack_of_switches_fits_a_report() -> None:
    """Of 1,000 ports with long labels so many are told as fit; what says where it leads goes first."""
    ports = [port(i, "三" * 80 if i % 3 == 0 else "") for i in range(1, 1_001)]
    _, sw = told(switch(*ports))
    assert sw.ports is not None
    assert len(encode(sw)) < PORTS_MAX_BYTES + 2_000
    assert len(sw.ports) <= FOUND_PORTS_MAX
    assert sw.ports_left_out_count == 1_000 - len(sw.ports)
    assert sum(each.label is not None for each in sw.ports) > 100
    numbers = [int(each.name.rpartition("/")[2]) for each in sw.ports]
    assert numbers == sorted(numbers)
    assert checked(sw)


def test_a_flood_of_answers_stays_bounded() -> None:
    """4,000 devices: those with a place are told, and how many there were."""
    many = [Device(address=f"10.0.{i // 250}.{i % 250 + 1}", system=None, mac=None) for i in range(4_000)]
    placed = Device(address="10.9.9.9", system=None, mac=None, switch="192.168.1.2", port=port(1))
    found = told(switch(port(1)), devices=(*many, placed))
    assert len(found) == FOUND_MAX
    assert found[2].host == "10.9.9.9"
    assert found[0].answer_count == 4_002
    assert "4002 answered" in str(found[0].detail)


def test_where_everything_is_a_stack_the_spool_is_not_filled() -> None:
    """1,000 switches with 256 ports each: a megabyte is told, and that it is not all."""
    ports = [port(i, "三" * 40) for i in range(1, 257)]
    found = told(*(switch(*ports, address=f"10.0.{i // 250}.{i % 250 + 1}") for i in range(1_000)))
    assert 900_000 < sum(len(encode(each)) for each in found[1:]) <= 1_000_000
    assert "1000 answered, " in str(found[0].detail)


def test_a_port_that_no_setting_could_name_is_left_out() -> None:
    """A name that is cut or cleaned names no port: agent.yml takes 64 characters on one line."""
    _, sw = told(
        switch(port(1, name="a" * 65), port(2, name="a\nb"), port(3, name=" "), port(4, name="10/100  Port 4"))
    )
    assert sw.ports is not None
    assert [each.name for each in sw.ports] == ["10/100  Port 4"]
    assert sw.ports_left_out_count == 3


hostile = st.text(max_size=300).map(clean_text) | st.sampled_from(
    ["<script>", "=cmd|' /C calc'!A0", "'; DROP", "\u200b"]
)


@given(hostile, hostile, st.lists(st.tuples(st.text(max_size=80), hostile), max_size=5))
def test_whatever_devices_say_is_fit_for_the_wire(name: str, description: str, ports: list[tuple[str, str]]) -> None:
    found = switch(
        *(port(i, label, name=port_name) for i, (port_name, label) in enumerate(ports, 1)),
        system=system(name, description=description),
    )
    assert all(checked(each) for each in told(found))
