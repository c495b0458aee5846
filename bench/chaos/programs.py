"""Programs that are killed, paused and started again; what each says goes into a file of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
STOP_LIMIT_S = 15.0


class Program:
    """Not running until ``start``. Its log is ``NAME.log`` in ``folder``; every other call is by its own pid."""

    def __init__(self, name: str, folder: Path, command: Sequence[str]) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._command = tuple(command)
        self._environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(folder / "credentials")}
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at_s = 0.0
        self.died_count = 0
        """How often it ended by itself and had no right to; whoever looks after it counts."""

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.started_at_s = time.monotonic()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def look_after(self) -> bool:
        """Start it again if it ended by itself, as systemd would, and say that it did."""
        if self._process is None or self.is_alive:
            return False
        self.start()
        return True

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._end()

    def pause(self) -> None:
        """Let it hear and say nothing; its connections stay."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Wait for the end after ``ask_to_stop``, for so long; kill it then."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2_000:] if self.log.exists() else ""

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None
