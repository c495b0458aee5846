"""A real PostgreSQL with nothing but tests in it: made once a session, one fresh database a test.

Data is not synced to the disk: what is tested is a server that goes away, never a disk that does.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy.engine import URL

from tests.support.programs import found

_SETTINGS: Mapping[str, str] = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "log_min_messages": "warning",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "timezone": "'America/New_York'",
}
"""A zone that is nobody's here: whoever lets the server convert a time is seen."""

ROLE = "classready"
"""As docs/postgresql.md makes it: it owns its database, and may do nothing else."""
PASSWORD = "p%40ss:word/?"
"""What is asked for over TCP: with everything that an address could mistake."""


def _command(program: str, *arguments: object) -> list[str]:
    """Run ``program`` as somebody else than root, whom PostgreSQL refuses, and never longer than the tests."""
    path = found(program)
    assert path, f"{program} is not installed"
    as_user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig=QUIT", *as_user, path, *map(str, arguments)]


class Postgres:
    """A server behind a Unix socket in ``folder``, which must belong to whom it runs as; also on loopback if told."""

    def __init__(self, folder: Path, tcp_port: int | None = None) -> None:
        self.folder = folder
        self.port = tcp_port or 5432  # also a part of the socket's name
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.call(
            "initdb",
            "-D",
            folder / "data",
            "-E",
            "UTF8",
            "--locale=C",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
        )
        address = "''" if tcp_port is None else "'127.0.0.1'"
        places = {"unix_socket_directories": f"'{folder}'", "listen_addresses": address, "port": str(self.port)}
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in {**_SETTINGS, **places}.items())

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def pause(self) -> None:
        """Let it hear and say nothing until ``resume``; its connections stay."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            os.kill(pid, number)

    def start(self, deadline_s: float = 30.0) -> None:
        with (self.folder / "log").open("ab") as log:
            command = _command("postgres", "-D", self.folder / "data")
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + deadline_s
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop as an administrator does who waits for nobody: connections are told, and closed."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End at once, as in a power cut; the next start recovers."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    def url(self, database: str) -> URL:
        place = {"host": str(self.folder), "port": str(self.port)}
        return URL.create("postgresql+asyncpg", ROLE, database=database, query=place)

    def tcp_url(self, database: str, port: int) -> URL:
        return URL.create("postgresql+asyncpg", ROLE, PASSWORD, "127.0.0.1", port, database)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run ``statement`` as the administrator; return rows as lines, columns parted by ``|``."""
        return self.call(
            "psql",
            "-XqtA",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            self.folder,
            "-p",
            self.port,
            "-d",
            database,
            "-c",
            statement,
        )

    def make_database(self) -> URL:
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0")
        return self.url(name)

    def drop_database(self, url: URL) -> None:
        self.sql(f"DROP DATABASE {url.database} WITH (FORCE)")

    def cut_connections(self, url: URL) -> int:
        """End every connection to the database of ``url``, as an administrator or a failover does; say how many."""
        others = f"datname = '{url.database}' AND pid <> pg_backend_pid()"
        return int(self.sql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}"))

    def _answers(self) -> bool:
        try:
            return self.sql("SELECT 1").strip() == "1"
        except subprocess.CalledProcessError:
            return False

    def call(self, program: str, *arguments: object) -> str:
        command = _command(program, *arguments)
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=self.folder).stdout


@contextlib.contextmanager
def running_postgres(tcp_port: int | None = None) -> Iterator[Postgres]:
    """Run a server of one's own for the ``with`` block; nothing of it stays."""
    # not below pytest's own folder, which nobody but root may enter, and short: a socket's path has 107 bytes
    folder = Path(tempfile.mkdtemp(prefix="classready-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    try:
        server = Postgres(folder, tcp_port)
        server.start()
        try:
            server.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder)
