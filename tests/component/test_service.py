"""What the running service knows of names and zones, for everybody who tells people something."""

from pathlib import Path

import pytest

from collector.app.loading import load_configuration
from collector.app.service import Service
from collector.notify.message import fit
from tests.support.collecting import ROSTER, Collector, opened, write_roster
from tests.support.samples import NOW, alert, notice

pytestmark = pytest.mark.usefixtures("every_store")


async def test_messages_speak_of_the_schools_own_time(tmp_path: Path) -> None:
    """The zone of the roster reaches the chat; a school that left the roster meanwhile has the bureau's."""
    settings = Collector(tmp_path).settings
    write_roster(tmp_path, ROSTER.replace("  - id: s2\n", "  - id: s2\n    timezone: Asia/Urumqi\n"))
    configuration = load_configuration(settings)
    async with opened(tmp_path) as store:
        service = Service(configuration, store)
        await service.apply(configuration)
        schools = ("s1", "s2", "gone")
        told = {
            school: fit(service.render(notice(alert(school, school, at=NOW - 600, office="511402"))), "plain")
            for school in schools
        }
    assert "自 10月15日 11:50 起" in told["s1"]
    assert "自 10月15日 09:50(UTC+6) 起" in told["s2"]
    assert "自 10月15日 11:50 起" in told["gone"]
