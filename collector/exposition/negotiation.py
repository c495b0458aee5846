"""Which form of a page was asked for: the two headers of RFC 9110 section 12.5 that scrapers send."""

from collections.abc import Iterator

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_VERSIONS = frozenset({None, "0.0.1", "1.0.0"})
"""Of OpenMetrics; Prometheus asks for these, and for others only with a syntax for names that ours do not need."""


def wants_openmetrics(accept: str) -> bool:
    """Say whether OpenMetrics is named, and liked no less than plain text. ``*/*`` names nothing: it is for people."""
    asked = list(_weighed(accept))
    openmetrics = [
        q for name, q, more in asked if name == "application/openmetrics-text" and more.get("version") in _VERSIONS
    ]
    text = [q for name, q, _ in asked if name == "text/plain"]
    return max(openmetrics, default=0.0) > 0 and max(openmetrics) >= max(text, default=0.0)


def wants_gzip(accept_encoding: str) -> bool:
    """Say whether gzip may be sent, and is liked no less than nothing at all (``identity``)."""
    asked = {name: q for name, q, _ in _weighed(accept_encoding)}
    gzip = asked.get("gzip", asked.get("x-gzip", asked.get("*", 0.0)))
    return gzip > 0 and gzip >= asked.get("identity", 0.0)


def _weighed(header: str) -> Iterator[tuple[str, float, dict[str, str]]]:
    """Each choice with its weight and its other parameters; a weight that is no number from 0 to 1 is no wish."""
    for choice in header.split(","):
        name, *parameters = (part.strip() for part in choice.lower().split(";"))
        given = {key.strip(): value.strip().strip('"') for key, _, value in (p.partition("=") for p in parameters)}
        weight = given.pop("q", "1")
        try:
            q = float(weight)
        except ValueError:
            q = 0.0
        if name:
            yield name, q if 0 <= q <= 1 else 0.0, given
