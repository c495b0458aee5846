"""Decision tables: what plain facts of a gateway mean, in both languages."""

import re
from pathlib import Path

import pytest

from agent import courier, findings, links
from agent.findings import Finding
from agent.links import http
from agent.words import LANGUAGES, SENTENCES

DAY_S = 86_400.0
FLOOR_S = 20_000 * DAY_S


@pytest.mark.parametrize(
    ("wall_s", "good", "offset_s", "result", "code"),
    [
        (0, False, None, "failed", "clock_before_build"),
        (0, True, None, "failed", "clock_before_build"),
        (-1e12, False, None, "failed", "clock_before_build"),
        (FLOOR_S - 1, False, 0.0, "failed", "clock_before_build"),
        (FLOOR_S, False, None, "warning", "clock_unsynchronised"),
        (FLOOR_S, True, None, "ok", "clock_ok"),
        (FLOOR_S, False, 29.9, "ok", "clock_ok"),
        (FLOOR_S, False, -30.0, "failed", "clock_off"),
        (FLOOR_S, True, 3_600.0, "failed", "clock_off"),
    ],
)
def test_the_clock(wall_s, good, offset_s, result, code):
    found = findings.clock(wall_s, FLOOR_S, good=good, offset_s=offset_s)
    assert (found.result, found.code) == (result, code)


def test_a_box_at_1970_says_exactly_that():
    found = findings.clock(13.0, FLOOR_S, good=False)
    assert "1970-01-01 00:00 UTC" in found.seen("en")
    assert "TLS will refuse every certificate" in found.seen("en")
    assert "TLS 会拒绝所有证书" in found.seen("zh")
    assert "timedatectl" in found.remedy("zh")


@pytest.mark.parametrize(
    ("why", "acknowledged", "result", "code"),
    [
        (None, True, "ok", "link_ok"),
        (None, False, "not_checked", "link_waiting"),
        ("timeout", True, "failed", "link_timeout"),
        ("tls", False, "failed", "link_tls"),
        ("denied", False, "failed", "link_denied"),
        ("busy", True, "warning", "link_busy"),
        ("rc16_no_subscriber", True, "failed", "link_rc16_no_subscriber"),
        ("a word of a later release", True, "failed", "link_other"),
    ],
)
def test_the_link(why, acknowledged, result, code):
    found = findings.link(why, "10.1.2.3: refused", acknowledged=acknowledged)
    assert (found.result, found.code) == (result, code)


def test_every_reason_of_the_links_has_words():
    """What they can say stands in their sources, as literals."""
    sources = [*Path(links.__file__).parent.glob("*.py"), Path(courier.__file__)]
    whys = set(re.findall(r'why="(\w+)"', "".join(path.read_text() for path in sources))) | http._DENIALS
    assert {"timeout", "tls", "busy", "not_acknowledged", "revoked"} <= whys
    for why in whys - {"rc_other", "refused"}:
        found = findings.link(why)
        assert found.code == f"link_{why}"
        assert found.remedy("zh")


@pytest.mark.parametrize(
    ("held_bytes", "degraded", "result", "code"),
    [
        (0, False, "ok", "spool_ok"),
        (90, False, "ok", "spool_ok"),
        (91, False, "warning", "spool_full"),
        (0, True, "failed", "spool_degraded"),
    ],
)
def test_the_spool(held_bytes, degraded, result, code):
    found = findings.spool(3, held_bytes, 100, degraded=degraded)
    assert (found.result, found.code) == (result, code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_wrong_has_a_remedy_of_one_line(language):
    for code in {name.rpartition(".")[0] for name in SENTENCES if name.endswith(".seen")}:
        found = Finding(check="x", result="failed", code=code)
        assert f"{found.code}.remedy" in SENTENCES or code.endswith(("_ok", "_waiting", "_one", "_in_use")), code
    found = findings.link("tls", "bad", acknowledged=False)
    assert found.remedy(language)
    assert "\n" not in found.remedy(language)
