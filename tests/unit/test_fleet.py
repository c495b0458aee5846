"""What is wrong with a gateway, which comes first, and how it is said."""

from typing import Any

import pytest

from classready.box import Box, Upgrade
from collector.fleet.sight import heard, sightings
from collector.fleet.staging import Mark, Plan
from collector.fleet.trouble import SettingsSeen, Sight, troubles
from collector.fleet_api import skew_text, table
from collector.text import LANGUAGES, MESSAGES
from collector.views.fleet import Upgrading, ranked, row, upgrade_view
from tests.support.samples import NAMES, NOW, demo_school, gateway_heard, with_state

NEW = "0.2.0-bbbbbbbb"
DAY_S = 86_400.0


def sight(gateway: str = "gw-a", **changes: Any) -> Sight:
    one = Sight(gateway, ("5114020001",), "511402", gateway_heard(), "enrolled")
    return one._replace(**changes)


def state(**changes: Any) -> dict[str, Any]:
    return {"state": gateway_heard(**changes)}


FAILED = Mark(gateway="gw-a", offered_at=NOW, failed_at=NOW, reason="unhealthy")


@pytest.mark.parametrize(
    ("one", "found"),
    [
        pytest.param({}, (), id="well"),
        pytest.param(state(silent=True), ("silent",), id="silent"),
        pytest.param({"mark": FAILED}, ("upgrade_failed",), id="failed"),
        pytest.param(state(box=Box(certificate_expires_at=NOW)), ("certificate_expired",), id="expired"),
        pytest.param(state(box=Box(certificate_expires_at=NOW + 29 * DAY_S)), ("certificate_ends",), id="ends"),
        pytest.param(state(box=Box(certificate_expires_at=NOW + 31 * DAY_S)), (), id="good-for-a-while"),
        pytest.param(state(clock_skew_s=-61.0), ("clock_wrong",), id="behind"),
        pytest.param(state(clock_skew_s=60.0), (), id="nearly-right"),
        pytest.param(state(clock_skew_s=None, spool_records=None), (), id="not-known-is-not-wrong"),
        pytest.param(state(spool_records=2_001), ("backlog",), id="backlog"),
        pytest.param(state(dropped_records=1), ("dropped",), id="dropped"),
        pytest.param({"settings": SettingsSeen("a", "a", None)}, (), id="newest-settings"),
        pytest.param({"settings": SettingsSeen("a", "b", None)}, ("settings_behind",), id="old-settings"),
        pytest.param({"settings": SettingsSeen("a", "b", ("x",))}, ("settings_refused",), id="refused"),
        pytest.param({"state": None}, ("never_heard",), id="never"),
        pytest.param({"state": None, "enrolment": "none"}, ("not_enrolled",), id="nobody-was-there"),
        pytest.param({"enrolment": "revoked", **state(silent=True)}, ("silent", "revoked"), id="worst-first"),
        pytest.param({"found_count": 3}, ("found",), id="found"),
        pytest.param({"found_count": 0}, (), id="nothing-left"),
    ],
)
def test_troubles(one: dict[str, Any], found: tuple[str, ...]) -> None:
    assert troubles(sight(**one), NOW) == found


def test_the_worst_first() -> None:
    """Of equals the one with more besides, then by name."""
    fleet = [
        sight("gw-well"), sight("gw-b", **state(silent=True)), sight("gw-a", **state(silent=True)),
        sight("gw-clock", **state(clock_skew_s=90.0)), sight("gw-both", **state(silent=True, clock_skew_s=90.0)),
        sight("gw-other", office="511421", **state(silent=True)),
    ]  # fmt: skip
    names = [one.sight.gateway for one in ranked(fleet, "511402", None, NOW)]
    assert names == ["gw-both", "gw-a", "gw-b", "gw-clock", "gw-well"]
    assert [one.sight.gateway for one in ranked(fleet, None, "clock_wrong", NOW)] == ["gw-both", "gw-clock"]


def test_the_newest_of_several_schools() -> None:
    """A gateway of two schools is as the one of them heard it last that was stored last; of none it was never heard."""
    schools = {
        name: with_state(demo_school(school=name), gateways={"gw": gateway_heard(last_committed_at=at)})
        for name, at in (("a", 5.0), ("b", 9.0))
    }
    found = heard("gw", ("a", "b", "gone"), schools)
    assert found is not None
    assert found.last_committed_at == 9.0
    assert heard("other", ("a",), schools) is None
    (seen,) = sightings([("other", ("gone",))], schools)
    assert (seen.release, seen.heard_at, seen.is_silent, seen.office) == (None, None, True, "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_word_of_a_later_agent_is_shown_as_it_is(language: Any) -> None:
    told = Upgrade(version=NEW, state="waiting", reason="full_moon")
    shown = row(ranked([sight(**state(box=Box(upgrade=told)))], None, None, NOW)[0], NAMES, {}, language)
    assert shown.upgrade is not None
    assert "full_moon" in shown.upgrade.text
    assert shown.school_names == ()


def test_every_reason_has_words() -> None:
    """Those of install.sh's exit codes and of the agent, as decided in one place each."""
    from agent.upgrading.outcome import REASONS

    assert {f"upgrade.why.{reason}" for reason in REASONS} <= MESSAGES.keys()


def test_how_far_it_has_come() -> None:
    plan = Plan(version=NEW, canary="511402", percent=10, by="王", asked_at=NOW)
    fleet = [sight("gw-a", **state(box=Box(release="0.1.0-a"))), sight("gw-b", **state(box=Box(release=NEW)))]
    view = upgrade_view(Upgrading(plan, {"gw-a": FAILED, "gone": FAILED}, (NEW,)), [*fleet, sight("gw-c")], NAMES, "zh")
    assert (view.gateways, view.with_it, view.failed, view.offered, view.cannot_follow) == (3, 1, 1, 1, 1)
    assert NAMES.office("511402") in view.text


def test_table_is_safe_to_open() -> None:
    """Nothing that a gateway or a roster says becomes a formula."""
    one = sight(**state(agent_version="=HYPERLINK(1)"))
    text = table([row(ranked([one], None, None, NOW)[0], NAMES, {}, "zh")], 28_800.0, "zh")
    assert "'=HYPERLINK" in text
    assert text.startswith("\ufeff")


@pytest.mark.parametrize(("skew_s", "says"), [(3_700.0, "时钟快 61 分钟"), (-3_700.0, "时钟慢 61 分钟")])
def test_skew(skew_s: float, says: str) -> None:
    assert skew_text(skew_s, "zh") == says
