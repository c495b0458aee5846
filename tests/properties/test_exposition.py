"""Whatever the names and numbers, the exposition parses back to exactly what went in."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from collector.core.evidence import GatewayState
from collector.core.policy import Policy
from collector.exposition import Exposition
from tests.support.samples import NOW, demo_school, with_state

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
    families = {f.name: f.samples for f in text_string_to_metric_families(exposition.office("511402").decode())}
    [ready] = families["classready_classroom_ready"]
    assert ready.labels == {"office": "511402", "school": school, "classroom": room}
    skews = [s.value for s in families.get("classready_gateway_clock_skew_seconds", [])]
    assert skews == ([skew_s] if math.isfinite(skew_s) else [])
