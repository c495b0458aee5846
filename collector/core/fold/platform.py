"""Whether the platforms answer, and how fast."""

from msgspec.structs import replace

from classready.observation import Http, Outcome, Ping, Reason
from collector.core.events import Observed
from collector.core.evidence import HttpReading, PingReading, PlatformReading
from collector.core.folded import Folded

_ANSWERS = (Outcome.ANSWERED, Outcome.NO_ANSWER)


def http(folded: Folded, event: Observed, seen: Http) -> None:
    """An answer that anybody may have given is kept as well: it makes the platform unknown."""
    reading = _reading(folded, event, seen.target)
    before = reading.http
    if not (seen.reason is Reason.UNPROVEN or seen.outcome in _ANSWERS):
        return
    if not folded.is_newer(event.observed_at, before.observed_at if before else None):
        return
    after = HttpReading(observed_at=event.observed_at, gateway=event.gateway, late=event.late, seen=seen)
    # status, phases and the certificate's date are shown; whether it answers is all that is judged
    same = before is not None and before.up is after.up and folded.is_fresh(before.observed_at, event.gateway)
    folded.everybody |= not same
    folded.put("platforms", f"{event.gateway}/{seen.target}", replace(reading, http=after))


def ping(folded: Folded, event: Observed, seen: Ping) -> None:
    """Shown, and judged by nobody: many networks drop echo requests."""
    reading = _reading(folded, event, seen.target)
    before_at = reading.ping.observed_at if reading.ping else None
    if seen.outcome in _ANSWERS and folded.is_newer(event.observed_at, before_at):
        after = PingReading(observed_at=event.observed_at, gateway=event.gateway, late=event.late, seen=seen)
        folded.put("platforms", f"{event.gateway}/{seen.target}", replace(reading, ping=after))


def _reading(folded: Folded, event: Observed, target: str) -> PlatformReading:
    known = folded.state.platforms.get(f"{event.gateway}/{target}")
    return known or PlatformReading(gateway=event.gateway, target=target)
