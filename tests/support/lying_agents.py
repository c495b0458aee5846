"""SNMP agents that no one should trust: they loop, never end, send any type for any object, or garbage."""

import random
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
