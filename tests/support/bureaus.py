"""Bureaus of any size in every mood, with the long names that real ones have, for whoever looks at pages."""

from collections.abc import Iterator
from typing import Any, Literal

from msgspec.structs import replace

from collector.core.roster import Classroom
from collector.core.state import ClassroomState, School, Verdict
from collector.core.words import Cause, NextStep
from collector.text import Names
from tests.support.samples import (
    NAMES,
    classroom_away,
    classroom_ready,
    classroom_slow,
    classroom_unknown,
    demo_school,
    silenced,
    with_state,
)

Mood = Literal["good", "one slow", "half slow", "silent", "never", "unknown", "mixed"]
MOODS: tuple[Mood, ...] = ("mixed", "good", "one slow", "silent", "unknown", "never", "half slow")

LONG_OFFICE = "四川天府新区眉山管理委员会社会事业和教育体育局基础教育与电化教育装备管理服务中心"
LONG_SCHOOL = "仁寿县文林街道办事处中心小学附属幼儿园及九年一贯制寄宿学校第二校区西部教学点"
LONG_ROOM = "二〇二六级高中三年级第十二班(理科实验班·国际课程方向·走班制)多媒体阶梯教室"
UNBROKEN = "Wenlin-Central-Primary-School-" + "x" * 70


def school(number: int, rooms: int, mood: Mood = "mixed", **changes: Any) -> School:
    """School ``number`` with ``rooms`` classrooms, all in one ``mood``."""
    school_id = f"51140{number:05d}"
    listed = {
        room.id: room
        for n in range(rooms)
        for room in [
            Classroom(id=f"b{n // 40 + 1}-{100 + n % 40}", name=f"{n % 6 + 1}年级{n // 6 + 1}班", device="panel")
        ]
    }
    made = demo_school(
        school=school_id, name=changes.pop("name", f"第{number}中心小学校"), classrooms=listed, **changes
    )
    gateway = made.roster.gateways[0]
    states = dict(zip(listed, _rooms(mood, rooms, gateway), strict=True))
    made = with_state(made, classrooms=states, unlisted={})
    if mood == "silent":
        return silenced(made)
    return with_state(made, gateways={}, platforms={}, uplinks={}, segments={}) if mood == "never" else made


def _rooms(mood: Mood, count: int, gateway: str) -> Iterator[ClassroomState]:
    never = Verdict(causes=(Cause.NOT_MEASURED,), next_step=NextStep.INSTALL_GATEWAY)
    kinds = {
        "good": [classroom_ready(gateway)],
        "one slow": [classroom_ready(gateway)],
        "half slow": [classroom_slow(gateway), classroom_ready(gateway)],
        "silent": [classroom_ready(gateway)],
        "unknown": [classroom_unknown(gateway)],
        "never": [ClassroomState(verdict=never)],
        "mixed": [classroom_ready(gateway)] * 5
        + [classroom_slow(gateway), classroom_away(gateway), classroom_unknown(gateway)],
    }[mood]
    for n in range(count):
        yield classroom_slow(gateway) if mood == "one slow" and n == 0 else kinds[n % len(kinds)]


def bureau(schools: int, rooms: int, offices: int = 2, mood: Mood | None = None) -> dict[str, School]:
    """``schools`` with ``rooms`` classrooms each, dealt to ``offices``, in every mood unless one is given."""
    dealt = (school(n, rooms, mood or MOODS[n % len(MOODS)], office=office_id(n % offices)) for n in range(schools))
    return {made.roster.school: made for made in dealt}


def office_id(number: int) -> str:
    return f"5114{number:02d}"


def names(offices: int = 2) -> Names:
    return replace(NAMES, offices={office_id(n): f"第{n + 1}区教育和体育局" for n in range(offices)})


def long_named() -> tuple[dict[str, School], Names]:
    """An office, schools and rooms with the longest names that are met, one of them without a blank."""
    made = {}
    for n, name in enumerate((LONG_SCHOOL, UNBROKEN)):
        one = school(n, 9, "mixed", office="511400", name=name)
        rooms = {k: replace(r, name=LONG_ROOM if n == 0 else UNBROKEN) for k, r in one.roster.classrooms.items()}
        made[one.roster.school] = replace(one, roster=replace(one.roster, classrooms=rooms))
    return made, replace(NAMES, offices={"511400": LONG_OFFICE, "511401": UNBROKEN})
