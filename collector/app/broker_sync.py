"""``broker-sync``: what is beside the broker and keeps its password file as the collector has it.

It runs as the broker's own user, who may write that file and signal the broker. Nothing is remembered but the file: who
enrolled or was taken back while it, the broker or the collector was away is caught up with by the next answer.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from collector.app.broker_files import put
from collector.app.client import NoAnswerError
from collector.broker.config import PASSWORDS_NAME, USERS_NAME
from collector.broker.passwords import parse, render

ASK_AGAIN_S = 2.0
"""After no answer; and the shortest time between two reloads, at which the broker looks at every connection."""
_HANGUP_BIT = 1 << (signal.SIGHUP - 1)

_log = structlog.get_logger()

Ask = Callable[[str], Mapping[str, Any]]
"""Known version -> the collector's answer, which may take a while. Raises NoAnswerError."""


class Files(NamedTuple):
    """``users``: written by hand, the collector's own among them. ``passwords``: what the broker reads."""

    users: Path
    passwords: Path
    pid_file: Path


def files_in(folder: Path, state: Path, pid_file: Path) -> Files:
    return Files(folder / USERS_NAME, state / PASSWORDS_NAME, pid_file)


class Sync:
    def __init__(self, files: Files, ask: Ask) -> None:
        self._files, self._ask = files, ask
        self.version = ""
        self._users: Mapping[str, str | None] | None = None
        self.is_told = False
        """The broker has read the file as it is."""

    def turn(self) -> bool:
        """Ask once and see to it that the broker knows; False = the collector did not answer.

        Raises:
            OSError: a file cannot be read or written.
        """
        try:
            said = self._ask(self.version if self.is_told else "")
        except NoAnswerError as error:
            _log.warning("collector_silent", error=str(error))
            answered = False
        else:
            answered, self._users = True, said["users"]
            self.version = str(said["version"])
        if self._users is not None:
            self._bring(self._users)
        return answered

    def _bring(self, users: Mapping[str, str | None]) -> None:
        text = merged(self._files.users.read_text("utf-8"), users)
        passwords = self._files.passwords
        if not passwords.exists() or passwords.read_text("utf-8") != text:
            self.is_told = False
            put(passwords, text, 0o600)
            _log.info("passwords_written", users=text.count("\n"))
        if not self.is_told:
            self.is_told = reload_broker(self._files.pid_file)

    def run(self) -> None:
        """Until ended by a signal."""
        while True:
            began_s = time.monotonic()
            self.turn()
            if (left_s := ASK_AGAIN_S - (time.monotonic() - began_s)) > 0:
                time.sleep(left_s)


def merged(by_hand: str, users: Mapping[str, str | None]) -> str:
    """The lines by hand, but for gateways that the collector knows, and theirs."""
    kept = {user: known for user, known in parse(by_hand).items() if user not in users}
    enrolled = {user: known for user, known in users.items() if known is not None}
    return render({**kept, **enrolled})


def reload_broker(pid_file: Path) -> bool:
    """Have the broker read its files again; False = it could not be told. One that is away reads them when it starts.

    The pid stands in its file before the broker has said what SIGHUP means to it: until then that signal ends it, and
    systemd takes such an end for a wish.
    """
    try:
        pid = int(pid_file.read_text("ascii"))
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except (OSError, ValueError):
        return True
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if fields["Name"] != "mosquitto":
        return True
    if not int(fields["SigCgt"], 16) & _HANGUP_BIT:
        return False
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        return True
    except PermissionError:
        _log.error("broker_not_reloaded", pid=pid, why="this user may not signal it: run this as the broker's own")
        return False
    _log.info("broker_reloaded", pid=pid)
    return True
