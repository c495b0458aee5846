"""Several secrets for one receiver, while one of them takes the place of another.

A robot's new key or signature holds from the minute somebody presses the button in the chat, and the collector takes a
new file with its next start: with both in the file neither has to wait for the other, and no message is lost between.
"""

from collections.abc import Callable, Iterator, Sequence

from collector.notify.contract import Misconfigured, Notifier
from collector.notify.message import Message
from collector.notify.robot.tools import Secrets

ABOUT_SECRETS = frozenset({"invalid_robot", "bad_signature", "bad_login"})


class Rotating:
    """Notifiers of one receiver, each with other secrets; the one that was taken last is asked first."""

    def __init__(self, notifiers: Sequence[Notifier]) -> None:
        self._notifiers = list(notifiers)

    def parts(self, message: Message) -> Sequence[Message]:
        return self._notifiers[0].parts(message)

    async def send(self, message: Message) -> str:
        problem: Misconfigured | None = None
        for notifier in tuple(self._notifiers):
            try:
                said = await notifier.send(message)
            except Misconfigured as error:
                if error.reason not in ABOUT_SECRETS:
                    raise
                problem = problem or error
            else:
                self._notifiers.remove(notifier)
                self._notifiers.insert(0, notifier)
                return said
        assert problem is not None
        raise problem


def rotating(secrets: Secrets, make: Callable[[Secrets], Notifier]) -> Notifier:
    """Make one notifier, or one for each line of the files; ``secrets`` are their contents."""
    made = [make(each) for each in _lines(secrets)]
    return made[0] if len(made) == 1 else Rotating(made)


def _lines(secrets: Secrets) -> Iterator[Secrets]:
    """The n-th lines belong together; of a file that has fewer, its last goes with the rest."""
    by_entry = {entry: text.splitlines() for entry, text in secrets.items()}
    for number in range(max([1, *map(len, by_entry.values())])):
        yield {entry: lines[min(number, len(lines) - 1)] for entry, lines in by_entry.items()}
