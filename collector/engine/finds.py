"""What gateways found in their networks, and what people say of it: not ours, look again. Read from the store.

A school's page asks for it, and nobody else: it is in no state, and no report costs more for it.
"""

from collections.abc import Collection, Mapping
from typing import Literal

import structlog

from collector.core.proposals import Sight
from collector.engine.writing import Writer
from collector.store import found, history

Act = Literal["ignore", "heed"]

LOGGED_MAX = 20
_ACTIONS: Mapping[Act, str] = {"ignore": "found_ignored", "heed": "found_heeded"}

_log = structlog.get_logger()


class Finds:
    """``revision`` of a gateway grows whenever its rows are other ones."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._revisions: dict[str, int] = {}
        self._asked_at: dict[str, float] = {}

    async def load(self) -> None:
        """Read when gateways were asked to look again, before anything else is done.

        Raises:
            CommitFailedError: the store is away.
        """
        async with self._writer.read() as connection:
            self._asked_at = await found.asked(connection)

    def revision(self, gateway: str) -> int:
        return self._revisions.get(gateway, 0)

    def noticed(self, gateways: Collection[str]) -> None:
        """What these found is other than before."""
        for gateway in gateways:
            self._revisions[gateway] = self.revision(gateway) + 1

    def asked_at(self, gateway: str) -> float | None:
        """When somebody last asked ``gateway`` to look again."""
        return self._asked_at.get(gateway)

    async def of(self, gateways: Collection[str]) -> Mapping[str, list[Sight]]:
        """Gateway -> what it found. Raises ``CommitFailedError``."""
        async with self._writer.read() as connection:
            return await found.of(connection, gateways)

    async def say(self, act: Act, hosts: Mapping[str, Collection[str]], by: str, now: float) -> None:
        """Note that the ``hosts`` of each gateway are not to be assigned, or are to be, after all.

        Raises:
            CommitFailedError: nothing was noted.
        """
        async with self._writer.exclusive() as connection:
            for gateway, own in hosts.items():
                if act == "ignore":
                    await found.ignore(connection, gateway, own, by, now)
                else:
                    await found.heed(connection, gateway, own)
                await history.add_audit(connection, now, by, _ACTIONS[act], f"{gateway} {' '.join(sorted(own))}")
        self.noticed(hosts)
        _log.info("found_said", act=act, by=by, gateways=sorted(hosts)[:LOGGED_MAX])

    async def prune(self, gateways: Collection[str], now: float) -> None:
        """Forget what gateways found that left the roster long ago.

        Raises:
            CommitFailedError: nothing was forgotten.
        """
        async with self._writer.exclusive() as connection:
            gone_count = await found.forget_others(connection, gateways, now - found.GONE_S)
        if gone_count:
            _log.info("found_forgotten", gateways=gone_count)

    async def ask_again(self, gateways: Collection[str], by: str, now: float) -> None:
        """Have gateways look around again, as soon as they may.

        Raises:
            CommitFailedError: they were not asked.
        """
        async with self._writer.exclusive() as connection:
            for gateway in gateways:
                await found.ask(connection, gateway, by, now)
                await history.add_audit(connection, now, by, "found_asked", gateway)
        self._asked_at |= dict.fromkeys(gateways, now)
        _log.info("look_again", by=by, gateways=sorted(gateways)[:LOGGED_MAX])
