"""What a box is installed from: ``/install``, a script with this collector's address, and the bundle that it fetches.

Open to everybody: nothing of it is secret, and who has no code gets no token for it.
"""

import asyncio
import re
import shlex
from pathlib import Path
from typing import Final

from aiohttp import web

from collector.enrol_api import Desk
from collector.enrol_page import own_url

INSTALL_PATH: Final = "/install"
CA_PATH: Final = "/install/ca.pem"
BUNDLE_PATH: Final = "/install/bundle/{file:.+}"
SUMS: Final = "SHA256SUMS"
SUMS_MAX_BYTES: Final = 1_048_576
_TEMPLATE = (Path(__file__).parent / "templates" / "install.sh").read_text("utf-8")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_LINE = re.compile(r"[0-9a-f]{64} [ *](.+)")
_FRESH = {"Cache-Control": "no-cache"}
"""Kept by whoever likes, and asked for again by its ETag: a bundle that is replaced must not be mixed with the old."""


def routes(desk: Desk, bundle: Path | None, ca_file: Path | None) -> list[web.RouteDef]:
    """``bundle``: the folder that ``make bundle`` wrote; ``ca_file``: the bureau's own authority."""

    async def script(request: web.Request) -> web.Response:
        if not _HOST.fullmatch(request.host):
            raise web.HTTPBadRequest(text="no such host\n")
        text = _TEMPLATE.replace("@URL@", shlex.quote(own_url(desk, request))).replace("@NOW@", str(int(desk.clock())))
        return web.Response(text=text, content_type="text/x-shellscript")

    async def authority(_request: web.Request) -> web.StreamResponse:
        if ca_file is None:
            raise web.HTTPNotFound(text="this collector has no authority of its own\n")
        return web.FileResponse(ca_file, headers=_FRESH)

    async def part(request: web.Request) -> web.StreamResponse:
        if bundle is None:
            raise web.HTTPNotFound(text="this collector has no bundle: set enrolment.bundle_dir\n")
        found = await asyncio.to_thread(listed_file, bundle, request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound(text="not in the bundle\n")
        return web.FileResponse(found, headers=_FRESH)

    return [web.get(INSTALL_PATH, script), web.get(CA_PATH, authority), web.get(BUNDLE_PATH, part)]


def listed_file(bundle: Path, name: str) -> Path | None:
    """Return the file of that name, if ``SHA256SUMS`` has it and it lies in ``bundle``; None else."""
    try:
        folder = bundle.resolve(strict=True)
        with (folder / SUMS).open(encoding="utf-8") as sums:
            lines = sums.read(SUMS_MAX_BYTES).splitlines()
        names = {match[1] for line in lines if (match := _LINE.fullmatch(line))} | {SUMS, f"{SUMS}.sig"}
        found = (folder / name).resolve(strict=True)
    except (OSError, ValueError):
        return None
    return found if name in names and found.is_relative_to(folder) and found.is_file() else None
