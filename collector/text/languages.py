"""The two languages, and the names that sentences carry."""

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

Texts = Mapping[str, tuple[str, str]]
"""Message id -> what it says in each of ``LANGUAGES``."""


class Names(Struct, frozen=True, kw_only=True):
    """Names of what messages and pages only know by id; a missing name is the id itself."""

    offices: Mapping[str, str] = {}
    platforms: Mapping[str, str] = {}
    classroom_name: Callable[[str, str], str] = lambda _school, _classroom: ""
    """(school, classroom) -> its roster name (三年级2班), empty where there is none."""
    board_url: str | None = None
    """Where people find the board; None = messages have no link."""
    acknowledge_url: Callable[[str, float], str | None] = lambda _incident, _told_at: None
    """(incident, when it is told) -> where a reader says that he is on it; None = nowhere."""
    utc_offset_s: float = 28_800.0
    """The bureau's own zone."""
    school_offset_s: Callable[[str], float | None] = lambda _school: None
    """School -> its own zone; None where it is not known, which means the bureau's."""
    is_rural_weak: Callable[[str], bool] = lambda _school: False
    """Whether the roster calls a school rural and weak: what is about those stands first in a message."""

    def office(self, office_id: str) -> str:
        return self.offices.get(office_id) or office_id

    def platform(self, platform_id: str) -> str:
        return self.platforms.get(platform_id) or platform_id
