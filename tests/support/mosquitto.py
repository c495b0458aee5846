"""The real broker, with the repository's own configuration moved to a free port and a temporary folder."""

import contextlib
import itertools
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "mosquitto"
PROGRAM = "/usr/sbin/mosquitto"


_ports = itertools.cycle(random.sample(range(10_000, 32_768), 4_000))
"""Below those that the kernel gives to whoever asks for any (ip_local_port_range): else another may get it first."""


def free_port() -> int:
    """Each call gives another one, and no two workers are likely to try the same."""
    while True:
        port = next(_ports)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Broker:
    """mosquitto on ``127.0.0.1:port`` without TLS. ``start`` returns when it accepts connections."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, users: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.users = dict(users)
        self._process: subprocess.Popen[bytes] | None = None
        self._write_configuration()

    def _write_configuration(self) -> None:
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        for user, password in self.users.items():
            subprocess.run(["mosquitto_passwd", "-b", passwords, user, password], check=True, capture_output=True)
        acl = self.folder / "acl"
        acl.write_bytes((CONFIGS / "acl").read_bytes())
        acl.chmod(0o600)
        self.configuration = self.folder / "mosquitto.conf"
        self.configuration.write_text(adapted((CONFIGS / "mosquitto.conf").read_text(), self.port, self.folder))

    def restart_with(self, old: str, new: str) -> None:
        """Start again with one thing of the configuration changed."""
        self.kill()  # not stop: mosquitto 2.0.11 forgets a SIGTERM that comes between its first listener and its loop
        text = self.configuration.read_text()
        assert old in text
        self.configuration.write_text(text.replace(old, new))
        self.start()

    def password_file(self, user: str) -> Path:
        """Write the clear password of ``user`` where an agent or collector setting can name it."""
        path = self.folder / f"{user}.password"
        path.write_text(self.users[user])
        path.chmod(0o600)
        return path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self, deadline_s: float = 10.0) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", self.configuration], stdout=log, stderr=log)
        until = time.monotonic() + deadline_s
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
                return
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"mosquitto did not start:\n{self.log}")
            time.sleep(0.02)

    def stop(self) -> None:
        self._end("terminate")

    def kill(self) -> None:
        self._end("kill")

    def pause(self) -> None:
        """Let it hear and say nothing until ``resume``; its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: str) -> None:
        if self._process is not None:
            getattr(self._process, how)()
            self._process.wait(timeout=10)
            self._process = None


def adapted(text: str, port: int, folder: Path) -> str:
    """The shipped configuration with only what a test must change: address, TLS, user and paths."""
    replaced = {
        "listener": f"listener {port} 127.0.0.1\nuser root",
        "certfile": "",
        "keyfile": "",
        "tls_version": "",
        "password_file": f"password_file {folder / 'passwords'}",
        "acl_file": f"acl_file {folder / 'acl'}",
        "pid_file": f"pid_file {folder / 'pid'}",
        "persistence_location": f"persistence_location {folder}/",
    }
    return "\n".join(replaced.get(line.split(" ")[0], line) for line in text.splitlines()) + "\n"


@contextlib.contextmanager
def running_mosquitto(folder: Path, users: Mapping[str, str]) -> Iterator[Broker]:
    """Run a broker for the ``with`` block. ``users`` maps user name to password; gateways and ``collector``."""
    broker = Broker(folder, users)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class SchoolBroker(Broker):
    """mosquitto as schools have it: without users, without TLS."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})

    def _write_configuration(self) -> None:
        self.configuration = self.folder / "mosquitto.conf"
        self.configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
