"""The demo's surroundings: a switch, seven whiteboards, two platforms and a chat robot, all on loopback."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from msgspec import Struct

from bench.demo.platforms import Platform, Platforms, issue, make_authority
from bench.demo.robot import Robot
from bench.demo.snmp_devices import Devices, Switch, Whiteboard

SNMP_PORT = 9161
ROBOT_PORT = 9714
PLATFORM_PORTS = {"national": 9715, "provincial": 9716}
BOARDS = range(101, 108)

GATEWAY_TOKEN = "demo-gateway-token-not-a-secret"
WECOM_KEY = "demo-robot-key-not-a-secret"


class Surroundings(Struct, frozen=True, kw_only=True):
    devices: Devices
    platforms: Platforms
    robot: Robot


@contextlib.asynccontextmanager
async def surroundings(credentials: Path, *, echo: bool) -> AsyncIterator[Surroundings]:
    """Start everything that the demo school talks to; ``credentials`` gets the secrets and the platforms' CA."""
    _write_secrets(credentials)
    authority = make_authority(credentials)
    async with Devices() as devices, Platforms() as platforms:
        await devices.add("sw1", _switch(), "127.0.10.1", SNMP_PORT)
        for board in BOARDS:
            await devices.add(f"board-{board}", _board(board), f"127.0.10.{board}", SNMP_PORT)
        for name, port in PLATFORM_PORTS.items():
            certificate = issue(authority, "127.0.0.1", label=name)
            await platforms.add(name, Platform(certificate, "127.0.0.1", port))
        async with _robot(echo=echo) as robot:
            yield Surroundings(devices=devices, platforms=platforms, robot=robot)


def _write_secrets(credentials: Path) -> None:
    for name, secret in {"gateway-token": GATEWAY_TOKEN, "wecom-key": WECOM_KEY}.items():
        path = credentials / name
        path.touch(mode=0o600)
        path.write_text(secret, encoding="utf-8")


def _switch() -> Switch:
    """Port 5 hangs at 10M half duplex; port 6 has nothing plugged in."""
    switch = Switch("sw1", port_count=24)
    switch.ports[5].speed_mbps, switch.ports[5].full_duplex = 10, False
    for index, port in switch.ports.items():
        port.up = index in {1, 2, 3, 4, 5, 24}
    return switch


def _board(number: int) -> Whiteboard:
    board = Whiteboard(f"board-{number}", speed_mbps=10 if number == 105 else 1000)
    board.on = number != 106
    return board


@contextlib.asynccontextmanager
async def _robot(*, echo: bool) -> AsyncIterator[Robot]:
    robot = Robot(WECOM_KEY, echo=echo)
    runner = web.AppRunner(robot.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", ROBOT_PORT).start()
        yield robot
    finally:
        await runner.cleanup()
