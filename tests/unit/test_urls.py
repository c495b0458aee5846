"""How an address becomes a request, and where a redirect leads."""

import pytest

from agent.http1 import request
from agent.urls import follow, is_among, split


@pytest.mark.parametrize(
    ("url", "authority", "path", "port"),
    [
        ("https://basic.smartedu.cn", "basic.smartedu.cn", "/", 443),
        ("http://h:8080/a?b=c&d=%20", "h:8080", "/a?b=c&d=%20", 8080),
        ("https://[::1]:9/x", "[::1]:9", "/x", 9),
        ("https://教育.中国/课程?名=一", "xn--wcvs22d.xn--fiqs8s", "/%E8%AF%BE%E7%A8%8B?%E5%90%8D=%E4%B8%80", 443),
        ("https://h/a#fragment", "h", "/a", 443),
    ],
)
def test_addresses(url: str, authority: str, path: str, port: int) -> None:
    """Host header, path and port come out as a server expects them, also of Chinese names."""
    parts = split(url)
    assert (parts.authority, parts.path, parts.port) == (authority, path, port)
    assert request("GET", parts.authority, parts.path, {}).startswith(
        f"GET {path} HTTP/1.1\r\nHost: {authority}\r\n".encode()
    )


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/x", "https://h.example:8/x"),
        ("x?y#z", "https://h.example:8/a/x?y"),
        ("?y=//other", "https://h.example:8/a/b?y=//other"),
        ("../../..", "https://h.example:8/"),
        ("", "https://h.example:8/a/b?c"),
        ("#z", "https://h.example:8/a/b?c"),
        ("//other/x", "https://other/x"),
        (r"\/\other\x", "https://other/x"),
        ("https:x", "https://h.example:8/a/x"),
        ("https:/x", "https://h.example:8/x"),
        ("https:///other/x", "https://other/x"),
        ("http:other/x", "http://other/x"),
        ("HTTP:/other:81", "http://other:81/"),
        ("ht\ttps://ot\nher/", "https://other/"),
        ("\x00 https://other \x1f", "https://other/"),
        ("https://h.example@other/", "https://other/"),
        (r"https://other\@h.example/", "https://other/@h.example/"),
        ("https://other?@h.example/", "https://other/?@h.example/"),
        ("//课程.中国/名", "https://xn--9nzo18a.xn--fiqs8s/%E5%90%8D"),
    ],
)
def test_where_a_redirect_leads(location: str, leads_to: str) -> None:
    """It leads where a browser goes."""
    assert str(follow(split("https://h.example:8/a/b?c"), location)) == leads_to


@pytest.mark.parametrize(
    "location", ["javascript:x", "ftp://h/", "h.example:80/x", "https://", "//", "//h:x/", "//[::1"]
)
def test_what_leads_to_no_page(location: str) -> None:
    """Other schemes, and addresses without a usable host or port, lead to no page."""
    with pytest.raises(ValueError, match=r"."):
        follow(split("https://h.example/"), location)


@pytest.mark.parametrize(
    ("host", "site", "among"),
    [
        ("h.example", "H.Example.", True),
        ("www.h.example", "h.example", True),
        ("h.example", "www.h.example", True),
        ("a.b.h.example", "h.example", True),
        ("example", "h.example", False),
        ("b.example", "www.example", False),
        ("xh.example", "h.example", False),
        ("课程.中国", "xn--9nzo18a.xn--fiqs8s", True),
        ("::1", "0:0::1", True),
        ("127.0.0.11", "127.0.0.1", False),
        ("a..b", "h.example", False),
        ("", "h.example", False),
    ],
)
def test_hosts_of_a_site(host: str, site: str, among: object) -> None:
    """A site is its host in every spelling, with or without www., and what lies below it."""
    assert is_among(host, [site]) == among
