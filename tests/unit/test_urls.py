"""How an address becomes a request."""

import pytest

from agent.http1 import request
from agent.urls import split


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
