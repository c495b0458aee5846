"""What a gateway says of the box that it runs on: its release, the certificate that its link sees, an upgrade."""

from typing import Annotated

from msgspec import Meta, Struct

from classready.measuring import ReleaseVersion
from classready.observation import UnixTime

Word = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]


class Upgrade(Struct, frozen=True, kw_only=True, gc=False):
    """What became of the release that the bureau wants. ``asked_at``: as the settings document says it.

    ``state``: waiting, fetching, installing, done, refused, rolled_back, failed; others may come.
    """

    version: ReleaseVersion
    asked_at: UnixTime | None = None
    state: Word
    reason: Word | None = None


class Box(Struct, frozen=True, kw_only=True, gc=False):
    """Only what seldom changes: the collector stores it whenever it does. None = not known."""

    release: ReleaseVersion | None = None
    """None = not installed from a bundle."""
    certificate_expires_at: UnixTime | None = None
    """The earliest end of the certificates that the collector or broker showed."""
    upgrade: Upgrade | None = None
