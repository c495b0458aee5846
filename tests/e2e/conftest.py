"""One world for all scenarios: starting it costs more than playing in it."""

from collections.abc import Iterator

import pytest

from tests.e2e.world import EVENING_ROOM, PLATFORMS, ROOMS, World, running


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def settled(world: World) -> Iterator[World]:
    """The world with every classroom ready; whatever a scenario turned is turned back after it."""
    good = dict.fromkeys((*ROOMS, EVENING_ROOM), "yes")
    world.until("every classroom is ready", lambda: world.ready() == good, 60)
    yield world
    world.set_wan(120)
    for platform in PLATFORMS:
        world.platform(platform, "on")
    for port in ("2", "5"):
        world.devices("port", port, "speed", "1000", "full")
        world.devices("port", port, "rate", "20000")
    world.devices("board", EVENING_ROOM, "on")
