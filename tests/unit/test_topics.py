"""The topic grammar: what is built is parsed, what an ACL lets through by mistake is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classready import topics


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{2,39}", fullmatch=True), st.sampled_from(["report", "presence"]))
def test_built_topics_are_parsed(gateway: str, leaf: topics.Up) -> None:
    """Parsing undoes building for every gateway there can be."""
    assert topics.parse_up(topics.up(gateway, leaf)) == (gateway, leaf)


@pytest.mark.parametrize(
    "topic",
    [
        "classready/v1/up/gw-a/../gw-b/report",
        "classready/v1/up/../gw-b/report",
        "classready/v1/up/gw-a/report/",
        "classready/v1/up//report",
        "/classready/v1/up/gw-a/report",
        "classready/v1/up/gw-a/config",
        "classready/v1/down/gw-a/ack",
        "classready/v2/up/gw-a/report",
        "classready/v1/up/GW-A/report",
        "classready/v1/up/gw-a",
        "classready/v1/up/+/report",
        "",
    ],
)
def test_foreign_topics(topic: str) -> None:
    """A topic with one segment more, less or other than expected belongs to nobody."""
    assert topics.parse_up(topic) is None


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_none(topic: str) -> None:
    """No topic makes the parser raise, and whatever it accepts is built from its parts again."""
    parsed = topics.parse_up(topic)
    assert parsed is None or topics.up(*parsed) == topic


def test_subscriptions() -> None:
    """The collector listens to all gateways; acks and configuration go to one."""
    assert topics.UP_SUBSCRIPTION == "classready/v1/up/+/report"
    assert topics.PRESENCE_SUBSCRIPTION == "classready/v1/up/+/presence"
    assert topics.down("gw-a", "ack") == "classready/v1/down/gw-a/ack"
    assert topics.down("gw-a", "config") == "classready/v1/down/gw-a/config"
