"""Putting events into a school: one file a family of evidence."""

from classready.observation import Bandwidth, Device, Http, Ping, Port, Segment
from collector.core.events import Observed
from collector.core.fold import device, link, path, platform
from collector.core.folded import Folded


def observe(folded: Folded, event: Observed) -> None:
    """Put one record in; a room that the roster does not list is remembered, and nothing else of the record."""
    seen, room_id = event.observation, event.classroom
    of_a_room = isinstance(seen, Port | Device) or room_id is not None
    if of_a_room and room_id not in folded.school.roster.classrooms:
        folded.put("unlisted", room_id or "", event.observed_at)
        return
    match seen:
        case Port():
            path.switch(folded, event, seen)
            device.port(folded, event, seen, room_id or "")
        case Device():
            device.device(folded, event, seen, room_id or "")
        case Bandwidth():
            link.test(folded, event, seen)
        case Http():
            platform.http(folded, event, seen)
        case Ping():
            platform.ping(folded, event, seen)
        case Segment():
            path.segment(folded, event, seen)
