"""A platform as a school reaches it."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import astuple

from classready.observation import Http
from collector.core.age import is_fresh
from collector.core.evidence import PlatformReading
from collector.core.platforms import platform_over_gateways
from collector.core.policy import Policy
from collector.core.state import School
from collector.core.words import VerdictValue
from collector.text import Language, Names, ago, duration, reason, say


class PlatformTarget(Struct, frozen=True, kw_only=True):
    gateway: str
    target: str
    up: bool | None
    observed_at: float | None
    age_text: str
    status: int | None
    reason: str | None
    http_s: float | None
    rtt_s: float | None
    loss_ratio: float | None
    certificate_expires_at: float | None
    text: str


class PlatformView(Struct, frozen=True, kw_only=True):
    platform: str
    name: str
    state: Literal["up", "down", "unknown", "fault"]
    text: str
    targets: tuple[PlatformTarget, ...]


def platform_view(  # noqa: PLR0913, PLR0917
    school: School, platform: str, names: Names, policy: Policy, now: float, language: Language
) -> PlatformView:
    targets = school.roster.platforms[platform]
    readings = [r for r in school.state.platforms.values() if r.target in targets]
    state = _state(school, platform, policy, now)
    return PlatformView(
        platform=platform,
        name=names.platform(platform),
        state=state,
        text=say(f"platform.{state}", language),
        targets=tuple(_target(school, reading, policy, now, language) for reading in readings),
    )


def _state(school: School, platform: str, policy: Policy, now: float) -> Literal["up", "down", "unknown", "fault"]:
    if platform in school.state.platform_faults:
        return "fault"
    return _STATES[platform_over_gateways(school, platform, now, policy)]


_STATES: dict[VerdictValue, Literal["up", "down", "unknown"]] = {"yes": "up", "no": "down", "unknown": "unknown"}


def _target(school: School, reading: PlatformReading, policy: Policy, now: float, language: Language) -> PlatformTarget:
    http, ping = reading.http, reading.ping
    newest_at = max((r.observed_at for r in (http, ping) if r is not None), default=None)
    fresh = http is not None and is_fresh(school, http.observed_at, reading.gateway, now, policy)
    up = http.up if http and fresh else None
    seen = http.seen if http else None
    return PlatformTarget(
        gateway=reading.gateway,
        target=reading.target,
        up=up,
        observed_at=newest_at,
        age_text=ago(newest_at, now, language),
        status=seen.status if seen else None,
        reason=seen.reason if seen else None,
        http_s=http_s(seen) if seen else None,
        rtt_s=ping.rtt_s if ping else None,
        loss_ratio=ping.loss_ratio if ping else None,
        certificate_expires_at=seen.certificate_expires_at if seen else None,
        text=_text(reading, language, up=up),
    )


def http_s(seen: Http) -> float | None:
    """Seconds of one request, all phases that it came to."""
    phases = [p for p in astuple(seen.phases_s) if p is not None] if seen.phases_s else []
    return sum(phases) if phases else None


def _text(reading: PlatformReading, language: Language, *, up: bool | None) -> str:
    """What was seen, fullest first: answer, why not, HTTP time, round trip, loss."""
    http, ping = reading.http, reading.ping
    parts: list[str] = []
    if http is not None:
        parts.append(say({True: "platform.up", False: "platform.down", None: "platform.unknown"}[up], language))
        if not up and http.up is up and http.seen.reason:
            parts.append(reason(http.seen.reason, language))
        if up and (total_s := http_s(http.seen)) is not None:
            parts.append(say("platform.http", language, duration=duration(total_s, language)))
    if ping is not None and ping.rtt_s is not None:
        parts.append(say("platform.rtt", language, duration=duration(ping.rtt_s, language)))
    if ping is not None and ping.loss_ratio:
        parts.append(say("platform.loss", language, ratio=round(ping.loss_ratio * 100)))
    return " · ".join(parts) or say("platform.unknown", language)
