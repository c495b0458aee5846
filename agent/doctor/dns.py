"""One question of DNS to one server (RFC 1035): which of the resolvers it is that fails or lies, glibc does not say."""

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import Any

_A, _IN = 1, 1
_NXDOMAIN = 3
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
TIMEOUT_S = 2.0


class Failed(Exception):  # noqa: N818 - a finding, not a fault
    """No address. The text is for people."""


def servers(path: Path = Path("/etc/resolv.conf")) -> list[str]:
    """The name servers of this machine, at most the three that glibc asks (resolv.conf(5))."""
    try:
        rows = [line.split() for line in path.read_text("utf-8", errors="replace").splitlines()]
    except OSError:
        return []
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"][:3]


async def ask(server: str, host: str, port: int = 53) -> list[str]:
    """IPv4 addresses of ``host``, by ``server``; asked twice.

    Raises:
        Failed: no answer, none usable, or no address.
    """
    loop = asyncio.get_running_loop()
    number = int.from_bytes(os.urandom(2))
    try:
        family, address = _address(server, port)
    except (OSError, UnicodeError) as error:
        raise Failed(getattr(error, "strerror", None) or "not an address") from None
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect(address)
            for _ in range(2):
                await loop.sock_sendall(sock, query(number, host))
                try:
                    async with asyncio.timeout(TIMEOUT_S):
                        while True:
                            packet = await loop.sock_recv(sock, 4_096)
                            if packet[:2] == number.to_bytes(2):
                                return addresses(packet)
                except TimeoutError:
                    continue
        except (OSError, UnicodeError) as error:
            raise Failed(getattr(error, "strerror", None) or str(error)) from None
    raise Failed("no answer")


def _address(server: str, port: int) -> tuple[int, Any]:
    """Family and address for ``connect``: of ``fe80::1%eth0``, as routers announce themselves, with its interface."""
    family, _, _, _, address = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    return family, address


def query(number: int, host: str) -> bytes:
    labels = [label.encode("idna") for label in host.rstrip(".").split(".")]
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(number, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", _A, _IN)


def addresses(packet: bytes) -> list[str]:
    """The A records of an answer.

    Raises:
        Failed: it holds none.
    """
    try:
        _, flags, questions, answers, _, _ = _HEADER.unpack_from(packet)
        place = _HEADER.size
        for _ in range(questions):
            place = _after_name(packet, place) + 4
        found = []
        for _ in range(answers):
            place = _after_name(packet, place)
            kind, _, _, size = _RECORD.unpack_from(packet, place)
            place += _RECORD.size
            if kind == _A and size == 4:
                found.append(socket.inet_ntoa(packet[place : place + size]))
            place += size
    except (struct.error, IndexError, OSError):
        raise Failed("an answer that is not DNS") from None
    if not found:
        code = flags & 0xF
        raise Failed("no such name" if code == _NXDOMAIN else f"no address (code {code})")
    return found


def _after_name(packet: bytes, place: int) -> int:
    while (length := packet[place]) != 0:
        if length & 0xC0:
            return place + 2  # a pointer ends the name (RFC 1035, 4.1.4)
        place += 1 + length
    return place + 1
