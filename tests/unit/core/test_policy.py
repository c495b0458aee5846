"""The thresholds: their defaults and what a setting may be."""

from typing import Any

import msgspec
import pytest

from collector.core.policy import Policy

DEFAULTS = {
    "required_down_bps": 100_000_000,
    "required_up_bps": None,
    "tolerance_ratio": 0.05,
    "basis": "reach",
    "confirm_spacing_s": 60.0,
    "blame_spacing_s": 1_800.0,
    "late_after_s": 180.0,
    "silent_after_intervals": 3,
    "silence_hold_s": 900.0,
    "silence_hold_next_lesson_s": 600.0,
    "awake_window_s": 60.0,
    "fresh_intervals": 3,
    "port_max_school_hours": 8.0,
    "uplink_max_school_hours": 16.0,
    "device_proof_school_days": 2,
    "absent_after_school_days": 5,
    "device_group_min": 3,
    "device_group_window_s": 300.0,
    "lesson_max_s": 7_200.0,
    "noon_begins": "11:30",
    "noon_ends": "14:00",
    "leaving_s": 3_600.0,
    "compliant_fail_days": 2,
    "compliant_max_age_school_days": 20,
    "forget_after_school_days": 10,
    "raise_after": 3,
    "clear_after": 2,
    "group_wait_s": 30.0,
    "spread_wait_s": 330.0,
    "flapping_openings": 3,
    "flapping_window_s": 10_800.0,
    "flapping_quiet_s": 1_800.0,
    "same_root_s": 1_800.0,
    "platform_hold_s": 120.0,
    "observation_school_days": 7,
    "message_window_s": 300.0,
    "messages_per_window": 3,
    "quiet_chat_from": "22:00",
    "quiet_chat_until": "07:00",
    "escalate_after_lesson_hours": 0.0,
    "checkup_working_days": 3,
    "digest_at": "08:40",
    "objection_school_days": 2,
    "reopened_within_school_days": 10,
    "records_kept_years": 6,
    "classrooms_per_gateway_max": 200,
    "ranges_per_spool_max": 4_000,
    "spools_per_gateway_max": 20,
    "rejections_per_spool_max": 4_000,
    "switches_per_gateway_max": 200,
    "segments_per_gateway_max": 200,
    "switches_behind_trunks_max": 1_000,
    "facts_per_device_max_bytes": 2_000,
    "targets_per_gateway_max": 64,
    "tests_per_gateway_max": 200,
    "exits_per_gateway_max": 8,
}


def test_defaults_are_those_that_operators_read():
    """Every threshold has the documented default; a new one, or another value, is a decision."""
    assert msgspec.structs.asdict(Policy()) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("required_down_bps", (1_000, 10**12), (999, 10**12 + 1)),
        ("tolerance_ratio", (0, 0.2), (-0.01, 0.21)),
        ("confirm_spacing_s", (0.001,), (0, -1)),
        ("group_wait_s", (0,), (-0.001, -1)),
        ("raise_after", (1, 1_000), (0, 1_001)),
        ("observation_school_days", (0, 60), (-1, 61)),
        ("device_proof_school_days", (0, 60), (-1, 61)),
        ("ranges_per_spool_max", (10, 20_000), (9, 20_001)),
        ("rejections_per_spool_max", (2_000, 100_000), (1_999, 100_001)),
    ],
)
def test_bounds_of_a_threshold(name: str, good: tuple[Any, ...], bad: tuple[Any, ...]):
    """The outermost values that make sense are taken, the next ones are refused."""
    for value in good:
        assert getattr(msgspec.convert({name: value}, Policy), name) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError, match=name):
            msgspec.convert({name: value}, Policy)


def test_an_unknown_threshold_is_refused():
    """A misspelt name in a file would otherwise leave the default in force, unseen."""
    with pytest.raises(msgspec.ValidationError, match="rais_after"):
        msgspec.convert({"rais_after": 2}, Policy)


@pytest.mark.parametrize(("interval_s", "expected_s"), [(10, 180), (60, 180), (61, 183), (300, 900)])
def test_late_is_three_report_intervals_and_three_minutes_at_least(interval_s, expected_s):
    """Where reports come every five minutes, a record of four minutes ago is not late."""
    assert Policy().late_after(interval_s) == expected_s
