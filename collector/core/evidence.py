"""What was observed: each reading is the observation itself, with its date and who made it.

Evidence is kept per subject and source; the newest replaces what was before it. Times are Unix seconds (UTC) on the
collector's scale. Everything is immutable.
"""

from collections.abc import Mapping

from msgspec import Struct

from classready.box import Box
from classready.observation import Bandwidth, Device, Http, Outcome, Ping, Port, SeenBy, Segment
from collector.core.words import DeviceStateName, Direction, Source


class Reading(Struct, frozen=True, kw_only=True, gc=False):
    """``late``: it was old when it arrived, so it may change verdicts and opens no alert."""

    observed_at: float
    gateway: str
    late: bool = False


class PortReading(Reading, frozen=True, kw_only=True):
    seen: Port
    # a count since the reading before it: the counters themselves begin anew with each restart of the switch
    bad_frame_count: int | None = None
    """Frames that arrived broken or collided late since the reading before it on this port; None = not known."""
    while_asleep: bool = False
    """The device was not awake when last seen before it: what its port had negotiated then says nothing."""

    @property
    def place(self) -> str | None:
        """``switch:port``; None where the switch or the port is not known."""
        return f"{self.seen.switch}:{self.seen.if_name}" if self.seen.switch and self.seen.if_name else None


def is_alike(one: Port, other: Port) -> bool:
    """Whether two observations say the same of what is judged of a port; all else that they tell are counters."""
    return (
        one.speed_bps == other.speed_bps
        and one.oper_up is other.oper_up
        and one.admin_up is other.admin_up
        and one.full_duplex is other.full_duplex
        and one.if_name == other.if_name
        and one.switch == other.switch
    )


class DeviceReading(Reading, frozen=True, kw_only=True):
    """``state`` is what the collector makes of it: an agent cannot tell asleep from away without port and timetable."""

    state: DeviceStateName
    seen: Device | None = None
    """The last observation of the device itself; None = it was only ever noticed by its traffic."""
    by_traffic: bool = False
    """Octets of the port prove it awake, later than ``seen``."""

    @property
    def seen_by(self) -> SeenBy | None:
        if self.by_traffic:
            return "traffic"
        return self.seen.seen_by if self.seen else None

    @property
    def facts(self) -> Mapping[str, str]:
        return (self.seen and self.seen.facts) or {}


class SegmentReading(Reading, frozen=True, kw_only=True):
    """``switches``: whose rooms use it; None = it has no switch in its name, so all of the gateway's do.

    They stand here alone: up to 64 names are kept once, not once more in ``seen``.
    """

    seen: Segment
    switches: tuple[str, ...] | None = None

    def serves(self, switch: str | None) -> bool:
        """Whether its gateway's rooms on ``switch`` use it."""
        return self.switches is None or switch in self.switches


class SwitchReading(Reading, frozen=True, kw_only=True):
    """Whether a switch itself answered; all its ports of one poll carry the same time and count once."""

    switch: str
    reachable: bool


class HttpReading(Reading, frozen=True, kw_only=True):
    seen: Http

    @property
    def up(self) -> bool | None:
        """None: something answered, and nothing proves that it was the platform."""
        # a portal, a proxy or a hijacked answer is neither the platform nor its absence
        return None if self.seen.outcome is Outcome.UNMEASURED else self.seen.outcome is Outcome.ANSWERED


class PingReading(Reading, frozen=True, kw_only=True):
    seen: Ping

    @property
    def loss_ratio(self) -> float | None:
        sent, received = self.seen.sent_count, self.seen.received_count
        return max(0.0, 1 - received / sent) if sent and received is not None else None

    @property
    def rtt_s(self) -> float | None:
        return self.seen.rtt_s.median if self.seen.rtt_s else None


class PlatformReading(Struct, frozen=True, kw_only=True, gc=False):
    """The newest of one target of a platform; ping and HTTP age on their own."""

    gateway: str
    target: str
    http: HttpReading | None = None
    ping: PingReading | None = None


class BandwidthTest(Struct, frozen=True, kw_only=True, gc=False):
    """One conclusive test."""

    observed_at: float
    seen: Bandwidth
    late: bool = False

    @property
    def passed(self) -> bool:
        """The agent's outcome against the thetas that it was given, or the band between them."""
        return self.seen.outcome is Outcome.PASS or self.is_in_band

    @property
    def is_in_band(self) -> bool:
        """A line of 97M at 100M: whichever answer the test gave, the line is neither short nor one to argue about."""
        theta0_bps, theta1_bps, estimate_bps = self.seen.theta0_bps, self.seen.theta1_bps, self.seen.estimate_bps
        if theta0_bps is None or theta1_bps is None or estimate_bps is None:
            return False
        return theta0_bps <= estimate_bps <= theta1_bps


class Leg(Struct, frozen=True, kw_only=True, gc=False):
    """One direction of one bandwidth target. ``tests`` holds the last three counted ones, newest last."""

    gateway: str
    target: str
    direction: Direction
    source: Source = "gateway"
    told_at: float = 0.0
    """When it last said anything: a target that says nothing for long is no longer asked."""
    tests: tuple[BandwidthTest, ...] = ()
    failing_since: float | None = None
    """When the first of the failing tests was made that no passing one followed, whether or not it is still held."""
    last_unmeasured_at: float | None = None
    last_unmeasured_reason: str | None = None

    @property
    def waits(self) -> bool:
        """Whether the newest attempt brought nothing. One of the same second as a counted test is no newer."""
        tried_at = self.last_unmeasured_at
        return tried_at is not None and all(test.observed_at < tried_at for test in self.tests)


class UplinkState(Leg, frozen=True, kw_only=True):
    """The school's own line, or the line and the exit of the metropolitan network named by ``beyond``."""

    beyond: str | None = None


class PathState(Leg, frozen=True, kw_only=True):
    """The way inside the school, from the gateway to ``classroom``."""

    classroom: str


class GatewayState(Struct, frozen=True, kw_only=True, gc=False):
    """``last_committed_at`` is the collector's clock: silence is judged by it, never by the gateway's.

    It, the skew, the depth of the spool and what was dropped are clocks and counters: they change with every report
    and are stored when something else is.
    """

    first_committed_at: float
    last_committed_at: float
    report_interval_s: float
    clock_skew_s: float | None = None
    spool_records: int | None = None
    agent_version: str = ""
    silent: bool = False
    dropped_records: int = 0
    box: Box | None = None
