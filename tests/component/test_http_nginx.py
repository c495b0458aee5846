"""The platform probe, and the agent's link, against nginx: what most platforms and most proxies are."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from agent.links import Acked, Keep, open_link
from agent.settings import HttpLink
from bench.demo.platforms import Authority, issue, make_authority
from classready.codec import encode
from classready.observation import Http, Outcome, Reason
from classready.report import Ack
from classready.targets import HttpTarget
from tests.support.mosquitto import free_port
from tests.support.probing import observe
from tests.support.raw_servers import conversing, saying

pytestmark = pytest.mark.servers("nginx")
TITLE = "国家中小学智慧教育平台"
ACK = Ack(spool_id="a" * 32, committed=((1, 2),))
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  gzip on; gzip_min_length 1; gzip_types *;
  server {{
    listen 127.0.0.1:{plain};
    location / {{ return 301 https://$host:{tls}$request_uri; }}
    location /login {{ return 302 http://portal.school.example/login?from=$host; }}
    location /dead {{ proxy_pass http://127.0.0.1:1/; }}
  }}
  server {{
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{ default_type "text/html; charset=utf-8"; return 200 "<title>{title}</title>"; }}
    location /api/ {{ proxy_pass http://127.0.0.1:{behind}; }}
  }}
}}
"""


class Nginx(Struct, frozen=True):
    plain: int
    tls: int
    behind: int
    """A port that it passes requests on to."""
    authority: Authority


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("nginx")
    site = Nginx(free_port(), free_port(), free_port(), make_authority(folder / "ca"))
    certificate = issue(site.authority, "127.0.0.1")
    text = CONFIGURATION.format(
        folder=folder,
        plain=site.plain,
        tls=site.tls,
        behind=site.behind,
        certificate=certificate.certificate_file,
        key=certificate.key_file,
        title=TITLE,
    )
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(["nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf"])
    try:
        _until_listening(site.plain)
        _until_listening(site.tls)
        yield site
    finally:
        process.terminate()
        process.wait(timeout=10)


def _until_listening(port: int) -> None:
    until_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until_s
            time.sleep(0.05)
        else:
            return


async def _probe(nginx: Nginx, path: str, *, tls: bool = False, **settings: Any) -> Http:
    url = f"https://127.0.0.1:{nginx.tls}{path}" if tls else f"http://127.0.0.1:{nginx.plain}{path}"
    target = HttpTarget(name="p", url=url, ca_file=str(nginx.authority.ca_file), deadline_s=10, **settings)
    (http,) = await observe(target)
    assert isinstance(http, Http)
    return http


async def test_pages(nginx: Nginx) -> None:
    """A site that sends http on to https is proven by its certificate; the text of its page is found."""
    for tls in (False, True):
        for settings in ({}, {"expect": TITLE}):
            http = await _probe(nginx, "/", tls=tls, **settings)
            assert (http.outcome, http.reason, http.status) == (Outcome.ANSWERED, None, 200)
            assert (http.detail, http.certificate_expires_at is None) == ("connected to 127.0.0.1", False)
    http = await _probe(nginx, "/", expect="Server: nginx")
    assert (http.outcome, http.status) == (Outcome.ANSWERED, 301)
    http = await _probe(nginx, "/login")
    assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, Reason.NOT_THE_PLATFORM)
    assert "portal.school.example" in http.detail
    http = await _probe(nginx, "/dead")
    assert (http.outcome, http.reason, http.status) == (Outcome.NO_ANSWER, Reason.STATUS_UNEXPECTED, 502)


async def test_reports_through_a_proxy(nginx: Nginx, tmp_path: Path) -> None:
    """The link's requests are taken, its connection is kept, and a proxy without a collector behind it keeps all."""
    token_file = tmp_path / "token"
    token_file.write_text("s3cret")
    token_file.chmod(0o600)
    settings = HttpLink(
        url=f"https://127.0.0.1:{nginx.tls}", token_file=str(token_file), ca_file=str(nginx.authority.ca_file)
    )
    body = encode(ACK)
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with open_link(settings, "gw-1", "0.1.0", 1.0) as link:
        assert await link.send(b"x" * 60_000, ()) == Keep(why="server_error")
        async with conversing(saying(answer), port=nginx.behind):
            for _ in range(3):
                outcome = await link.send(b"x" * 60_000, ())
                assert isinstance(outcome, Acked)
                assert outcome.collector_s is not None
        assert await link.send(b"{}", ()) == Keep(why="server_error")
