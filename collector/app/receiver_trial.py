"""One message to one receiver, now and past the outbox: what the receiver says to it."""

from pathlib import Path

from aiohttp import ClientSession
from msgspec import Struct

from classready.settings import EXIT_CONFIG
from collector.app.loading import Receivers, load_receivers
from collector.notify import notifiers
from collector.notify.contract import Deferred, Misconfigured, Refused
from collector.notify.message import Message
from collector.notify.robot.budget import Budgets
from collector.notify.robot.tools import Tools
from collector.settings import CollectorSettings, Receiver
from collector.text import Language, delivery_problem, say

EXIT_NOT_NOW = 75
"""EX_TEMPFAIL of sysexits.h: trying again may help."""


class NoSuchReceiverError(Exception):
    """The settings have no receiver of that name; the text names those they have."""


class Trial(Struct, frozen=True):
    """``text`` is for people, ``exit_code`` for scripts."""

    exit_code: int
    text: str


async def try_receiver(path: Path, name: str) -> Trial:
    """Send a message that says that it is a test.

    Raises:
        SettingsError: in the settings, or in this receiver's secrets.
        NoSuchReceiverError: it is not in the settings.
    """
    loaded = load_receivers(path, name)
    receiver = _receiver(loaded.settings, name)
    async with ClientSession() as session:
        return await _try(receiver, loaded, Tools(session=session, budgets=Budgets(), tls=loaded.tls))


def _receiver(settings: CollectorSettings, name: str) -> Receiver:
    known = {receiver.name: receiver for receiver in settings.receivers}
    if name not in known:
        raise NoSuchReceiverError(f"no receiver {name!r}; there are: {', '.join(known) or 'none'}")
    return known[name]


async def _try(receiver: Receiver, loaded: Receivers, tools: Tools) -> Trial:
    settings = loaded.settings
    notifier = notifiers(settings.receivers, loaded.secrets, tools, only=receiver.name)[receiver.name]
    try:
        said = await notifier.send(trial_message(receiver.name, receiver.language or settings.language))
    except Deferred as error:
        wait = f"; try again in {error.retry_after_s:.0f} s"
        return Trial(EXIT_NOT_NOW, _told(receiver, "not now", error, wait))
    except Misconfigured as error:
        return Trial(EXIT_CONFIG, _told(receiver, "wrong setting", error))
    except Refused as error:
        return Trial(1, _told(receiver, "refused", error))
    return Trial(0, f"{receiver.name}: taken; it said: {said}")


def _told(receiver: Receiver, outcome: str, error: Deferred | Refused, more: str = "") -> str:
    said = f"; said: {error.said}" if error.said else ""
    return f"{receiver.name}: {outcome}: {delivery_problem(str(error), 'en')}{said}{more}"


def trial_message(receiver: str, language: Language) -> Message:
    """What the group reads. It has the word that every message has, for robots that want a keyword."""
    return Message(
        language=language,
        alarming=False,
        title=say("chat.trial", language, receiver=receiver),
        lead=(say("chat.trial_lead", language),),
        items=(),
        closing=(say("chat.trial_closing", language),),
    )
