"""A platform fails for two offices: all read once that it is the platform's own fault, and once that it is over."""

from collections.abc import Iterator

import pytest

from tests.e2e.town import ROOMS_PER_SCHOOL, School, Town, running

pytestmark = [pytest.mark.netns, pytest.mark.servers("ip"), pytest.mark.timeout(180)]

NAMES = ("城关小学", "思蒙小学", "文林小学", "富加小学")
SCHOOLS = [School(f"32511402{n:02}", name, "", "511402" if n < 2 else "511421") for n, name in enumerate(NAMES)]
POLICY = {"group_wait_s": 6, "spread_wait_s": 4, "platform_hold_s": 0}
SCALE = f"4 所学校 {4 * ROOMS_PER_SCHOOL} 间教室"


@pytest.fixture
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running(tmp_path_factory.mktemp("town"), SCHOOLS, POLICY) as town:
        yield town


def clauses(town: Town) -> set[str]:
    """What the rooms of all schools say of their platforms."""
    rooms = [room for school in SCHOOLS for room in town.api(f"/schools/{school.id}")["classrooms"]]
    return {clause["value"] for room in rooms for clause in room["clauses"] if clause["clause"] == "platforms"}


def test_it_is_told_once_to_all(town: Town):
    """One message and one end for both offices; meanwhile no room is called bad for it, and no school is asked."""
    town.until("both platforms answer everywhere", lambda: clauses(town) == {"yes"}, 60)
    town.platform("national", "off")
    (alarm,) = town.told(1)
    assert "【告警】全部区县:教育平台不可达" in alarm
    assert SCALE in alarm
    assert {name for name in NAMES if name in alarm} == set(NAMES)
    assert "平台自身的故障" in alarm
    assert "请处理:平台方" in alarm
    assert "provincial" not in alarm
    (incident,) = town.incidents()
    assert clauses(town) == {"unknown"}
    town.platform("national", "on")
    town.until("it is over", lambda: not town.incidents() and not town.waiting(), 60)
    _, end = town.messages()
    assert "恢复" in end
    assert SCALE in end
    assert f"事件编号 {incident['incident']}" in end
    town.until("all is well", lambda: clauses(town) == {"yes"})
