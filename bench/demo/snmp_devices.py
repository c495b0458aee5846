"""Devices of a school that exist only in this process and answer real SNMP (v1, v2c) over UDP.

A managed switch with settable ports and growing counters, interactive whiteboards, and any recorded walk. Used by
``make demo`` and the tests, from the same process by method calls, from another by the control socket::

    port 7 speed 10 half        port 7 down | up | disable | enable        board b2-301 off | on
    port 7 plug a4:5d:36:00:11:22 | neighbour sw2
"""

import argparse
import asyncio
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Self

from msgspec import Struct
from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pysnmp.proto import api, rfc1902, rfc1905
from pysnmp.proto.error import ProtocolError

from bench.demo import control

Oid = tuple[int, ...]
Value = Callable[[], Any]
"""Makes the value of this moment, as one of pysnmp's rfc1902 objects."""

SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
IF_NUMBER: Oid = (1, 3, 6, 1, 2, 1, 2, 1, 0)
IF_ENTRY: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IFX_ENTRY: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
DOT3_ENTRY: Oid = (1, 3, 6, 1, 2, 1, 10, 7, 2, 1)
BASE_PORT_IF_INDEX: Oid = (1, 3, 6, 1, 2, 1, 17, 1, 4, 1, 2)
FDB_PORT: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1, 2)
FDB_STATUS: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1, 3)
LLDP_ENTRY: Oid = (1, 0, 8802, 1, 1, 2, 1, 4, 1, 1)
LLDP_LOCAL_PORT_ID: Oid = (1, 0, 8802, 1, 1, 2, 1, 3, 7, 1, 3)

MBIT = 10**6
BULK_MAX_ROWS = 50


class Port(Struct):
    """One Ethernet port. Counters grow by ``rate_bytes_per_s`` in each direction while it is up."""

    index: int
    name: str
    alias: str = ""
    speed_mbps: int = 1000
    full_duplex: bool = True
    up: bool = True
    enabled: bool = True
    rate_bytes_per_s: int = 20_000
    error_count: int = 0
    counted_bytes: float = 1_000_000.0
    counted_at_s: float = 0.0

    def octets(self) -> int:
        now_s = monotonic()
        if self.running and self.counted_at_s:
            self.counted_bytes += (now_s - self.counted_at_s) * self.rate_bytes_per_s
        self.counted_at_s = now_s
        return int(self.counted_bytes)

    @property
    def running(self) -> bool:
        return self.up and self.enabled


class Agent:
    """What one SNMP device knows: objects in order of their OIDs, and the community that opens them."""

    def __init__(self, objects: dict[Oid, Value], community: str = "public") -> None:
        self.objects = objects
        self.order = sorted(objects)
        self.community = community
        self.on = True
        """An agent that is off says nothing at all."""
        self.request_count = 0

    def get(self, oid: Oid) -> Any:
        value = self.objects.get(oid)
        return value() if value else rfc1905.noSuchInstance

    def following(self, oid: Oid) -> Oid | None:
        place = bisect_right(self.order, oid)
        return self.order[place] if place < len(self.order) else None

    def answer(self, datagram: bytes) -> bytes | None:
        """The reply to a request, None where a real device keeps silent: off, wrong community, garbage."""
        if not self.on:
            return None
        try:
            module = api.PROTOCOL_MODULES[api.decodeMessageVersion(datagram)]
            request, _ = decoder.decode(datagram, asn1Spec=module.Message())
        except (PyAsn1Error, ProtocolError, KeyError):
            return None
        if bytes(module.apiMessage.get_community(request)) != self.community.encode():
            return None
        self.request_count += 1
        reply = module.apiMessage.get_response(request)
        self._fill(module, module.apiMessage.get_pdu(request), module.apiMessage.get_pdu(reply))
        return bytes(encoder.encode(reply))

    def _fill(self, module: Any, request: Any, reply: Any) -> None:
        binds = [(tuple(oid), value) for oid, value in module.apiPDU.get_varbinds(request)]
        v1 = module is api.PROTOCOL_MODULES[api.SNMP_VERSION_1]
        if request.isSameTypeWith(module.GetRequestPDU()):
            found = [(oid, self.get(oid)) for oid, _ in binds]
        elif request.isSameTypeWith(module.GetNextRequestPDU()):
            found = [self._next(oid) for oid, _ in binds]
        elif not v1 and request.isSameTypeWith(module.GetBulkRequestPDU()):
            rows = min(int(module.apiBulkPDU.get_max_repetitions(request)), BULK_MAX_ROWS)
            found = list(self._bulk([oid for oid, _ in binds], int(module.apiBulkPDU.get_non_repeaters(request)), rows))
        else:
            module.apiPDU.set_error_status(reply, 5)
            return
        missing = next((i for i, (_, value) in enumerate(found, 1) if v1 and _unfit_for_v1(value)), None)
        if missing:
            module.apiPDU.set_error_status(reply, 2)
            module.apiPDU.set_error_index(reply, missing)
            module.apiPDU.set_varbinds(reply, [(oid, value) for oid, value in module.apiPDU.get_varbinds(request)])
            return
        module.apiPDU.set_varbinds(reply, found)

    def _next(self, oid: Oid) -> tuple[Oid, Any]:
        following = self.following(oid)
        return (following, self.get(following)) if following else (oid, rfc1905.endOfMibView)

    def _bulk(self, oids: list[Oid], non_repeaters: int, rows: int) -> Iterator[tuple[Oid, Any]]:
        for oid in oids[:non_repeaters]:
            yield self._next(oid)
        repeated = oids[non_repeaters:]
        for _ in range(rows):
            row = [self._next(oid) for oid in repeated]
            yield from row
            repeated = [oid for oid, _ in row]


def _unfit_for_v1(value: Any) -> bool:
    return isinstance(value, rfc1905.NoSuchInstance | rfc1905.EndOfMibView | rfc1902.Counter64)


class Switch(Agent):
    """A managed switch: ports ``GE0/0/1`` ... in IF-MIB, ifXTable, EtherLike-MIB, Q-BRIDGE-MIB and LLDP-MIB."""

    def __init__(self, name: str = "sw1", port_count: int = 24, community: str = "public") -> None:
        self.ports = {i: Port(i, f"GE0/0/{i}") for i in range(1, port_count + 1)}
        objects = _system(name, f"Demo switch, {port_count} ports")
        objects[IF_NUMBER] = lambda: rfc1902.Integer32(port_count)
        for port in self.ports.values():
            objects |= _interface(port) | _etherlike(port)
            objects[*BASE_PORT_IF_INDEX, port.index] = _constant(rfc1902.Integer32(port.index))
        super().__init__(objects, community)

    def plug(self, mac: str, port: int, vlan: int = 1) -> None:
        """Let the device with this MAC be learned on ``port``, and nowhere else."""
        index = (vlan, *bytes.fromhex(mac.replace(":", "")))
        self._add(
            {
                (*FDB_PORT, *index): _constant(rfc1902.Integer32(port)),
                (*FDB_STATUS, *index): _constant(rfc1902.Integer32(3)),
            }
        )

    def unplug(self, mac: str, vlan: int = 1) -> None:
        """Let its entry age out."""
        for column in (FDB_PORT, FDB_STATUS):
            del self.objects[*column, vlan, *bytes.fromhex(mac.replace(":", ""))]
        self._add({})

    def meet(self, port: int, name: str, capabilities: bytes = b"\x28") -> None:
        """Let an LLDP neighbour stand behind ``port``; ``capabilities`` as in lldpRemSysCapEnabled."""
        row = (0, port, 1)
        self._add(
            {
                (*LLDP_LOCAL_PORT_ID, port): _constant(rfc1902.OctetString(self.ports[port].name.encode())),
                (*LLDP_ENTRY, 9, *row): _constant(rfc1902.OctetString(name.encode())),
                (*LLDP_ENTRY, 12, *row): _constant(rfc1902.OctetString(capabilities)),
            }
        )

    def _add(self, objects: dict[Oid, Value]) -> None:
        self.objects |= objects
        self.order = sorted(self.objects)

    def port(self, name: str) -> Port:
        """The port of this number, ifName or ifAlias."""
        for port in self.ports.values():
            if name in {str(port.index), port.name, port.alias}:
                return port
        raise LookupError(f"no port {name!r}")

    def command(self, name: str, words: list[str]) -> None:
        port = self.port(name)
        match words:
            case ["speed", mbps, ("full" | "half") as duplex]:
                port.speed_mbps, port.full_duplex = int(mbps), duplex == "full"
            case ["alias", alias]:
                port.alias = alias
            case ["plug", mac]:
                self.plug(mac, port.index)
            case ["neighbour", neighbour]:
                self.meet(port.index, neighbour)
            case ["errors", count]:
                port.error_count = int(count)
            case ["rate", rate]:
                port.octets()
                port.rate_bytes_per_s = int(rate)
            case ["up" | "down" as state]:
                port.up = state == "up"
            case ["enable" | "disable" as state]:
                port.enabled = state == "enable"
            case _:
                raise ValueError(
                    "port NAME speed MBPS full|half, alias TEXT, plug MAC, neighbour NAME, errors N, rate BYTES_PER_S, "
                    "up, down, enable, disable"
                )


class Whiteboard(Agent):
    """A panel with one network card."""

    def __init__(self, name: str = "board", community: str = "public", speed_mbps: int = 1000) -> None:
        self.nic = Port(1, "eth0", speed_mbps=speed_mbps)
        objects = _system(name, "Demo interactive panel") | _interface(self.nic)
        super().__init__(objects, community)

    def command(self, words: list[str]) -> None:
        match words:
            case ["on" | "off" as state]:
                self.on = state == "on"
            case ["speed", mbps]:
                self.nic.speed_mbps = int(mbps)
            case _:
                raise ValueError("board NAME on, off, speed MBPS")


def recorded(path: Path, community: str = "public") -> Agent:
    """A device that gives the answers of a ``.snmprec`` walk (``OID|type|value``), always the same ones."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    triples = (line.split("|", 2) for line in lines if line.count("|") >= 2)
    return Agent({_oid(oid): _constant(_recorded_value(tag, text)) for oid, tag, text in triples}, community)


_RECORDED: dict[int, Callable[[bytes], Any]] = {
    2: lambda text: rfc1902.Integer32(int(text)),
    4: rfc1902.OctetString,
    5: lambda _: rfc1902.Null(""),
    6: lambda text: rfc1902.ObjectIdentifier(text.decode()),
    64: lambda raw: rfc1902.IpAddress(raw if len(raw) == 4 else raw.decode()),
    65: lambda text: rfc1902.Counter32(int(text)),
    66: lambda text: rfc1902.Gauge32(int(text)),
    67: lambda text: rfc1902.TimeTicks(int(text)),
    68: rfc1902.Opaque,
    70: lambda text: rfc1902.Counter64(int(text)),
}
"""By ASN.1 tag, as the snmprec format writes it; ``x`` behind the number means hexadecimal."""


def _recorded_value(tag: str, text: str) -> Any:
    raw = bytes.fromhex(text) if tag.endswith("x") else text.encode(errors="surrogateescape")
    return _RECORDED[int(tag.rstrip("x"))](raw)


def _oid(text: str) -> Oid:
    return tuple(map(int, text.strip(".").split(".")))


def _constant(value: Any) -> Value:
    return lambda: value


def _system(name: str, description: str) -> dict[Oid, Value]:
    started_s = monotonic()
    return {
        (*SYSTEM, 1, 0): _constant(rfc1902.OctetString(description.encode())),
        (*SYSTEM, 2, 0): _constant(rfc1902.ObjectIdentifier("1.3.6.1.4.1.8072.3.2.255")),
        (*SYSTEM, 3, 0): lambda: rfc1902.TimeTicks(int((monotonic() - started_s) * 100) + 360_000),
        (*SYSTEM, 5, 0): _constant(rfc1902.OctetString(name.encode())),
    }


def _interface(port: Port) -> dict[Oid, Value]:
    """Rows of ifTable and ifXTable."""
    i = port.index
    return {
        (*IF_ENTRY, 1, i): _constant(rfc1902.Integer32(i)),
        (*IF_ENTRY, 2, i): _constant(rfc1902.OctetString(f"Ethernet port {port.name}".encode())),
        (*IF_ENTRY, 3, i): _constant(rfc1902.Integer32(6)),
        (*IF_ENTRY, 5, i): lambda: rfc1902.Gauge32(min(port.speed_mbps * MBIT, 2**32 - 1) if port.running else 0),
        (*IF_ENTRY, 7, i): lambda: rfc1902.Integer32(1 if port.enabled else 2),
        (*IF_ENTRY, 8, i): lambda: rfc1902.Integer32(1 if port.running else 2),
        (*IF_ENTRY, 10, i): lambda: rfc1902.Counter32(port.octets() % 2**32),
        (*IF_ENTRY, 14, i): lambda: rfc1902.Counter32(port.error_count),
        (*IF_ENTRY, 16, i): lambda: rfc1902.Counter32(port.octets() * 3 % 2**32),
        (*IF_ENTRY, 20, i): lambda: rfc1902.Counter32(0),
        (*IFX_ENTRY, 1, i): _constant(rfc1902.OctetString(port.name.encode())),
        (*IFX_ENTRY, 6, i): lambda: rfc1902.Counter64(port.octets()),
        (*IFX_ENTRY, 10, i): lambda: rfc1902.Counter64(port.octets() * 3),
        (*IFX_ENTRY, 15, i): lambda: rfc1902.Gauge32(port.speed_mbps if port.running else 0),
        (*IFX_ENTRY, 17, i): _constant(rfc1902.Integer32(1)),
        (*IFX_ENTRY, 18, i): lambda: rfc1902.OctetString(port.alias.encode()),
    }


def _etherlike(port: Port) -> dict[Oid, Value]:
    i = port.index
    return {
        (*DOT3_ENTRY, 2, i): lambda: rfc1902.Counter32(0),
        (*DOT3_ENTRY, 3, i): lambda: rfc1902.Counter32(port.error_count),
        (*DOT3_ENTRY, 8, i): lambda: rfc1902.Counter32(0),
        (*DOT3_ENTRY, 19, i): lambda: rfc1902.Integer32(_duplex_status(port)),
    }


def _duplex_status(port: Port) -> int:
    """dot3StatsDuplexStatus: unknown(1), halfDuplex(2), fullDuplex(3)."""
    return (3 if port.full_duplex else 2) if port.running else 1


class _Endpoint(asyncio.DatagramProtocol):
    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if reply := self.agent.answer(data):
            self.transport.sendto(reply, addr)


class Devices:
    """Agents by name, each on its own address. Use as ``async with Devices() as devices``."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.addresses: dict[str, tuple[str, int]] = {}
        self._transports: list[asyncio.DatagramTransport] = []
        self._control: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for transport in self._transports:
            transport.close()
        if self._control:
            self._control.close()
        await asyncio.sleep(0)

    async def add(self, name: str, agent: Agent, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Let ``agent`` answer on ``host``; returns its address."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Endpoint(agent), local_addr=(host, port))
        self._transports.append(transport)
        self.agents[name] = agent
        self.addresses[name] = transport.get_extra_info("sockname")[:2]
        return self.addresses[name]

    async def control(self, port: int = 0) -> int:
        """Open the control socket; returns its port."""
        self._control = await control.serve(self.command, port)
        return control.port_of(self._control)

    async def command(self, words: list[str]) -> str | None:
        """One line of the control socket, in words."""
        match words:
            case ["list"]:
                return json.dumps({name: f"{host}:{port}" for name, (host, port) in self.addresses.items()})
            case ["port", port, *rest]:
                switch, _, name = port.rpartition(":")
                self._switch(switch).command(name, rest)
            case ["board", name, *rest]:
                self._board(name).command(rest)
            case ["device", name, ("on" | "off") as state]:
                self.agents[name].on = state == "on"
            case _:
                raise ValueError("list | port [SWITCH:]NAME ... | board NAME ... | device NAME on|off")
        return None

    def _switch(self, name: str) -> Switch:
        """The switch of this name; without a name, the only one."""
        found = [a for n, a in self.agents.items() if isinstance(a, Switch) and name in {"", n}]
        if len(found) != 1:
            raise LookupError(f"no switch {name!r}" if name or not found else "which switch? port SWITCH:NAME ...")
        return found[0]

    def _board(self, name: str) -> Whiteboard:
        return {n: a for n, a in self.agents.items() if isinstance(a, Whiteboard)}[name]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.demo.snmp_devices", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    where = "NAME=HOST:PORT"
    parser.add_argument("--switch", action="append", default=[], metavar=where, help="port 0 takes a free one")
    parser.add_argument("--ports", type=int, default=24, help="ports of each switch (default: %(default)s)")
    parser.add_argument("--board", action="append", default=[], metavar=where, help="a whiteboard")
    parser.add_argument("--walk", action="append", default=[], metavar="FILE=HOST:PORT", help="serve a .snmprec file")
    parser.add_argument("--community", default="public", help="(default: %(default)s)")
    parser.add_argument("--control", type=int, default=0, metavar="PORT", help="control socket on 127.0.0.1")
    parser.add_argument("--do", action="append", default=[], metavar="LINE", help="a control line to begin with")
    return parser.parse_args()


def _requested(options: argparse.Namespace) -> Iterable[tuple[str, Agent, str]]:
    for text in options.switch:
        name, _, address = text.rpartition("=")
        yield name, Switch(name, options.ports, options.community), address
    for text in options.board:
        name, _, address = text.rpartition("=")
        yield name, Whiteboard(name, options.community), address
    for text in options.walk:
        path, _, address = text.rpartition("=")
        yield Path(path).stem, recorded(Path(path), options.community), address


async def main() -> None:
    options = _arguments()
    async with Devices() as devices:
        for name, agent, address in _requested(options):
            await devices.add(name, agent, *control.parse_address(address))
        for line in options.do:
            await devices.command(line.split())
        control_port = await devices.control(options.control)
        listening = {name: f"{host}:{port}" for name, (host, port) in devices.addresses.items()}
        print(json.dumps({"control": control_port, "devices": listening}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
