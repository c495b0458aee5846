"""Whatever the names and numbers, the exposition parses back to exactly what went in."""

import math
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from collector.core.evidence import GatewayState
from collector.core.policy import Policy
from collector.core.roster import Classroom, Hours
from collector.core.state import Interval, School
from collector.core.words import Cause
from collector.exposition import FAMILIES, Exposition, Family
from collector.exposition.grids import grids
from collector.exposition.look import Look, look_at
from collector.exposition.pieces import plain
from collector.exposition.render import grid_lines, lines
from collector.exposition.samples import GROUPS
from tests.support.samples import (
    NOW,
    bandwidth_test,
    demo_school,
    device_reading,
    gateway_heard,
    leg_school,
    platform,
    port_reading,
    silenced,
    trunk,
    uplink,
    with_state,
)

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


def _with_platform(**changes: Any) -> School:
    reading = platform(GATEWAY, "sc-smartedu", **changes)
    return with_state(BASE, platforms={**BASE.state.platforms, f"{GATEWAY}/sc-smartedu": reading})


def _with_trunk(school: School, **changes: Any) -> School:
    return with_state(school, segments={f"{GATEWAY}/sw1:uplink": trunk(GATEWAY, **changes)})


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
    with_state(BASE, gateways={GATEWAY: gateway_heard(spool_records=7)}),
    with_state(BASE, gateways={GATEWAY: gateway_heard(silent=True)}),
    with_state(BASE, gateways={}),
    with_state(BASE, platform_faults=("sichuan",)),
    _with_platform(up=False),
    _with_platform(up=None),
    _with_platform(http_at=NOW - 150),
    _with_platform(http_at=None),
    _with_platform(certificate_expires_at=NOW + 9),
    with_state(
        BASE,
        platforms={
            f"{GATEWAY}/{name}": platform(GATEWAY, name, certificate_expires_at=NOW + age_s, http_at=NOW - age_s)
            for name, age_s in (("smartedu-content", 30), ("smartedu", 50))
        },
    ),
    with_state(BASE, uplinks={"line": uplink(GATEWAY, bandwidth_test(600, passed=False))}),
    leg_school(),
    silenced(leg_school()),
    _listed(BASE, name='a "b"\\\n', operator="%s"),
    _with_trunk(BASE, speed_bps=10**9),
    _with_trunk(BASE, full_duplex=False),
    _with_trunk(BASE, name="sw1:spare"),
    _with_trunk(BASE, switches=("sw2",)),
    _with_trunk(BASE, switches=None),
    _with_trunk(BASE, observed_at=NOW - 4 * 3_600),
    _with_trunk(BASE, in_octets=1),
    _with_room(BASE, last_port=port_reading(GATEWAY, switch="sw2")),
    _with_room(BASE, last_port=None),
    _with_room(BASE, gateway="gw-two"),
    _listed(_with_room(BASE, gateway="gw-two"), gateways=(GATEWAY, "gw-two")),
    _with_room(
        BASE, port=port_reading(GATEWAY, age_s=0.123456), device=replace(device_reading(GATEWAY), by_traffic=True)
    ),
    _with_room(BASE, device=replace(device_reading(GATEWAY), observed_at=NOW - 0.0004)),
]
QUIET = {GATEWAY: gateway_heard(silent=True)}
LINE_ALONE, TRUNK_ALONE = with_state(BASE, segments={}), with_state(BASE, uplinks={})
TWO_GATEWAYS = _listed(BASE, gateways=(GATEWAY, "gw-two"))
CHANGES = [
    *((BASE, variant) for variant in VARIANTS),
    (LINE_ALONE, with_state(LINE_ALONE, gateways=QUIET)),
    (TRUNK_ALONE, with_state(TRUNK_ALONE, gateways=QUIET)),
    (TWO_GATEWAYS, _with_room(TWO_GATEWAYS, gateway="gw-two")),
]
"""Some are seen only where nothing else is another one."""
POLICIES = [
    Policy(),
    Policy(required_down_bps=50_000_000),
    Policy(basis="port"),
    Policy(fresh_intervals=1),
    Policy(port_max_school_hours=4),
]
MOMENTS = [NOW, NOW + 100, NOW + 200, NOW + 2 * 3_600]
PLATFORM_NAMES: list[dict[str, str]] = [{}, {"national": "国家平台"}]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(*map(st.sampled_from, (VARIANTS, POLICIES, PLATFORM_NAMES, MOMENTS))), min_size=1, max_size=4)
)
def test_what_is_kept_is_what_would_be_rendered(shown: list[tuple[School, Policy, dict[str, str], float]]) -> None:
    """After any changes every page is that of an exposition which saw nothing before."""
    kept = Exposition(Policy())
    for school, policy, names, now in shown:
        kept.policy, kept.platform_names = policy, names
        kept.update(school, now)
    school, _, _, now = shown[-1]
    fresh = Exposition(kept.policy, kept.platform_names)
    fresh.update(school, now)
    assert plain(kept.everything(now)) == plain(fresh.everything(now))
    assert _samples(kept, now) == _plainly(look_at(school, now, kept.policy, kept.platform_names))
    assert _own(kept) == _own(fresh) != []


@pytest.mark.parametrize("policy", POLICIES)
def test_each_change_alone_is_shown_and_taken_back(policy: Policy) -> None:
    """Whatever one thing is another one than before: no group is left as it was."""
    for now, (before, after) in product(MOMENTS, CHANGES):
        exposition = Exposition(policy)
        for school, at in ((before, NOW), (after, now), (before, NOW)):
            exposition.update(school, at)
            assert _samples(exposition, at) == _plainly(look_at(school, at, policy, {}))


def test_time_alone_is_shown() -> None:
    """What grew too old between two updates is gone, though nothing else is new."""
    exposition, policy = Exposition(POLICIES[-1]), POLICIES[-1]
    pages = []
    for now in MOMENTS:
        exposition.update(BASE, now)
        pages.append(_samples(exposition, now))
        assert pages[-1] == _plainly(look_at(BASE, now, policy, {}))
    assert len(set(map(tuple, pages))) > 1


LABELS = st.lists(
    st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(["%", "%s", "\n", '"\\']), max_size=3
)
GRIDS = st.tuples(LABELS, LABELS).flatmap(
    lambda axes: st.tuples(
        st.just(tuple(map(tuple, axes))),
        st.lists(st.none() | st.floats(), min_size=len(axes[0]) * len(axes[1]), max_size=len(axes[0]) * len(axes[1])),
    )
)


@given(st.lists(GRIDS, min_size=1, max_size=4), st.sampled_from([None, 3]))
@example([(((r"\n",), ("%",)), [-0.0001]), (((r"\n",), ("%",)), [None]), (((r"\n",), ("%",)), [math.inf])], 3)
def test_a_grid_is_its_samples_one_by_one(
    shown: list[tuple[tuple[tuple[str, ...], ...], list[float | None]]], decimals: int | None
) -> None:
    """Whatever is in the labels, and whichever of the values are known: nothing of the one before is left."""
    family = Family("classready_test", "help", ("office", "school", "classroom", "part"), decimals)
    base = ("o%d", 's"\n')
    for axes, values in shown:
        expected = [
            _line(family, (*base, *labels), value) + "\n"
            for labels, value in zip(product(*axes), values, strict=True)
            if value is not None and math.isfinite(value)
        ]
        assert grid_lines(family, base, axes, values).decode() == "".join(expected)
        if decimals is None:
            assert lines(family, base, zip(product(*axes), values, strict=True)).decode() == "".join(expected)


def _samples(exposition: Exposition, now: float) -> list[str]:
    return [line for line in plain(exposition.everything(now)).decode().split("\n") if line[:1] not in {"", "#"}]


def _plainly(look: Look) -> list[str]:
    """The lines of all samples, by family, written one by one with nothing kept."""
    base = (look.school.roster.office, look.school.roster.school)
    found = [sample for group in GROUPS for sample in group.samples(look)]
    found += [
        (grid.metric, labels, value)
        for grid in grids(look)
        for labels, value in zip(product(*grid.axes), grid.values, strict=True)
    ]
    return [
        _line(family, (*base, *labels), value)
        for family in FAMILIES
        for metric, labels, value in found
        if family.name == f"classready_{metric}" and value is not None and math.isfinite(value)
    ]


def _line(family: Family, values: tuple[str, ...], value: float) -> str:
    shown = repr(float(value)) if family.decimals is None else f"{value:.3f}"
    escaped = [text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') for text in values]
    labels = ",".join(f'{name}="{text}"' for name, text in zip(family.labels, escaped, strict=True))
    return f"{family.name}{{{labels}}} {shown}"


def _own(exposition: Exposition) -> list[bytes]:
    lines = plain(exposition.self_metrics({})).splitlines()
    return [line for line in lines if line.startswith((b"classready_office", b"classready_required"))]
