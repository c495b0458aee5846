"""What a gateway is told: which templates are for it, in which order, and what of them is left."""

import msgspec
import pytest

from classready.codec import MalformedReport, decode_document, encode
from classready.measuring import Release
from collector.configuring.compose import document, is_for, layers
from collector.configuring.words import Audience, Device, Template
from collector.core.roster import SchoolRoster

HUB = SchoolRoster(office="511402", school="3251140201", kind="hub")
POINT = SchoolRoster(office="511421", school="point-01", kind="point")


def template(name: str, audience: Audience = Audience(), *targets: str, **settings: object) -> Template:  # noqa: B008
    made = {target: {"kind": "ping", "name": target, "host": f"{name}.example"} for target in targets}
    return Template(name=name, audience=audience, settings=settings, targets=made)


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (Audience(), True),
        (Audience(offices=("511402",)), True),
        (Audience(offices=("511421",)), False),
        (Audience(kinds=("hub", "point")), True),
        (Audience(kinds=("point",)), False),
        (Audience(schools=("3251140201",)), True),
        (Audience(schools=("point-01",)), False),
        (Audience(gateways=("gw-1",)), True),
        (Audience(gateways=("gw-2",)), False),
        (Audience(offices=("511402",), kinds=("point",)), False),
        (Audience(offices=("511402",), kinds=("hub",), gateways=("gw-1",)), True),
        (Audience(gateways=("gw-1",), offices=("511421",)), False),
    ],
)
def test_all_that_is_given_must_hold(*, audience: Audience, expected: bool) -> None:
    assert is_for(audience, "gw-1", [HUB]) is expected


def test_of_several_schools_one_must_be_all_that_is_asked_for() -> None:
    assert is_for(Audience(kinds=("point",)), "gw-1", [HUB, POINT])
    assert not is_for(Audience(kinds=("point",), offices=("511402",)), "gw-1", [HUB, POINT])


def test_the_more_specific_comes_later_whatever_the_files_are_called() -> None:
    every, kind = template("z"), template("y", Audience(kinds=("hub",)))
    office, both = (
        template("x", Audience(offices=("511402",))),
        template("w", Audience(offices=("511402",), kinds=("hub",))),
    )
    school, gateway = template("v", Audience(schools=("3251140201",))), template("u", Audience(gateways=("gw-1",)))
    given = [gateway, school, both, office, kind, every]
    assert [each.name for each in layers("gw-1", [HUB], given)] == ["z", "y", "x", "w", "v", "u"]
    assert [each.name for each in layers("gw-1", [HUB], [template("b"), template("a")])] == ["a", "b"]


def test_a_later_one_replaces_what_has_the_same_name_and_nothing_else() -> None:
    every = template("every", Audience(), "page", "uplink", report_interval_s=60.0, concurrency=8)
    hub = template("hub", Audience(kinds=("hub",)), "uplink", "extra", report_interval_s=30.0)
    found = document("gw-1", [HUB], [hub, every], [])
    assert found.settings == {"report_interval_s": 30.0, "concurrency": 8}
    assert [(t["name"], t["host"]) for t in found.targets] == [
        ("page", "every.example"), ("uplink", "hub.example"), ("extra", "hub.example"),
    ]  # fmt: skip


def test_confirmed_devices_come_last() -> None:
    target = {"kind": "whiteboard", "name": "b1", "host": "10.0.0.9", "classroom": "b1-101"}
    device = Device(gateway="gw-1", name="b1", target=target, confirmed_by="王", confirmed_at=1.0)
    found = document("gw-1", [HUB], [template("t", Audience(), "b1")], [device])
    assert found.targets == (target,)


def test_places_are_filled_with_the_gateways_own_names() -> None:
    made = template("t", Audience(), "a", broker={"host": "mqtt.{school}.example"})
    made.targets["a"]["host"] = "{gateway}.example"  # type: ignore[index]
    found = document("gw-1", [HUB, POINT], [made], [])
    assert (found.settings["broker"]["host"], found.targets[0]["host"]) == ("mqtt.3251140201.example", "gw-1.example")


def test_a_version_is_that_of_all_that_is_said() -> None:
    def version(*templates: Template, release: Release | None = None, again_at: float | None = None) -> str:
        return document("gw-1", [HUB], templates, [], release, again_at=again_at).version

    plain, looking = template("t", Audience(), "a"), Template(name="d", discovery={"rate_per_s": 5.0})
    versions = [
        version(), version(plain), version(plain, release=Release(version="0.2.0-abcdef12")), version(looking),
        version(looking, again_at=1_790_000_000.0), version(template("t", Audience(), "a", concurrency=4)),
    ]  # fmt: skip
    assert len(set(versions)) == len(versions)
    assert version(plain) == version(msgspec.structs.replace(plain, name="other", targets=plain.targets))


def test_a_document_that_was_changed_on_its_way_is_none() -> None:
    body = encode(document("gw-1", [HUB], [template("t", Audience(), "a")], []))
    assert decode_document(body).targets[0]["name"] == "a"
    with pytest.raises(MalformedReport, match="version"):
        decode_document(body.replace(b"t.example", b"u.example"))
