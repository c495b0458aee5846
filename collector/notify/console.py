"""Messages on standard output: for a first look, and for the journal."""

from collections.abc import Sequence

from collector.notify.contract import Deferred
from collector.notify.message import Message
from collector.notify.robot.fitting import write
from collector.notify.robot.tools import Secrets, Tools
from collector.settings import ConsoleReceiver


class Console:
    def __init__(self, settings: ConsoleReceiver, tools: Tools, secrets: Secrets) -> None:
        del settings, tools, secrets

    def parts(self, message: Message) -> Sequence[Message]:
        return [message]

    async def send(self, message: Message) -> str:
        try:
            print(write(message), flush=True)
        except OSError:
            raise Deferred("unreachable", retry_after_s=60) from None
        return "printed"
