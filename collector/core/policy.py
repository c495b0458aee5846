"""Every threshold of the product, with its unit and default. They live here and nowhere else."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from classready.units import MBIT

Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1, le=1_000)]
Rate = Annotated[int, Meta(ge=1_000, le=10**12)]


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    required_down_bps: Rate = 100 * MBIT
    """百兆到班: what each classroom must have, layer-1 equivalent."""
    required_up_bps: Rate | None = None
    """None = shown, not judged."""
    tolerance_ratio: Annotated[float, Meta(ge=0, le=0.2)] = 0.05
    basis: Literal["port", "reach", "share"] = "reach"
    confirm_spacing_s: Positive = 60.0
    late_after_s: Positive = 180.0
    silent_after_intervals: AtLeastOne = 3
    awake_window_s: Positive = 60.0
    fresh_intervals: AtLeastOne = 3
    port_max_school_hours: Positive = 8.0
    uplink_max_school_hours: Positive = 16.0
    absent_after_school_days: AtLeastOne = 5
    compliant_fail_days: AtLeastOne = 2
    compliant_max_age_school_days: AtLeastOne = 20
    raise_after: AtLeastOne = 3
    clear_after: AtLeastOne = 2
    group_wait_s: NonNegative = 30.0
    platform_hold_s: NonNegative = 120.0
    platform_fault_offices: Annotated[int, Meta(ge=2, le=1_000)] = 2
    observation_school_days: Annotated[int, Meta(ge=0, le=60)] = 7
    message_window_s: Positive = 300.0
    messages_per_window: AtLeastOne = 3
    reminder_after_s: Positive = 86_400.0
    classrooms_per_gateway_max: AtLeastOne = 200
    """Unlisted classrooms beyond this are refused (``inventory``)."""

    @property
    def theta_down_bps(self) -> tuple[float, float]:
        return self._thetas(self.required_down_bps)

    @property
    def theta_up_bps(self) -> tuple[float, float] | None:
        return None if self.required_up_bps is None else self._thetas(self.required_up_bps)

    def _thetas(self, required_bps: int) -> tuple[float, float]:
        return (1 - self.tolerance_ratio) * required_bps, float(required_bps)
