"""The way to the collector, as the courier sees it: one parcel at a time, and one of four outcomes."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from agent.settings import HttpLink, MqttLink
from classready.report import Ack


class Acked(Struct, frozen=True, kw_only=True):
    """The collector answered. ``collector_s`` is its clock just now, where the link tells."""

    acks: tuple[Ack, ...]
    collector_s: float | None = None


class Keep(Struct, frozen=True, kw_only=True):
    """Not delivered, nobody's fault but the way's: keep the records and come again. ``why`` is from a closed list."""

    why: str
    retry_after_s: float | None = None


class TooLarge(Struct, frozen=True):
    """The report must be cut into smaller ones."""


class Refused(Struct, frozen=True):
    """The collector will never take this report as it is."""


Outcome = Acked | Keep | TooLarge | Refused


class Link(Protocol):
    trouble: str
    """Why the last report was not delivered, for people: names, addresses, certificates; empty where nobody knows."""

    certificate_expires_at: float | None
    """The earliest end of the certificates that the other side showed when it was last connected to; None = none."""

    async def send(self, body: bytes, sequences: Collection[int]) -> Outcome:
        """Send one encoded report and wait for the collector's own answer about ``sequences``. Never raises."""
        ...

    async def fetch(self, known: str | None) -> bytes | None:
        """Ask for the settings document; None = none came, or only the version that is ``known``. Never raises.

        Not while a report is under way.
        """
        ...


def open_link(
    settings: HttpLink | MqttLink, gateway: str, agent_version: str, report_interval_s: float
) -> AbstractAsyncContextManager[Link]:
    """Open the configured link; only its own library is imported. Credentials are read here, at each start.

    ``report_interval_s`` is the time between two reports: by it those that lost the same server spread their return.
    """
    if isinstance(settings, HttpLink):
        from agent.links import http

        return http.connect(settings, agent_version)
    from agent.links import mqtt

    return mqtt.connect(settings, gateway, agent_version, report_interval_s)
