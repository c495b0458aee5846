"""Templates as files: what of agent.yml they give, for whom, and every mistake with its file and line."""

from pathlib import Path

import pytest

from classready.settings import SettingsError
from collector.configuring.checking import problems, unknown_names
from collector.configuring.compose import document, with_responder_key
from collector.configuring.reading import read_templates
from collector.core.roster import SchoolRoster

HUB = SchoolRoster(office="511402", school="3251140201", kind="hub")
POINT = SchoolRoster(office="511421", school="point-01", kind="point")
UPLINK = "targets:\n  - {name: uplink, kind: bandwidth, host: c.example, key: '{responder_key}'}\n"


KNOWN = "targets, broker, profiles, traps, report_interval_s, concurrency, timezone, log_level, for, discovery"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, "utf-8")
    return folder


def refused(folder: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_templates(folder)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def contradictions(folder: Path, **gateways: SchoolRoster) -> list[str]:
    parts = read_templates(folder)
    found = problems(parts, {gateway: [school] for gateway, school in gateways.items()})
    return [str(problem).removeprefix(f"{folder}/") for problem in found]


def test_only_what_is_given_travels(tmp_path: Path) -> None:
    """A default that is written is given; one that is not written is left to the agent."""
    text = """\
for: {kinds: [hub], offices: ["511402"]}
report_interval_s: 60
timezone: Asia/Urumqi
discovery: {rate_per_s: 20}
targets:
  - {name: page, kind: http, url: "https://basic.smartedu.cn/"}
  - {name: sw, kind: switch, host: "sw.{school}.example", snmp: {community: READER}}
"""
    (part,) = read_templates(written(tmp_path, hub=text))
    made = document("gw-1", [HUB], [part.template], [])
    assert made.settings == {"report_interval_s": 60.0, "timezone": "Asia/Urumqi"}
    assert list(made.targets) == [
        {"kind": "http", "name": "page", "url": "https://basic.smartedu.cn/"},
        {"kind": "switch", "name": "sw", "host": "sw.3251140201.example", "snmp": {"community": "READER"}},
    ]
    assert made.discovery is not None
    assert document("gw-2", [POINT], [part.template], []).targets == ()


def test_every_mistake_of_every_file_is_named_with_its_line(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        a="for: {kind: [hub]}\nreport_interval_s: soon\ngateway: gw-1\n",
        b="targets:\n  - {name: x, kind: ping, host: a b}\n  - {name: x, kind: ping}\n",
    )
    assert refused(folder) == [
        "a.yml:1: for.kind: unknown setting; did you mean 'kinds'?",
        "a.yml:2: report_interval_s: must be a number above 0 up to 86,400; found 'soon'",
        f"a.yml:3: gateway: unknown setting; known: {KNOWN}",
        "b.yml:2: targets[0].host: must look like 10.1.2.3 (or an IPv6 address or a name, without port); found 'a b'",
        "b.yml:3: targets[1]: missing setting 'host'",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "targets:\n  - {name: a, kind: ping, host: h}\n  - {name: a, kind: ping, host: h}\n",
            "t.yml:3: targets[1].name",
        ),
        ("discovery: {again_at: 1790000000}\n", "t.yml:1: discovery.again_at"),
        ("targets: [{name: 'sw-{school}', kind: ping, host: h}]\n", "t.yml:1: targets"),
        ("link: {kind: http}\n", "t.yml:1: link"),
    ],
)
def test_what_a_template_may_not_say(tmp_path: Path, text: str, says: str) -> None:
    (found,) = refused(written(tmp_path, t=text))
    assert found.startswith(says)


def test_a_folder_without_templates_is_a_mistake(tmp_path: Path) -> None:
    assert refused(tmp_path) == [f"{tmp_path}:1: no template (*.yml) here"]


def test_contradictions_are_named_where_they_were_written(tmp_path: Path) -> None:
    """A whiteboard on a broker that only another template has is right; without one for its gateway it is not."""
    folder = written(
        tmp_path,
        boards="targets:\n  - {name: b1, kind: whiteboard, host: 10.0.0.9, classroom: r1, mqtt: {id: p1}}\n",
        broker="for: {kinds: [hub]}\nbroker: {host: 10.0.0.2}\n",
        zone="for: {kinds: [point]}\ntimezone: Asia/Meishan\n",
    )
    assert contradictions(folder, gw1=HUB) == []
    assert contradictions(folder, gw1=HUB, gw2=POINT) == [
        "zone.yml:2: timezone: no time zone is called 'Asia/Meishan'; write one like Asia/Shanghai",
        "boards.yml:2: targets[0].mqtt: needs broker: the school's MQTT broker",
    ]


def test_names_that_no_roster_has(tmp_path: Path) -> None:
    parts = read_templates(written(tmp_path, t='for:\n  offices: ["511402", "999"]\n  schools: [nowhere]\n'))
    found = [str(p).removeprefix(f"{tmp_path}/") for p in unknown_names(parts, {"511402"}, {"3251140201"})]
    assert found == [
        "t.yml:2: for.offices[1]: no office '999' in the roster",
        "t.yml:3: for.schools[0]: no school 'nowhere' in the roster",
    ]


def test_the_responders_key_takes_its_place_or_leaves_it(tmp_path: Path) -> None:
    (part,) = read_templates(written(tmp_path, t=UPLINK))
    with_key, without = with_responder_key([part.template], "s3cret"), with_responder_key([part.template], None)
    assert with_key[0].targets["uplink"]["key"] == "s3cret"
    assert "key" not in without[0].targets["uplink"]


def test_what_would_not_fit_is_told_before_anybody_is_to_take_it(tmp_path: Path) -> None:
    many = "".join(f"  - {{name: t{i}, kind: ping, host: {'h' * 60}.example}}\n" for i in range(600))
    (found,) = contradictions(written(tmp_path, t=f"targets:\n{many}"), gw1=HUB)
    assert "at most 60000" in found
