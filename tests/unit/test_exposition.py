"""What Prometheus sees: names, labels, and above all what is absent."""

import importlib
import pkgutil
import re
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

import collector
from agent import metrics as agent_metrics
from classready.observation import Phases
from classready.units import MBIT
from collector.core.bureau.words import Bureau, Desk, Incident, Tally
from collector.core.evidence import PathState
from collector.core.policy import Policy
from collector.core.roster import SchoolRoster
from collector.core.state import School
from collector.core.words import Cause
from collector.exposition import END_OF_OPENMETRICS, FAMILIES, ROLL_UP, Exposition
from collector.exposition.grids import grids
from collector.exposition.look import look_at
from collector.exposition.pieces import plain
from collector.exposition.samples import GROUPS
from tests.support.samples import (
    NAMES,
    NOW,
    bandwidth_test,
    demo_school,
    gateway_heard,
    leg_school,
    platform,
    port_reading,
    silenced,
    with_state,
)

ROOT = Path(__file__).parents[2]
HOSTILE = 'x"} 1\nup{job="prometheus"} 0\n\\'
GATEWAY = "gw-5114020001"


def expose(*schools: School, policy: Policy | None = None) -> Exposition:
    exposition = Exposition(policy or Policy())
    for school in schools:
        exposition.update(school, NOW)
    return exposition


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Metric name and label values after office and school -> value."""
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = tuple(v for k, v in sample.labels.items() if k not in {"office", "school"})
            found[sample.name.removeprefix("classready_"), *labels] = sample.value
    return found


def of(school: School) -> dict[tuple[str, ...], float]:
    return samples(office(expose(school)))


def office(exposition: Exposition, name: str = "511402", now: float = NOW) -> bytes:
    return plain(exposition.office(name, now))


def own(exposition: Exposition) -> bytes:
    return plain(exposition.self_metrics(NAMES.offices))


def test_a_school_as_prometheus_sees_it() -> None:
    """Every family of the contract, with its labels, in bytes and seconds."""
    found = of(demo_school())
    expected = {
        ("classroom_compliant", "b2-301"): 1,
        ("classroom_compliant", "b2-305"): 0,
        ("classroom_ready", "b2-301"): 1,
        ("classroom_ready", "b2-305"): 0,
        ("classroom_cause", "b2-305", "port_below_required"): 1,
        ("classroom_cause", "b2-305", "port_half_duplex"): 1,
        ("classroom_link_bytes_per_second", "b2-301", "reach"): 95 * MBIT / 8,
        ("classroom_link_bytes_per_second", "b2-305", "port"): 10 * MBIT / 8,
        ("classroom_link_ratio", "b2-301"): 0.95,
        ("classroom_device_up", "b2-301"): 1,
        ("classroom_device_up", "b2-306"): 0,
        ("school_info", "城关小学", "hub", "", "", "false"): 1,
        ("classroom_info", "b2-301", "三年级1班"): 1,
        ("classroom_info", "lab-1", "旧实验室"): 1,
        ("platform_info", "sichuan", "sichuan"): 1,
        ("classroom_evidence_timestamp_seconds", "b2-301", "port"): NOW - 40,
        ("classroom_evidence_timestamp_seconds", "b2-301", "device"): NOW - 25,
        ("classroom_evidence_timestamp_seconds", "b2-301", "uplink"): NOW - 1_800,
        ("school_in_lesson",): 1,
        ("school_classrooms", "ready", "yes"): 4,
        ("school_classrooms", "ready", "no"): 2,
        ("school_classrooms", "ready", "unknown"): 1,
        ("school_classrooms", "compliant", "exempt"): 1,
        ("school_uplink_bytes_per_second", GATEWAY, "down", "at_least"): 95 * MBIT / 8,
        ("school_segment_bytes_per_second", GATEWAY, "sw1:uplink"): 100 * MBIT / 8,
        ("school_segment_contention_ratio", GATEWAY, "sw1:uplink"): 6,
        ("platform_up", "national"): 1,
        ("platform_ping_rtt_seconds", "national"): 0.0213,
        ("platform_ping_loss_ratio", "national"): 0,
        ("platform_http_duration_seconds", "national", "tls"): 0.043,
        ("platform_tls_certificate_expiry_timestamp_seconds", "sichuan"): NOW + 60 * 86_400,
        ("gateway_up", GATEWAY): 1,
        ("gateway_last_report_timestamp_seconds", GATEWAY): NOW - 12,
        ("gateway_clock_skew_seconds", GATEWAY): 0.2,
        ("gateway_spool_records", GATEWAY): 0,
        ("gateway_info", GATEWAY, "0.1.0"): 1,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found[("school_uplink_contention_ratio",)] == pytest.approx(7 * 100 / 95)
    assert {f.name for f in FAMILIES} == {f"classready_{name}" for name, *_ in found}


def test_unknown_and_exempt_have_no_sample() -> None:
    """What is not known is absent, never 0; an unlisted room is not exported at all."""
    found = of(demo_school())
    unknown = {name for name, *labels in found if labels[:1] == ["b2-307"]}
    exempt = {name for name, *labels in found if labels[:1] == ["lab-1"]}
    assert unknown == {
        "classroom_info",
        "classroom_cause",
        "classroom_device_up",
        "classroom_evidence_timestamp_seconds",
    }
    assert exempt == {"classroom_info"}, "a name is not measured"
    assert not [key for key in found if "b9-101" in key]


def test_a_silent_gateway_stops_its_measured_series() -> None:
    """gateway_up is 0, last_report and compliant stay, everything measured is gone, and ready counts are unknown."""
    found = of(silenced(demo_school()))
    assert found["gateway_up", GATEWAY] == 0
    assert found["gateway_last_report_timestamp_seconds", GATEWAY] == NOW - 400
    assert found["classroom_compliant", "b2-301"] == 1
    assert found["classroom_cause", "b2-301", "gateway_silent"] == 1
    assert found["school_classrooms", "ready", "unknown"] == 7
    assert {name for name, *_ in found} == {
        "classroom_compliant",
        "classroom_cause",
        "school_classrooms",
        "school_info",
        "classroom_info",
        "platform_info",
        "school_in_lesson",
        "gateway_up",
        "gateway_last_report_timestamp_seconds",
        "gateway_info",
    }


def test_a_gateway_never_heard_is_down_without_a_last_report() -> None:
    """A roster gateway exists from the first day; one that is not in the roster is nobody's."""
    found = of(with_state(demo_school(), gateways={"gw-foreign": gateway_heard()}))
    assert found["gateway_up", GATEWAY] == 0
    assert not [key for key in found if key[0].startswith("gateway_") and key[1] != GATEWAY]
    assert ("gateway_last_report_timestamp_seconds", GATEWAY) not in found


@pytest.mark.parametrize(
    ("changes", "up"),
    [
        pytest.param({}, 1, id="both targets answer"),
        pytest.param({"up": False}, 0, id="the worst target counts"),
        pytest.param({"http_at": NOW - 181}, None, id="a stale target leaves it unknown"),
        pytest.param({"up": None}, None, id="an unmeasured target leaves it unknown"),
    ],
)
def test_a_platform_is_as_good_as_its_worst_target(changes: dict[str, object], up: float | None) -> None:
    """A page that opens without its content host is of no use in a lesson."""
    school = demo_school()
    reading = platform(GATEWAY, "smartedu-content", **changes)
    found = of(with_state(school, platforms={**school.state.platforms, f"{GATEWAY}/smartedu-content": reading}))
    assert found.get(("platform_up", "national")) == up
    assert found["platform_up", "sichuan"] == 1


def test_a_platforms_own_fault_is_still_measured() -> None:
    """Suppress alerting, not measuring: platform_up stays 0 when the clause becomes unknown."""
    school = demo_school()
    reading = platform(GATEWAY, "sc-smartedu", up=False)
    failing = {**school.state.platforms, f"{GATEWAY}/sc-smartedu": reading}
    found = of(with_state(school, platforms=failing, platform_faults=("sichuan",)))
    assert found["platform_up", "sichuan"] == 0


def test_stale_ping_and_http_leave_on_their_own() -> None:
    """An old ping says nothing, however fresh the page."""
    school = demo_school()
    reading = platform(GATEWAY, "sc-smartedu", ping_at=NOW - 181)
    found = of(with_state(school, platforms={f"{GATEWAY}/sc-smartedu": reading}))
    names = {name for name, *labels in found if labels[:1] == ["sichuan"]}
    assert names == {
        "platform_info",
        "platform_up",
        "platform_http_duration_seconds",
        "platform_tls_certificate_expiry_timestamp_seconds",
    }


def test_nonfinite_values_are_left_out() -> None:
    """NaN and infinity are not measurements."""
    school = demo_school()
    heard = {GATEWAY: gateway_heard(clock_skew_s=float("nan"), last_committed_at=float("inf"))}
    found = of(with_state(school, gateways=heard))
    assert ("gateway_clock_skew_seconds", GATEWAY) not in found
    assert ("gateway_last_report_timestamp_seconds", GATEWAY) not in found


def test_offices_are_apart_and_a_moved_school_is_in_one_of_them() -> None:
    """A school that changes its office leaves nothing behind; a removed one leaves nothing at all."""
    exposition = expose(demo_school(), demo_school(office="511421", school="s2"))
    assert b'school="s2"' not in office(exposition)
    assert b'school="s2"' in plain(exposition.everything(NOW))
    exposition.update(demo_school(office="511421"), NOW)
    assert office(exposition) == b""
    assert samples(own(exposition))["office_classrooms", "ready", "yes"] == 8
    exposition.remove("s2")
    exposition.remove("s2")
    assert b'school="s2"' not in plain(exposition.everything(NOW)) + own(exposition)
    assert samples(own(exposition))["office_classrooms", "ready", "yes"] == 4
    exposition.remove("5114020001")
    assert b"office_classrooms{" not in own(exposition)


def test_families_are_grouped_with_one_help_and_type() -> None:
    """The format asks for each family to stand together, on a page of several offices, too."""
    exposition = expose(demo_school(), demo_school(school="s2"), demo_school(school="s3", office="511421"))
    for text in (office(exposition).decode(), plain(exposition.everything(NOW)).decode()):
        names = [line.split("{")[0] for line in text.splitlines() if not line.startswith("#")]
        runs = [name for n, name in enumerate(names) if n == 0 or names[n - 1] != name]
        assert len(runs) == len(set(runs))
        assert len(re.findall("^# TYPE ", text, re.MULTILINE)) == len(runs)


def test_the_office_roll_up_adds_up() -> None:
    """Zeros are shown: a state that empties must not keep its last number."""
    exposition = expose(demo_school(), demo_school(school="s2"))
    found = samples(own(exposition))
    assert found["office_classrooms", "ready", "yes"] == 8
    assert found["office_classrooms", "ready", "no"] == 4
    for school in ("5114020001", "s2"):
        exposition.update(silenced(demo_school(school=school)), NOW)
    assert samples(own(exposition))["office_classrooms", "ready", "yes"] == 0


def test_offices_and_schools_are_named_by_their_ids_where_they_have_no_name() -> None:
    """A board joins names to numbers: every office, school, room and platform has exactly one, whatever is in it."""
    found = samples(plain(expose().self_metrics({"511402": 'a "b"\\\n', "511421": ""})))
    assert [labels for name, *labels in found if name == "office_info"] == [['a "b"\\\n'], ["511421"]]
    nameless = demo_school(name="")
    rooms = {name: replace(room, name="") for name, room in nameless.roster.classrooms.items()}
    found = of(replace(nameless, roster=replace(nameless.roster, classrooms=rooms)))
    assert found["school_info", "5114020001", "hub", "", "", "false"] == 1
    assert found["classroom_info", "b2-301", "b2-301"] == 1


def test_what_the_roster_says_of_a_school_and_the_settings_of_a_platform() -> None:
    """Operator, hub school and the mark of a weak rural school are labels; a platform has the name of the settings."""
    school = demo_school()
    told = replace(school.roster, operator="电信", hub="s1", rural_weak=True)
    exposition = Exposition(Policy(), NAMES.platforms)
    exposition.update(replace(school, roster=told), NOW)
    found = samples(office(exposition))
    assert found["school_info", "城关小学", "hub", "电信", "s1", "true"] == 1
    assert found["platform_info", "national", "国家中小学智慧教育平台"] == 1


def test_bytes_are_kept_until_the_school_changes() -> None:
    """A scrape does no rendering: only an update does."""
    exposition = expose(demo_school())
    before = office(exposition)
    exposition.policy = Policy(required_down_bps=50 * MBIT)
    assert office(exposition) == before
    exposition.update(demo_school(), NOW)
    assert office(exposition) != before


def test_a_lesson_begins_and_ends_on_the_page_by_itself() -> None:
    """Nothing need happen in a school for it to be in a lesson."""
    exposition = expose(demo_school(), silenced(demo_school(school="s2")))
    shown = []
    for now in (NOW, NOW + 5 * 3_600 - 1, NOW + 5 * 3_600, NOW):
        text = office(exposition, now=now).decode()
        shown.append(re.findall(r"^classready_school_in_lesson{.*} (\S+)$", text, re.MULTILINE))
    assert shown == [["1.0", "1.0"], ["1.0", "1.0"], ["0.0", "0.0"], ["1.0", "1.0"]]


def test_what_is_required_is_on_the_collectors_own_page() -> None:
    """Upload only where the policy asks for it."""
    assert [key for key in samples(own(expose())) if key[0].startswith("required")] == [
        ("required_bytes_per_second", "down")
    ]
    found = samples(own(expose(policy=Policy(required_up_bps=20 * MBIT))))
    assert (found["required_bytes_per_second", "down"], found["required_bytes_per_second", "up"]) == (12.5e6, 2.5e6)


def test_open_incidents_are_counted() -> None:
    """By office and cause, told or not yet; what only waits to be told as over is not open."""

    def incident(number: int, cause: Cause, notified_at: float | None, open_count: int = 1) -> Incident:
        tally = Tally(open_count=open_count)
        return Incident(
            id=f"{number}", scope="office", office="511402", cause=cause, opened_at=NOW, since=NOW,
            tally=tally, notified_at=notified_at,
        )  # fmt: skip

    found = [
        incident(1, Cause.PORT_DOWN, NOW),
        incident(2, Cause.PORT_DOWN, NOW),
        incident(3, Cause.PORT_DOWN, None),
        incident(4, Cause.GATEWAY_SILENT, NOW, open_count=0),
    ]
    bureau = Bureau(desks={"511402": Desk(incidents={each.id: each for each in found})})
    text = plain(Exposition(Policy(), bureau=lambda: bureau).self_metrics({})).decode()
    assert re.findall(r"^classready_incidents.*$", text, re.MULTILINE) == [
        'classready_incidents{office="511402",cause="port_down",actor="",state="firing"} 2.0',
        'classready_incidents{office="511402",cause="port_down",actor="",state="pending"} 1.0',
    ]


def test_every_family_of_a_school_is_of_one_group() -> None:
    """A metric in no group is never shown, one in two is shown by whichever changed last."""
    for school in (demo_school(), School(roster=SchoolRoster(office="511402", school="s1"))):
        grouped = [metric for group in GROUPS for metric in group.metrics]
        grouped += [grid.metric for grid in grids(look_at(school, NOW, Policy(), {}))]
        assert sorted(grouped) == sorted(family.name.removeprefix("classready_") for family in FAMILIES)


def test_openmetrics_is_read_by_its_own_parser() -> None:
    """The strict parser takes every page; names and values are those of the text format."""
    exposition = expose(demo_school(), silenced(demo_school(school="s2", name=HOSTILE)))
    page = exposition.office("511402", NOW)
    text = plain([*page, END_OF_OPENMETRICS]).decode()
    strict = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in openmetrics.text_string_to_metric_families(text)
        for sample in family.samples
    }
    usual = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(plain(page).decode())
        for sample in family.samples
    }
    assert strict == usual
    own_page = plain([*exposition.self_metrics(NAMES.offices, openmetrics=True), END_OF_OPENMETRICS]).decode()
    assert "classready_office_info" in {f.name for f in openmetrics.text_string_to_metric_families(own_page)}
    assert own_page.count("# EOF") == 1


@pytest.mark.servers("promtool")
@pytest.mark.parametrize("name", ["b2-301", HOSTILE], ids=["plain", "hostile"])
def test_promtool_is_silent(name: str) -> None:
    """The real linter finds nothing, the collector's own metrics included, and a hostile name forges no series."""
    import_all()
    school = demo_school(school=name, gateways=(HOSTILE,))
    heard = {HOSTILE: gateway_heard()}
    exposition = expose(with_state(school, gateways=heard), silenced(demo_school(school="s2")))
    for text in (office(exposition), plain(exposition.everything(NOW)), own(exposition)):
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
        assert b"\nup{job=" not in text


def test_the_documentation_names_every_metric_and_label() -> None:
    """docs/metrics.md has a row for each metric of the two programs and no other; labels are named in their rows."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row for row in text.splitlines() if row.startswith("| `classready_")}
    labels = {family.name: family.labels for family in (*FAMILIES, *ROLL_UP)}
    labels |= {name: metric.labels for name, metric in agent_metrics.METRICS.items()}
    declared = {*labels, *self_metrics()}
    assert declared - set(rows) == set(), "not documented"
    assert set(rows) - declared == set(), "documented, but not in the code"
    for name, names in labels.items():
        assert all(f"`{label}`" in rows[name] for label in names), name


def self_metrics() -> set[str]:
    """What the modules of the collector register, as it is exposed."""
    import_all()
    families = [family for family in REGISTRY.collect() if family.name.startswith("classready_")]
    return {family.name + ("_total" if family.type == "counter" else "") for family in families}


def import_all() -> None:
    for module in pkgutil.walk_packages(collector.__path__, "collector."):
        if "__main__" not in module.name and "migrations" not in module.name:
            importlib.import_module(module.name)


def test_every_cause_can_be_a_label() -> None:
    """Causes are label values: short, lower case, closed."""
    assert all(re.fullmatch(r"[a-z_]+", cause) for cause in Cause)


def test_the_documentation_names_every_cause() -> None:
    """docs/metrics.md lists the values of the label, in root-cause order."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    listed = text.partition("* `cause`: ")[2].partition(". Every cause")[0]
    assert re.findall(r"`([a-z_]+)`", listed) == list(Cause)


def test_exits_and_paths_are_no_uplink() -> None:
    """The uplink's capacity is that of the school's own line; where nothing tests that, of what lies beyond."""
    school = leg_school()
    beyond = {key: leg for key, leg in school.state.uplinks.items() if leg.beyond is not None}
    name = "school_uplink_bytes_per_second"
    assert of(school)[name, GATEWAY, "down", "at_least"] == 95 * MBIT / 8
    assert (name, GATEWAY, "down", "estimate") not in of(school)
    assert of(with_state(school, uplinks=beyond))[name, GATEWAY, "down", "estimate"] == 80.4 * MBIT / 8


def test_evidence_of_the_way_is_of_the_newest_test_that_decides() -> None:
    """Over the targets of a room; an upload, another room's test and one that is not confirmed say nothing of it."""
    old, new, late = (bandwidth_test(age_s, passed=False) for age_s in (900, 600, 60))
    leg = PathState(gateway=GATEWAY, target="pc", direction="down", classroom="b2-301", tests=(old, new))
    legs = [
        leg,
        replace(leg, target="tablet", tests=(old, old)),
        replace(leg, target="unconfirmed", tests=(late,)),
        replace(leg, target="other gateway", gateway="gw-foreign", tests=(late, late)),
        replace(leg, direction="up", tests=(late, late)),
        replace(leg, classroom="b2-302", tests=(bandwidth_test(120.0004),)),
    ]
    found = of(with_state(demo_school(), paths={str(n): leg for n, leg in enumerate(legs)}))
    told = {room: at for (name, *labels), at in found.items() if labels[1:] == ["path"] for room in labels[:1]}
    assert told == {"b2-301": NOW - 600, "b2-302": NOW - 120}


def test_evidence_of_a_room_that_nobody_told_of() -> None:
    """It can only hang on the one gateway that there is: the line's test speaks for it; of two, nobody knows which."""
    for gateways, expected in (((GATEWAY,), NOW - 1_800), ((GATEWAY, "gw-second"), None)):
        found = of(with_state(demo_school(gateways=gateways), classrooms={}))
        assert found.get(("classroom_evidence_timestamp_seconds", "b2-301", "uplink")) == expected


@pytest.mark.parametrize(
    ("port_age_s", "nic_speed_bps", "age_s"),
    [(40, None, 40), (40, 10**9, 25), (10, 10**9, 10), (None, 10**9, 25), (None, None, None)],
)
def test_a_card_is_evidence_of_its_port(
    port_age_s: float | None, nic_speed_bps: int | None, age_s: float | None
) -> None:
    """The newer of the two counts; a device that tells no speed of its card says nothing of the port."""
    school = demo_school()
    port = None if port_age_s is None else port_reading(GATEWAY, age_s=port_age_s)
    room = replace(school.state.classrooms["b2-301"], port=port, nic_speed_bps=nic_speed_bps)
    found = of(with_state(school, classrooms={**school.state.classrooms, "b2-301": room}))
    at = found.get(("classroom_evidence_timestamp_seconds", "b2-301", "port"))
    assert at == (None if age_s is None else NOW - age_s)


def test_durations_are_of_the_first_target_that_was_measured_lately() -> None:
    """In the order of the roster, the page and the ping each for itself, whatever order they were told in."""
    told = {
        "smartedu-content": {"rtt_s": 0.5, "phases_s": Phases(tls=0.9)},
        "smartedu": {"rtt_s": 0.1, "phases_s": Phases(tls=0.3)},
    }

    def shown(**first: float | None) -> tuple[float | None, float | None]:
        changes = {**told, "smartedu": {**told["smartedu"], **first}}
        readings = {f"{GATEWAY}/{name}": platform(GATEWAY, name, **each) for name, each in changes.items()}
        found = of(with_state(demo_school(), platforms=readings))
        tls = found.get(("platform_http_duration_seconds", "national", "tls"))
        return tls, found.get(("platform_ping_rtt_seconds", "national"))

    assert shown() == (0.3, 0.1)
    assert shown(http_at=None) == shown(http_at=NOW - 181) == (0.9, 0.1)
    assert shown(ping_at=None) == shown(ping_at=NOW - 181) == (0.3, 0.5)


def test_two_gateways_look_at_one_platform() -> None:
    """A gateway that does not look at a platform does not make it unknown; one that fails does."""
    school = demo_school(gateways=(GATEWAY, "gw-second"))
    both = with_state(school, gateways={GATEWAY: gateway_heard(), "gw-second": gateway_heard()})
    assert of(both)["platform_up", "sichuan"] == 1
    failing = {**both.state.platforms, "gw-second/sc-smartedu": platform("gw-second", "sc-smartedu", up=False)}
    assert of(replace(both, state=replace(both.state, platforms=failing)))["platform_up", "sichuan"] == 0
