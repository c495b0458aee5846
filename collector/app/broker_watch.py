"""Whether the broker is told who enrolled and who was taken back: nobody else would notice that it is not."""

import asyncio
import time

from collector.app.notes import OpenQuestions
from collector.broker.accounts import Accounts
from collector.roster.notes import Note

LOOK_S = 5.0
LATE_S = 30.0
"""Told within a second or two, as a rule; a broker that starts takes longer."""


async def show_behind(accounts: Accounts, questions: OpenQuestions, look_s: float = LOOK_S) -> None:
    """Have the board say it as long as it is so."""
    since: float | None = None
    while True:
        count = accounts.behind_count()
        since = None if not count else time.monotonic() if since is None else since
        is_late = since is not None and time.monotonic() - since >= LATE_S
        questions.broker = (_note(count),) if is_late else ()
        await asyncio.sleep(look_s)


def _note(count: int) -> Note:
    return Note(word="broker_behind", file="mosquitto", line=0, path="", fields={"count": str(count)})
