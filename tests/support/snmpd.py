"""The real net-snmp agent, with the repository's own configuration moved to a free port and given users."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from classready.devices import Snmp

CONFIGURATION = Path(__file__).resolve().parents[2] / "configs" / "snmpd" / "snmpd.conf"
PROGRAM = "/usr/sbin/snmpd"
USER, AUTH_KEY, PRIV_KEY, COMMUNITY = "classready", "authenticate-me", "encrypt-me-too", "not-public"
SYS_NAME = "board-301"


class Snmpd(Struct, frozen=True):
    """A running snmpd, and the settings that open it."""

    port: int
    folder: Path

    def v2c(self, **changes: object) -> Snmp:
        return Snmp(port=self.port, community=COMMUNITY, timeout_s=1.0, **changes)

    def v3(self, user: str = USER, auth_key: str = AUTH_KEY, priv_key: str = PRIV_KEY) -> Snmp:
        return Snmp(
            version="3",
            port=self.port,
            user=user,
            auth_key_file=str(secret(self.folder / f"auth-{auth_key}", auth_key)),
            priv_key_file=str(secret(self.folder / f"priv-{priv_key}", priv_key)),
            timeout_s=1.0,
            retry_count=0,
        )


def secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(f"{text}\n")
    return path


@contextlib.contextmanager
def running_snmpd(folder: Path, port: int | None = None) -> Iterator[Snmpd]:
    """Run snmpd for the ``with`` block, on a free port unless told; it is ready when the block begins."""
    port = port or _free_port()
    configuration = folder / "snmpd.conf"
    configuration.write_text(_adapted(CONFIGURATION.read_text(), port))
    environment = os.environ | {"SNMP_PERSISTENT_DIR": str(folder), "MIBS": ""}
    (folder / "log").unlink(missing_ok=True)
    command = [PROGRAM, "-f", "-C", "-c", str(configuration), "-Lf", str(folder / "log"), "-I", "-smux"]
    process = subprocess.Popen(command, env=environment, cwd=folder)
    try:
        _wait(process, folder / "log")
        yield Snmpd(port, folder)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _adapted(text: str, port: int) -> str:
    moved = text.replace("agentAddress udp:161", f"agentAddress udp:127.0.0.1:{port}")
    assert moved != text
    return moved + "\n".join(
        (
            f"createUser {USER} SHA-256 {AUTH_KEY} AES {PRIV_KEY}",
            f"rocommunity {COMMUNITY} 127.0.0.1 -V classready",
            f"sysName {SYS_NAME}",
            "",
        )
    )


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 15
    while "NET-SNMP version" not in (log.read_text(errors="replace") if log.exists() else ""):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"snmpd did not start:\n{log.read_text() if log.exists() else ''}")
        time.sleep(0.02)
