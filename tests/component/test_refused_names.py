"""A gateway that names too much of something: what, how much of it is allowed, and whose gateway it is."""

import pytest
from msgspec.structs import replace

from classready.observation import Outcome, Ping, Segment
from collector.core.inventory import SETTINGS
from collector.text import LANGUAGES
from collector.views.refused import refused_views
from tests.support.collecting import NOW, POLICY, awake, bandwidth, port, record, report
from tests.support.engines import running

FEW = replace(
    POLICY, switches_per_gateway_max=2, segments_per_gateway_max=2, targets_per_gateway_max=2, tests_per_gateway_max=2,
    exits_per_gateway_max=2, switches_behind_trunks_max=2, facts_per_device_max_bytes=2,
)  # fmt: skip

NAMING = {
    "switch": lambda n: replace(port("s1/r1"), switch=f"sw{n}"),
    "segment": lambda n: Segment(name=f"sw:{n}", outcome=Outcome.ANSWERED, speed_bps=10**9),
    "target": lambda n: Ping(target=f"p{n}", outcome=Outcome.ANSWERED, sent_count=1, received_count=1),
    "test": lambda n: bandwidth(passed=True, target=f"t{n}"),
    "behind": lambda n: Segment(name="sw:1", outcome=Outcome.ANSWERED, switches=("a", "b", "c")[: 3 if n > 1 else 1]),
    "facts": lambda n: replace(awake("s1/r1"), facts={"a": "xyz" if n > 1 else "x"}),
    "exit": lambda n: bandwidth(passed=True, beyond=f"exit{n}"),
    "classroom": lambda n: awake(f"s1/x{n}"),
}


@pytest.mark.parametrize("kind", SETTINGS)
async def test_what_there_is_too_much_of(tmp_path, kind):
    """Five are named and two allowed; what is sent again counts once; the neighbour's page says nothing."""
    named = report([record(n + 1, NAMING[kind](n)) for n in range(5)])
    async with running(tmp_path, policy=FEW) as (engine, _, _):
        for _ in range(2):
            await engine.submit("gw-one", named, NOW)
        refused = engine.refusals("gw-one")
        assert refused == [(kind, 3, NOW, NOW)]
        assert engine.refusals("gw-two") == []
    for language in LANGUAGES:
        (view,) = refused_views(refused, FEW, language)
        assert view.setting == SETTINGS[kind]
        assert view.setting in view.text
        assert " 2)" in view.text
