"""Addresses of pages: what a URL asks whom for."""

from urllib.parse import quote, urlsplit

from msgspec import Struct

_PATH = "/%:@!$&'()*+,;=~"
_QUERY = f"{_PATH}?"


class Url(Struct, frozen=True):
    tls: bool
    host: str
    port: int
    authority: str
    """For the Host header: the host in ASCII, and the port where one is named."""
    path: str
    """Percent-encoded, with the query."""


def split(url: str) -> Url:
    """Take an ``http`` or ``https`` address apart.

    Raises:
        ValueError: its host or port cannot be used.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").replace("%25", "%", 1)  # before the zone of an IPv6 address (RFC 6874)
    authority = f"[{host.partition('%')[0]}]" if ":" in host else host.encode("idna").decode("ascii")
    tls, port = parts.scheme == "https", parts.port
    path = quote(parts.path or "/", safe=_PATH) + (f"?{quote(parts.query, safe=_QUERY)}" if parts.query else "")
    return Url(tls, host, port or (443 if tls else 80), f"{authority}:{port}" if port else authority, path)
