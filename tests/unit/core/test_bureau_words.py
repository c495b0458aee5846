"""What the bureau keeps and says is empty where nothing happened."""

import pytest
from msgspec import Struct

from collector.core.bureau.words import STATE_VERSION, Bureau, Incident, Notice, Share, Since, Tally
from collector.core.words import Cause

INCIDENT = Incident(id="000001", scope="school", office="o", cause=Cause.PORT_DOWN, opened_at=1.0, since=1.0)
NOTICE = Notice(kind="moved", incident="", office="o", cause=None, at=1.0, since=1.0)


@pytest.mark.parametrize(
    "empty", [Bureau(), INCIDENT, NOTICE, Share(), Since(), Tally()], ids=lambda e: type(e).__name__
)
def test_what_nobody_counted_is_none(empty: Struct) -> None:
    """Sums begin with it: what an earlier release stored has some of them not, and a message of moves has no rooms."""
    counts = [name for name in empty.__struct_fields__ if name.endswith(("_count", "_classrooms"))]
    assert {name: getattr(empty, name) for name in counts} == dict.fromkeys(counts, 0)


def test_what_never_was_has_no_date() -> None:
    """Whatever comes first is later than the start; nobody was told, and nothing is due."""
    assert Bureau().as_of == 0.0
    assert (INCIDENT.notified_at, INCIDENT.due_at, INCIDENT.told_at, Share().was_told) == (None, None, None, False)


def test_the_form_in_which_incidents_are_stored() -> None:
    """A release refuses what a newer one stored: a form that an older one would misread has another number."""
    assert STATE_VERSION == INCIDENT.version == 1
