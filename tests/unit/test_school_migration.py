"""States of schools as the first release stored them, read by this one: nothing that is a fact is forgotten."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.core.state import School, SchoolState, Verdict
from collector.core.step import step
from tests.support.school import GATEWAY, POLICY, roster, weekdays

ROOT = Path(__file__).parents[2]
OLD: dict[str, dict[str, Any]] = json.loads((ROOT / "tests/data/store/school_states_1.json").read_text())


def migration() -> Any:
    (path,) = (ROOT / "collector/store/migrations/versions").glob("*_readings.py")
    spec = importlib.util.spec_from_file_location("migration", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def converted(old: dict[str, Any]) -> SchoolState:
    return msgspec.convert(json.loads(json.dumps(migration().converted(old))), SchoolState)


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest) -> dict[str, Any]:
    return OLD[request.param]


def test_verdicts_and_latches(old: dict[str, Any]) -> None:
    """Both verdicts of every room, since when, and on what evidence."""
    new = converted(old)
    assert new.classrooms.keys() == old["classrooms"].keys()
    for room, was in old["classrooms"].items():
        now = new.classrooms[room]
        assert now.verdict == msgspec.convert(was["verdict"], Verdict)
        assert [now.latch.value, now.latch.since, now.latch.evidence_at] == [
            was["latch"][name] for name in ("value", "since", "evidence_at")
        ]


def test_evidence(old: dict[str, Any]) -> None:
    """Every reading with its date and what was seen."""
    new = converted(old)
    for room, was in old["classrooms"].items():
        now = new.classrooms[room]
        for name in ("port", "pending_port", "last_port"):
            reading, before = getattr(now, name), was[name]
            assert (reading is None) is (before is None)
            if reading is not None:
                for field in ("switch", "if_name", "speed_bps", "full_duplex", "in_octets", "fcs_error_count"):
                    assert getattr(reading.seen, field) == before[field]
                assert (reading.observed_at, reading.bad_frame_count) == (
                    before["observed_at"],
                    before["bad_frame_count"],
                )
        if was["device"] is not None:
            assert now.device is not None
            assert [now.device.state, now.device.seen_by, now.device.observed_at] == [
                was["device"][name] for name in ("state", "seen_by", "observed_at")
            ]
    for part in ("uplinks", "paths"):
        for key, was in old[part].items():
            leg = getattr(new, part)[key]
            assert [(t.observed_at, t.passed, t.seen.estimate_bps) for t in leg.tests] == [
                (t["observed_at"], t["passed"], t["estimate_bps"]) for t in was["tests"]
            ]
            assert leg.last_unmeasured_reason == was["last_unmeasured_reason"]
    for key, was in old["platforms"].items():
        http = new.platforms[key].http
        assert (http and http.up) == was["up"]
    assert {key: s.reachable for key, s in new.switches.items()} == {
        key: s["reachable"] for key, s in old["switches"].items()
    }
    assert {key: s.seen.speed_bps for key, s in new.segments.items()} == {
        key: s["speed_bps"] for key, s in old["segments"].items()
    }


def test_open_alerts(old: dict[str, Any]) -> None:
    """What was open stays open, with its past; a platform's is now about the platform as a gateway sees it."""
    new = converted(old)
    labels = {(alert.subject.label, str(alert.cause)) for alert in new.alerts}
    for key, was in old["alerts"].items():
        label, _, cause = key.partition("|")
        mine = [a for a in new.alerts if a.cause == cause and a.subject.label.endswith(label.partition(":")[2])]
        assert mine, (key, labels)
        assert all(
            (a.opened_at, a.announced, a.bad_since) == (was["opened_at"], was["announced"], was["bad_since"])
            for a in mine
        )


def test_judged_anew_the_same(old: dict[str, Any]) -> None:
    """Looked at again at the same moment, no room changes its verdict."""
    state = converted(old)
    gateways = tuple(state.gateways) or (GATEWAY,)
    school = School(roster=roster(gateways=gateways), hours=weekdays(), state=state)
    now = max(heard.last_committed_at for heard in state.gateways.values())
    now = max(now, *(room.verdict.ready_since or now for room in state.classrooms.values()))
    after, effects, _ = step(school, [], now + 1, POLICY)
    was = {room: (s.verdict.ready, s.latch.value) for room, s in state.classrooms.items()}
    assert {room: (s.verdict.ready, s.latch.value) for room, s in after.state.classrooms.items()} == was, effects
