"""Addresses of pages as browsers read them (https://url.spec.whatwg.org): whom one asks, and where a redirect leads."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import quote, urljoin, urlsplit

from msgspec import Struct

_PATH = "/%:@!$&'()*+,;=~"
_QUERY = f"{_PATH}?"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_HEAD = re.compile(r"[^?#]*")
_PADDING = "".join(map(chr, range(0x21)))
"""C0 controls and the blank, which browsers take off at both ends."""


class Url(Struct, frozen=True):
    tls: bool
    host: str
    port: int
    authority: str
    """For the Host header: the host in ASCII, and the port where one is named."""
    path: str
    """Percent-encoded, with the query."""

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"


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


def follow(base: Url, location: str) -> Url:
    r"""Where a browser goes that finds ``location`` on the page ``base``.

    It takes ``\`` for ``/``, drops tabs and line ends, and needs no slashes behind a scheme that is not the page's own:
    who reads less sees another host than it will ask.

    Raises:
        ValueError: not to a page.
    """
    text = re.sub(r"[\t\r\n]", "", location).strip(_PADDING)
    own = "https" if base.tls else "http"
    found = _SCHEME.fullmatch(text)
    scheme, rest = (found[1].lower(), found[2]) if found else (own, text)
    if scheme not in {"http", "https"}:
        raise ValueError(f"{scheme}: leads to no page")
    head = _HEAD.match(rest)
    assert head is not None
    before, after = head[0].replace("\\", "/"), rest[head.end() :]
    if scheme != own or before.startswith("//"):
        return _checked(split(f"{scheme}://{before.lstrip('/')}{after}"))
    return _checked(split(f"{own}://{base.authority}{urljoin(base.path, before + after) or '/'}"))


def _checked(url: Url) -> Url:
    if not url.host:
        raise ValueError("it names no host")
    return url


def is_among(host: str, sites: Iterable[str]) -> bool:
    """Whether ``host`` is one of ``sites`` or below one, however it is written and with or without ``www.``."""
    asked = _plain(host)
    return any(
        asked.removeprefix("www.") == site.removeprefix("www.") or asked.endswith(f".{site}")
        for site in map(_plain, sites)
    )


def _plain(host: str) -> str:
    try:
        return str(ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        pass
    try:
        return host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        return host.lower()
