"""Whatever zone the machine is in, or none: school days, lessons, tables and messages are by the school's and the
bureau's own clock.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SHOWN = """
from datetime import UTC, datetime
from collector.roster.calendar import hours_of_schools, Calendar
from collector.roster.files import SchoolEntry
from collector.text.saying import machine_time
from tests.unit.test_rectification_csv import RECORDS, written

moments = [datetime.fromisoformat(text).timestamp() for text in (
    "2026-03-08T06:59:59+00:00", "2026-03-08T07:00:00+00:00", "2026-11-01T05:59:59+00:00", "2026-11-29T15:59:59+00:00",
    "2026-11-29T16:00:00+00:00", "2026-12-31T23:59:59+00:00", "2016-12-31T23:59:59+00:00", "2026-11-29T10:00:00+00:00",
)]
zones = ("Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kolkata")
for now in moments:
    for zone in zones:
        school = SchoolEntry(id="s1", name="S", timezone=zone, school_days="every")
        print(zone, now, hours_of_schools({"s1": school}, Calendar(), now)["s1"])
    print(machine_time(now, 28_800.0))
print(written(RECORDS, "zh"))
"""
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Etc/GMT+12", "Pacific/Kiritimati")


@cache
def shown(zone):
    """None: as a container is that nobody told its zone."""
    environment = {name: value for name, value in os.environ.items() if name != "TZ"}
    done = subprocess.run(
        [sys.executable, "-c", SHOWN],
        cwd=PROJECT,
        env=environment | ({"TZ": zone} if zone else {}),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


@pytest.mark.parametrize("zone", ZONES)
def test_the_zone_of_the_machine_decides_nothing(zone):
    """At both changes of New York's clocks, at midnight in Meishan, at a leap second, beyond the date line."""
    assert shown(zone) == shown(None)
