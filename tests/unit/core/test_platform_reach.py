"""Whether a platform is reachable, from one gateway and from a school: by its pages, while they are fresh."""

from typing import Any

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Ping, Reason
from collector.core.evidence import GatewayState, HttpReading, PingReading, PlatformReading
from collector.core.platforms import every, platform_over_gateways, platform_state, reached
from collector.core.state import School, SchoolState
from collector.core.words import VerdictValue
from tests.support.school import GATEWAY, MONDAY, POLICY, http, school

OTHER = "dem-gw-02"
UP, DOWN = http(), http(up=False)
PORTAL = replace(DOWN, outcome=Outcome.UNMEASURED, reason=Reason.NOT_THE_PLATFORM)


def page(
    seen: Any = UP, target: str = "page", gateway: str = GATEWAY, *, ago_s: float = 0.0
) -> tuple[str, PlatformReading]:
    """``seen`` None = it is only pinged, and never answers."""
    at = {"observed_at": MONDAY - ago_s, "gateway": gateway}
    if seen is None:
        echo = Ping(target=target, outcome=Outcome.NO_ANSWER, reason=Reason.TIMEOUT)
        reading = PlatformReading(gateway=gateway, target=target, ping=PingReading(seen=echo, **at))  # type: ignore[arg-type]
    else:
        reading = PlatformReading(gateway=gateway, target=target, http=HttpReading(seen=seen, **at))  # type: ignore[arg-type]
    return f"{gateway}/{target}", reading


def county(*pages: tuple[str, PlatformReading], faults: tuple[str, ...] = ()) -> School:
    heard = GatewayState(first_committed_at=0.0, last_committed_at=MONDAY, report_interval_s=60.0)
    listed = school(gateways=(GATEWAY, OTHER), platforms={"p": ("page", "video"), "q": ("other",), "none": ()})
    state = SchoolState(gateways={GATEWAY: heard, OTHER: heard}, platforms=dict(pages), platform_faults=faults)
    return replace(listed, state=state)


BOTH = (page(), page(target="video"))


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        pytest.param(BOTH, "yes", id="all of it answers"),
        pytest.param((page(), page(DOWN, "video")), "no", id="its videos do not come"),
        pytest.param((page(),), "unknown", id="its videos were never fetched"),
        pytest.param((page(DOWN),), "no", id="one does not answer, and the other was never fetched"),
        pytest.param((), "unknown", id="nothing was ever fetched"),
        pytest.param((page(), page(None, "video")), "yes", id="a target that is only pinged has no say"),
        pytest.param((page(None), page(None, "video")), "unknown", id="nothing but pings"),
        pytest.param((page(PORTAL), page(target="video")), "unknown", id="something else answered"),
        pytest.param((page(PORTAL), page(DOWN, "video")), "no", id="something else answered, and the rest does not"),
        pytest.param((page(ago_s=180), page(target="video")), "yes", id="three intervals old"),
        pytest.param((page(ago_s=181), page(target="video")), "unknown", id="too old"),
        pytest.param((page(DOWN, ago_s=181), page(target="video")), "unknown", id="it failed too long ago"),
        pytest.param((page(), page(target="video", gateway=OTHER)), "unknown", id="another gateway's"),
        pytest.param((*BOTH, page(DOWN, "other")), "yes", id="a target of another platform"),
    ],
)
def test_whether_a_gateway_reaches_it(pages: tuple[tuple[str, PlatformReading], ...], expected: str) -> None:
    """A lesson's page whose videos do not come is no lesson."""
    assert reached(county(*pages), "p", GATEWAY, MONDAY, POLICY) == expected
    assert platform_state(county(*pages), "p", GATEWAY, MONDAY, POLICY) == expected
    assert platform_state(county(*pages, faults=("q",)), "p", GATEWAY, MONDAY, POLICY) == expected


def test_a_platform_at_fault_blames_no_school() -> None:
    """It is not known to be reachable, either; whoever reaches it again says so."""
    told = county(*BOTH, faults=("p",))
    assert platform_state(told, "p", GATEWAY, MONDAY, POLICY) == "unknown"
    assert reached(told, "p", GATEWAY, MONDAY, POLICY) == "yes"


@pytest.mark.parametrize("platform", ["none", "no such platform"])
def test_a_platform_without_targets_is_not_known(platform: str) -> None:
    assert reached(county(*BOTH), platform, GATEWAY, MONDAY, POLICY) == "unknown"
    assert platform_over_gateways(county(*BOTH), platform, MONDAY, POLICY) == "unknown"


def others(seen: Any = UP) -> tuple[tuple[str, PlatformReading], ...]:
    return page(seen, gateway=OTHER), page(seen, "video", OTHER)


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        pytest.param(BOTH, "yes", id="one gateway looks, and reaches it"),
        pytest.param((*BOTH, *others()), "yes", id="both reach it"),
        pytest.param((*BOTH, *others(DOWN)), "no", id="one of two does not"),
        pytest.param((*BOTH, *others(PORTAL)), "unknown", id="of one of two nobody knows"),
        pytest.param((*BOTH, page(DOWN, "other", OTHER)), "yes", id="the other one looks at another platform"),
        pytest.param((), "unknown", id="nobody looks"),
        pytest.param((page(gateway="gone"), page(target="video", gateway="gone")), "unknown", id="one that is gone"),
    ],
)
def test_whether_a_school_reaches_it(pages: tuple[tuple[str, PlatformReading], ...], expected: str) -> None:
    """The worst over the gateways that look at it at all."""
    assert platform_over_gateways(county(*pages), "p", MONDAY, POLICY) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["yes", "yes"], "yes"), (["yes", "unknown"], "unknown"), (["yes", "no"], "no"), (["unknown", "no"], "no"),
        (["no"], "no"), (["unknown"], "unknown"), ([], "yes"),
    ],
)  # fmt: skip
def test_all_of_several(values: list[VerdictValue], expected: VerdictValue) -> None:
    assert every(values) == expected
