"""The words of the judgement: closed lists that every other part of the core, the store and the pages speak in."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

VerdictValue = Literal["yes", "no", "unknown"]
CompliantValue = Literal["yes", "no", "unknown", "exempt"]
ShownValue = Literal["yes", "no", "unknown", "exempt", "removed"]
"""What a history can say: a room may also be taken off the list."""
LinkState = Literal["enough", "short", "unknown"]
Basis = Literal["port", "reach", "share"]
DeviceStateName = Literal["awake", "asleep", "away"]
Direction = Literal["down", "up"]
Source = Literal["gateway", "self_test", "person"]
"""Who made an observation: an agent, the classroom's own screen, or somebody who looked."""


class Cause(StrEnum):
    """Why a classroom is not ready, in root-cause order: the first that holds wins the sentence."""

    GATEWAY_SILENT = "gateway_silent"
    UPLINK_BELOW_REQUIRED = "uplink_below_required"
    EXIT_BELOW_REQUIRED = "exit_below_required"
    SWITCH_UNREACHABLE = "switch_unreachable"
    SEGMENT_BELOW_REQUIRED = "segment_below_required"
    PORT_DOWN = "port_down"
    PORT_BELOW_REQUIRED = "port_below_required"
    PORT_HALF_DUPLEX = "port_half_duplex"
    DEVICE_ABSENT = "device_absent"
    DEVICE_OFFLINE = "device_offline"
    PLATFORM_UNREACHABLE = "platform_unreachable"
    NOT_MEASURED = "not_measured"


Actor = Literal["school", "operator", "exit", "bureau", "platform"]

ACTORS: Mapping[Cause, Actor] = {
    Cause.GATEWAY_SILENT: "school",
    Cause.UPLINK_BELOW_REQUIRED: "operator",
    Cause.EXIT_BELOW_REQUIRED: "exit",
    Cause.SWITCH_UNREACHABLE: "school",
    Cause.SEGMENT_BELOW_REQUIRED: "school",
    Cause.PORT_DOWN: "school",
    Cause.PORT_BELOW_REQUIRED: "school",
    Cause.PORT_HALF_DUPLEX: "school",
    Cause.DEVICE_ABSENT: "bureau",
    Cause.DEVICE_OFFLINE: "school",
    Cause.PLATFORM_UNREACHABLE: "platform",
    Cause.NOT_MEASURED: "school",
}
"""Who can do something about it, where its scope does not say otherwise (`bureau.root`)."""


class NextStep(StrEnum):
    """The one cheapest thing that would turn an unknown into an answer: true where it is said, and possible today."""

    CHECK_GATEWAY = "check_gateway"
    INSTALL_GATEWAY = "install_gateway"
    NAME_ROOM = "name_room"
    """Gateways report, none of them this room."""
    ADD_TEST = "add_test"
    """Nothing lately tested the line."""
    WAIT_FOR_TEST = "wait_for_test"
    WAIT_FOR_HOURS = "wait_for_hours"
    WAIT_FOR_BUDGET = "wait_for_budget"
    SET_CLOCK = "set_clock"
    CHECK_TEST = "check_test"
    """The test is made and brings no result, for a reason that does not pass by itself."""
    CHECK_SWITCH = "check_switch"
    PLACE_ROOM = "place_room"
    """A managed switch is read, and the room's port on it is not known."""
    SHOW_LINK = "show_link"
    """No managed switch is read: a port or a test must be added."""
    TEST_ROOM = "test_room"
    """There is no port, or one without a speed: only a test into the room can tell."""
    WIRE_ROOM = "wire_room"
    """A cellular room's link does not pass the gateway."""
    WAKE_DEVICE = "wake_device"
    WAIT_FOR_READING = "wait_for_reading"
    CHECK_SWITCH_PROBE = "check_switch_probe"
    LIST_DEVICE = "list_device"
    CHECK_DEVICE_PROBE = "check_device_probe"
    CHECK_PLATFORM_PROBE = "check_platform_probe"
    WAIT_FOR_PLATFORM = "wait_for_platform"
    WAIT_FOR_LESSONS = "wait_for_lessons"

    @classmethod
    def _missing_(cls, _value: object) -> "NextStep":
        """A step that an earlier release stored and this one does not name; every room is judged anew at the start."""
        return cls.WAIT_FOR_READING


class Grade(StrEnum):
    """How good the evidence is, best first; the last two are shown and never prove enough."""

    ACTIVE = "active"
    SELF_TEST = "self_test"
    PASSIVE = "passive"
    NEGOTIATED = "negotiated"
    PARTIAL = "partial"
    """Negotiated speed, and of the way from there to the gateway nothing is known."""
    INSPECTED = "inspected"
    DECLARED = "declared"
