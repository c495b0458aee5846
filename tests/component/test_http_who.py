"""Who answered: platforms, captive portals and proxies, as the probe meets them over real connections."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bench.demo.platforms import Authority, issue, make_authority
from classready.observation import Http, Outcome, Reason
from classready.targets import HttpTarget
from tests.support.probing import observe
from tests.support.raw_servers import conversing, saying

TITLE = "国家中小学智慧教育平台"
PAGE = f"<!doctype html><title>{TITLE}</title>".encode()
LOGIN = "<title>校园网认证登录</title><form action=/login>".encode()

Pages = dict[str, bytes]


def page(body: bytes = PAGE, status: str = "200 OK", **fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return page(b"", status, Location=location)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("ca"))


class Site:
    """Sends its pages by path, what is not among them as ``/``; ``asked`` are the paths that were."""

    def __init__(self, pages: Pages) -> None:
        self.pages, self.asked = pages, list[str]()
        self.delay_s = 0.0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        self.asked.append(path)
        await asyncio.sleep(self.delay_s)
        writer.write(self.pages.get(path, self.pages["/"]))
        await writer.drain()


Serve = Callable[..., Any]


@pytest.fixture
async def serve(authority: Authority) -> AsyncIterator[Serve]:
    """Start a site; gives it and its address, over https if told."""
    async with AsyncExitStack() as stack:

        async def start(pages: Pages | bytes, *, tls: bool = False, expired: bool = False) -> tuple[Site, str]:
            site = Site(pages if isinstance(pages, dict) else {"/": pages})
            context = issue(authority, "127.0.0.1", "localhost", expired=expired).context() if tls else None
            port = await stack.enter_async_context(conversing(site.converse, context))
            return site, f"{'https' if tls else 'http'}://127.0.0.1:{port}/"

        yield start


async def _probe(url: str, authority: Authority, **settings: Any) -> Http:
    target = HttpTarget(name="p", url=url, ca_file=str(authority.ca_file), **{"deadline_s": 10, **settings})
    (http,) = await observe(target)
    assert isinstance(http, Http)
    return http


UP = (Outcome.ANSWERED, None)
OTHER = (Outcome.NO_ANSWER, Reason.NOT_THE_PLATFORM)
UNPROVEN = (Outcome.UNMEASURED, Reason.UNPROVEN)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("http://portal.school.example/login?url=http://127.0.0.1/", "portal.school.example"),
        ("https://127.0.0.2/", "127.0.0.2"),
        ("//portal.example/x", "portal.example"),
        ("///portal.example/x", "portal.example"),
        ("/\\portal.example/x", "portal.example"),
        ("http:\\\\portal.example\\127.0.0.1", "portal.example"),
        ("  hTTp://PORTAL.example.", "portal.example."),
        ("http://127.0.0.1@portal.example/", "portal.example"),
        ("https://portal.example\\@127.0.0.1/", "portal.example"),
        ("http://portal.example#@127.0.0.1/", "portal.example"),
        ("http://127.0.0.1.portal.example/", "127.0.0.1.portal.example"),
        ("http://认证.example/", "认证.example"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("http://[::1", "http://[::1"),
        ("http:///", "http:///"),
    ],
)
async def test_a_redirect_off_the_site(serve: Serve, authority: Authority, tls: Any, location: str, host: str) -> None:
    """A redirect to another host is not the platform, however it is written, and the host is named."""
    site, url = await serve(redirect(location), tls=tls)
    http = await _probe(url, authority)
    assert (http.outcome, http.reason, http.status) == (*OTHER, 302)
    assert repr(host)[1:-1] in repr(http.detail)
    assert site.asked == ["/"]


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x", "300 x"])
async def test_every_redirect_counts(serve: Serve, authority: Authority, status: str) -> None:
    """So do all statuses that redirect, a Refresh header, and the second of two addresses."""
    twice = redirect("/x", status).replace(b"Content-Length", b"Location: http://portal.example/\r\nContent-Length")
    for answer in (redirect("http://portal.example/", status), twice, page(Refresh="0; url=http://portal.example/")):
        _, url = await serve(answer, tls=True)
        http = await _probe(url, authority)
        assert (http.outcome, http.reason) == OTHER
        assert "portal.example" in http.detail


@pytest.mark.parametrize(
    "location",
    ["/login", "login?x=//portal.example", "?x", "", "https://127.0.0.1/", "http://127.0.0.1:81/", "https:/x",
     "https:x", "//127.0.0.1/x", "https://127.0.0.1./", "/x#http://portal.example", "https://user@127.0.0.1/",
     "/a/../..//b"],
)  # fmt: skip
async def test_a_redirect_on_the_site(serve: Serve, authority: Authority, location: str) -> None:
    """A redirect on the site is an answer; over https nobody else can have sent it, so it is not followed."""
    site, url = await serve(redirect(location), tls=True)
    http = await _probe(url, authority)
    assert (http.outcome, http.reason, http.status) == (*UP, 302)
    assert site.asked == ["/"]


async def test_redirects_to_hosts_that_the_operator_named(serve: Serve, authority: Authority) -> None:
    """Hosts in accept_redirects_to, and those below them, are the platform's; names that merely end alike are not."""
    for location, outcome in {
        "https://sso.smartedu.cn/": UP,
        "https://SmartEdu.CN./": UP,
        "https://www.smartedu.cn/": UP,
        "https://notsmartedu.cn/": OTHER,
        "https://smartedu.cn.evil.example/": OTHER,
        "https://10.1.2.3/": UP,
        "https://110.1.2.3/": OTHER,
    }.items():
        _, url = await serve(redirect(location), tls=True)
        http = await _probe(url, authority, accept_redirects_to=("smartedu.cn", "10.1.2.3"))
        assert (http.outcome, http.reason) == outcome, location


@pytest.mark.parametrize("body", [PAGE, LOGIN, b""])
async def test_plain_http_without_expect_proves_nothing(serve: Serve, authority: Authority, body: bytes) -> None:
    """Anybody on the way can say 200: neither up nor down, and the detail says what to do."""
    _, url = await serve(page(body))
    http = await _probe(url, authority)
    assert (http.outcome, http.reason, http.status) == (*UNPROVEN, 200)
    assert "https" in http.detail
    assert "expect" in http.detail
    _, url = await serve(page(body), tls=True)
    assert (await _probe(url, authority)).outcome is Outcome.ANSWERED


async def test_what_fails_over_plain_http_fails(serve: Serve, authority: Authority) -> None:
    """A status that means failure, and no answer at all, need no proof of who it was."""
    for answer, reason in ((page(status="503 x"), Reason.STATUS_UNEXPECTED), (b"", Reason.PROTOCOL)):
        _, url = await serve(answer)
        http = await _probe(url, authority)
        assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, reason)


GZIP = zlib.compressobj(wbits=31)
PACKED = GZIP.compress(PAGE) + GZIP.flush()
FOUND = {
    "text": (page(), TITLE),
    "text in another case": (page(), "<TITLE>" + TITLE),
    "text in GBK": (page(TITLE.encode("gbk"), Content_Type="text/html; charset=gbk"), TITLE),
    "text in GBK that says UTF-8": (page(TITLE.encode("gbk"), Content_Type="text/html; charset=utf-8"), TITLE),
    "text in UTF-16": (page(("\ufeff" + TITLE).encode("utf-16-le")), TITLE),
    "header": (page(b"", X_Platform="smartedu"), "X-Platform: smartedu"),
    "header without a blank": (page(b"", X_Platform="smartedu"), "X-Platform:smartedu"),
    "header in another case": (page(b"", X_PLATFORM="SmartEdu"), "x-platform: smart"),
    "header of a login": (page(b"", "401 x", WWW_Authenticate="Bearer realm=smartedu"), "realm=smartedu"),
    "gzip unasked": (page(PACKED, Content_Encoding="gzip"), TITLE),
    "zlib unasked": (page(zlib.compress(PAGE), Content_Encoding="deflate"), TITLE),
    "deflate unasked": (page(zlib.compress(PAGE)[2:-4], Content_Encoding="deflate"), TITLE),
    "gzip as transfer": (page(PACKED, Transfer_Encoding="gzip"), TITLE),
    "a body that broke off behind it": (page(PAGE + b"x").removesuffix(b"x"), TITLE),
    "redirect, told by its header": (redirect("https://127.0.0.1/smartedu/login"), "location: https://127.0.0.1/smart"),
}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("answer", "expect"), FOUND.values(), ids=FOUND)
async def test_what_was_expected(serve: Serve, authority: Authority, tls: Any, answer: bytes, expect: str) -> None:
    """The text or header that only the platform has shows it, in whatever encoding, over plain http too."""
    site, url = await serve(answer, tls=tls)
    http = await _probe(url, authority, expect=expect)
    assert (http.outcome, http.reason) == UP
    assert site.asked == ["/"]


MISSED = {
    "a portal's login": (page(LOGIN), OTHER, "expect"),
    "an empty page": (page(b""), OTHER, "expect"),
    "another header": (page(b"", X_Platform="other"), OTHER, "expect"),
    "401": (page(LOGIN, "401 x"), OTHER, "expect"),
    "a page that sends on": (
        page(b"<meta http-equiv=refresh content='0;url=http://portal.example/'>"),
        OTHER,
        "portal.",
    ),
    "beyond the limit": (page(b" " * 20_000 + PAGE), OTHER, "expect"),
    "a broken page": (
        page(PAGE).replace(b"Content-Length: ", b"Content-Length: 9")[:-40],
        UNPROVEN,
        "not read to its end",
    ),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 99\r\n\r\n<html>..." + PAGE,
        UNPROVEN,
        "not read to its end",
    ),
    "a head that broke off": (b"HTTP/1.1 200 OK\r\nServer: x", UNPROVEN, "not read to its end"),
    "brotli": (page(PACKED, Content_Encoding="br"), UNPROVEN, "compressed"),
    "no gzip": (page(LOGIN, Content_Encoding="gzip"), OTHER, "expect"),
    "a bomb": (page(zlib.compress(b" " * 5_000_000 + PAGE), Content_Encoding="deflate"), OTHER, "expect"),
    "a server that fails": (page(LOGIN, "500 x"), (Outcome.NO_ANSWER, Reason.STATUS_UNEXPECTED), "500"),
}


@pytest.mark.parametrize(("answer", "outcome", "words"), MISSED.values(), ids=MISSED)
async def test_what_was_not_found(serve: Serve, authority: Authority, answer: bytes, outcome: Any, words: str) -> None:
    """Without it the answer is somebody else's; where it could not be read to its end, nobody's. Over https, too."""
    for tls in (False, True):
        _, url = await serve(answer, tls=tls)
        http = await _probe(url, authority, expect=TITLE, max_body_bytes=20_000 if len(answer) < 50_000 else 2**20)
        assert (http.outcome, http.reason) == outcome
        assert words in http.detail


async def test_a_page_that_does_not_end(authority: Authority) -> None:
    """Of a page without length on a connection that stays open, what was found counts, what was not may still come."""
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + PAGE
    for expect, outcome in ((TITLE, UP), ("X-Other: 1", UNPROVEN)):
        async with conversing(saying(answer, stays=True)) as port:
            http = await _probe(f"http://127.0.0.1:{port}/", authority, expect=expect, deadline_s=3)
        assert (http.outcome, http.reason) == outcome


STUBS = [
    b"<script>top.self.location.href='http://portal.example/eportal/index.jsp?wlanuserip=1'</script>",
    b'<script type=text/javascript>window.location = "http://portal.example/a79.htm";</script>',
    b"<script>location.replace('//portal.example/')</script>",
    b"<script>document.location.assign( 'http://portal.example' )</script>",
    b'<html><head><META HTTP-EQUIV="Refresh" CONTENT="0; URL=http://portal.example/ac_portal/"></head>',
    b"<meta charset=gbk><meta http-equiv=refresh content=3;url=//portal.example>",
    b"<meta content='1;url=http://portal.example/' http-equiv='refresh'>",
    b"<meta http-equiv=refresh content='0; http://portal.example/login'>",
    b"<script>location = `http://portal.example/`</script>",
]


@pytest.mark.parametrize("body", STUBS)
async def test_a_page_that_only_sends_on(serve: Serve, authority: Authority, body: bytes) -> None:
    """Portals that answer 200 with a page that sends a browser to them are known by it; a platform's own is not one."""
    _, url = await serve(page(body))
    http = await _probe(url, authority)
    assert (http.outcome, http.reason) == OTHER
    assert "portal.example" in http.detail
    for harmless in (body.replace(b"portal.example", b"127.0.0.1"), body + b" " * 5_000):
        _, url = await serve(page(harmless))
        http = await _probe(url, authority)
        assert (http.outcome, http.reason) == UNPROVEN
    _, url = await serve(page(body), tls=True)
    assert (await _probe(url, authority)).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_known_portals_and_proxies(serve: Serve, authority: Authority, tls: Any) -> None:
    """What the operator rejects, a network's or proxy's own status, and a proxy's own page are not the platform."""
    squid = page(b"<title>ERR_ACCESS_DENIED</title>", "403 Forbidden", X_Squid_Error="ERR_ACCESS_DENIED 0")
    for answer, words in {
        page(LOGIN): "校园网认证",
        page(PAGE, Server="HuaweiPortal"): "server: huawei",
        redirect("/eportal/"): "/eportal/",
        page(PAGE, "511 Network Authentication Required"): "511",
        page(PAGE, "407 Proxy Authentication Required"): "407",
        squid: "X-Squid-Error",
        squid.replace(b"403", b"503"): "X-Squid-Error",
    }.items():
        _, url = await serve(answer, tls=tls)
        http = await _probe(url, authority, reject=("校园网认证", "server: huawei", "/eportal/"))
        assert (http.outcome, http.reason) == OTHER, answer
        assert words in http.detail
    _, url = await serve(page(PAGE, "502 Bad Gateway", Via="1.1 proxy"), tls=tls)
    assert (await _probe(url, authority)).reason is Reason.STATUS_UNEXPECTED
    _, url = await serve(page(LOGIN, "511 x"), tls=True)
    assert (await _probe(url, authority, accept_statuses=(511,))).outcome is Outcome.ANSWERED


async def test_redirects_on_the_site_are_followed_in_doubt(serve: Serve, authority: Authority) -> None:
    """Over http, or with expect, a redirect on the site is followed to the page that shows whose it is."""
    secure, secure_url = await serve({"/": page(LOGIN), "/home": page()}, tls=True)
    site, url = await serve({"/": redirect("/a"), "/a": redirect("b?c"), "/b?c": redirect(f"{secure_url}home")})
    site.delay_s = 0.05
    http = await _probe(url, authority)
    assert (http.outcome, http.reason, http.status) == (*UP, 200)
    assert http.phases_s.processing > 3 * site.delay_s * 0.9
    assert (site.asked, secure.asked) == (["/", "/a", "/b?c"], ["/home"])
    assert http.certificate_expires_at is not None
    assert None not in {http.phases_s.tls, http.phases_s.transfer}
    for expect, outcome in ((TITLE, UP), ("X-Other: 1", OTHER)):
        http = await _probe(url, authority, expect=expect)
        assert (http.outcome, http.reason) == outcome
    secure.pages["/"] = redirect("/home")
    http = await _probe(secure_url, authority, expect=TITLE)
    assert (http.outcome, http.status, secure.asked[-2:]) == (Outcome.ANSWERED, 200, ["/", "/home"])


async def test_where_following_ends(serve: Serve, authority: Authority) -> None:
    """A circle is left after three redirects; whatever stands at the end of the way counts."""
    site, url = await serve(redirect("/again"))
    for expect in (None, TITLE):
        http = await _probe(url, authority, expect=expect)
        assert (http.outcome, http.reason, http.status) == (*UNPROVEN, 302)
    assert len(site.asked) == 8
    _, expired = await serve(page(), tls=True, expired=True)
    for location, reason in {
        "http://portal.example/": Reason.NOT_THE_PLATFORM,
        expired: Reason.TLS_INVALID,
        "http://127.0.0.1:1/": Reason.REFUSED,
        "/fails": Reason.STATUS_UNEXPECTED,
    }.items():
        _, url = await serve({"/": redirect("/a"), "/a": redirect(location), "/fails": page(status="500 x")})
        http = await _probe(url, authority)
        assert (http.outcome, http.reason) == (Outcome.NO_ANSWER, reason)
