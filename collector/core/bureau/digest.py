"""The digest (每日汇总): once a school day an office hears what can wait, and what was told and is not fixed.

It is the only reminder there is. Nothing to say is no message; on other days there is none.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from collector.core.bureau.groups import can_wait
from collector.core.bureau.pace import combined
from collector.core.bureau.words import Incident, Notice, Since


def is_of_the_morning(incident: Incident) -> bool:
    """Whether what is to be said of it now is no news, or waits for the morning."""
    return can_wait(incident) or not incident.tally.news_count


def counted(since: Since, notice: Notice) -> Since:
    """Count what a message says to have begun or to be over."""
    for part in notice.parts or (notice,):
        is_over = part.cause is not None and part.kind in {"resolved", "withdrawn"} and not part.remaining_classrooms
        since = Since(since.began_count + (part.kind == "opened"), since.ended_count + is_over)
    return since


def digest(parts: Sequence[Notice], since: Since) -> Notice:
    return replace(combined("digest", parts), since_digest=since)
