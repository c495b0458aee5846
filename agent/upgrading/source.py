"""Where the files of a release come from: the collector, a piece at a time, so that a broken line loses little.

The files are open to everybody and signed: no token is shown, and whoever answers can at worst waste time.
"""

import asyncio
import re
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from agent import dial, http1, tls, urls

PIECE_BYTES = 131_072
_RANGE = re.compile(r"bytes [0-9]{1,15}-[0-9]{1,15}/([0-9]{1,15})")
_KNOWN = {200, 206, 416}


class Piece(NamedTuple):
    """``total_bytes``: of the whole file, never less than what lies before the end of ``body``."""

    body: bytes
    total_bytes: int


class UnreachableError(Exception):
    """Nobody gave it; come again. The text is for people."""


class Source:
    """One kept connection to ``base``, the address of a release's folder."""

    def __init__(self, base: str, trust: Callable[[], ssl.SSLContext], timeout_s: float) -> None:
        """Raise ValueError for an address that cannot be used, OSError for an authority that cannot be read."""
        self._base, self._timeout_s = base.rstrip("/"), timeout_s
        self._trust = trust() if urls.split(self._base).tls else None
        self._streams: tuple[StreamReader, StreamWriter] | None = None

    async def piece(self, name: str, offset: int) -> Piece:
        """Return what follows ``offset`` of the file, at most ``PIECE_BYTES``; nothing at its end.

        Raises:
            UnreachableError: what came is no such piece.
        """
        url = urls.split(f"{self._base}/{name}")
        fields = {"Range": f"bytes={offset}-{offset + PIECE_BYTES - 1}"}
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._exchange(url, fields)
        except TimeoutError:
            self.close()
            raise UnreachableError(f"{url}: no answer within {self._timeout_s:.0f} s") from None
        except dial.Unreached as error:
            raise UnreachableError(error.detail) from None
        except (OSError, http1.NotHttp) as error:
            self.close()
            raise UnreachableError(f"{url}: {error}") from None
        return _piece(url, answer, offset)

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None

    async def _exchange(self, url: urls.Url, fields: Mapping[str, str]) -> http1.Answer:
        """A kept connection may have ended unseen: then once more over a new one."""
        if self._streams:
            try:
                return await self._get(url, fields)
            except (OSError, http1.NotHttp):
                self.close()
        self._streams = await self._open(url)
        return await self._get(url, fields)

    async def _open(self, url: urls.Url) -> tuple[StreamReader, StreamWriter]:
        addresses = await dial.resolve(url.host, url.port)
        sock = (await dial.connect(addresses, self._timeout_s)).sock
        name = tls.server_name(url.host) if self._trust else None
        return await asyncio.open_connection(
            sock=sock, limit=http1.HEAD_MAX_BYTES, ssl=self._trust, server_hostname=name
        )

    async def _get(self, url: urls.Url, fields: Mapping[str, str]) -> http1.Answer:
        assert self._streams
        reader, writer = self._streams
        answer = http1.Answer()
        writer.write(http1.request("GET", url.authority, url.path, fields))
        await http1.read_head(reader, answer)
        await http1.read_body(reader, answer, PIECE_BYTES + 1)
        if not answer.reusable:
            self.close()
        return answer


def _piece(url: urls.Url, answer: http1.Answer, offset: int) -> Piece:
    body = bytes(answer.body)
    if answer.status not in _KNOWN or answer.broken or len(body) > PIECE_BYTES:
        raise UnreachableError(f"{url}: not a piece of a file (status {answer.status})")
    if answer.status == 416:  # nothing is left of it
        return Piece(b"", offset)
    if answer.status == 200:  # a small file, whole: a server need not know ranges (RFC 9110, 14.2)
        return Piece(body[offset:], len(body))
    found = _RANGE.fullmatch(next(iter(answer.values(b"content-range")), b"").decode("latin-1"))
    if found is None or not body or int(found[1]) < offset + len(body):
        raise UnreachableError(f"{url}: a part that does not say of what")
    return Piece(body, int(found[1]))
