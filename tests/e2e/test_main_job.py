"""The main job on real input: from a probe on the gateway to Prometheus and a chat group."""

import json
import shutil
import signal
import sqlite3
import subprocess
import time
from itertools import pairwise

import pytest

from tests.e2e.world import BOARD_MAC, EVENING, EVENING_ROOM, GATEWAY, INTERVAL_S, LESSONS, OFFICE, ROOMS, World

pytestmark = [
    pytest.mark.netns,
    pytest.mark.servers("ip", "tc", "snmpd", "prometheus", "promtool"),
    pytest.mark.timeout(180),
]

ALL = (*ROOMS, EVENING_ROOM)
MEASURED = ("device_up", "link_bytes_per_second", "link_ratio")


def new_messages(world: World, before: int) -> list[str]:
    return world.messages()[before:]


def test_wan_of_120_makes_every_classroom_ready(settled: World):
    """Every good classroom is ready and compliant in the real Prometheus."""
    good = dict.fromkeys(ALL, 1.0)
    settled.until("ready in Prometheus", lambda: settled.prometheus("classready_classroom_ready") == good)
    settled.until("compliant in Prometheus", lambda: settled.prometheus("classready_classroom_compliant") == good)
    assert settled.prometheus("classready_classroom_cause") == {}
    # A drain test sees the plateau of 120; the quick ones after it only prove that 100 are there.
    uplinks = settled.prometheus(f'classready_school_uplink_bytes_per_second{{school="{LESSONS}"}}')
    assert uplinks
    assert all(95e6 <= uplink * 8 <= 124e6 for uplink in uplinks.values()), uplinks
    assert settled.messages() == []


@pytest.mark.parametrize("path", ["/metrics", f"/metrics/office/{OFFICE}", "/metrics/all"])
def test_promtool_has_nothing_to_say(settled: World, path: str):
    """Every exposition passes ``promtool check metrics`` in silence."""
    text = settled.exposition(path)
    assert "classready_" in text
    promtool = [shutil.which("promtool") or "promtool", "check", "metrics"]
    checked = subprocess.run(promtool, input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_wan_of_80_fails_the_school_and_120_heals_it(settled: World):
    """Two tests after the change every room is not ready; the group gets one message, and one when it is over."""
    before = len(settled.messages())
    changed_at = settled.set_wan(80)
    bad = dict.fromkeys(ALL, "no")
    settled.until("no classroom is ready", lambda: settled.ready() == bad)
    noticed_at = time.time()
    tests = settled.api(f"/api/v1/schools/{LESSONS}")["uplinks"][0]["tests"]
    first = min(t["observed_at"] for t in tests if t["observed_at"] >= changed_at)
    assert noticed_at - first <= 2 * INTERVAL_S + 0.5
    assert settled.room("r101")["causes"][0]["cause"] == "uplink_below_required"
    settled.until("causes in Prometheus", lambda: len(settled.prometheus("classready_classroom_cause")) == len(ALL))
    settled.until("a message", lambda: new_messages(settled, before))
    settled.set_wan(120)
    settled.until("ready again", lambda: set(settled.ready().values()) == {"yes"})
    settled.until("a second message", lambda: len(new_messages(settled, before)) == 2)
    time.sleep(2 * INTERVAL_S)
    alarm, recovery = new_messages(settled, before)
    assert "示例小学" in alarm
    assert "4 间" in alarm
    assert any(f"{value} Mbit/s" in alarm for value in ("79", "80", "81", "80.0", "79.9", "80.1")), alarm
    assert "恢复" in recovery
    assert settled.prometheus("classready_classroom_compliant") == dict.fromkeys(ALL, 1.0)


def test_port_at_10m_fails_exactly_its_classroom(settled: World):
    """A port that falls to 10M half duplex with its device awake makes one classroom not ready, at zero bytes."""
    before = len(settled.messages())
    settled.devices("port", "2", "speed", "10", "half")
    expected = {room: "no" if room == "r102" else "yes" for room in ALL}
    settled.until("r102 alone is not ready", lambda: settled.ready() == expected)
    causes = [c["cause"] for c in settled.room("r102")["causes"]]
    assert causes == ["port_below_required", "port_half_duplex"]
    (message,) = settled.until("a message", lambda: new_messages(settled, before))
    assert "r102" in message
    assert "10 Mbit/s" in message
    settled.devices("port", "2", "speed", "1000", "full")
    settled.until("ready again", lambda: set(settled.ready().values()) == {"yes"})
    settled.until("its end is told", lambda: len(new_messages(settled, before)) == 2)


def test_a_trunk_is_shared_and_then_slow(settled: World):
    """Stuck at 100M a trunk fails nobody and shows how many share it; at 10M it fails all behind it, told once."""
    before = len(settled.messages())
    settled.devices("port", "24", "speed", "100", "full")
    contention = f'classready_school_segment_contention_ratio{{school="{LESSONS}"}}'
    settled.until("four rooms share it", lambda: settled.prometheus(contention) == {GATEWAY: len(ROOMS)})
    assert set(settled.ready().values()) == {"yes"}
    assert new_messages(settled, before) == []
    settled.devices("port", "24", "speed", "10", "full")
    settled.until("nobody is ready", lambda: set(settled.ready().values()) == {"no"})
    assert [c["cause"] for c in settled.room("r101")["causes"]] == ["segment_below_required"]
    (message,) = settled.until("a message", lambda: new_messages(settled, before))
    assert "校内线路带宽低于要求" in message
    assert "10 Mbit/s" in message
    settled.devices("port", "24", "speed", "1000", "full")
    settled.until("ready again", lambda: set(settled.ready().values()) == {"yes"})
    settled.until("its end is told", lambda: len(new_messages(settled, before)) == 2)


def test_a_device_on_another_port_is_told_once(settled: World):
    """The board of r102 is found on its new port; one notice says so, and nothing fails."""
    before = len(settled.messages())
    settled.devices("port", "7", "plug", BOARD_MAC)
    (message,) = settled.until("a notice", lambda: new_messages(settled, before))
    assert "r102班的大屏换到了" in message
    assert "GE0/0/7" in message
    time.sleep(5 * INTERVAL_S)
    assert len(new_messages(settled, before)) == 1
    assert set(settled.ready().values()) == {"yes"}
    settled.devices("port", "2", "plug", BOARD_MAC)
    settled.until("its way back is told", lambda: len(new_messages(settled, before)) == 2)


def test_sleeping_board_on_a_10m_port_is_nothing(settled: World):
    """Outside lessons a board that sleeps on a port at 10M is no evidence: no verdict changes, nobody is told."""
    before = len(settled.messages())
    settled.devices("board", EVENING_ROOM, "off")
    settled.devices("port", "5", "rate", "0")
    settled.devices("port", "5", "speed", "10", "full")

    settled.until("the board is seen asleep", lambda: settled.room(EVENING_ROOM, EVENING)["device_state"] == "asleep")
    time.sleep(5 * INTERVAL_S)
    room = settled.room(EVENING_ROOM, EVENING)
    assert (room["ready"], room["compliant"], room["causes"]) == ("yes", "yes", [])
    assert new_messages(settled, before) == []


def test_stopped_platform_blames_nobodys_link(settled: World):
    """A platform that stops is the cause, the only one, and the link stays good."""
    before = len(settled.messages())
    settled.platform("national", "off")
    settled.until("no classroom is ready", lambda: set(settled.ready().values()) == {"no"})
    for school, room in ((LESSONS, "r101"), (EVENING, EVENING_ROOM)):
        found = settled.room(room, school)
        assert [c["cause"] for c in found["causes"]] == ["platform_unreachable"]
        assert {c["clause"]: c["value"] for c in found["clauses"]}["link"] == "yes"
    settled.until("Prometheus sees it", lambda: settled.prometheus("classready_platform_up")["national"] == 0.0)
    settled.until("a message", lambda: new_messages(settled, before))
    settled.platform("national", "on")
    settled.until("ready again", lambda: set(settled.ready().values()) == {"yes"})
    settled.until("its end is told", lambda: len(new_messages(settled, before)) == 2)
    assert settled.prometheus("classready_classroom_compliant") == dict.fromkeys(ALL, 1.0)


def test_killed_collector_loses_nothing_and_doubles_nothing(settled: World):
    """Dead by SIGKILL for ten report intervals: afterwards every sequence is stored exactly once."""
    collector = settled.programs["collector"]
    collector.kill()
    time.sleep(10 * INTERVAL_S)
    collector.restart()
    settled.until("ready again", lambda: set(settled.ready().values()) == {"yes"})
    spool = sqlite3.connect(f"file:{next(settled.folder.rglob('spool*.db'))}?mode=ro", uri=True)
    settled.until("the backlog is delivered", lambda: spool.execute("SELECT count(*) FROM record").fetchone()[0] < 60)
    settled.programs["agent"].signal(signal.SIGTERM)
    settled.programs["agent"].process.wait(20)
    kept = {row[0] for row in spool.execute("SELECT sequence FROM record")}
    last = spool.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()[0]
    store = sqlite3.connect(f"file:{settled.folder / 'collector.db'}?mode=ro", uri=True)
    rows = store.execute("SELECT gateway, ranges, applied_records FROM ledger").fetchall()
    assert len(rows) == 1
    gateway, ranges, applied = rows[0]
    committed = _expand(ranges)
    assert gateway == GATEWAY
    assert len(committed) == applied
    assert committed | kept == set(range(1, last + 1))
    bandwidth = [row[0] for row in store.execute("SELECT sequence FROM bandwidth_result ORDER BY sequence")]
    assert bandwidth
    assert all(a < b for a, b in pairwise(bandwidth))
    assert set(bandwidth) <= committed
    settled.programs["agent"].restart()


def _expand(ranges: str) -> set[int]:
    return {n for first, last in json.loads(ranges) for n in range(first, last + 1)}


def test_silent_gateway(settled: World):
    """Three intervals of silence: measured series gone, gateway_up 0, ready unknown, compliant as it was."""
    good = dict.fromkeys(ALL, 1.0)
    settled.until("Prometheus sees the school", lambda: settled.prometheus("classready_classroom_device_up") == good)
    settled.programs["agent"].signal(signal.SIGSTOP)
    try:
        settled.until("gateway_up is 0", lambda: settled.prometheus("classready_gateway_up")[GATEWAY] == 0.0)
        for name in MEASURED:
            settled.until(f"{name} is gone", lambda name=name: settled.prometheus(f"classready_classroom_{name}") == {})
        assert settled.prometheus("classready_classroom_ready") == {}
        assert settled.prometheus("classready_classroom_compliant") == dict.fromkeys(ALL, 1.0)
        assert set(settled.ready().values()) == {"unknown"}
        unknown = f'classready_school_classrooms{{verdict="ready",state="unknown",school="{LESSONS}"}}'
        assert list(settled.prometheus(unknown).values()) == [float(len(ROOMS))]
    finally:
        settled.programs["agent"].signal(signal.SIGCONT)
    settled.until("ready again", lambda: set(settled.ready().values()) == {"yes"})
