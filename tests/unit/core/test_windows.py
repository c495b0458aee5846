"""Windows of maintenance and timetables as they are written: a key nobody knows is refused, and so are too many."""

from typing import Any

import msgspec
import pytest

from collector.core.maintenance import (
    BureauOnceWindow,
    BureauWeeklyWindow,
    Maintenance,
    OfficeMaintenance,
    OnceWindow,
    WeeklyWindow,
)
from collector.core.timetable import PeriodEntry, TimetableEntry

ONCE = {"why": "机房改造", "begins": "2026-12-05 20:00", "ends": "2026-12-05 23:00"}
WEEKLY = {"why": "x", "days": ["mon"], "begins": "20:00", "ends": "21:00"}
PERIOD = {"begins": "08:00", "ends": "08:45"}
WHOLE: list[tuple[type, dict[str, Any]]] = [
    (OnceWindow, ONCE),
    (WeeklyWindow, WEEKLY),
    (BureauOnceWindow, ONCE),
    (BureauWeeklyWindow, WEEKLY),
    (OfficeMaintenance, {"once": [ONCE]}),
    (Maintenance, {"weekly": [WEEKLY]}),
    (PeriodEntry, PERIOD),
    (TimetableEntry, {"name": "winter", "periods": [PERIOD]}),
]


@pytest.mark.parametrize(("kind", "written"), WHOLE, ids=[kind.__name__ for kind, _ in WHOLE])
def test_a_misspelt_key_is_refused(kind: type, written: dict[str, Any]) -> None:
    """Unseen it would mute everything instead of a platform, or nothing at all."""
    msgspec.convert(written, kind)
    with pytest.raises(msgspec.ValidationError, match="unknown field `platfroms`"):
        msgspec.convert({**written, "platfroms": []}, kind)


@pytest.mark.parametrize("kind", [OfficeMaintenance, Maintenance])
@pytest.mark.parametrize(("name", "window"), [("once", ONCE), ("weekly", WEEKLY)])
def test_so_many_windows_and_no_more(kind: type, name: str, window: dict[str, Any]) -> None:
    """Two hundred: each of them is laid out for each school, every day."""
    assert len(getattr(msgspec.convert({name: [window] * 200}, kind), name)) == 200
    with pytest.raises(msgspec.ValidationError, match="length <= 200"):
        msgspec.convert({name: [window] * 201}, kind)
