"""Ending what runs, for certain: one request to end can get lost, a repeated one cannot."""

import asyncio
from typing import Any

ASK_AGAIN_S = 1.0


def asked_to_end() -> bool:
    """Say whether the running task was cancelled, even where a library swallowed the exception that told of it.

    For loops that would otherwise go on for ever: ``asyncio.wait_for`` of Python 3.11 returns a result that comes
    together with a cancellation, and forgets the cancellation (CPython issue 86296, mended in 3.12).
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancel ``task``, again each second, until it has ended. How it ended is its owner's to ask."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=ASK_AGAIN_S)
