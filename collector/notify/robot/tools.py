"""What every notifier is made with."""

import time
from collections.abc import Callable, Mapping
from ssl import SSLContext

from aiohttp import ClientSession
from msgspec import Struct

from collector.core.bureau.words import Notice
from collector.notify.message import Message, render
from collector.notify.robot.budget import Budgets
from collector.text import Language, Names

Secrets = Mapping[str, str]
"""Setting (``key_file``) -> what that file holds."""


def _in_ids(notice: Notice, language: Language | None) -> Message:
    return render(notice, language or "zh", Names())


class Tools(Struct, frozen=True, kw_only=True):
    """``budgets`` is shared by all receivers, so that two that name one robot do not send it twice its limit.

    ``tls`` maps a receiver's name to whom it trusts, where the settings say so.
    """

    session: ClientSession
    budgets: Budgets
    clock: Callable[[], float] = time.time
    tls: Mapping[str, SSLContext] = {}
    render: Callable[[Notice, Language | None], Message] = _in_ids
    """For kinds that say each alert by itself; a language of None is the collector's."""
