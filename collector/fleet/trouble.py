"""What is wrong with a gateway as a machine, the worst first. What its school's rooms are like is judged elsewhere."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from collector.core.evidence import GatewayState
from collector.fleet.staging import Mark

Trouble = Literal[
    "silent",
    "upgrade_failed",
    "certificate_expired",
    "settings_refused",
    "clock_wrong",
    "certificate_ends",
    "backlog",
    "dropped",
    "settings_behind",
    "revoked",
    "not_enrolled",
    "never_heard",
    "found",
]
"""In the order of their weight."""

Enrolment = Literal["by_hand", "enrolled", "code_open", "revoked", "none"]
"""Where the token comes from: the roster's file; enrolment; not yet, but a code is out; taken back; from nowhere."""

CLOCK_OFF_S: Final = 60.0
CERTIFICATE_ENDS_S: Final = 30 * 86_400.0
"""A bureau's own certificate is renewed by somebody who has to be told."""
BACKLOG_RECORDS: Final = 2_000
"""More than one report holds: it had no way out for a while, or has none now."""

_WEIGHT: Final[Mapping[Trouble, int]] = {trouble: n for n, trouble in enumerate(get_args(Trouble))}


class SettingsSeen(NamedTuple):
    """Settings from the bureau: the version that the gateway has, the one that it should have, and what it refused."""

    applied: str | None
    wanted: str | None
    refused: tuple[str, ...] | None


class Sight(NamedTuple):
    """Everything that is known of one gateway. ``state`` None = it never reported. ``found_count`` None = not known."""

    gateway: str
    schools: tuple[str, ...]
    office: str
    state: GatewayState | None
    enrolment: Enrolment
    mark: Mark | None = None
    settings: SettingsSeen | None = None
    found_count: int | None = None


def troubles(sight: Sight, now: float) -> tuple[Trouble, ...]:
    """Return what is wrong, the worst first."""
    found = {
        "upgrade_failed": sight.mark is not None and sight.mark.fate == "failed",
        "revoked": sight.enrolment == "revoked",
        "not_enrolled": sight.enrolment == "none",
        "never_heard": sight.state is None and sight.enrolment not in {"revoked", "none"},
        "found": bool(sight.found_count),
    }
    if (state := sight.state) is not None:
        found |= _of_state(state, now)
    if (settings := sight.settings) is not None:
        found["settings_refused"] = settings.refused is not None
        found["settings_behind"] = settings.refused is None and settings.applied != settings.wanted
    return tuple(trouble for trouble in _WEIGHT if found.get(trouble))


def _of_state(state: GatewayState, now: float) -> dict[str, bool]:
    ends_at = state.box.certificate_expires_at if state.box else None
    left_s = None if ends_at is None else ends_at - now
    return {
        "silent": state.silent,
        "clock_wrong": abs(state.clock_skew_s or 0.0) > CLOCK_OFF_S,
        "certificate_expired": left_s is not None and left_s <= 0,
        "certificate_ends": left_s is not None and 0 < left_s < CERTIFICATE_ENDS_S,
        "backlog": (state.spool_records or 0) > BACKLOG_RECORDS,
        "dropped": state.dropped_records > 0,
    }


def weight(found: tuple[Trouble, ...]) -> tuple[int, ...]:
    """By which gateways are sorted: the worst first, and of equals the one with more besides."""
    return (*(_WEIGHT[trouble] for trouble in found), len(_WEIGHT))
