"""What is wrong with a gateway, judged from plain facts: shared by ``doctor`` and the local page. No I/O."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from agent.words import SENTENCES, Language, say

Result = Literal["ok", "warning", "failed", "not_checked"]
RESULTS: tuple[Result, ...] = ("failed", "warning", "not_checked", "ok")
"""What is to be mended first."""

CLOCK_TOLERANCE_S = 30.0
"""As the running agent's (``clock.TOLERANCE_S``): from here on the collector dates records itself."""
SPOOL_FULL_RATIO = 0.9


class Finding(Struct, frozen=True, kw_only=True):
    """One check's result. ``code`` and ``values`` are what was seen; ``subject`` is whom it speaks of, if anybody."""

    check: str
    result: Result
    code: str
    subject: str = ""
    values: Mapping[str, Any] = {}

    def seen(self, language: Language) -> str:
        return say(language, f"{self.code}.seen", **self._said(language)).strip()

    def remedy(self, language: Language) -> str:
        """One line of what to do; empty where there is nothing to be done."""
        code = f"{self.code}.remedy"
        return say(language, code, **self._said(language)).strip() if code in SENTENCES else ""

    def _said(self, language: Language) -> dict[str, Any]:
        return {name: _worded(language, name, value) for name, value in self.values.items()}


_AS_THEY_CAME = {"detail", "error"}


def _worded(language: Language, name: str, value: Any) -> Any:
    """``reason`` is a message of its own; what a probe or the system said stays as it came, and is marked as that."""
    if name == "reason":
        return say(language, value)
    return say(language, "original", text=value) if name in _AS_THEY_CAME and value else value


def clock(wall_s: float, floor_s: float, *, good: bool, offset_s: float | None = None) -> Finding:
    """``floor_s``: no clock that is right says less. ``good``: a time server or the collector confirms it."""
    values = {"now": utc(wall_s), "built": utc(floor_s)[:10]}
    if wall_s < floor_s:
        return Finding(check="clock", result="failed", code="clock_before_build", values=values)
    if offset_s is not None and abs(offset_s) >= CLOCK_TOLERANCE_S:
        values["offset_s"] = f"{offset_s:+.0f}"
        return Finding(check="clock", result="failed", code="clock_off", values=values)
    if good or offset_s is not None:
        return Finding(check="clock", result="ok", code="clock_ok", values=values)
    return Finding(check="clock", result="warning", code="clock_unsynchronised", values=values)


_LINK_PASSES = {"busy"}


def link(why: str | None, detail: str = "", *, acknowledged: bool = True) -> Finding:
    """``why``: of a report that was not delivered (``links.Keep``); None = the last one was, or none was sent."""
    if why is None:
        code = "link_ok" if acknowledged else "link_waiting"
        return Finding(check="collector", result="ok" if acknowledged else "not_checked", code=code)
    code = f"link_{why}" if f"link_{why}.seen" in SENTENCES else "link_other"
    result: Result = "warning" if why in _LINK_PASSES else "failed"
    return Finding(check="collector", result=result, code=code, values={"why": why, "detail": detail})


def spool(held_count: int, held_bytes: int, limit_bytes: int, *, degraded: bool) -> Finding:
    if degraded:
        return Finding(check="spool", result="failed", code="spool_degraded")
    if held_bytes > SPOOL_FULL_RATIO * limit_bytes:
        percent = round(100 * held_bytes / limit_bytes)
        return Finding(check="spool", result="warning", code="spool_full", values={"percent": percent})
    return Finding(check="spool", result="ok", code="spool_ok", values={"count": held_count})


def utc(unix_s: float) -> str:
    """Also for moments that no calendar has: a clock may say anything."""
    try:
        return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{unix_s:.0f} s"
