"""Who is on an incident: "我在处理", said once by somebody, and known until the incident is over.

It belongs to the incident and not to its members: schools that join later are on the same table, and what closes and
opens again is a new incident that nobody has looked at yet.
"""

from msgspec.structs import replace

from collector.core.bureau.words import Acknowledged, Acknowledgement, Incident


def acknowledged(incident: Incident, event: Acknowledged) -> Incident:
    """Note who is on it. The last word counts, as work is handed on: in the order of the queue, which no clock sets."""
    return replace(incident, acknowledgement=Acknowledgement(by=event.by, note=event.note, at=event.at))


def inherited(incident: Incident, other: Incident) -> Incident:
    """Two that turned out to be one: whoever is on either of them is on both, the latest word counts."""
    found = [each.acknowledgement for each in (incident, other) if each.acknowledgement is not None]
    return replace(incident, acknowledgement=max(found, key=lambda each: each.at, default=None))
