"""What came together is judged in rounds: of each subject at most one new piece of evidence a round."""

import pytest

from classready.observation import Ping
from collector.core.events import Event, Heard, Observed
from collector.core.roster import Hours
from collector.core.state import School
from collector.core.step import rounds
from tests.support.school import (
    GATEWAY,
    Story,
    Tick,
    bandwidth,
    device,
    exit_test,
    http,
    path_test,
    port,
    roster,
    trunk,
)

HEARD = Heard(gateway=GATEWAY, report_interval_s=60)
OTHER = "dem-gw-02"


def seen(observation: object, room: str | None = None, at: float = 0.0, gateway: str = GATEWAY) -> Observed:
    return Observed(gateway=gateway, observation=observation, classroom=room, observed_at=at)  # type: ignore[arg-type]


PORTS = [seen(port("r1"), "r1", at=float(n)) for n in range(3)]
BOARD, OF_R2 = seen(device("r1"), "r1"), seen(port("r2"), "r2")


@pytest.mark.parametrize(
    ("events", "dealt"),
    [
        pytest.param([], [[]], id="time passed"),
        pytest.param([HEARD, PORTS[0], BOARD, OF_R2], [[HEARD, PORTS[0], BOARD, OF_R2]], id="a report"),
        pytest.param(PORTS, [[each] for each in PORTS], id="three of one subject"),
        pytest.param(
            [PORTS[0], PORTS[1], OF_R2, HEARD], [[PORTS[0], OF_R2, HEARD], [PORTS[1]]], id="all else in the first"
        ),
        pytest.param(
            [BOARD, *PORTS, BOARD], [[BOARD, PORTS[0]], [PORTS[1], BOARD], [PORTS[2]]], id="two subjects of a room"
        ),
    ],
)
def test_rounds(events: list[Event], dealt: list[list[Event]]) -> None:
    """In order, none empty, and as few as there may be: ten readings of a backlog count as ten."""
    assert [list(each) for each in rounds(events)] == dealt


@pytest.mark.parametrize(
    "one",
    [
        seen(port("r1"), "r1"),
        seen(device("r1"), "r1"),
        seen(trunk()),
        seen(http()),
        seen(Ping(target="national", outcome=http().outcome)),
        seen(bandwidth()),
        seen(path_test("r1"), "r1"),
    ],
    ids=lambda event: type(event.observation).__name__,
)
def test_the_same_subject_twice_is_two_rounds(one: Observed) -> None:
    """And that of another gateway is another subject."""
    assert len(list(rounds([one, one]))) == 2
    other = seen(one.observation, one.classroom, gateway=OTHER)
    assert len(list(rounds([one, other]))) == 1
    assert [len(each) for each in rounds([one, other, one])] == [2, 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (seen(port("r1"), "r1"), seen(port("r2"), "r2")),
        (seen(port("r1"), "r1"), seen(device("r1"), "r1")),
        (seen(trunk()), seen(trunk(name="sw2:uplink"))),
        (seen(http()), seen(http(target="other"))),
        (seen(http()), seen(Ping(target="national", outcome=http().outcome))),
        (seen(bandwidth()), seen(bandwidth(direction="up"))),
        (seen(bandwidth()), seen(exit_test())),
    ],
)
def test_two_subjects_are_one_round(one: Observed, other: Observed) -> None:
    """Also where some other subject repeats beside them."""
    assert len(list(rounds([one, other]))) == 1
    line = seen(bandwidth(target="third"))
    assert [len(each) for each in rounds([line, one, other, line])] == [3, 1]


def test_where_no_days_are_known_nothing_turns_by_time_alone() -> None:
    """Nobody has to be woken for it; once a gateway is heard, its silence is looked for."""
    story = Story(School(roster=roster(), hours=Hours())).event(Tick())
    assert story.wake_at is None
    wake_at = story.heard().wake_at
    assert wake_at is not None
    assert story.now < wake_at < story.now + 600
