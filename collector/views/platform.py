"""A platform as a school reaches it."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from collector.core.policy import Policy
from collector.core.state import PlatformReading, School
from collector.core.verdict import is_fresh, platform_state
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
    state = _state(school, platform, readings, policy, now)
    return PlatformView(
        platform=platform,
        name=names.platform(platform),
        state=state,
        text=say(f"platform.{state}", language),
        targets=tuple(_target(school, reading, policy, now, language) for reading in readings),
    )


def _state(
    school: School, platform: str, readings: Iterable[PlatformReading], policy: Policy, now: float
) -> Literal["up", "down", "unknown", "fault"]:
    if platform in school.state.platform_faults:
        return "fault"
    states = {platform_state(school, platform, gateway, now, policy) for gateway in {r.gateway for r in readings}}
    if "no" in states:
        return "down"
    return "up" if states == {"yes"} else "unknown"


def _target(school: School, reading: PlatformReading, policy: Policy, now: float, language: Language) -> PlatformTarget:
    times = [at for at in (reading.http_at, reading.ping_at) if at is not None]
    heard = school.state.gateways.get(reading.gateway)
    up = reading.up if is_fresh(reading.http_at, heard, now, policy) else None
    return PlatformTarget(
        gateway=reading.gateway,
        target=reading.target,
        up=up,
        observed_at=max(times, default=None),
        age_text=ago(max(times, default=None), now, language),
        status=reading.status,
        reason=reading.reason,
        http_s=sum(reading.phases_s.values()) if reading.phases_s else None,
        rtt_s=reading.rtt_s,
        loss_ratio=reading.loss_ratio,
        certificate_expires_at=reading.certificate_expires_at,
        text=_text(reading, language, up=up),
    )


def _text(reading: PlatformReading, language: Language, *, up: bool | None) -> str:
    """What was seen, fullest first: answer, why not, HTTP time, round trip, loss."""
    parts: list[str] = []
    if reading.http_at is not None:
        parts.append(say({True: "platform.up", False: "platform.down", None: "platform.unknown"}[up], language))
        if not up and reading.up is up and reading.reason:
            parts.append(reason(reading.reason, language))
        if up and reading.phases_s:
            parts.append(say("platform.http", language, duration=duration(sum(reading.phases_s.values()), language)))
    if reading.rtt_s is not None:
        parts.append(say("platform.rtt", language, duration=duration(reading.rtt_s, language)))
    if reading.loss_ratio:
        parts.append(say("platform.loss", language, ratio=round(reading.loss_ratio * 100)))
    return " · ".join(parts) or say("platform.unknown", language)
