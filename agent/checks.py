"""What only shows across the entries of agent.yml: what contradicts itself, and what may be a mistake.

Each check yields the path of an entry and what is wrong with it.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from agent.settings import AgentSettings, HttpLink, MqttLink
from classready import contradictions
from classready.hosts import is_loopback
from classready.targets import HttpTarget, SwitchTarget, TargetSettings, WhiteboardTarget

Found = Iterator[tuple[str, str]]


def problems(settings: AgentSettings) -> Found:
    """What forbids to run with ``settings``."""
    for check in (_link_problems, contradictions.problems):
        yield from check(settings)


def doubts(target: TargetSettings, valid_s: float) -> Found:
    """What is allowed, and may still be a mistake; ``valid_s``: how long the collector values evidence of devices."""
    if isinstance(target, HttpTarget | WhiteboardTarget) and target.interval_s > valid_s:
        yield ".interval_s", f"longer than device and platform evidence is valid ({valid_s:g} s): unknown in between"
    if isinstance(target, SwitchTarget) and not (target.ports or target.devices or target.trunks):
        yield "", "no classroom in ports or devices: only the trunk on its way out is read"
    if isinstance(target, HttpTarget) and target.expect and target.expect.lower() in target.url.lower():
        yield ".expect", "stands in the address, which portals repeat in their pages: choose another text"
    if isinstance(target, HttpTarget) and target.url.startswith("http://") and not target.expect:
        yield ".url", "plain http shows not who answers, so a good answer stays unknown: use https, or set expect"


def _link_problems(settings: AgentSettings) -> Found:
    if (settings.link.cert_file is None) != (settings.link.key_file is None):
        yield "link", "cert_file and key_file go together: one of them is missing"
    match settings.link:
        case HttpLink(url=url):
            try:
                parts = urlsplit(url)
                # Within the machine nobody listens: tests, and a collector on the same box.
                clear = parts.scheme == "http" and not is_loopback(parts.hostname or "")
            except ValueError:
                yield "link.url", "not a URL"
            else:
                if clear:
                    yield "link.url", "http:// would show the token to everybody on the way; use https://"
        case MqttLink(tls=False, host=host) if not is_loopback(host):
            yield "link.tls", "without TLS the password could be read by everybody on the way; remove this line"
