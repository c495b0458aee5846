"""Messages on standard output: for a first look, and for the journal."""

from aiohttp import ClientSession

from collector.notify.contract import Deferred
from collector.notify.message import Message, fit
from collector.settings import ConsoleReceiver


class Console:
    def __init__(self, settings: ConsoleReceiver, session: ClientSession, secret: str | None) -> None:
        del settings, session, secret

    async def send(self, message: Message) -> None:
        try:
            print(fit(message, "plain"), flush=True)
        except OSError:
            raise Deferred("unreachable", retry_after_s=60) from None
