"""Every kind of thing that goes wrong: where it can, what it breaks in the world, and what should be said of it.

What is right is what the public contract says in "What the verdicts mean" and "Alerts and chat": the cause that a
person on the spot would name, and the one who can do something about it, from scope and evidence.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bench.scenarios.strikes import (
    Strike,
    all_schools,
    ap_slow,
    boards_dark,
    building_dark,
    exit_cut,
    exit_slow,
    gateway,
    in_a_room,
    line_cut,
    line_slow,
    of_operator,
    old_card,
    one_school,
    operator_cut,
    operator_slow,
    platform_at,
    second_gateway,
    switch_dead,
    switch_mute,
    trunk_half,
    trunk_slow,
    way_slow,
)
from classready.units import MBIT
from collector.core.words import Actor, Cause


class Kind(Struct, frozen=True, kw_only=True):
    """``lasts_h``: hours of the clock, or with ``school_days`` so many school days until its evening."""

    about: str
    """What is injected, for people."""
    should: str
    """What should be said."""
    causes: tuple[Cause, ...]
    actors: tuple[Actor, ...]
    strike: Strike
    lasts_h: tuple[float, float] = (2.0, 4.0)
    school_days: int = 0
    tell_within_h: float | None = None
    """What is said later is no use; None = as long as it lasts."""
    is_silence: bool = False
    """It hides everything else at its school while it lasts."""


SLOW_PORT: Final = 10.0 * MBIT

KINDS: Final[Mapping[str, Kind]] = {
    "gateway_dead": Kind(
        about="the school's only gateway dies in lesson time",
        should="gateway silent, to the school",
        causes=(Cause.GATEWAY_SILENT,),
        actors=("school",),
        strike=gateway,
        is_silence=True,
    ),
    "second_gateway_dead": Kind(
        about="one of two gateways dies in lesson time",
        should="that gateway silent, its rooms only, to the school",
        causes=(Cause.GATEWAY_SILENT,),
        actors=("school",),
        strike=second_gateway,
        is_silence=True,
    ),
    "line_cut": Kind(
        about="one school's line is cut; what was seen meanwhile comes later",
        should="gateway silent, to the school (one school alone)",
        causes=(Cause.GATEWAY_SILENT,),
        actors=("school",),
        strike=line_cut,
        is_silence=True,
    ),
    "operator_cut": Kind(
        about="ten schools of one operator lose their lines at once",
        should="one incident, to the operator",
        causes=(Cause.GATEWAY_SILENT,),
        actors=("operator",),
        strike=operator_cut,
        lasts_h=(1.0, 2.5),
        is_silence=True,
    ),
    "line_slow": Kind(
        about="one line carries 20 to 80 Mbit/s for some days",
        should="uplink below required, to the operator",
        causes=(Cause.UPLINK_BELOW_REQUIRED,),
        actors=("operator",),
        strike=line_slow,
        school_days=3,
    ),
    "operator_slow": Kind(
        about="six schools of one operator get 45 Mbit/s",
        should="uplink below required, one incident, to the operator",
        causes=(Cause.UPLINK_BELOW_REQUIRED,),
        actors=("operator",),
        strike=operator_slow,
        school_days=2,
    ),
    "exit_slow": Kind(
        about="the metropolitan network's exit gives each school 60 Mbit/s",
        should="exit below required, to bureau and exit",
        causes=(Cause.EXIT_BELOW_REQUIRED,),
        actors=("exit", "bureau"),
        strike=exit_slow,
        school_days=2,
    ),
    "exit_cut": Kind(
        about="the exit is cut: schools behind it reach no platform, and report all the same",
        should="that exit, to bureau and exit, not each school nor the platforms",
        causes=(Cause.EXIT_BELOW_REQUIRED, Cause.PLATFORM_UNREACHABLE),
        actors=("exit", "bureau"),
        strike=exit_cut,
    ),
    "switch_dead": Kind(
        about="a managed switch loses its power",
        should="switch unreachable by its name, to the school",
        causes=(Cause.SWITCH_UNREACHABLE,),
        actors=("school",),
        strike=switch_dead,
    ),
    "switch_mute": Kind(
        about="somebody changes a switch's SNMP community",
        should="switch unreachable by its name, to the school",
        causes=(Cause.SWITCH_UNREACHABLE,),
        actors=("school",),
        strike=switch_mute,
        school_days=1,
    ),
    "trunk_slow": Kind(
        about="a trunk negotiates 10 Mbit/s",
        should="way inside below required, the trunk by name, to the school",
        causes=(Cause.SEGMENT_BELOW_REQUIRED,),
        actors=("school",),
        strike=trunk_slow,
        school_days=1,
    ),
    "trunk_half": Kind(
        about="a trunk falls to half duplex at 1 Gbit/s",
        should="way inside below required, the trunk by name, half duplex said, to the school",
        causes=(Cause.SEGMENT_BELOW_REQUIRED,),
        actors=("school",),
        strike=trunk_half,
        school_days=1,
    ),
    "ap_slow": Kind(
        about="an access point's port negotiates 10 Mbit/s",
        should="way inside below required for its Wi-Fi rooms, to the school",
        causes=(Cause.SEGMENT_BELOW_REQUIRED,),
        actors=("school",),
        strike=ap_slow,
        school_days=1,
    ),
    "boards_dark": Kind(
        about="a building's mains fail in a lesson: all boards behind one switch lose their link",
        should="boards offline, told at once as a group, to the school",
        causes=(Cause.DEVICE_OFFLINE,),
        actors=("school",),
        strike=boards_dark,
        lasts_h=(1.5, 3.0),
        tell_within_h=0.5,
    ),
    "building_dark": Kind(
        about="a building's mains fail in a lesson, and no switch of the school can be read",
        should="boards offline behind that gateway, told at once as a group, to the school",
        causes=(Cause.DEVICE_OFFLINE,),
        actors=("school",),
        strike=building_dark,
        lasts_h=(1.5, 3.0),
        tell_within_h=0.5,
    ),
    "port_closed": Kind(
        about="a room's port is shut down in the switch's configuration",
        should="port down, switch and port by name, to the school",
        causes=(Cause.PORT_DOWN,),
        actors=("school",),
        strike=in_a_room("port closed"),
        school_days=1,
    ),
    "cable_out": Kind(
        about="a board's cable is pulled; the board works on by Wi-Fi",
        should="port down (awake by another path), switch and port by name, to the school",
        causes=(Cause.PORT_DOWN,),
        actors=("school",),
        strike=in_a_room("cable out"),
        school_days=2,
    ),
    "cable_slow": Kind(
        about="a bad plug: a room's port negotiates 10 Mbit/s",
        should="port below required, switch and port by name, to the school",
        causes=(Cause.PORT_BELOW_REQUIRED,),
        actors=("school",),
        strike=in_a_room("cable bps", SLOW_PORT),
        school_days=2,
    ),
    "cable_half": Kind(
        about="a room's port falls to half duplex",
        should="port half duplex, switch and port by name, to the school",
        causes=(Cause.PORT_HALF_DUPLEX,),
        actors=("school",),
        strike=in_a_room("cable half", words=("半双工",)),
        school_days=2,
    ),
    "old_card": Kind(
        about="a board known by MQTT alone has a 10M card",
        should="port below required, to the school",
        causes=(Cause.PORT_BELOW_REQUIRED,),
        actors=("school",),
        strike=old_card,
        school_days=2,
    ),
    "way_slow": Kind(
        about="an unmanaged switch passes 30 Mbit/s to a room that is tested",
        should="way inside below required, to the school",
        causes=(Cause.SEGMENT_BELOW_REQUIRED,),
        actors=("school",),
        strike=way_slow,
        school_days=4,
    ),
    "board_dead": Kind(
        about="a board breaks and stays dark for eight school days",
        should="device absent (or the digest's list of boards not seen), to school or bureau",
        causes=(Cause.DEVICE_ABSENT,),
        actors=("school", "bureau"),
        strike=in_a_room("board dead", managed=False),
        school_days=8,
    ),
    "platform_down": Kind(
        about="a platform fails for everybody",
        should="platform unreachable, one incident, to the platform",
        causes=(Cause.PLATFORM_UNREACHABLE,),
        actors=("platform",),
        strike=platform_at("status_unexpected", all_schools),
        lasts_h=(0.7, 1.5),
    ),
    "platform_by_operator": Kind(
        about="one operator does not route to a platform",
        should="platform unreachable, one incident, to the operator",
        causes=(Cause.PLATFORM_UNREACHABLE,),
        actors=("operator",),
        strike=platform_at("timeout", of_operator),
        lasts_h=(1.0, 2.0),
    ),
    "platform_unresolved": Kind(
        about="one school's resolver does not know a platform's name",
        should="platform unreachable, to the school (one school alone)",
        causes=(Cause.PLATFORM_UNREACHABLE,),
        actors=("school",),
        strike=platform_at("name_unresolved", one_school),
    ),
    "platform_certificate": Kind(
        about="a proxy in one school breaks a platform's certificate",
        should="platform unreachable, to the school (one school alone)",
        causes=(Cause.PLATFORM_UNREACHABLE,),
        actors=("school",),
        strike=platform_at("tls_invalid", one_school),
        school_days=1,
    ),
}
