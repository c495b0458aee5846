"""A whole school on this machine: collector, agent, switch, whiteboards, platforms and a chat group, all on loopback.

Everything it writes is in a temporary folder that goes with it; Ctrl-C stops every process it started.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from bench.demo import school

EXAMPLE = Path(__file__).parents[2] / "configs" / "examples" / "demo"
BOARD = "http://127.0.0.1:9711/"
SCHOOL_URL = f"{BOARD}api/v1/schools/3251140201"
SETTLED = {"yes": 4, "no": 2, "unknown": 1}
SETTLE_LIMIT_S = 90
STOP_LIMIT_S = 10
TCP_PORTS = (9711, 9713, school.ROBOT_PORT, *school.PLATFORM_PORTS.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop as soon as the school is settled and was told about")
    options = parser.parse_args()
    taken = [port for port in TCP_PORTS if is_taken(port)]
    if taken:
        print(f"ports in use on 127.0.0.1: {', '.join(map(str, taken))}. Is another demo running?", file=sys.stderr)
        return 1
    return asyncio.run(_demo(once=options.once))


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


async def _demo(*, once: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="classready-demo-") as name:
        folder = Path(name)
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
        credentials = folder / "credentials"
        credentials.mkdir(mode=0o700)
        async with school.surroundings(credentials, echo=True) as around:
            print("Starting the collector and the agent of a demo school ...", flush=True)
            async with _program("collector", folder), _program("agent", folder):
                work = asyncio.create_task(_show(around.robot, stop, once=once))
                await asyncio.wait({work, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
                code = work.result() if work.done() else 0
                work.cancel()
        print("Everything is stopped.", flush=True)
    return code


@contextlib.asynccontextmanager
async def _program(name: str, folder: Path) -> AsyncIterator[Process]:
    """Run ``classready-NAME`` with its log in ``folder``; what it said last is shown if it dies."""
    log = folder / f"{name}.log"
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(folder / "credentials")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", name, "run", "-c", str(folder / f"{name}.yml"),
            stdout=output, stderr=output, env=environment, cwd=EXAMPLE.parents[2], start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is not None:
                tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
                print(f"the {name} ended with code {process.returncode}:", *tail, sep="\n  ", file=sys.stderr)
            await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_LIMIT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _show(robot: Any, stop: asyncio.Event, *, once: bool) -> int:
    """Say how the school settles, then stay until stopped. Returns the exit code."""
    settled = await _settled(robot)
    print(f"\nThe board: {BOARD}" if settled else f"\nnot settled after {SETTLE_LIMIT_S} s: see {BOARD}", flush=True)
    if once:
        return 0 if settled else 1
    print("Messages of the chat group appear here. Ctrl-C stops everything.\n", flush=True)
    await stop.wait()
    return 0


async def _settled(robot: Any) -> bool:
    """Wait until the verdicts are what this school deserves and the chat group was told."""
    shown: dict[str, int] = {}
    async with aiohttp.ClientSession() as session:
        for _ in range(SETTLE_LIMIT_S * 2):
            counts = await _counts(session)
            if counts and counts != shown:
                shown = counts
                words = ", ".join(f"{counts.get(k, 0)} {v}" for k, v in _WORDS.items())
                print(f"  classrooms: {words}", flush=True)
            if counts == SETTLED and robot.received:
                return True
            await asyncio.sleep(0.5)
    return False


_WORDS = {"yes": "ready 可用", "no": "not ready 不可用", "unknown": "unknown 未知"}


async def _counts(session: aiohttp.ClientSession) -> dict[str, int]:
    """Classrooms of the demo school by ``ready``; empty while the collector does not answer yet."""
    try:
        async with session.get(SCHOOL_URL) as answer:
            if answer.status != 200:
                return {}
            rooms = (await answer.json())["classrooms"]
    except aiohttp.ClientError:
        return {}
    return dict(Counter(room["ready"] for room in rooms))


if __name__ == "__main__":
    sys.exit(main())
