"""Reports of a fully instrumented school as byte templates: making one is filling in numbers, not encoding structs."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain, count, repeat
from typing import Any, Final, Literal

from msgspec import Struct

from bench.province.roster import PLATFORMS, ROOMS, gateway_id, room_id, token
from classready.codec import decode_ack, encode, encode_report
from classready.observation import Bandwidth, Device, Http, Observation, Outcome, Phases, Port, Segment
from classready.report import Record, Report

RECORDS: Final = 2 * ROOMS + 4
"""Of every usual report: a port and a device for each room, three pages, one trunk."""
REPORT_INTERVAL_S: Final = 60.0
NEWS_EVERY: Final = 20
"""In every so many reports of a school one board's port has another speed than before: fifteen boards that are switched
on and off once a day make thirty changes in 600 reports. Everything else that differs is counters and times."""

Kind = Literal["first", "usual"]
"""The first report of a school also brings the test of its line, so that its rooms can be judged."""

_BETWEEN_RECORDS_S: Final = 0.01
_BOOTED_AT: Final = 1_600_000_000.0
_OCTETS_PER_S: Final = 250_000

_MARKS: Final = {
    "gateway": b"gw-6100000001",
    "spool": b"61000000000000000000000000000002",
    "sequence": b"6100000000000003",
    "monotonic_s": b"610000004.5",
    "sent_monotonic_s": b"610000009.5",
    "wall_s": b"6100000005.5",
    "sent_at": b"6100000010.5",
    "octets": b"6100000000000006",
    "speed_bps": b"6100000000000007",
    "interval_s": b"6108.5",
}
"""What stands in a report where something is to be filled in: values that nothing else in it has."""
_CLOCKS: Final = ("monotonic_s", "sent_monotonic_s", "wall_s", "sent_at")
_FORMS: Final = {"gateway": b"%b", "spool": b"%b", "interval_s": b"%.1f", **dict.fromkeys(_CLOCKS, b"%.3f")}
"""Whole numbers where nothing else is said."""
_NAMES: Final = {mark: name for name, mark in _MARKS.items()}
_ANY_MARK: Final = re.compile(b"|".join(map(re.escape, _NAMES)))


class Template(Struct, frozen=True):
    """``text`` with a ``%`` form for each of ``names``."""

    text: bytes
    names: tuple[str, ...]
    record_count: int


class Made(Struct, frozen=True):
    """A report, and the first and last sequence in it."""

    body: bytes
    first: int
    last: int

    def is_committed_by(self, ack: bytes) -> bool:
        """Whether ``ack`` says that all of its records are durable."""
        return any(first <= self.first and self.last <= last for first, last in decode_ack(ack).committed)


class School:
    """What the gateway of one school remembers between its reports. ``sent_s``: when it last sent one (monotonic)."""

    def __init__(self, number: int, salt: int) -> None:
        """``salt`` < 2**64 makes its spool another one than in the last run."""
        self.gateway, self.token = gateway_id(number), token(number)
        self.sent_s = 0.0
        self.number = number
        self._spool = f"{salt:016x}{number:016x}".encode()
        self._made_count = 0
        self._last = 0
        self._made: Made | None = None

    def report(self, kind: Kind, now: float, interval_s: float = REPORT_INTERVAL_S) -> Made:
        """Return its next report, complete at ``now`` (Unix seconds), with the next one announced in ``interval_s``.

        What was not acknowledged comes again, byte for byte: records are sent until they are known to be stored.
        """
        if self._made is None:
            self._made = self._make(kind, now, interval_s)
        return self._made

    def acknowledged(self) -> None:
        """Its report is stored: the next one is another one."""
        self._made = None

    def _make(self, kind: Kind, now: float, interval_s: float) -> Made:
        template = template_of(kind)
        first, self._last = self._last + 1, self._last + template.record_count
        self._made_count += 1
        begun_at, up_s = now - _BETWEEN_RECORDS_S * template.record_count, now - _BOOTED_AT
        draw: dict[str, Callable[[], Any]] = {
            "gateway": repeat(self.gateway.encode()).__next__,
            "spool": repeat(self._spool).__next__,
            "sequence": count(first).__next__,
            "monotonic_s": count(begun_at - _BOOTED_AT, _BETWEEN_RECORDS_S).__next__,
            "sent_monotonic_s": repeat(up_s).__next__,
            "wall_s": count(begun_at, _BETWEEN_RECORDS_S).__next__,
            "sent_at": repeat(now).__next__,
            "octets": count(int(up_s) * _OCTETS_PER_S).__next__,
            "speed_bps": self._speeds().__next__,
            "interval_s": repeat(interval_s).__next__,
        }
        return Made(template.text % tuple([draw[name]() for name in template.names]), first, self._last)

    def _speeds(self) -> Iterator[int]:
        """Of all ports in turn. The schools change at different times, each its rooms one after the other."""
        changed = (self._made_count + self.number) // NEWS_EVERY % (2 * ROOMS)
        return chain(*(repeat(10**8 if room < changed <= room + ROOMS else 10**9, 1) for room in range(ROOMS)))


@cache
def template_of(kind: Kind) -> Template:
    seen = [*_observations(), *([_LINE_TEST] if kind == "first" else [])]
    body = encode_report(_envelope(), [encode(_record(observation)) for observation in seen]).replace(b"%", b"%%")
    names = tuple(_NAMES[mark] for mark in _ANY_MARK.findall(body))
    text = _ANY_MARK.sub(lambda found: _FORMS.get(_NAMES[found[0]], b"%d"), body)
    return Template(text, names, len(seen))


def _envelope() -> Report:
    return Report(
        gateway=_MARKS["gateway"].decode(),
        agent_version="0.1.0",
        spool_id=_MARKS["spool"].decode(),
        boot_id="b00b",
        report_interval_s=float(_MARKS["interval_s"]),
        sent_monotonic_s=float(_MARKS["sent_monotonic_s"]),
        sent_at=float(_MARKS["sent_at"]),
        spool_records=RECORDS,
    )


def _record(observation: Observation) -> Record:
    return Record(
        sequence=int(_MARKS["sequence"]),
        boot_id="b00b",
        monotonic_s=float(_MARKS["monotonic_s"]),
        wall_s=float(_MARKS["wall_s"]),
        clock_quality="good",
        observation=observation,
    )


def _observations() -> Iterator[Observation]:
    """Ports before devices: a speed counts once its device was seen awake after it."""
    octets, rooms = int(_MARKS["octets"]), range(1, ROOMS + 1)
    yield Segment(
        outcome=Outcome.ANSWERED,
        elapsed_s=0.042,
        name="sw1:uplink",
        if_name="GigabitEthernet0/0/24",
        speed_bps=10**9,
        full_duplex=True,
        in_octets=octets,
        out_octets=octets,
    )
    yield from (_port(room, octets) for room in rooms)
    yield from (_device(room) for room in rooms)
    yield from (_page(target) for targets in PLATFORMS.values() for target in targets)


def _port(room: int, octets: int) -> Port:
    return Port(
        outcome=Outcome.ANSWERED,
        elapsed_s=0.042,
        classroom=room_id(room),
        switch="sw1",
        if_name=f"GigabitEthernet0/0/{room}",
        admin_up=True,
        oper_up=True,
        speed_bps=int(_MARKS["speed_bps"]),
        full_duplex=True,
        in_octets=octets,
        out_octets=octets,
        in_error_count=0,
        out_error_count=0,
    )


def _device(room: int) -> Device:
    return Device(
        outcome=Outcome.ANSWERED,
        elapsed_s=0.011,
        classroom=room_id(room),
        state="awake",
        seen_by="snmp",
        nic_speed_bps=10**9,
        facts={"model": "IFP-86", "firmware": "2.4.1"},
    )


def _page(target: str) -> Http:
    return Http(
        outcome=Outcome.ANSWERED,
        elapsed_s=0.181,
        target=target,
        phases_s=Phases(resolve=0.004, connect=0.031, tls=0.062, processing=0.051, transfer=0.033),
        status=200,
        certificate_expires_at=1_830_000_000.0,
    )


_LINE_TEST: Final = Bandwidth(
    outcome=Outcome.PASS,
    elapsed_s=0.31,
    target="uplink",
    direction="down",
    mode="drain",
    at_least_bps=960e6,
    estimate_bps=980e6,
    theta0_bps=95e6,
    theta1_bps=100e6,
    bytes=9_000_000,
    seconds=0.3,
    loss_ratio=0.0,
)
