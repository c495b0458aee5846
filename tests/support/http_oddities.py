"""Requests that strangers send: none of them may get a 500, or a traceback into the log."""

from collections.abc import Mapping

_REPORT = b"POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-one\r\n"
_LONG = b"a" * 3_000


def _get(target: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: x", *fields, b"", b""])


HEADS: Mapping[str, bytes] = {
    "connect": b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "connect without host": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n\r\n",
    "connect to a path": b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n",
    "options": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "trace": b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no method": b"G@RB / HTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3": b"GET / HTTP/3.0\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no host": b"GET /sd/prometheus HTTP/1.1\r\n\r\n",
    "asterisk": _get(b"*"),
    "absolute without path": _get(b"http://x"),
    "absolute without host": _get(b"http:///healthz"),
    "absolute with a port that cannot be": _get(b"ftp://x:99999/a"),
    "absolute with half an address": _get(b"http://[::1/a"),
    "no slash": _get(b"healthz"),
    "mailto": _get(b"mailto:x"),
    "two slashes": _get(b"//healthz"),
    "zero": _get(b"/school/%00"),
    "static zero": _get(b"/static/%00"),
    "no UTF-8": _get(b"/school/%ff%fe"),
    "raw bytes": _get(b"/school/\xff\xfe"),
    "lone surrogate": _get(b"/school/%ed%a0%80"),
    "upwards": _get(b"/static/..%2f..%2fweb.py"),
    "long file name": _get(b"/static/" + _LONG),
    "long school": _get(b"/api/v1/schools/" + _LONG),
    "long query": _get(b"/?" + b"a" * 70_000),
    "long field": _get(b"/", b"X: " + b"a" * 100_000),
    "many fields": _get(b"/", *(b"X-%d: a" % n for n in range(5_000))),
    "range": _get(b"/static/board.css", b"Range: bytes=5-1,--9"),
    "chunk of no size": _REPORT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "chunk without end": _REPORT + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    "two lengths": _REPORT + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "negative length": _REPORT + b"Content-Length: -1\r\n\r\n",
    "length of 24 digits": _REPORT + b"Content-Length: 999999999999999999999999\r\n\r\n",
    "length of 63 bit": _REPORT + b"Content-Length: 9223372036854775807\r\n\r\n",
    "unknown coding": _REPORT + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "not gzip": _REPORT + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "brotli": _REPORT + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
    "unmet expectation": _REPORT + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}",
}
"""Each is answered with a status of 4xx."""

SERVED: Mapping[str, bytes] = {
    "absolute": _get(b"http://x/healthz"),
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "cookies": _get(b"/healthz", b"Cookie: a=\xff; =; ;;; $x"),
    "coding": _get(b"/metrics", b"Accept-Encoding: \xff;q=x"),
    "upgrade": _get(b"/healthz", b"Connection: Upgrade", b"Upgrade: h2c", b"HTTP2-Settings: x"),
    "websocket": _get(b"/healthz", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
    "page": _get(b"/office/511402?page=%EF%BC%91&lang=%ff"),
    "token of other bytes": _get(b"/metrics", b"Authorization: Bearer \xff\xfe"),
}
"""Odd, and understood."""

HALVES: Mapping[str, tuple[bytes, bytes]] = {
    "chunk of no size": (_REPORT + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\nabc\r\n"),
    "chunk too long": (_REPORT + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc", b"defg\r\n"),
    "not gzip": (_REPORT + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", b"{}abc"),
    "shorter than said": (_REPORT + b"Content-Length: 500\r\n\r\n", b"{}abc"),
    "no body": (_REPORT + b"Content-Length: 500\r\n\r\n", b""),
}
"""A head, and later some of a body; then the other end leaves."""
