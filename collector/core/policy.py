"""Every threshold of the product, with its unit and default. They live here and nowhere else."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from classready.ids import ClockTime
from classready.units import MBIT

Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1, le=1_000)]
Rate = Annotated[int, Meta(ge=1_000, le=10**12)]


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    REMOVED: ClassVar[Mapping[str, str]] = {
        "reminder_after_s": "the digest is the only reminder; `digest_at` says when it comes",
    }
    """Settings of earlier releases, and what is in their place."""

    required_down_bps: Rate = 100 * MBIT
    """百兆到班: what each classroom must have, layer-1 equivalent."""
    required_up_bps: Rate | None = None
    """None = shown, not judged."""
    tolerance_ratio: Annotated[float, Meta(ge=0, le=0.2)] = 0.05
    """A test passes at (1 - tolerance_ratio) x required: between that and required, either answer is right."""
    basis: Literal["port", "reach", "share"] = "reach"
    """Which of the three capacities decides: the port's, the way's (reach), or the fair share of the uplink."""
    confirm_spacing_s: Positive = 60.0
    """Bandwidth tests closer together than this count as one; a first failure is tested again after it."""
    blame_spacing_s: NonNegative = 1_800.0
    """A shortfall is told, and takes `compliant`, once two failing tests lie so far apart and none passed between."""
    late_after_s: Positive = 180.0
    """Evidence older than this when it arrives changes verdicts but opens no alert; at least three report intervals."""
    silent_after_intervals: AtLeastOne = 3
    """A gateway is silent after so many of its report intervals without a commit."""
    silence_hold_s: NonNegative = 900.0
    """A gateway is told to be silent after so much lesson time without a report; 0 = as soon as it is silent."""
    silence_hold_next_lesson_s: NonNegative = 600.0
    """One that fell silent outside lessons is told so far into the next one, if that is sooner."""
    awake_window_s: Positive = 60.0
    """A port's speed counts only if its device is seen awake within this time after the reading."""
    fresh_intervals: AtLeastOne = 3
    """Device and platform evidence counts for so many report intervals."""
    port_max_school_hours: Positive = 8.0
    """A port reading counts for so many hours of lessons."""
    uplink_max_school_hours: Positive = 16.0
    """A bandwidth test counts for so many hours of lessons."""
    device_proof_school_days: Annotated[int, Meta(ge=0, le=60)] = 2
    """A board that is off is no fault while it was seen awake within so many school days; 0 = it must be on."""
    absent_after_school_days: AtLeastOne = 5
    """A device not seen awake for so many school days is absent, not merely offline."""
    device_group_min: Annotated[int, Meta(ge=2, le=1_000)] = 3
    """So many boards of one switch, trunk or gateway that go off together in a lesson are told at once."""
    device_group_window_s: Positive = 300.0
    """Together is within this time; at least one report interval."""
    lesson_max_s: Positive = 7_200.0
    """A longer lesson is a timetable without breaks: then teachers rest at noon and leave before its end."""
    noon_begins: ClockTime = "11:30"
    """From then on boards go off for the noon rest, where the timetable has no breaks."""
    noon_ends: ClockTime = "14:00"
    """Until then."""
    leaving_s: NonNegative = 3_600.0
    """So long before the end of a timetable without breaks boards go off for the day."""
    compliant_fail_days: AtLeastOne = 2
    """A shortfall takes `compliant` away (and enough gives it back) on so many different school days."""
    compliant_max_age_school_days: AtLeastOne = 20
    """`compliant` becomes unknown when its evidence is older than so many school days."""
    forget_after_school_days: AtLeastOne = 10
    """A switch, trunk, test or device not told of for so many school days, while its gateway reports, is gone."""
    raise_after: AtLeastOne = 3
    """So many bad observations in a row open an alert; an uplink follows its majority rule instead."""
    clear_after: AtLeastOne = 2
    """So many good observations in a row close it."""
    group_wait_s: NonNegative = 30.0
    """A message waits so long for more of the same cause."""
    spread_wait_s: NonNegative = 330.0
    """More of an incident that spans several schools waits so long for the rest, and so do its recoveries: gateways
    that report every five minutes cannot show sooner whom it concerns."""
    flapping_openings: AtLeastOne = 3
    """What opens so often in `flapping_window_s` is told to come and go, once, and then is held open."""
    flapping_window_s: Positive = 10_800.0
    """Three hours: what fails for some minutes of each hour opens three times in a little more than two."""
    flapping_quiet_s: NonNegative = 1_800.0
    """It is over once it was well for so long."""
    same_root_s: NonNegative = 1_800.0
    """Schools whose gateways fell silent, or that lost a platform, within so long of each other may have one root."""
    platform_hold_s: NonNegative = 120.0
    """An unreachable platform is a school's alert only after this: other offices may see it, too."""
    observation_school_days: Annotated[int, Meta(ge=0, le=60)] = 7
    """观察期: so many school days a new gateway's alerts are kept out of the chat."""
    message_window_s: Positive = 300.0
    """The window of `messages_per_window`."""
    messages_per_window: AtLeastOne = 3
    """Most messages to one office in a window."""
    quiet_chat_from: ClockTime = "22:00"
    """From then on no message goes until `quiet_chat_until`, by the office's clock; both the same = any time."""
    quiet_chat_until: ClockTime = "07:00"
    """What was held is told then, as it is by then."""
    escalate_after_lesson_hours: NonNegative = 0.0
    """Receivers with `escalation` are told of what nobody said to be on (我在处理) so many hours of lessons after its
    first message; 0 = never."""
    checkup_working_days: Annotated[int, Meta(ge=0, le=10)] = 3
    """开学前体检: so many working days before a term lines are tested anew, and on the last of them, at `digest_at`,
    each office is told how many rooms are ready; 0 = never. No term in the calendar, no check-up."""
    digest_at: ClockTime = "08:40"
    """On school days an office is told then what can wait: boards that stay off, and what was told on a day before and
    is not fixed."""
    objection_school_days: Annotated[int, Meta(ge=0, le=60)] = 2
    """申诉: what could not be tested again within so many school days is said to be that."""
    reopened_within_school_days: Annotated[int, Meta(ge=0, le=1_000)] = 10
    """What fails again at a school so many school days after it was fixed, for the same cause, counts as reopened."""
    records_kept_years: Annotated[int, Meta(ge=1, le=100)] = 6
    """整改记录: incidents that are over are kept for so long, and then deleted."""
    classrooms_per_gateway_max: AtLeastOne = 200
    """Unlisted classrooms beyond this are refused (``inventory``)."""
    ranges_per_spool_max: Annotated[int, Meta(ge=10, le=20_000)] = 4_000
    """So many separate ranges of records are remembered of a spool; then the oldest gap between them is closed, and
    what would still come there is refused (`inventory`)."""
    spools_per_gateway_max: AtLeastOne = 20
    """So many spools of a gateway are remembered, those heard last; a sound gateway has one for as long as its disk."""
    rejections_per_spool_max: Annotated[int, Meta(ge=2_000, le=100_000)] = 4_000
    """So many refused records of a spool are remembered one by one, those refused last; for a while twice as many."""
    switches_per_gateway_max: AtLeastOne = 200
    """Switches that one gateway may name; further ones are refused (``inventory``)."""
    segments_per_gateway_max: AtLeastOne = 200
    """Trunks and access points that one gateway may name; further ones are refused (``inventory``)."""
    switches_behind_trunks_max: Annotated[int, Meta(ge=1, le=20_000)] = 1_000
    """Further switches that the trunks of one gateway may list; beyond that one is refused (``inventory``)."""
    facts_per_device_max_bytes: Annotated[int, Meta(ge=1, le=20_000)] = 2_000
    """Names and texts of what a device says of itself; a record with more is refused (``inventory``)."""
    targets_per_gateway_max: AtLeastOne = 64
    """Platforms' addresses that one gateway may fetch or ping; further ones are refused (``inventory``)."""
    tests_per_gateway_max: AtLeastOne = 200
    """Bandwidth targets of one gateway, each direction for itself; further ones are refused (``inventory``)."""
    exits_per_gateway_max: AtLeastOne = 8
    """Exits of the metropolitan network that one gateway may test; further ones are refused (``inventory``)."""

    @property
    def theta_down_bps(self) -> tuple[float, float]:
        return self._thetas(self.required_down_bps)

    @property
    def theta_up_bps(self) -> tuple[float, float] | None:
        return None if self.required_up_bps is None else self._thetas(self.required_up_bps)

    def late_after(self, report_interval_s: float) -> float:
        """Seconds: where reports come every five minutes, a record of four minutes ago is not late."""
        return max(self.late_after_s, 3 * report_interval_s)

    def _thetas(self, required_bps: int) -> tuple[float, float]:
        return (1 - self.tolerance_ratio) * required_bps, float(required_bps)
