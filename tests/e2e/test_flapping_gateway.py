"""A gateway behind a bad plug: the group reads that it comes and goes, once, and then nothing until it is steady."""

from collections.abc import Iterator

import pytest

from tests.e2e.town import ROOMS_PER_SCHOOL, School, Town, running

pytestmark = [pytest.mark.netns, pytest.mark.servers("ip"), pytest.mark.timeout(180)]

SCHOOL = School("3251140200", "城关小学", "中国电信眉山分公司")
POLICY = {"group_wait_s": 0.5, "flapping_quiet_s": 12}
SCALE = f"1 所学校 {ROOMS_PER_SCHOOL} 间教室"


@pytest.fixture
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running(tmp_path_factory.mktemp("town"), [SCHOOL], POLICY) as town:
        yield town


def fall(town: Town) -> None:
    town.cut(SCHOOL)
    town.until("it is missed", lambda: town.misses(SCHOOL), 60)


def rise(town: Town) -> None:
    town.mend(SCHOOL)
    town.until("it is heard", lambda: town.hears(SCHOOL), 60)


def test_the_third_time_it_is_said_and_then_held(town: Town):
    """Twice told as it fails and as it is well; the third opening says 时断时续, further ones nothing; then one end."""
    for times in (1, 2):
        fall(town)
        town.told(2 * times - 1)
        rise(town)
        town.told(2 * times)
    fall(town)
    town.told(5)
    rise(town)
    fall(town)
    rise(town)
    (held,) = town.incidents()
    assert len(town.messages()) == 5
    town.until("it is over", lambda: not town.incidents() and not town.waiting(), 60)
    *told, end = town.messages()
    assert [message.count("时断时续") for message in told] == [0, 0, 0, 0, 1]
    assert [SCALE in message for message in told] == [True] * 5
    assert ["恢复" in message for message in told] == [False, True, False, True, False]
    assert f"{SCALE}已恢复" in end
    assert "已全部恢复" in end
    assert f"事件编号 {held['incident']}" in end
    assert f"事件编号 {held['incident']}" in told[4]
