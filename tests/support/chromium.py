"""A real Chromium without a window, driven over its DevTools protocol: open, measure, press, look.

https://chromedevtools.github.io/devtools-protocol/ names the methods. One page a browser is all that tests here need.
"""

import asyncio
import base64
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

START_S = 60.0
ANSWER_S = 60.0

_COMMAND = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Page:
    """The browser's only page. Every method raises what the browser says is wrong."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result; events that come meanwhile are not needed here."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(ANSWER_S):
            while True:
                message = await self._socket.receive()
                assert message.type is WSMsgType.TEXT, message
                answer = json.loads(message.data)
                if answer.get("id") == number:
                    assert "error" not in answer, (method, answer)
                    return dict(answer["result"])

    async def resize(self, width: int, height: int = 900) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def open(self, url: str) -> None:
        """Go to ``url`` and wait until everything of it is loaded."""
        await self.call("Page.navigate", url=url)
        await self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    async def evaluate(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def wait(self, condition: str, deadline_s: float = 60.0) -> None:
        """Until the expression is true."""
        try:
            async with asyncio.timeout(deadline_s):
                while not await self.evaluate(f"Boolean({condition})"):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            text = await self.evaluate("document.body.innerText.slice(0, 600)")
            raise AssertionError(f"never true: {condition}\n{text}") from None

    async def screenshot(self, path: Path, *, full: bool = False) -> None:
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(answer["data"]))


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Page]:
    """Start a browser with its profile in ``folder``, and end it with all its children."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        f"--user-data-dir={folder / 'profile'}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "HOME": str(folder)},
    )
    try:
        port = await _debugging_port(folder / "profile" / "DevToolsActivePort")
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                address = next(t["webSocketDebuggerUrl"] for t in await answer.json() if t["type"] == "page")
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _debugging_port(file: Path) -> int:
    """Chromium writes the port that it chose on the first line."""
    async with asyncio.timeout(START_S):
        while True:
            with suppress(FileNotFoundError, ValueError, IndexError):
                return int(file.read_text().splitlines()[0])
            await asyncio.sleep(0.02)
