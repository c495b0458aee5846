"""A device whose topics stand in the settings."""

from agent.probes.whiteboard.panel import Availability, Panel, Source, Switch
from agent.probes.whiteboard.values import at, steps
from classready.devices import Profile, Switching
from classready.devices import Source as Place

"""Stands for the profile that a device makes itself, by what it announces."""


def panel(profile: Profile, device_id: str) -> Panel:
    """``profile`` with ``device_id`` for ``{id}``."""
    will = profile.availability
    return Panel(
        availability=Availability(wills=(_switch(will, "its last will", device_id),)) if will else None,
        power=(_switch(profile.power, "its power", device_id),) if profile.power else (),
        awake_if_connected=profile.power is None,
        nic_speed_mbps=_source(profile.nic_speed_mbps, device_id) if profile.nic_speed_mbps else None,
        facts={name: _source(place, device_id) for name, place in profile.facts.items()},
    )


def _switch(place: Switching, name: str, device_id: str) -> Switch:
    source = _source(place, device_id)
    return Switch(topic=source.topic, read=source.read, name=name, on=place.on, off=place.off)


def _source(place: Place, device_id: str) -> Source:
    return Source(topic=place.topic.replace("{id}", device_id), read=at(steps(place.path)))
