"""Whether an answer is the platform's: captive portals, proxies and firewalls answer in its place, mostly with 200.

Over https the certificate says who answered, over plain http only the page itself can: by what the operator expects in
it. Pure: from settings, address and answer to a finding. docs/decisions/0025 says why each rule is as it is.
"""

import re
import zlib
from collections.abc import Iterator

from msgspec import Struct

from agent import urls
from agent.http1 import Answer
from classready.observation import Outcome, Reason
from classready.targets import HttpTarget

PAGE_MAX_BYTES = 2**20
"""Of a compressed page, once it is no longer."""

STUB_MAX_BYTES = 4_096
"""A page that only sends a browser on is short; in a longer one an address in a script is one link of many."""

_REDIRECTS = {300, 301, 302, 303, 305, 307, 308}
_BETWEEN = {407: "a proxy wants a login", 511: "the network wants a login"}
"""RFC 9110 section 15.5.8, RFC 6585 section 6: no platform sends these."""
_PLAIN = "plain http shows not who answered: use an https address, or set expect"
_PROXY_ERROR = b"x-squid-error"
"""Squid sets it on its own error pages, also on those with 403 and 404, and never on a page that it passes on."""
_ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be")
"""Chinese pages; a page is searched for the text in each, so that its own word for its encoding need not be true."""
_META = re.compile(rb"<meta\b[^>]{0,2600}", re.IGNORECASE)
_META_REFRESH = re.compile(rb"\bhttp-equiv\s{0,9}=\s{0,9}[\"']?\s{0,9}refresh\b", re.IGNORECASE)
_META_TARGET = re.compile(
    rb"\bcontent\s{0,9}=\s{0,9}[\"']?\s{0,9}[0-9.]{0,9}\s{0,9}[;,]\s{0,9}(?:url\s{0,9}=)?\s{0,9}[\"']?([^\"'>\s]{1,2000})",
    re.IGNORECASE,
)
"""HTML, "shared declarative refresh steps": attributes in any order, and ``url=`` may be missing."""
_SCRIPT = re.compile(
    rb"\blocation(?:\.href)?(?:\s{0,9}=|\.(?:replace|assign)\s{0,9}\()\s{0,9}[\"'`]([^\"'`\s]{1,2000})", re.IGNORECASE
)
_REFRESH = re.compile(rb"[0-9.]*\s*[;,]\s*(?:url\s*=)?\s*[\"']?([^\"']+)", re.IGNORECASE)


class Doubt(Struct, frozen=True):
    """Why an answer does not count as the platform's."""

    outcome: Outcome
    reason: Reason
    detail: str


def foreign(target: HttpTarget, url: urls.Url, answer: Answer) -> Doubt | None:
    """Say what shows that somebody else answered, whatever the status."""
    searched = _searched(answer) if target.reject else b""
    for text in target.reject:
        if _stands(text, searched):
            return _somebody_else(f"{text[:60]!r} stands in the answer (reject)")
    if answer.status not in target.accept_statuses:
        if answer.status in _BETWEEN:
            return _somebody_else(f"status {answer.status}: {_BETWEEN[answer.status]}")
        if answer.values(_PROXY_ERROR):
            return _somebody_else(f"status {answer.status}, a proxy's own page (X-Squid-Error)")
    for location in _redirects(answer):
        if elsewhere := _elsewhere(target, url, location):
            return _somebody_else(
                f"redirects to {elsewhere}; if that is the platform's, name it in accept_redirects_to"
            )
    return None


def further(target: HttpTarget, url: urls.Url, answer: Answer) -> urls.Url | None:
    """Return where to look further: a redirect on the site that does not show by itself who sent it."""
    if (url.tls and not target.expect) or (target.expect and _stands(target.expect, _searched(answer))):
        return None
    return next((urls.follow(url, location) for location in _redirects(answer)), None)


def doubt(target: HttpTarget, url: urls.Url, answer: Answer) -> Doubt | None:
    """Say why an answer with a good status, and not ``foreign``, still does not show the platform."""
    if not target.expect:
        return None if url.tls else _sent_elsewhere(target, url, answer) or _unproven(_PLAIN)
    if _stands(target.expect, _searched(answer)):
        return None
    missing = f"{target.expect[:60]!r} (expect) does not stand in the answer"
    if answer.broken or len(set(answer.tokens(b"content-length"))) > 1:  # the smallest was believed
        return _unproven(f"{missing}, which was not read to its end")
    if _page(answer) is None:
        return _unproven(f"{missing}, whose page is compressed in a way that is not read")
    if further(target, url, answer):
        return _unproven(f"{missing}, which redirects on and on")
    return _sent_elsewhere(target, url, answer) or _somebody_else(missing)


def _somebody_else(detail: str) -> Doubt:
    return Doubt(Outcome.NO_ANSWER, Reason.NOT_THE_PLATFORM, detail)


def _unproven(detail: str) -> Doubt:
    return Doubt(Outcome.UNMEASURED, Reason.UNPROVEN, detail)


# --- redirects ------------------------------------------------------------------------------------------------------


def _redirects(answer: Answer) -> Iterator[str]:
    """All of them: with two that differ, browsers choose differently."""
    if answer.status in _REDIRECTS:
        yield from map(_text, answer.values(b"location"))
    for value in answer.values(b"refresh"):
        if found := _REFRESH.match(value):
            yield _text(found[1])


def _sent_elsewhere(target: HttpTarget, url: urls.Url, answer: Answer) -> Doubt | None:
    """Portals also send a browser on by the page itself."""
    page = _page(answer) or b""
    if len(page) > STUB_MAX_BYTES:
        return None
    for location in (*_meta_refreshes(page), *(found[1] for found in _SCRIPT.finditer(page))):
        if elsewhere := _elsewhere(target, url, _text(location)):
            return _somebody_else(f"the page sends a browser to {elsewhere}")
    return None


def _meta_refreshes(page: bytes) -> Iterator[bytes]:
    for tag in _META.findall(page):
        if _META_REFRESH.search(tag) and (found := _META_TARGET.search(tag)):
            yield found[1]


def _elsewhere(target: HttpTarget, url: urls.Url, location: str) -> str | None:
    """The host that ``location`` leads to, if it is neither the site itself nor one that the operator named."""
    try:
        host = urls.follow(url, location).host
    except ValueError:
        return repr(location[:60])
    return None if urls.is_among(host, (url.host, *target.accept_redirects_to)) else host


def _text(raw: bytes) -> str:
    """UTF-8 as browsers read it; other bytes one by one, which only matters for what is shown."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


# --- text -----------------------------------------------------------------------------------------------------------


def _searched(answer: Answer) -> bytes:
    """Headers, each as ``name: value`` and as ``name:value``, and the page."""
    head = b"\n".join(name + colon + value for name, value in answer.fields for colon in (b": ", b":"))
    return (head + b"\n\n" + (_page(answer) or b"")).lower()


def _stands(text: str, searched: bytes) -> bool:
    return any(text.encode(encoding).lower() in searched for encoding in _ENCODINGS)


def _page(answer: Answer) -> bytes | None:
    """The page as it stands, unpacked where a server compresses though it was asked not to; None = unreadable."""
    page = bytes(answer.body)
    codings = [*answer.tokens(b"content-encoding"), *answer.tokens(b"transfer-encoding")]
    for coding in reversed([coding for coding in codings if coding not in {b"identity", b"chunked"}]):
        if coding not in {b"gzip", b"x-gzip", b"deflate"}:
            return None
        page = _unpacked(page)
    return page


def _unpacked(packed: bytes) -> bytes:
    """As far as it can be read, at most ``PAGE_MAX_BYTES``; deflate comes with zlib's frame (RFC 9110) and without."""
    for window_bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            return zlib.decompressobj(window_bits).decompress(packed, PAGE_MAX_BYTES)
        except zlib.error:
            continue
    return b""
