"""What a device's messages say of it: where its values stand, and from the newest messages to its state. No I/O.

A retained message outlives its device: the broker gives it to us years later. So it counts only where the device also
has a last will (availability) that says it is connected now; else only what arrived lately does (docs/decisions/0020).
What is said in a way that is not understood leaves the state unknown, with the reason: it is never a guess.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from agent.probes.whiteboard.values import Read, Unreadable, shown
from classready.observation import clean_text
from classready.units import MBIT

FRESH_INTERVALS = 3
"""A message that is younger says how the device is now."""
_NUMBER_MAX = 10**12


class Heard(Struct, frozen=True, kw_only=True):
    """What a device's own messages on the school's broker prove.

    ``state`` None: nothing, and ``detail`` says why. ``gone``: its last will says that it is not connected.
    """

    state: Literal["awake", "asleep"] | None = None
    gone: bool = False
    nic_speed_bps: int | None = None
    facts: dict[str, str] = {}
    detail: str = ""


class Message(Struct, frozen=True, kw_only=True):
    """The newest message of a topic, which came at ``at_s`` of the monotonic clock; ``retained``: it is older.

    ``refused``: why it was not kept. Then ``payload`` is empty, and nobody knows what it says.
    """

    payload: bytes
    retained: bool
    at_s: float
    refused: str = ""


Messages = Mapping[str, Message]
Mode = Literal["all", "any", "latest"]


class Source(Struct, frozen=True, kw_only=True):
    """A value: the messages of ``topic``, as ``read`` reads them."""

    topic: str
    read: Read


class Switch(Source, frozen=True, kw_only=True):
    """A value that is on or off. ``name`` stands in reasons; beyond ``expires_s`` a message says nothing any more."""

    name: str
    on: tuple[str, ...]
    off: tuple[str, ...]
    expires_s: float | None = None


class Availability(Struct, frozen=True, kw_only=True):
    """Its last will, and those of what stands between: connected when all, any, or the latest of them say so."""

    wills: tuple[Switch, ...]
    mode: Mode = "latest"


class Panel(Struct, frozen=True, kw_only=True):
    """A device over MQTT.

    ``power``: what says whether its screen is on; those that say anything must agree. ``unclear``: why its state
    cannot be told from what it announced. ``awake_if_connected``: somebody who knows the device says so.
    """

    availability: Availability | None = None
    power: tuple[Switch, ...] = ()
    unclear: str = ""
    awake_if_connected: bool = False
    nic_speed_mbps: Source | None = None
    facts: Mapping[str, Source] = {}

    def topics(self) -> list[str]:
        """Those to subscribe to, what decides the state first."""
        wills = self.availability.wills if self.availability else ()
        speed = () if self.nic_speed_mbps is None else (self.nic_speed_mbps,)
        return list(dict.fromkeys(source.topic for source in (*wills, *self.power, *speed, *self.facts.values())))


def hear(panel: Panel, messages: Messages, *, now_s: float, fresh_s: float) -> Heard:
    """The device's state by what it said. ``now_s`` is on the clock of the messages."""

    def lately(message: Message) -> bool:
        return not message.retained and now_s - message.at_s <= fresh_s

    try:
        connected = _is_connected(panel.availability, messages)
        if connected is False:
            return Heard(gone=True, detail="its last will says that it is not connected")
        on = _is_on(panel, messages, lambda message: bool(connected) or lately(message), now_s)
    except Unreadable as error:
        return Heard(detail=clean_text(f"over MQTT its state is not known: {error}"))
    credible = {t: m for t in panel.topics() if (m := messages.get(t)) and (connected or lately(m))}
    facts = {name: text for name, source in panel.facts.items() if (text := _text(source, credible))}
    if on is None and panel.awake_if_connected and (connected or facts):
        on = True
    if on is None:
        return Heard(detail=_why_unknown(panel, messages))
    return Heard(
        state="awake" if on else "asleep",
        nic_speed_bps=_speed_bps(_text(panel.nic_speed_mbps, credible)) if panel.nic_speed_mbps else None,
        facts={name: clean_text(text) for name, text in facts.items()},
    )


def _why_unknown(panel: Panel, messages: Messages) -> str:
    said = [switch.name for switch in panel.power if switch.topic in messages]
    if not said:
        return "over MQTT nothing was heard that proves a state"
    return clean_text(f"over MQTT {said[0]} is known from before only, and no last will says that it is connected now")


# --- is it connected? -----------------------------------------------------------------------------------------------


def _is_connected(availability: Availability | None, messages: Messages) -> bool | None:
    """None where nothing was heard of it.

    Raises:
        Unreadable: what was heard decides nothing.
    """
    if availability is None:
        return None
    if availability.mode == "latest":
        return _latest(availability.wills, messages)
    decisive = availability.mode == "any"
    """One will that says so is enough: connected for "any", not connected for "all"."""
    said: set[bool | None] = set()
    unreadable: Unreadable | None = None
    for will in availability.wills:
        try:
            said.add(_switched(will, messages))
        except Unreadable as error:
            unreadable = error
    if decisive in said:
        return decisive
    if unreadable is not None:
        raise unreadable
    return None if None in said else not decisive


def _latest(wills: tuple[Switch, ...], messages: Messages) -> bool | None:
    """What came last. Retained messages come in any order: which of them is the latest is not known."""
    heard = [(messages[will.topic], will) for will in wills if will.topic in messages]
    live = [(message.at_s, will) for message, will in heard if not message.retained]
    if live:
        return _switched(max(live, key=lambda each: each[0])[1], messages)
    said = {_switched(will, messages) for _, will in heard}
    if len(said) > 1:
        topics = ", ".join(will.topic for _, will in heard)
        raise Unreadable(f"its last wills ({topics}) contradict each other, and which is the latest is not known")
    return said.pop() if said else None


# --- values ---------------------------------------------------------------------------------------------------------


def _is_on(panel: Panel, messages: Messages, is_credible: Callable[[Message], bool], now_s: float) -> bool | None:
    """Whether its screen is on; None where nothing credible was heard.

    Raises:
        Unreadable: it was, and is not understood.
    """
    if panel.unclear:
        raise Unreadable(panel.unclear)
    said: dict[bool | None, str] = {}
    for switch in panel.power:
        message = messages.get(switch.topic)
        if message is None or not is_credible(message):
            continue
        if switch.expires_s is not None and now_s - message.at_s > switch.expires_s:
            raise Unreadable(f"{switch.name} said nothing for {switch.expires_s:g} s and more")
        said[_switched(switch, messages)] = switch.name
    if len(said) > 1:
        raise Unreadable(f"{' and '.join(said.values())} contradict each other")
    return next(iter(said), None)


def _switched(switch: Switch, messages: Messages) -> bool | None:
    """Whether it says on or off, None where it says nothing. Case counts only where it makes the difference.

    Raises:
        Unreadable: neither.
    """
    message = messages.get(switch.topic)
    if message is None:
        return None
    if message.refused:
        raise Unreadable(f"{switch.name}: {message.refused}")
    try:
        text = switch.read(message.payload)
    except Unreadable as error:
        raise Unreadable(f"{switch.name}: {error}") from None
    for alike in (str, str.casefold):
        is_on = alike(text) in {alike(each) for each in switch.on}
        is_off = alike(text) in {alike(each) for each in switch.off}
        if is_on != is_off:
            return is_on
    raise Unreadable(f"{switch.name} says {shown(text)}, which is neither on nor off")


def _text(source: Source, messages: Messages) -> str | None:
    """The value as text; None where there is none, or it is not understood."""
    message = messages.get(source.topic)
    try:
        return None if message is None or message.refused else source.read(message.payload) or None
    except Unreadable:
        return None


def _speed_bps(text: str | None) -> int | None:
    try:
        mbps = float(text or "")
    except ValueError:
        return None
    return round(mbps * MBIT) if 0 < mbps < _NUMBER_MAX else None
