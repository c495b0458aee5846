"""A stand-in for ``systemctl``: starts what a unit names as systemd would, as far as classready can tell.

ExecStart, Environment, LoadCredential of a file or folder (systemd.exec(5): one file ``ID_NAME`` for each),
StateDirectory, Type=oneshot, the readiness protocol of Type=notify (sd_notify(3)), and path units (PathExists of
systemd.path(5)). Not its sandbox, its user, its restarts. nginx and mosquitto are started by their own commands. Verbs:
daemon-reload, enable [--now], disable --now, start, restart, stop, reload, is-active, and show --property MainPID
--value.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

UNITS, RUN = Path("/etc/systemd/system"), Path("/run/stand-in")
PATIENCE_S = 60.0


def settings(name: str) -> dict[str, str]:
    lines = (UNITS / f"{name}.service").read_text().splitlines()
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition("=")
        if value and not line.startswith("#"):
            found[key] = f"{found[key]} {value}" if key == "Wants" and key in found else value
    return found


def credentials(name: str, given: str) -> Path:
    identifier, _, source = given.partition(":")
    folder = Path("/run/credentials") / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    whole = Path(source)
    for file in whole.iterdir() if whole.is_dir() else [whole]:
        copy = folder / (f"{identifier}_{file.name}" if whole.is_dir() else identifier)
        shutil.copyfile(file, copy)
        copy.chmod(0o400)
    return folder


def start(name: str) -> None:
    unit = settings(name)
    if unit.get("Type") == "oneshot":
        run_once(name, unit)
        return
    for wanted in unit.get("Wants", "").split():
        if wanted.endswith(".path"):
            start_watching(wanted.removesuffix(".path"))
    state = Path("/var/lib") / unit.get("StateDirectory", "")
    state.mkdir(parents=True, exist_ok=True)
    notify = RUN / f"{name}.notify"
    notify.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(notify))
        ready.settimeout(0.2)
        environment = dict(pair.split("=", 1) for pair in unit.get("Environment", "").split() if "%" not in pair)
        environment |= {
            "PATH": os.environ["PATH"],
            "STATE_DIRECTORY": str(state),
            "CREDENTIALS_DIRECTORY": str(credentials(name, unit["LoadCredential"])),
            "NOTIFY_SOCKET": str(notify),
        }
        with (RUN / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                unit["ExecStart"].split(),
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # it lives on when whoever asked for it is killed
            )
        (RUN / f"{name}.pid").write_text(str(process.pid))
        if unit["Type"] == "notify":
            wait_until_ready(name, process, ready)


def run_once(name: str, unit: dict[str, str]) -> None:
    with (RUN / f"{name}.log").open("ab") as log:
        done = subprocess.run(unit["ExecStart"].split(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False)
        log.write(f"ended: {done.returncode}\n".encode())


def watch(name: str) -> None:
    """What the manager does for a path unit: start its service whenever, and as long as, one of its paths exists."""
    lines = (UNITS / f"{name}.path").read_text().splitlines()
    paths = [Path(line.partition("=")[2]) for line in lines if line.startswith("PathExists=")]
    while True:
        if any(path.exists() for path in paths):
            start(name)
        time.sleep(0.1)


def start_watching(name: str) -> None:
    """In the background, as the manager is; once."""
    if pid_of(f"{name}.path") is None:
        watcher = subprocess.Popen(
            [sys.executable, __file__, "watch", name],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        (RUN / f"{name}.path.pid").write_text(str(watcher.pid))


def wait_until_ready(name: str, process: "subprocess.Popen[bytes]", ready: socket.socket) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s and process.poll() is None:
        with suppress(TimeoutError):
            if b"READY=1" in ready.recv(4096):
                return
    sys.exit(f"{name} did not become ready ({process.poll()}):\n{(RUN / f'{name}.log').read_text()}")


def pid_of(name: str) -> int | None:
    with suppress(OSError, ValueError):
        pid = int((RUN / f"{name}.pid").read_text())
        # One that ended is still listed where nobody waits for it.
        return pid if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z" else None
    return None


def stop(name: str) -> None:
    pid = pid_of(name)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        until_s = time.monotonic() + PATIENCE_S
        while pid_of(name) is not None and time.monotonic() < until_s:
            time.sleep(0.05)


def nginx() -> None:
    """On a real machine it runs since its package was installed. ``nginx -t`` leaves an empty file with its pid."""
    runs = Path("/run/nginx.pid").exists() and Path("/run/nginx.pid").read_text().strip()
    subprocess.run(["nginx", "-s", "reload"] if runs else ["nginx"], check=True)


def mosquitto() -> None:
    """As Debian's unit does: it begins as root and goes on as its own user."""
    pid_file = Path("/run/mosquitto/mosquitto.pid")
    with suppress(OSError, ValueError):
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
    pid_file.parent.mkdir(mode=0o740, exist_ok=True)
    shutil.chown(pid_file.parent, "mosquitto")
    pid_file.unlink(missing_ok=True)
    with (RUN / "mosquitto.log").open("ab") as log:
        command = ["/usr/sbin/mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    until_s = time.monotonic() + PATIENCE_S
    while not pid_file.exists():
        if process.poll() is not None or time.monotonic() > until_s:
            sys.exit(f"mosquitto did not start:\n{(RUN / 'mosquitto.log').read_text()}")
        time.sleep(0.05)


def main(words: list[str]) -> None:
    RUN.mkdir(exist_ok=True)
    options = {word for word in words if word.startswith("-")}
    verb, *names = [word.removesuffix(".service") for word in words if word not in {*options, "MainPID"}]
    for name in names:
        if name in {"nginx", "mosquitto"}:
            {"nginx": nginx, "mosquitto": mosquitto}[name]()
        elif verb == "watch":
            watch(name)
        elif name.endswith(".path") and verb == "start":
            start_watching(name.removesuffix(".path"))
        elif verb == "is-active":
            sys.exit(pid_of(name) is None)
        elif verb == "show":
            print(pid_of(name) or 0)
        elif verb in {"stop", "disable"}:
            stop(name)
        elif verb == "reload":
            os.kill(pid_of(name) or sys.exit(f"{name} is not running"), signal.SIGHUP)
        elif verb in {"start", "restart"} or (verb == "enable" and "--now" in options):
            stop(name)
            start(name)
        else:
            assert verb == "enable", verb


if __name__ == "__main__":
    main(sys.argv[1:])
