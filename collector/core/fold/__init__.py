"""Putting events into a school: one file a family of evidence."""

from classready.observation import Bandwidth, Device, Found, Http, Ping, Port, Segment
from collector.core.events import Observed
from collector.core.fold import device, link, path, platform
from collector.core.folded import Folded


def observe(folded: Folded, event: Observed) -> None:
    """Put one record in; a room that the roster does not list is remembered, and nothing else of the record."""
    seen, room_id = event.observation, event.classroom
    if room_id not in folded.listed and (room_id is not None or isinstance(seen, (Port, Device))):
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
        case Found():
            pass  # nobody said yet what it is: it judges nothing
