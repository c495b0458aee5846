"""What a box is installed from: ``/install``, a script with this collector's address, and the bundle that it fetches.

Open to everybody: nothing of it is secret, and who has no code gets no token for it.
"""

import asyncio
import re
import shlex
import ssl
from pathlib import Path
from typing import Final

from aiohttp import web

from collector.enrol_api import Desk
from collector.enrol_page import own_url
from collector.releases import held, listed_file

INSTALL_PATH: Final = "/install"
CA_PATH: Final = "/install/ca.pem"
BUNDLE_PATH: Final = "/install/bundle/{file:.+}"
RELEASE_PATH: Final = "/install/release/{version}/{file:.+}"
_TEMPLATE = (Path(__file__).parent / "templates" / "install.sh").read_text("utf-8")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_FRESH = {"Cache-Control": "no-cache"}
"""Kept by whoever likes, and asked for again by its ETag: a bundle that is replaced must not be mixed with the old."""


def routes(desk: Desk, bundle: Path | None, ca_file: Path | None) -> list[web.RouteDef]:
    """``bundle``: the folder that ``make bundle`` wrote; ``ca_file``: the bureau's own authority."""

    async def script(request: web.Request) -> web.Response:
        if not _HOST.fullmatch(request.host):
            raise web.HTTPBadRequest(text="no such host\n")
        text = _TEMPLATE.replace("@URL@", shlex.quote(own_url(desk, request))).replace("@NOW@", str(int(desk.clock())))
        return web.Response(text=text, content_type="text/x-shellscript")

    async def own_authority(_request: web.Request) -> web.Response:
        if ca_file is None:
            raise web.HTTPNotFound(text="this collector has no authority of its own\n")
        try:
            text = await asyncio.to_thread(authority, ca_file)
        except (OSError, ValueError):  # changed since: a start and `check` refuse it by name
            raise web.HTTPNotFound(text="this collector's authority cannot be shown\n") from None
        return web.Response(text=text, content_type="application/x-pem-file", headers=_FRESH)

    async def part(request: web.Request) -> web.StreamResponse:
        if bundle is None:
            raise web.HTTPNotFound(text="this collector has no bundle: set enrolment.bundle_dir\n")
        return await _file(bundle, request.match_info["file"])

    async def part_of_release(request: web.Request) -> web.StreamResponse:
        folder = (await asyncio.to_thread(held, bundle)).get(request.match_info["version"])
        if folder is None:
            raise web.HTTPNotFound(text="this collector does not have that release\n")
        return await _file(folder, request.match_info["file"])

    return [
        web.get(INSTALL_PATH, script),
        web.get(CA_PATH, own_authority),
        web.get(BUNDLE_PATH, part),
        web.get(RELEASE_PATH, part_of_release),
    ]


def authority(file: Path) -> str:
    """Read certificates in PEM form; who put a key beside them would hand that to everybody.

    Raises:
        OSError, ValueError: they cannot be read, or must not be shown.
    """
    text = file.read_bytes().decode()  # openssl's own words above a certificate may be Chinese
    if "PRIVATE KEY" in text:
        raise ValueError("holds a private key, too: boxes get all of this file")
    try:
        ssl.create_default_context(cadata=text.encode("ascii", "ignore").decode())
    except ssl.SSLError:
        raise ValueError("holds no certificate in PEM form") from None
    return text


async def _file(bundle: Path, name: str) -> web.StreamResponse:
    found = await asyncio.to_thread(listed_file, bundle, name)
    if found is None:
        raise web.HTTPNotFound(text="not in the bundle\n")
    return web.FileResponse(found, headers=_FRESH)
