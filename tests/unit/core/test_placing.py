"""What is written on ports, and the rooms that are meant: as schools write it, and as switches do by themselves."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.placing import NOWHERE, Placed, Room, Rooms, names_board

ROOMS = [
    Room("b1-101", "b1-101", "一年级1班"),
    Room("b1-301", "b1-301", "三年级1班"),
    Room("b2-301", "b2-301", "三年级2班"),
    Room("b2-302", "b2-302", "三(3)班"),
    Room("b2-412", "b2-412", "七年级12班"),
    Room("r105", "r105", "高2024级5班"),
    Room("lab1", "lab1", "综合楼601"),
    Room("lab2", "lab2", "科技楼601"),
    Room("500", "500", "音乐教室"),
]
WALKS = Path(os.environ.get("CLASSREADY_WALKS") or Path(__file__).parents[4] / "shared" / "walks")


def place(text: str, rooms: list[Room]) -> Placed:
    return Rooms(rooms).place(text)


@pytest.mark.parametrize(
    ("text", "room", "why"),
    [
        ("b2-301", "b2-301", "id"),
        ("B2 301", "b2-301", "id"),
        ("Ｂ２－３０１", "b2-301", "id"),
        ("to b2-301 board", "b2-301", "id"),
        ("R105", "r105", "id"),
        ("500", "500", "id"),
        ("LAB1", "lab1", "id"),
        ("3-2班 大屏", "b2-301", "class"),
        ("3—2班", "b2-301", "class"),
        ("三年级2班", "b2-301", "class"),
        ("三年级二班", "b2-301", "class"),
        ("三(2)班一体机", "b2-301", "class"),
        ("三（2）班", "b2-301", "class"),
        ("3年2班", "b2-301", "class"),
        ("三年级 3 班", "b2-302", "class"),
        ("302班", "b2-301", "class"),
        ("初一12班", "b2-412", "class"),
        ("七年级十二班", "b2-412", "class"),
        ("高2024级5班", "r105", "class"),
        ("2024级5班 大屏", "r105", "class"),
        ("教学楼302", "b2-302", "number"),
        ("302教室", "b2-302", "number"),
        ("Classroom 302", "b2-302", "number"),
        ("2号楼301", "b2-301", "number"),
        ("二号楼301", "b2-301", "number"),
        ("1栋301", "b1-301", "number"),
        ("综合楼601", "lab1", "number"),
        ("601", None, "several"),
        ("教学楼301", None, "several"),
        ("301", None, "several"),
        ("3-1班 b2-301", None, "several"),
        ("教室", None, "none"),
        ("", None, "none"),
        ("999", None, "none"),
        ("3-2", None, "none"),
        ("301 AP", None, "other_device"),
        ("AP-b2-301", None, "other_device"),
        ("b2-301监控", None, "other_device"),
        ("三年级办公室 301", None, "other_device"),
        ("上联 核心", None, "other_device"),
        ("GigabitEthernet1/0/1", None, "none"),
        ("GigabitEthernet1/0/24 Interface", None, "none"),
        ("RMON Port 01 on unit 1", None, "none"),
        ("Vlan-interface101 Interface", None, "none"),
        ("192.168.1.101", None, "none"),
        ("2024-10-1 检修", None, "none"),
        ("100M", None, "none"),
        ("13890312345", None, "none"),
        ("10/100/1000", None, "none"),
    ],
)
def test_a_text_means_a_room(text: str, room: str | None, why: str) -> None:
    """The room that is meant, by what it is found; or none, and why."""
    found = place(text, ROOMS)
    assert (found.room, found.why) == (room, why)


def test_several_rooms_are_named() -> None:
    """A keeper sees between which he has to choose."""
    assert place("301", ROOMS).candidates == ("b1-301", "b2-301")


@pytest.mark.parametrize(
    ("text", "named"),
    [("301大屏", True), ("301 希沃一体机", True), ("panel-301", True), ("301电脑", False), ("", False)],
)
def test_a_board_is_named(text: str, named: bool) -> None:  # noqa: FBT001
    assert names_board(text) is named


def test_what_real_switches_say_of_themselves_is_no_room() -> None:
    """Labels that no person wrote, against rooms whose numbers stand in them; more of them where walks are recorded."""
    rooms = [Room(f"r{n}", f"{n}", f"{n % 6 + 1}年级{n % 9 + 1}班") for n in (*range(1, 60), *range(101, 127))]
    labels = ["GigabitEthernet1/0/1", "GigabitEthernet1/0/24 Interface", "RMON Port 01 on unit 1", "MGMN", "VLAN 101"]
    labels += [
        found[1].strip()
        for path in WALKS.glob("*.snmprec")
        for line in path.read_text(encoding="utf-8").splitlines()
        if (
            found := re.match(
                r"(?:1\.3\.6\.1\.2\.1\.31\.1\.1\.1\.18|1\.0\.8802\.1\.1\.2\.1\.4\.1\.1\.9)\.[\d.]+\|4\|(.*)", line
            )
        )
    ]
    assert {label for label in labels if place(label, rooms).room} == set()


@given(st.text(max_size=300), st.lists(st.text("abr-0123456789", min_size=1, max_size=8), max_size=5, unique=True))
def test_any_text_means_a_room_of_the_list_or_none(text: str, ids: list[str]) -> None:
    rooms = [Room(each, each, text[:9]) for each in ids]
    found = place(text, rooms)
    assert found.room is None or found.room in ids
    assert (found.room is None) == (found.why in {"none", "several", "other_device"})
    assert place("", rooms) == NOWHERE
