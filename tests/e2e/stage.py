"""Programs in namespaces, and waiting for what becomes of them: what every end-to-end scenario stands on."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.support.namespaces import Namespace

T = TypeVar("T")
REPOSITORY = Path(__file__).parents[2]


class Program:
    """A process in a namespace, in a session of its own, with its output in a file."""

    def __init__(self, name: str, namespace: Namespace, folder: Path, *command: str, **environment: str) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._start = (namespace, command, {**os.environ, **environment}, folder)
        self.process: subprocess.Popen[bytes] = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        namespace, command, environment, _folder = self._start
        with self.log.open("ab") as output:
            return subprocess.Popen(
                namespace.command(*command), stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                env=environment, cwd=REPOSITORY, start_new_session=True,
            )  # fmt: skip

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        self.process = self._spawn()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4_000:]


class Stage:
    """Programs by name, with their files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs: dict[str, Program] = {}
        self._controls: dict[str, tuple[Namespace, int]] = {}

    def start(self, name: str, namespace: Namespace, *command: str, **environment: str) -> Program:
        self.programs[name] = Program(name, namespace, self.folder, *command, **environment)
        return self.programs[name]

    def start_product(self, module: str, namespace: Namespace, name: str | None = None) -> Program:
        """The agent or the collector, with the settings and the credentials of this folder."""
        name = name or module
        settings, credentials = str(self.folder / f"{name}.yml"), str(self.folder / "credentials")
        return self.start(
            name, namespace, *python_module(module), "run", "-c", settings, CREDENTIALS_DIRECTORY=credentials
        )

    def start_controlled(self, name: str, namespace: Namespace, *command: str) -> None:
        """Start a stand-in that prints its control port as JSON."""
        program = self.start(name, namespace, *command)
        line = self.until(f"{name} says where it listens", lambda: _first_json(program.log), 20)
        self._controls[name] = (namespace, line["control"])

    def control(self, program: str, line: str) -> None:
        namespace, port = self._controls[program]
        answer = namespace.call(_converse, port, line)
        assert answer == "ok", answer

    def start_platforms(self, namespace: Namespace, address: str, ports: Mapping[str, int]) -> None:
        """Platforms at ``address``, trusted by ``sites/ca.pem``."""
        sites = [f"--platform={name}={address}:{port}" for name, port in ports.items()]
        directory = f"--directory={self.folder / 'sites'}"
        self.start_controlled("platforms", namespace, *python_module("bench.demo.platforms"), directory, *sites)

    def platform(self, name: str, state: str) -> None:
        self.control("platforms", f"platform {name} {state}")

    def stop(self) -> None:
        for program in reversed(self.programs.values()):
            program.stop()

    def until(self, what: str, look: Callable[[], T | None], limit_s: float = 30) -> T:
        """Wait until ``look`` returns something true; fail with the programs' last words."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, KeyError, json.JSONDecodeError):
                if found := look():
                    return found
            time.sleep(0.1)
        tails = "\n".join(f"--- {p.name}\n{p.tail()}" for p in self.programs.values())
        raise AssertionError(f"not within {limit_s} s: {what}\n{tails}")

    def write_yaml(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(yaml.dump(content, Dumper=_Plain, allow_unicode=True), encoding="utf-8")

    def write_secrets(self, secrets: dict[str, str]) -> Path:
        """Return their folder, which programs get as ``CREDENTIALS_DIRECTORY``."""
        folder = self.folder / "credentials"
        folder.mkdir(mode=0o700)
        for name, secret in secrets.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(secret, encoding="utf-8")
        return folder


def python_module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def fetch(url: str, token: str | None = None, ca_file: Path | None = None) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    context = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
    with urllib.request.urlopen(request, timeout=5, context=context) as answer:
        return bytes(answer.read())


def contents(received: bytes) -> list[str]:
    """The texts of what a robot took."""
    return [message[message["msgtype"]]["content"] for message in json.loads(received)]


def _converse(port: int, line: str) -> str:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(f"{line}\n".encode())
        return connection.makefile().readline().strip()


def _first_json(log: Path) -> Any:
    return json.loads(log.read_text(encoding="utf-8").splitlines()[0]) if log.exists() and log.stat().st_size else None


class _Plain(yaml.SafeDumper):
    """Writes every value out: the settings loader refuses aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True
