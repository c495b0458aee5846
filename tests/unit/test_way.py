"""The way to a room with the part that fails, and the incidents that it belongs to; decision tables."""

import msgspec
import pytest
from msgspec.structs import replace

from collector.app.explain import classroom_lines, school_lines
from collector.core.policy import Policy
from collector.core.words import Cause
from collector.views import show
from collector.views.incident import concerning
from collector.views.way import way_text, way_to
from tests.support.offices import Bureau, change
from tests.support.samples import NAMES, NOW, demo_school
from tests.support.school import GATEWAY, POLICY, Story, Tick, exit_test, path_test, trunk


def marked(story: Story, room: str = "r1", language: str = "en") -> str:
    school = story.school
    return way_text(way_to(school, school.roster.classrooms[room], POLICY, story.now, language), language)


def whole() -> Story:
    return Story().heard().uplink(passed=True).saw(trunk(1000)).room_well("r1")


GW = f"gateway {GATEWAY}"
WELL = f"{GW} ✓ -> uplink uplink ✓ -> switch sw1 ✓ -> trunk sw1:uplink ✓ -> port Gi0/r1 ✓ -> device ✓"


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        pytest.param(lambda s: s, WELL, id="all is well"),
        pytest.param(
            lambda s: s.later(3_600).event(Tick()),
            f"【{GW} ✕】 -> uplink uplink ? -> switch sw1 ? -> trunk sw1:uplink ? -> port Gi0/r1 ? -> device ?",
            id="a silent gateway: what lies behind it nobody sees",
        ),
        pytest.param(
            lambda s: s.later(70).heard().uplink(passed=False).later(70).heard().uplink(passed=False).room_well("r1"),
            WELL.replace("uplink uplink ✓", "【uplink uplink ✕】"),
            id="the line",
        ),
        pytest.param(
            lambda s: s.saw(exit_test(passed=False)).later(70).heard().saw(exit_test(passed=False)).room_well("r1"),
            WELL.replace("uplink uplink ✓", "uplink uplink ✓ -> 【exit beyond-metro ✕】"),
            id="the exit behind a good line",
        ),
        pytest.param(
            lambda s: s.saw(trunk(10)),
            WELL.replace("trunk sw1:uplink ✓", "【trunk sw1:uplink ✕】"),
            id="a trunk at 10M",
        ),
        pytest.param(
            lambda s: s.room_well("r1", 10),
            WELL.replace("port Gi0/r1 ✓", "【port Gi0/r1 ✕】"),
            id="a port at 10M",
        ),
        pytest.param(
            lambda s: s.saw(trunk(10)).room_well("r1", 10),
            WELL.replace("trunk sw1:uplink ✓ -> port Gi0/r1 ✓", "【trunk sw1:uplink ✕】 -> port Gi0/r1 ✕"),
            id="two that fail: the first is the root",
        ),
        pytest.param(
            lambda s: (
                s.saw(path_test("r1", passed=False), "r1").later(70).heard().saw(path_test("r1", passed=False), "r1")
                .room_well("r1")
            ),
            WELL.replace("-> port", "-> 【in-school way pc ✕】 -> port"),
            id="a tested way whose parts all look well",
        ),
        pytest.param(
            lambda s: s.later(3 * 86_400).heard(),
            f"{GW} ✓ -> uplink uplink ? -> switch sw1 ? -> port Gi0/r1 ? -> device ?",
            id="what is too old to count is not known",
        ),
        pytest.param(lambda _: Story().heard(), f"{GW} ✓ -> device ?", id="parts that nobody ever saw are left out"),
        pytest.param(lambda _: Story(), f"{GW} ? -> device ?", id="a gateway that was never heard"),
    ],
)  # fmt: skip
def test_the_way_to_a_room(happens, expected):
    assert marked(happens(whole())) == expected


def test_an_exempt_room_has_no_failing_part():
    story = whole().room_well("r1", 10)
    rooms = {name: replace(room, exempt="拆除") for name, room in story.school.roster.classrooms.items()}
    story.school = replace(story.school, roster=replace(story.school.roster, classrooms=rooms))
    assert "✕" not in marked(story)


# --- incidents ------------------------------------------------------------------------------------------------------


def concerned(*, board_url=None):
    """Two open incidents: of one the school has two rooms, of the other one; a third is another school's."""
    bureau, own = Bureau(), "5114020001"
    bureau.step(0, change(own, cause=Cause.PORT_BELOW_REQUIRED, classrooms=("b2-305",), school_name="城关小学"))
    bureau.step(0, change(own, cause=Cause.SWITCH_UNREACHABLE, classrooms=("b2-305",)))
    bureau.step(35)
    bureau.step(36, change(own, cause=Cause.GATEWAY_SILENT, classrooms=("b2-305", "b2-306")))
    bureau.step(37, change("s9", cause=Cause.GATEWAY_SILENT, classrooms=("b2-305",)))
    bureau.step(38, change(own, "closed", cause=Cause.SWITCH_UNREACHABLE))
    found = concerning(bureau.state, own)
    return show(demo_school(), replace(NAMES, board_url=board_url), Policy(), NOW, "zh", incidents=found)


def test_school_and_rooms_name_their_incidents():
    view = concerned(board_url="https://board.edu.example/")
    assert [(i.incident, i.state, i.classrooms) for i in view.incidents] == [
        ("000001", "firing", ("b2-305",)), ("000003", "pending", ("b2-305", "b2-306")),
    ]  # fmt: skip
    rooms = {room.classroom: [i.incident for i in room.incidents] for room in view.classrooms}
    assert (rooms["b2-305"], rooms["b2-306"], rooms["b2-301"]) == (["000001", "000003"], ["000003"], [])
    assert view.incidents[0].link == "https://board.edu.example/incidents/000001"


def test_explain_names_them_and_draws_the_way():
    view = msgspec.to_builtins(concerned())
    assert "  事件编号 000001 教室端口速率低于要求: 未处理 /incidents/000001" in list(school_lines(view, "zh"))
    slow = next(room for room in view["classrooms"] if room["classroom"] == "b2-305")
    lines = list(classroom_lines(view, slow, "zh"))
    assert "  事件编号 000003 校园网关无上报: 尚未告知 /incidents/000003" in lines
    assert [line for line in lines if "【端口 Gi0/7 ✕】" in line and line.startswith("  路径: 网关 gw-5114020001 ✓ → ")]
