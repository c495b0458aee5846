"""What is physically so, and what is broken. A cause is put in here once; all that agents see follows from it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from bench.scenarios import days
from bench.scenarios.places import GBIT, Place, Room

GONE: Final = "gone"
STANDBY_BPS: Final = 10_000_000.0
"""What a board keeps its link at while it sleeps (Wake-on-LAN)."""

What = Literal[
    "gateway off", "line cut", "line bps", "exit bps", "exit cut", "switch off", "switch mute", "trunk bps",
    "trunk half", "ap bps", "port closed", "cable bps", "cable half", "cable out", "card bps", "board dead",
    "boards dark", "way bps", "platform",
]  # fmt: skip


class Breakage(NamedTuple):
    """One thing of one school that is not as it was. ``value``: bit/s, why a platform fails, or just ``GONE``."""

    school: str
    what: What
    name: str = ""
    value: object = GONE


class World:
    """``now`` is moved by the run; whatever is asked is asked of that moment."""

    def __init__(self, seed: int, places: Iterable[Place]) -> None:
        self.seed = seed
        self.places = {place.id: place for place in places}
        self.now = 0.0
        self._broken: dict[tuple[str, What, str], list[object]] = defaultdict(list)

    def breaks(self, found: Iterable[Breakage]) -> None:
        for school, what, name, value in found:
            self._broken[school, what, name].append(value)

    def mends(self, found: Iterable[Breakage]) -> None:
        for school, what, name, value in found:
            self._broken[school, what, name].remove(value)

    def _value(self, place: Place, what: What, name: str = "") -> object | None:
        values = self._broken.get((place.id, what, name))
        return values[-1] if values else None

    def _bps(self, place: Place, what: What, name: str, sound_bps: float) -> float:
        value = self._value(place, what, name)
        return sound_bps if value is None else float(str(value))

    # --- gateways and lines -----------------------------------------------------------------------------------------

    def is_running(self, place: Place, gateway: str) -> bool:
        """The box has power and works: it looks around, and keeps what it saw."""
        return self._value(place, "gateway off", gateway) is None and days.has_power(self.seed, place, self.now)

    def is_connected(self, place: Place) -> bool:
        return self._value(place, "line cut") is None and not days.redials(self.seed, place, self.now)

    def line_bps(self, place: Place) -> float:
        bps = self._bps(place, "line bps", "", place.line_bps)
        return bps / 2 if days.is_dipping(self.seed, place, self.now) else bps

    def beyond_bps(self, place: Place) -> float:
        """Through the line and the exit of the metropolitan network; 0 = nothing passes."""
        if self._value(place, "exit cut") is not None:
            return 0.0
        return min(self.line_bps(place), self._bps(place, "exit bps", "", GBIT))

    def platform_failure(self, place: Place, platform: str) -> str | None:
        """Why a platform does not answer this school; None = it does."""
        if place.is_metro and self._value(place, "exit cut") is not None:
            return "timeout"
        value = self._value(place, "platform", platform)
        return None if value is None else str(value)

    # --- switches ---------------------------------------------------------------------------------------------------

    def is_forwarding(self, place: Place, switch: str) -> bool:
        """It has power, and so has the one it hangs on."""
        above = (name for name in place.switches if switch in place.behind(name))
        return all(self._value(place, "switch off", name) is None for name in (switch, *above))

    def answers_snmp(self, place: Place, switch: str) -> bool:
        return self.is_forwarding(place, switch) and self._value(place, "switch mute", switch) is None

    def trunk(self, place: Place, switch: str) -> tuple[float, bool]:
        """Speed and full duplex of the port that leads from ``switch`` towards the gateway."""
        return self._bps(place, "trunk bps", switch, GBIT), self._value(place, "trunk half", switch) is None

    def ap_bps(self, place: Place, ap: str) -> float:
        return self._bps(place, "ap bps", ap, GBIT)

    # --- rooms ------------------------------------------------------------------------------------------------------

    def is_awake(self, place: Place, room: Room) -> bool:
        """Switched on by somebody, with power, and alive."""
        if self._value(place, "board dead", room.id) is not None or self._is_dark(place, room):
            return False
        return days.is_lit(self.seed, place, room, self.now)

    def _is_dark(self, place: Place, room: Room) -> bool:
        """Its building has no power: that of the switch it hangs on, or the one that it stands in."""
        where = room.building if room.switch is None else room.switch
        return self._value(place, "boards dark", where) is not None

    def is_reachable(self, place: Place, room: Room) -> bool:
        """An awake board can be spoken to: through its cable, or by Wi-Fi where somebody pulled that out."""
        if self._value(place, "port closed", room.id) is not None:
            return False
        return room.switch is None or self.is_forwarding(place, room.switch)

    def port(self, place: Place, room: Room) -> tuple[bool, bool, float, bool]:
        """Administratively up, up, speed and full duplex of the room's port on its switch."""
        is_open = self._value(place, "port closed", room.id) is None
        is_awake = self.is_awake(place, room)
        is_fed = not self._is_dark(place, room) and self._value(place, "board dead", room.id) is None
        is_in = self._value(place, "cable out", room.id) is None
        is_up = is_open and is_in and is_fed and (is_awake or room.sleeps)
        bps = self.cable_bps(place, room) if is_awake else STANDBY_BPS
        return is_open, is_up, bps if is_up else 0.0, self._value(place, "cable half", room.id) is None

    def cable_bps(self, place: Place, room: Room) -> float:
        """What the two ends of an awake board's cable negotiate."""
        card_bps = self._bps(place, "card bps", room.id, GBIT)
        return min(self._bps(place, "cable bps", room.id, GBIT), card_bps)

    def way_bps(self, place: Place, room: Room) -> float:
        """From the gateway to the computer in the room that answers tests."""
        return self._bps(place, "way bps", room.id, GBIT)
