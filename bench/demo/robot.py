"""A strict stand-in for a WeCom group robot: refuses what the real one refuses, and remembers what it took.

Run ``python -m bench.demo.robot --port 8089 --key demo``. Control: ``POST /control {"mode": "fail"}`` (or ok, busy,
error, slow, html, redirect, garbage); ``GET /received`` lists what was accepted.
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections import deque
from pathlib import Path
from typing import Any, Literal, cast, get_args

from aiohttp import web

Mode = Literal["ok", "fail", "busy", "error", "slow", "html", "redirect", "garbage", "forbidden"]

MARKDOWN_MAX_BYTES = 4_096
TEXT_MAX_BYTES = 2_048
PER_MINUTE_MAX = 20


class Robot:
    """``received`` holds accepted messages, ``attempts`` the code of every answer (None: not the robot's own)."""

    def __init__(
        self, key: str = "demo", *, slow_s: float = 30.0, echo: bool = False, ledger: Path | None = None
    ) -> None:
        self.key = key
        self.ledger = ledger
        """Where each accepted message goes before it is confirmed, a line of JSON: it outlives the robot."""
        self.mode: Mode = "ok"
        self.slow_s = slow_s
        self.echo = echo
        self.received: list[dict[str, Any]] = []
        self.attempts: list[int | None] = []
        self._accepted_at: deque[float] = deque()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/cgi-bin/webhook/send", self._send)
        app.router.add_post("/control", self._control)
        app.router.add_get("/received", self._list)
        return app

    @property
    def texts(self) -> list[str]:
        return [message[message["msgtype"]]["content"] for message in self.received]

    async def _send(self, request: web.Request) -> web.Response:
        if (strange := await self._misbehave()) is not None:
            self.attempts.append(None)
            return strange
        code = self._judge(request.query.get("key"), await request.read())
        self.attempts.append(code)
        return web.json_response({"errcode": code, "errmsg": "ok" if code == 0 else "refused"})

    async def _misbehave(self) -> web.Response | None:
        match self.mode:
            case "error":
                return web.Response(status=500, text="oops")
            case "forbidden":
                return web.Response(status=403, text="no")
            case "html":
                return web.Response(text="<html>please log in</html>", content_type="text/html")
            case "redirect":
                return web.Response(status=302, headers={"Location": "/cgi-bin/webhook/send?key=demo"})
            case "garbage":
                return web.Response(body=b'{"errcode": 0, "pad": "' + b"x" * 200_000 + b'"}')
            case "slow":
                await asyncio.sleep(self.slow_s)
            case _:
                pass
        return None

    def _judge(self, key: str | None, body: bytes) -> int:
        if key != self.key:
            return 93000
        if self.mode in {"fail", "busy"}:
            return {"fail": 45009, "busy": -1}[self.mode]
        try:
            message = json.loads(body)
            kind = message["msgtype"]
            content_bytes = len(message[kind]["content"].encode())
        except (ValueError, KeyError, TypeError, AttributeError):
            return 40058
        limit_bytes = {"markdown": MARKDOWN_MAX_BYTES, "text": TEXT_MAX_BYTES}.get(kind)
        if limit_bytes is None:
            return 40008
        if not 0 < content_bytes <= limit_bytes:
            return 40058
        return self._accept(message)

    def _accept(self, message: dict[str, Any]) -> int:
        now = time.monotonic()
        while self._accepted_at and now - self._accepted_at[0] >= 60:
            self._accepted_at.popleft()
        if len(self._accepted_at) >= PER_MINUTE_MAX:
            return 45009
        self._accepted_at.append(now)
        if self.ledger:
            with self.ledger.open("a", encoding="utf-8") as ledger:
                ledger.write(json.dumps(message, ensure_ascii=False) + "\n")
        self.received.append(message)
        if self.echo:
            print(f"--- chat group ---\n{self.texts[-1]}\n", flush=True)
        return 0

    async def _control(self, request: web.Request) -> web.Response:
        mode = (await request.json()).get("mode")
        if mode not in get_args(Mode):
            return web.json_response({"error": f"mode must be one of {', '.join(get_args(Mode))}"}, status=400)
        self.mode = cast("Mode", mode)
        return web.json_response({"mode": mode})

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(self.received)


async def _serve(robot: Robot, host: str, port: int) -> None:
    runner = web.AppRunner(robot.app())
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    print(f"robot listening on {':'.join(str(part) for part in runner.addresses[0][:2])}", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description="A strict stand-in for a WeCom group robot.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8089, help="0 = any free one; it is printed")
    parser.add_argument("--key", default="demo")
    parser.add_argument("--ledger", type=Path, help="append each accepted message to this file, a line of JSON")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(Robot(options.key, echo=True, ledger=options.ledger), options.host, options.port))


if __name__ == "__main__":
    main()
