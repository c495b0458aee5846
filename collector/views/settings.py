"""Which settings of the bureau a gateway has in force, and why it has not the newest ones."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from collector.fleet.trouble import SettingsSeen
from collector.text import Language, say

SeenOf = Callable[[str], SettingsSeen | None]
"""What a gateway said of its settings; None = nothing, since this collector started."""

_NO_FILE, _NOT_KNOWN = "cannot be used:", "unknown field"
"""What an agent's own words of a problem hold; whoever reads them here reads Chinese."""


class SettingsView(Struct, frozen=True, kw_only=True):
    """``problems``: in the agent's own words; empty unless refused."""

    state: Literal["applied", "awaited", "refused"]
    version: str | None
    wanted: str | None
    text: str
    remedy: str = ""
    problems: tuple[str, ...] = ()


def nothing_said(_gateway: str) -> SettingsSeen | None:
    """Where nobody asks."""
    return None


def settings_view(seen: SettingsSeen | None, language: Language) -> SettingsView | None:
    """None = there is nothing to tell: no word of it, or no settings from the bureau at all."""
    if seen is None or seen.wanted is None:
        return None
    versions = {"version": seen.applied or say("settings.none", language), "wanted": seen.wanted}
    if seen.refused is not None:
        return SettingsView(
            state="refused",
            version=seen.applied,
            wanted=seen.wanted,
            text=say("settings.refused", language, **versions),
            remedy=say(f"settings.remedy_{_kind(seen.refused)}", language),
            problems=seen.refused,
        )
    state: Literal["applied", "awaited"] = "applied" if seen.applied == seen.wanted else "awaited"
    text = say(f"settings.{state}", language, **(versions if state == "awaited" else {"version": seen.wanted}))
    return SettingsView(state=state, version=seen.applied, wanted=seen.wanted, text=text)


def _kind(problems: tuple[str, ...]) -> str:
    first = problems[0] if problems else ""
    return "file" if _NO_FILE in first else "release" if _NOT_KNOWN in first else "other"
