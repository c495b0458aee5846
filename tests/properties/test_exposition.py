"""Whatever the names and numbers, the exposition parses back to exactly what went in."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from collector.core.evidence import GatewayState
from collector.core.policy import Policy
from collector.core.roster import Classroom, Hours
from collector.core.state import Interval, School
from collector.core.words import Cause
from collector.exposition import Exposition
from collector.exposition.pieces import plain
from tests.support.samples import NOW, demo_school, gateway_heard, silenced, with_state

NAMES = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(max_examples=200)
@given(school=NAMES, room=NAMES, gateway=NAMES, skew_s=st.floats())
def test_labels_and_values_round_trip(school: str, room: str, gateway: str, skew_s: float) -> None:
    """Label values come back identical; a value that is not finite has no sample."""
    base = demo_school(school=school, gateways=(gateway,))
    rooms = base.roster.classrooms
    base = replace(base, roster=replace(base.roster, classrooms={room: replace(rooms["b2-301"], id=room)}))
    heard = GatewayState(first_committed_at=0, last_committed_at=NOW, report_interval_s=60, clock_skew_s=skew_s)
    exposition = Exposition(Policy())
    states = {room: base.state.classrooms["b2-301"]}
    exposition.update(with_state(base, gateways={gateway: heard}, classrooms=states), NOW)
    families = {
        f.name: f.samples for f in text_string_to_metric_families(plain(exposition.office("511402", NOW)).decode())
    }
    [ready] = families["classready_classroom_ready"]
    assert ready.labels == {"office": "511402", "school": school, "classroom": room}
    skews = [s.value for s in families.get("classready_gateway_clock_skew_seconds", [])]
    assert skews == ([skew_s] if math.isfinite(skew_s) else [])


GATEWAY = "gw-5114020001"


def _with_room(school: School, **changes: Any) -> School:
    rooms = school.state.classrooms
    return with_state(school, classrooms={**rooms, "b2-301": replace(rooms["b2-301"], **changes)})


def _listed(school: School, **changes: Any) -> School:
    return replace(school, roster=replace(school.roster, **changes))


BASE = demo_school()
ROOM = BASE.state.classrooms["b2-301"]
VARIANTS = [
    BASE,
    silenced(BASE),
    _with_room(BASE, verdict=replace(ROOM.verdict, ready="no", causes=(Cause.PORT_DOWN,))),
    _with_room(BASE, verdict=replace(ROOM.verdict, link={"port": Interval(1e7, 1e7)})),
    _with_room(BASE, verdict=replace(ROOM.verdict, device_up=None)),
    _with_room(BASE, latch=replace(ROOM.latch, value="no")),
    _with_room(BASE, port=None),
    _with_room(BASE, nic_speed_bps=10**9, last_awake_at=NOW - 3),
    _listed(BASE, name="改名小学", operator="电信", hub="s1", rural_weak=True),
    _listed(BASE, classrooms={"b2-301": replace(BASE.roster.classrooms["b2-301"], name="四年级1班")}),
    _listed(BASE, classrooms={**BASE.roster.classrooms, "b2-301": Classroom(id="b2-301", exempt="2026 年拆除")}),
    _listed(BASE, platforms={"national": ("smartedu",)}),
    _listed(BASE, gateways=(GATEWAY, "gw-two")),
    _listed(BASE, office="511421"),
    replace(BASE, hours=Hours()),
    with_state(BASE, uplinks={}, segments={}, platforms={}),
    with_state(BASE, gateways={GATEWAY: gateway_heard(last_committed_at=NOW, agent_version="0.2.0")}),
]
POLICIES = [Policy(), Policy(required_down_bps=50_000_000), Policy(basis="port"), Policy(fresh_intervals=1)]
PLATFORM_NAMES: list[dict[str, str]] = [{}, {"national": "国家平台"}]


@settings(max_examples=150)
@given(st.lists(st.tuples(*map(st.sampled_from, (VARIANTS, POLICIES, PLATFORM_NAMES))), min_size=1, max_size=4))
def test_what_is_kept_is_what_would_be_rendered(shown: list[tuple[School, Policy, dict[str, str]]]) -> None:
    """After any changes every page is that of an exposition which saw nothing before."""
    kept = Exposition(Policy())
    for school, policy, names in shown:
        kept.policy, kept.platform_names = policy, names
        kept.update(school, NOW)
    fresh = Exposition(kept.policy, kept.platform_names)
    fresh.update(shown[-1][0], NOW)
    assert plain(kept.everything(NOW)) == plain(fresh.everything(NOW))
    assert _own(kept) == _own(fresh) != []


def _own(exposition: Exposition) -> list[bytes]:
    lines = plain(exposition.self_metrics({})).splitlines()
    return [line for line in lines if line.startswith((b"classready_office", b"classready_required"))]
