"""SNMP agents that no one should trust: they loop, never end, send any type for any object, or garbage.

And honest ones with manners of their own: tables in another order, silence to what is too large for them.
"""

import random
from collections.abc import Callable
from typing import Any

from pysnmp.proto import rfc1902

from bench.demo.snmp_devices import Agent, Oid, Switch


class Looping(Switch):
    """After ten rows, GETNEXT leads back to where the walk came from."""

    def following(self, oid: Oid) -> Oid | None:
        following = super().following(oid)
        return (*oid[:-1], 1) if following and following[-1] > 10 else following


class Stuck(Switch):
    """Every GETNEXT names the object that was asked about."""

    def following(self, oid: Oid) -> Oid | None:
        return oid if oid[-1] == 3 else super().following(oid)


class Endless(Agent):
    """There is always one more row in any column."""

    def __init__(self) -> None:
        super().__init__({(1, 3, 6, 1, 2, 1, 1, 3, 0): lambda: rfc1902.TimeTicks(1)})

    def following(self, oid: Oid) -> Oid | None:
        return (*oid[:-1], oid[-1] + 1) if len(oid) == 12 else (*oid, 1)

    def get(self, oid: Oid) -> Any:
        return rfc1902.OctetString(f"port {oid[-1]}".encode())


class WrongTypes(Switch):
    """Right OIDs, but any type and any value. Names stay, so that there is something to read."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)

    def get(self, oid: Oid) -> Any:
        value = super().get(oid)
        if oid[:-1] == (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1):
            return value
        return self.random.choice(
            (
                value,
                rfc1902.Integer32(-1),
                rfc1902.Integer32(2**31 - 1),
                rfc1902.Counter64(2**64 - 1),
                rfc1902.Gauge32(2**32 - 1),
                rfc1902.OctetString(b""),
                rfc1902.OctetString(b"\xff\xfe\x00" * 100),
                rfc1902.ObjectIdentifier("0.0"),
                rfc1902.IpAddress("255.255.255.255"),
                rfc1902.Opaque(b"\x9f\x78\x04\x42\xf6\x00\x00"),
                rfc1902.Null(""),
            )
        )


class Garbling(Switch):
    """Answers rightly, then spoils the bytes: cut, flipped, prolonged, or replaced."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)

    def answer(self, datagram: bytes) -> bytes | None:
        reply = super().answer(datagram)
        return self._spoil(bytearray(reply)) if reply else None

    def _spoil(self, reply: bytearray) -> bytes:
        match self.random.randrange(6):
            case 0:
                return bytes(reply[: self.random.randrange(len(reply))])
            case 1:
                return bytes(reply) + self.random.randbytes(50)
            case 2:
                return self.random.randbytes(self.random.randrange(1, 400))
            case 3:
                return b"\x30\x84\xff\xff\xff\xff" + bytes(reply)
            case 4:
                reply[0:2] = b"\x30\x80"
            case _:
                for _ in range(self.random.randrange(1, 8)):
                    reply[self.random.randrange(len(reply))] = self.random.randrange(256)
        return bytes(reply)


class Disordered(Switch):
    """Each column in the order of ``key``, like an agent that walks a hash table, or sorts OIDs as text."""

    def __init__(self, key: Callable[[Oid], Any]) -> None:
        super().__init__()
        self.key = key

    def following(self, oid: Oid) -> Oid | None:
        column = self._column(oid)
        rows = self._rows(column)
        if oid in rows[:-1]:
            return rows[rows.index(oid) + 1]
        first = super().following(max(rows) if oid in rows else oid)
        return None if first is None else self._rows(self._column(first))[0]

    def _column(self, oid: Oid) -> Oid:
        """Up to the column, in a table of MIB-2; elsewhere an object is its own."""
        sizes = {(31, 1, 1, 1): 11, (2, 2, 1): 10, (17, 7, 1, 2, 2, 1): 13, (17, 4, 3, 1): 11, (17, 1, 4, 1): 11}
        return next((oid[:size] for table, size in sizes.items() if oid[6 : 6 + len(table)] == table), oid)

    def _rows(self, column: Oid) -> list[Oid]:
        return sorted((oid for oid in self.order if oid[: len(column)] == column), key=self.key)


def shuffled(oid: Oid) -> int:
    """In no order that anybody could expect."""
    return hash((7, *oid))


def as_text(oid: Oid) -> str:
    """1, 10, 11, 2."""
    return ".".join(map(str, oid))


class Stingy(Switch):
    """Keeps silent to whatever needs a larger answer than it can make."""

    def __init__(self, most_count: int = 10, most_bytes: int = 65_535) -> None:
        super().__init__()
        self.most_count, self.most_bytes = most_count, most_bytes
        self.unanswered_count = 0

    def answer(self, datagram: bytes) -> bytes | None:
        self.count = 0
        reply = super().answer(datagram)
        if reply is not None and (self.count > self.most_count or len(reply) > self.most_bytes):
            self.unanswered_count += 1
            return None
        return reply

    def _fill(self, module: Any, request: Any, reply: Any) -> None:
        super()._fill(module, request, reply)
        self.count = len(module.apiPDU.get_varbinds(reply))


class Bulkless(Switch):
    """Does not know GETBULK, and says nothing to it."""

    unanswered_count = 0

    def answer(self, datagram: bytes) -> bytes | None:
        self.bulk = False
        reply = super().answer(datagram)
        self.unanswered_count += self.bulk
        return None if self.bulk else reply

    def _fill(self, module: Any, request: Any, reply: Any) -> None:
        super()._fill(module, request, reply)
        self.bulk = request.isSameTypeWith(module.GetBulkRequestPDU())
