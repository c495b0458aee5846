"""What devices have announced of themselves, by device: each message is read once, when it comes."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from agent.probes.whiteboard import discovery, screen
from agent.probes.whiteboard.discovery import Announcement, Entity, Will, folded
from agent.probes.whiteboard.panel import Availability, Mode, Panel, Source, Switch
from agent.probes.whiteboard.template import reader
from agent.probes.whiteboard.values import Read, Unreadable
from classready.observation import clean_text

DEVICE_MAX_BYTES = 262_144
"""All announcements of one device, with ``ENTITY_BYTES`` for each entity; thirty entities are about 30 kB."""
ENTITY_BYTES = 512
"""What an entity takes in memory even where its announcement is short."""
_FACTS_MAX = 12


class _Held(Struct, frozen=True):
    announcement: Announcement
    size_bytes: int
    retained: bool


class _Device:
    """What is held of one device, by topic."""

    def __init__(self) -> None:
        self.held: dict[str, _Held] = {}
        self.held_bytes = 0
        self.problem = ""
        self.panel: Panel | None = None

    def add(self, topic: str, held: _Held) -> bool:
        self.panel = None
        if self.held_bytes + held.size_bytes > DEVICE_MAX_BYTES:
            self.problem = f"its announcements are longer than {DEVICE_MAX_BYTES:,} bytes in all"
            return False
        self.held[topic] = held
        self.held_bytes += held.size_bytes
        return True

    def remove(self, topic: str) -> None:
        self.panel = None
        if old := self.held.pop(topic, None):
            self.held_bytes -= old.size_bytes


class Announced:
    """Announcements of the devices ``ids``; those of others are not kept."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._devices = {folded(each): _Device() for each in ids}
        self._devices_of: dict[str, list[_Device]] = {}

    def __len__(self) -> int:
        """Messages that are held."""
        return len(self._devices_of)

    def take(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Keep what a message on a discovery topic says. False = it would be too much: the device is unclear now."""
        try:
            announcement = discovery.read(topic, payload, self._devices)
        except Unreadable as error:
            if topic in self._devices_of:
                return True  # what was understood before holds, as in Home Assistant
            announcement = discovery.unreadable(topic, str(error))
        for device in self._devices_of.pop(topic, ()):
            device.remove(topic)
        return announcement is None or self._keep(topic, announcement, len(payload), retained=retained)

    def _keep(self, topic: str, announcement: Announcement, size_bytes: int, *, retained: bool) -> bool:
        called = {folded(each) for each in announcement.ids | announcement.names}
        devices = [self._devices[each] for each in called if each in self._devices]
        if not devices:
            return True
        self._devices_of[topic] = devices
        held = _Held(announcement, len(topic) + size_bytes + ENTITY_BYTES * len(announcement.entities), retained)
        fits = [device.add(topic, held) for device in devices]
        return all(fits)

    def refuse(self, topic: str, problem: str) -> None:
        """An announcement was not read. Whose it was is known where one came on its topic before, or by the topic."""
        for device in self._devices_of.get(topic, ()):
            device.problem, device.panel = problem, None
        announcement = None if topic in self._devices_of else discovery.unreadable(topic, problem)
        if announcement is not None:
            self._keep(topic, announcement, 0, retained=True)

    def begin(self) -> None:
        """A new connection: what the broker keeps it sends again, what it does not is kept here."""
        for device in self._devices.values():
            device.problem, device.panel = "", None
        for topic, devices in list(self._devices_of.items()):
            if any(topic in device.held and device.held[topic].retained for device in devices):
                for device in self._devices_of.pop(topic):
                    device.remove(topic)

    def panel(self, device_id: str) -> Panel:
        """The device as it announced itself; put together again only after something changed."""
        name = folded(device_id)
        device = self._devices[name]
        if device.panel is None:
            device.panel = _put_together(name, device)
        return device.panel


def _put_together(name: str, device: _Device) -> Panel:
    if device.problem:
        return Panel(unclear=device.problem)
    held = [each.announcement for each in device.held.values()]
    if any(name in each.ids for each in held):
        held = [each for each in held if name in each.ids or not each.ids]
    if not held:
        return Panel(unclear=f"nothing on the broker announces {name!r}")
    if not _is_one(held):
        return Panel(unclear=f"several devices are called {name!r}: give one of its identifiers")
    labels = frozenset[str]().union(*(each.labels for each in held))
    return _panel([entity for each in held for entity in each.entities], labels)


def _is_one(announcements: Iterable[Announcement]) -> bool:
    """Whether those who name identifiers have one in common with each other."""
    together: set[str] = set()
    for ids in sorted((each.ids for each in announcements if each.ids), key=len, reverse=True):
        if together and not together & ids:
            return False
        together |= ids
    return True


# --- from entities to a panel ---------------------------------------------------------------------------------------


def _panel(announced: Iterable[Entity], labels: Iterable[str]) -> Panel:
    # An entity that was announced on another topic since is the same one: the later message holds.
    latest = {(entity.component, entity.unique_id or id(entity)): entity for entity in announced}
    entities = list(latest.values())
    facts = dict(_facts(entities))
    availability = _common(entities)
    try:
        chosen = screen.choose(entities, labels)
        availability = _of_all(chosen) or availability
        return Panel(availability=availability, power=tuple(map(_switch, chosen)), facts=facts)
    except Unreadable as error:
        return Panel(availability=availability, unclear=str(error), facts=facts)


def _of_all(chosen: Sequence[Entity]) -> Availability | None:
    wills = {(entity.wills, entity.mode) for entity in chosen}
    if len(wills) > 1:
        raise Unreadable(f"{' and '.join(map(str, chosen))} have different availabilities")
    return _availability(*wills.pop()) if chosen[0].wills else None


def _common(entities: Iterable[Entity]) -> Availability | None:
    """The one availability of all of a device's entities that have any; it holds for those without."""
    wills = {(entity.wills, entity.mode) for entity in entities if entity.wills}
    return _availability(*wills.pop()) if len(wills) == 1 else None


def _availability(wills: tuple[Will, ...], mode: Mode) -> Availability:
    return Availability(wills=tuple(map(_will, wills)), mode=mode)


def _will(will: Will) -> Switch:
    return Switch(
        topic=will.topic,
        read=_reading(will.template),
        name=f"its last will {will.topic}",
        on=(will.on,),
        off=(will.off,),
    )


def _switch(entity: Entity) -> Switch:
    problem = entity.problem or ("" if entity.topic else "it reports no state")
    if problem:
        raise Unreadable(f"{entity}: {problem}")
    try:
        read = reader(entity.template)
    except Unreadable as error:
        raise Unreadable(f"{entity}: {error}") from None
    return Switch(
        topic=entity.topic,
        read=read,
        name=str(entity),
        on=(entity.on,),
        off=(entity.off,),
        expires_s=entity.expires_s,
    )


def _reading(template: str | None) -> Read:
    """A reader also of what is not understood: then it says so of each message."""
    try:
        return reader(template)
    except Unreadable as error:
        problem = str(error)

    def read(_payload: bytes) -> str:
        raise Unreadable(problem)

    return read


def _facts(entities: Iterable[Entity]) -> Iterator[tuple[str, Source]]:
    """What its sensors measure, as far as it is understood; of two with one name the last."""
    sensors = [entity for entity in entities if entity.component == "sensor" and entity.topic and not entity.problem]
    sensors.sort(key=lambda entity: (bool(entity.category), not entity.enabled, entity.object_id))
    for entity in sensors[:_FACTS_MAX]:
        celsius = entity.device_class == "temperature" and entity.unit in {"", "°C", "℃"}
        name = "temperature_c" if celsius else entity.name or entity.object_id
        yield clean_text(name)[:40] or "sensor", Source(topic=entity.topic, read=_reading(entity.template))
