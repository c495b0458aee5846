"""``classready-collector responder``: alone on a machine, without settings; what contradicts itself is refused."""

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from classready.bandwidth import packets as p
from classready.settings import EXIT_CONFIG
from collector.__main__ import main
from tests.component.test_responder import KEY, Client
from tests.component.test_responder_tcp import Guest

USAGE, FAILURE = 2, 1


def call(*arguments: str):
    return CliRunner().invoke(main, ["responder", *arguments])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@contextlib.contextmanager
def running(folder: Path, *arguments: str, end: signal.Signals = signal.SIGINT) -> Iterator["subprocess.Popen[str]"]:
    """The command in an empty folder, from its word that it is ready to Ctrl-C, which ends it well."""
    command = [sys.executable, "-m", "collector", "responder", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            assert "answers on" in process.stderr.readline()
            yield process
        finally:
            process.send_signal(end)
            try:
                assert process.wait(10) == 0
            finally:
                process.kill()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(KEY)
    file.chmod(0o600)
    return file


async def test_it_needs_no_settings(tmp_path: Path, key_file: Path) -> None:
    """UDP and TCP on the port that was asked for, with the key, and no more than 80 % of the line."""
    port = free_port()
    given = ["--listen", "127.0.0.1", "--port", str(port), "--link-bps", "100000000", "--key-file", str(key_file)]
    with running(tmp_path, *given):
        client, guest = Client(port), Guest(port, "127.0.0.2")
        with contextlib.closing(client.sock), contextlib.closing(guest):
            client.sock.settimeout(5)
            assert (await client.lease(KEY, rate_bps=10**9)).rate_bps == 80_000_000
            assert await guest.refusal(b"wrong") == p.RefuseReason.KEY
            assert await guest.refusal(KEY) == p.RefuseReason.BUSY


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well(tmp_path: Path, end: signal.Signals) -> None:
    """By Ctrl-C and by systemd, also where it was started in the background of a script, with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with running(tmp_path, "--listen", "127.0.0.1", "--port", str(free_port()), end=end):
            pass
    finally:
        signal.signal(signal.SIGINT, before)


def test_help_teaches() -> None:
    """Both ways of running it, with examples that can be typed."""
    text = call("--help").output
    assert "--listen 10.20.0.5" in text
    assert "-c /etc/classready/collector.yml" in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-c", "x.yml", "--listen", "::1"], "--config has its own responder: leave out --listen"),
        (["-c", "x.yml", "--port", "1", "--link-bps", "1000000"], "leave out --port, --link-bps"),
        (["--key-file", "k"], "--key-file needs --listen HOST"),
        (["--listen", "no host!"], "--listen no host!: must be a host name or an address"),
        (["--listen", "::1", "--port", "0"], "0 is not in the range"),
        (["--listen", "::1", "--link-bps", "100"], "100 is not in the range"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments: list[str], expected: str) -> None:
    """Before anything starts, with the option that is too much or too little."""
    done = call(*arguments)
    assert (done.exit_code, expected in done.output) == (USAGE, True), done.output


def test_a_key_that_cannot_be_used_is_named(tmp_path: Path, key_file: Path) -> None:
    """Missing, open to everybody, or empty: a bad configuration, nothing starts."""
    open_to_all, empty = tmp_path / "open", tmp_path / "empty"
    open_to_all.write_bytes(KEY)
    open_to_all.chmod(0o644)
    empty.touch(0o600)
    for file, why in ((tmp_path / "none", "No such file"), (open_to_all, "chmod o-rw"), (empty, "empty")):
        done = call("--listen", "127.0.0.1", "--key-file", str(file))
        assert (done.exit_code, f"--key-file {file}" in done.output, why in done.output) == (EXIT_CONFIG, True, True)


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    """For TCP as for UDP: one line, no traceback."""
    port = free_port()
    with running(tmp_path, "--listen", "127.0.0.1", "--port", str(port)):
        done = call("--listen", "127.0.0.1", "--port", str(port))
        assert (done.exit_code, f"127.0.0.1 port {port}: Address already in use" in done.output) == (FAILURE, True)
    with socket.create_server(("127.0.0.1", port)):
        done = call("--listen", "127.0.0.1", "--port", str(port))
        assert (done.exit_code, "ddress already in use" in done.output) == (FAILURE, True)
