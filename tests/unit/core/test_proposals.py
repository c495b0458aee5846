"""What is proposed for what was found, and what a confirmation makes of it."""

from typing import Any

import msgspec
import pytest

from classready.observation import Found, FoundPort
from collector.core.confirming import Choice, choices_of, confirm
from collector.core.proposals import Proposals, Sight, propose, rooms_of
from collector.core.roster import Classroom, SchoolRoster

GATEWAY = "gw-one"
DIGESTS = {"d" * 16: "public", "e" * 16: "学校"}


def school(name: str = "s1", **rooms: str) -> SchoolRoster:
    listed = rooms or {"b2-301": "三年级1班", "b2-302": "三年级2班", "b2-303": "三年级3班"}
    classrooms = {room: Classroom(id=room, name=text) for room, text in listed.items()}
    return SchoolRoster(office="o1", school=name, classrooms=classrooms, gateways=(GATEWAY,))


def sight(host: str, what: Any = "device", at: float = 100.0, ignored_at: float | None = None, **seen: Any) -> Sight:
    return Sight(
        gateway=GATEWAY,
        host=host,
        seen=Found(what=what, host=host or None, **seen),
        first_seen_at=at,
        observed_at=at,
        ignored_at=ignored_at,
    )


def switch(*labels: str, host: str = "10.0.0.2", **seen: Any) -> Sight:
    ports = tuple(FoundPort(name=f"GE{i}", label=label or None, trunk=False) for i, label in enumerate(labels, 1))
    ports += (FoundPort(name="GE24", label="上联", trunk=True),)
    return sight(host, "switch", ports=ports, community_digest="d" * 16, **seen)


def behind(host: str, port: int, **seen: Any) -> Sight:
    return sight(host, switch="10.0.0.2", if_name=f"GE{port}", **seen)


def proposed(*sights: Sight, targets: tuple[dict[str, Any], ...] = (), schools: Any = None) -> Proposals:
    return propose(GATEWAY, schools or [school()], sights, targets)


def ports(found: Proposals) -> dict[str, tuple[str | None, str]]:
    return {p.port.name: (p.placed.room, p.placed.why) for each in found.switches for p in each.ports}


def boards(found: Proposals) -> dict[str, tuple[str | None, str]]:
    return {d.sight.host: (d.placed.room, d.placed.why) for d in found.devices}


def test_ports_by_their_labels_and_boards_by_their_ports() -> None:
    """The trunk is for nobody; what hangs on an unlabelled port is nobody's, and is not counted."""
    found = proposed(
        sight("", "sweep", address_count=254),
        switch("b2-301 大屏", "三年级2班", ""),
        behind("10.0.0.31", 1),
        behind("10.0.0.32", 2, community_digest="d" * 16),
        behind("10.0.0.33", 3),
    )
    assert ports(found) == {
        "GE1": ("b2-301", "id"),
        "GE2": ("b2-302", "class"),
        "GE3": (None, "none"),
        "GE24": (None, "none"),
    }
    assert [p.hosts for p in found.switches[0].ports] == [("10.0.0.31",), ("10.0.0.32",), ("10.0.0.33",), ()]
    assert boards(found) == {"10.0.0.31": ("b2-301", "port"), "10.0.0.32": ("b2-302", "port")}
    assert [each.sight.host for each in found.others] == ["10.0.0.33"]
    assert found.open_count == 3
    assert found.sweep is not None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["301 大屏", "301 电脑"], [("b2-301", "number"), (None, "rivals")]),
        (["301", "301"], [(None, "rivals"), (None, "rivals")]),
        (["301大屏", "301大屏"], [(None, "rivals"), (None, "rivals")]),
    ],
)
def test_of_two_ports_of_a_room_the_board_is_meant(labels: list[str], expected: list[tuple[str | None, str]]) -> None:
    """Only where one of them alone says so."""
    found = ports(proposed(switch(*labels)))
    assert [found["GE1"], found["GE2"]] == expected


def test_of_two_devices_on_a_port_the_one_that_speaks_is_meant() -> None:
    """A small switch of the room may stand there, with the teacher's own computer."""
    one, two = behind("10.0.0.31", 1), behind("10.0.0.32", 1, community_digest="d" * 16)
    assert boards(proposed(switch("b2-301"), one, two)) == {
        "10.0.0.31": (None, "rivals"),
        "10.0.0.32": ("b2-301", "port"),
    }
    assert boards(proposed(switch("b2-301"), one, behind("10.0.0.32", 1)))["10.0.0.32"] == (None, "rivals")


def test_a_device_by_its_own_name() -> None:
    """Where name and place differ nobody knows; a printer is none, wherever it hangs."""
    found = proposed(
        switch("b2-301", "b2-302", "b2-303"),
        sight("10.0.0.31", name="ClassBoard-302"),
        behind("10.0.0.32", 1, name="b2-303"),
        behind("10.0.0.33", 3, what="printer", name="hp"),
    )
    assert boards(found) == {"10.0.0.31": ("b2-302", "name"), "10.0.0.32": (None, "several")}
    assert [each.placed.why for each in found.others] == ["other_device"]


def test_what_is_measured_is_assigned_and_its_rooms_are_taken() -> None:
    """A board behind a port that was bound before has that port's room, whatever the label says."""
    bound = {"kind": "switch", "name": "sw1", "host": "10.0.0.2", "ports": {"GE1": "b2-303"}}
    panel = {"kind": "whiteboard", "name": "b", "host": "10.0.0.99", "classroom": "b2-302"}
    other = {"kind": "ping", "name": "p", "host": "10.9.9.9"}
    found = proposed(
        switch("b2-301"),
        switch("b2-303", host="10.0.0.3"),
        behind("10.0.0.31", 1),
        sight("10.0.0.32", name="b2-302"),
        targets=(bound, panel, other),
    )
    assert [each.sight and each.sight.host for each in found.assigned] == ["10.0.0.2", None]
    assert [each.sight.host for each in found.switches] == ["10.0.0.3"]
    assert ports(found)["GE1"] == (None, "taken")
    assert boards(found) == {"10.0.0.31": ("b2-303", "port"), "10.0.0.32": (None, "taken")}
    assert found.names == {"sw1", "b", "p"}


def test_a_label_of_an_assigned_switch_still_speaks() -> None:
    """A port that nobody bound has its label: of the board behind it a person should know what it may be."""
    bound = {"kind": "switch", "name": "sw1", "host": "10.0.0.2", "ports": {"GE1": "b2-303"}}
    found = proposed(
        switch("b2-301", "b2-302", "监控"), behind("10.0.0.32", 2), behind("10.0.0.33", 3), targets=(bound,)
    )
    assert boards(found) == {"10.0.0.32": ("b2-302", "port")}
    assert [each.placed.why for each in found.others] == ["other_device"]


def test_a_device_with_another_address_is_not_there_twice() -> None:
    """Of one MAC the address that was seen last."""
    mac = "a4:5d:36:00:11:22"
    found = proposed(sight("10.0.0.31", at=5, mac=mac, name="b2-301"), sight("10.0.0.9", at=9, mac=mac, name="b2-301"))
    assert list(boards(found)) == ["10.0.0.9"]


def test_ignored_ones_wait_for_nobody() -> None:
    found = proposed(switch("b2-301"), sight("10.0.0.31", ignored_at=5.0, name="b2-301"))
    assert ([each.host for each in found.ignored], found.open_count) == (["10.0.0.31"], 1)


def test_rooms_of_several_schools_have_their_school() -> None:
    """One label that two schools have means neither."""
    found = proposed(switch("b2-301", "r9"), schools=[school("s1"), school("s2", **{"b2-301": "", "r9": ""})])
    assert ports(found)["GE1"] == (None, "several")
    assert ports(found)["GE2"] == ("s2/r9", "id")
    assert [room.ref for room in rooms_of([school("s1", r1="")])] == ["r1"]
    assert [room.ref for room in rooms_of([school("s1", r1=""), school("s2", r1="")])] == ["s1/r1", "s2/r1"]


# --- confirming -----------------------------------------------------------------------------------------------------


def confirmed(found: Proposals, *choices: Choice) -> tuple[list[Any], list[tuple[str, str, str]]]:
    made = confirm(choices or choices_of([found]), {GATEWAY: found}, {GATEWAY: rooms_of([school()])}, DIGESTS)
    return [target for _, target in made.targets], [(p.choice.host, p.fault, p.what) for p in made.problems]


def choice(host: str, **said: Any) -> Choice:
    return Choice(gateway=GATEWAY, host=host, **said)


def test_one_click_confirms_what_is_proposed() -> None:
    """Targets as agent.yml has them: named apart, with the community that opened them, defaults left out."""
    found = proposed(
        switch("b2-301", "", name="核心 sw core"),
        switch("b2-303", host="10.0.0.3", name="sw core"),
        behind("10.0.0.31", 1, community_digest="e" * 16),
        sight("10.0.0.32", name="b2-302"),
    )
    targets, problems = confirmed(found)
    assert problems == []
    assert targets == [
        {"kind": "switch", "name": "switch-sw-core", "host": "10.0.0.2", "ports": {"GE1": "b2-301"}},
        {"kind": "switch", "name": "switch-sw-core-2", "host": "10.0.0.3", "ports": {"GE1": "b2-303"}},
        {"kind": "whiteboard", "name": "board-b2-301", "host": "10.0.0.31", "classroom": "b2-301"}
        | {"snmp": {"community": "学校"}},
        {"kind": "whiteboard", "name": "board-b2-302", "host": "10.0.0.32", "classroom": "b2-302", "snmp": None},
    ]


@pytest.mark.parametrize(
    ("said", "fault", "what"),
    [
        (choice("10.0.0.77"), "not_found", ""),
        (choice("10.0.0.50", classroom="b2-302"), "assigned", ""),
        (choice("10.0.0.31"), "no_classroom", ""),
        (choice("10.0.0.31", classroom="b9-999"), "no_room", "b9-999"),
        (choice("10.0.0.31", classroom="b2-303"), "room_taken", "b2-303"),
        (choice("10.0.0.33", classroom="b2-302"), "no_community", ""),
        (choice("10.0.0.2", ports={"GE9": "b2-301"}), "no_port", "GE9"),
        (choice("10.0.0.2", ports={"GE24": "b2-301"}), "trunk", "GE24"),
        (choice("10.0.0.2", ports={"GE1": "x"}), "no_room", "x"),
        (choice("10.0.0.2", ports={"GE1": "b2-301", "GE2": "b2-301"}), "room_twice", "b2-301"),
    ],
)
def test_a_mistake_is_named(said: Choice, fault: str, what: str) -> None:
    board = {"kind": "whiteboard", "name": "b", "host": "10.0.0.50", "classroom": "b2-303"}
    found = proposed(
        switch("b2-301", ""), behind("10.0.0.31", 1), sight("10.0.0.33", community_digest="f" * 16), targets=(board,)
    )
    assert confirmed(found, said) == ([], [(said.host, fault, what)])


def test_of_two_that_want_one_room_the_second_is_refused() -> None:
    """Also of two switches, and of one that is named twice."""
    found = proposed(switch("", ""), switch("", host="10.0.0.3"), sight("10.0.0.31"), sight("10.0.0.32"))
    at = {"ports": {"GE1": "b2-301"}}
    assert confirmed(found, choice("10.0.0.2", **at), choice("10.0.0.3", **at))[1] == [
        ("10.0.0.3", "room_taken", "b2-301")
    ]
    room = {"classroom": "b2-302"}
    assert confirmed(found, choice("10.0.0.31", **room), choice("10.0.0.32", **room))[1] == [
        ("10.0.0.32", "room_taken", "b2-302")
    ]
    assert confirmed(found, choice("10.0.0.2"), choice("10.0.0.2"))[1] == [("10.0.0.2", "assigned", "")]
    assert confirm([Choice(gateway="gw-x", host="a")], {}, {}, {}).problems[0].fault == "not_found"


@pytest.mark.parametrize("name", ["<script>", "national", "../../etc", "a" * 300, "\u202eevil", "=cmd()"])
def test_a_name_of_a_device_takes_no_targets_place(name: str) -> None:
    """Whatever it calls itself, its target has a name of its own, fit for one."""
    told = {"kind": "http", "name": "national", "url": "https://x"}
    (target,), _ = confirmed(proposed(switch("b2-301", name=name[:200]), targets=(told,)))
    assert target["name"].startswith("switch-")
    assert len(target["name"]) <= 64
    assert msgspec.convert(target["name"], str).replace("-", "").isalnum()
