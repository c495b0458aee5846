"""What a gateway searches by itself, and when it did: nothing large or foreign that nobody named."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.discover.order import OWN_MAX_ADDRESSES, is_done, name_of, note_done, places
from agent.network import attached
from classready.measuring import Discovery

ROUTES = """\
Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0
eth0 0000A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
eth0 FEA9FEA9 00000000 0001 0 0 0 FFFFFFFF 0 0 0
br-lan 0001A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
docker0 000011AC 00000000 0001 0 0 0 0000FFFF 0 0 0
br-0123456789ab 000012AC 00000000 0001 0 0 0 0000FFFF 0 0 0
wg0 0000080A 00000000 0001 0 0 0 00FFFFFF 0 0 0
eth1 0000000A 0100A8C0 0003 0 0 0 000000FF 0 0 0
"""


def nets(*texts: str) -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(text) for text in texts]


def test_own_networks_are_those_of_links(tmp_path: Path) -> None:
    """Not what lies behind a router, a tunnel or a container's bridge, and no single neighbour."""
    (tmp_path / "route").write_text(ROUTES)
    assert attached(tmp_path / "route") == nets("192.168.0.0/24", "192.168.1.0/24")
    assert attached(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("own", "searched", "said"),
    [
        (["192.168.1.0/24"], ["192.168.1.0/24"], ""),
        (["10.0.0.0/8", "192.168.1.0/24"], ["192.168.1.0/24"], "10.0.0.0/8 is not searched"),
        (["10.0.0.0/22", "192.168.1.0/24"], ["192.168.1.0/24"], "10.0.0.0/22 is not searched"),
        (["10.0.0.0/22"], ["10.0.0.0/22"], ""),
        (["8.8.8.0/24", "169.254.0.0/24", "127.0.0.0/24"], [], ""),
        ([], [], ""),
    ],
)
def test_own_networks_are_searched_as_far_as_they_are_small(own: list[str], searched: list[str], said: str) -> None:
    """A school's LAN, and not a county's; what is left out is said."""
    found = places(Discovery(), nets(*own))
    assert [str(each) for each in found.networks] == searched
    assert found.left_out.startswith(said)


def test_what_is_named_is_searched_instead() -> None:
    """Also larger ones; what is no private network is said, and the others are searched."""
    named = ("10.0.0.0/20", "8.8.8.0/24", "10.1.0.0/24")
    found = places(Discovery(networks=named), nets("192.168.1.0/24"))
    assert [str(each) for each in found.networks] == ["10.0.0.0/20", "10.1.0.0/24"]
    assert "8.8.8.0/24" in found.left_out
    assert places(Discovery(networks=("10.0.0.0/16", "10.1.0.0/16")), []).left_out.startswith("10.1.0.0/16: more than")


@given(
    st.lists(
        st.builds(
            lambda a, p: ipaddress.IPv4Network((a, p), strict=False), st.integers(0, 2**32 - 1), st.integers(8, 30)
        )
    )
)
def test_never_more_than_a_school(own: list[ipaddress.IPv4Network]) -> None:
    """Whatever a machine stands in, without a name given no more addresses are asked than the bound, all private."""
    found = places(Discovery(), own).networks
    assert sum(each.num_addresses for each in found) <= OWN_MAX_ADDRESSES
    assert all(each.is_private for each in found)


def test_an_order_is_carried_out_once(tmp_path: Path) -> None:
    """Until another network or community is named, or somebody asks again; the rate makes no new one."""
    order = Discovery(communities=("public", "学校"))
    assert not is_done(tmp_path, order)
    note_done(tmp_path, order)
    assert is_done(tmp_path, order)
    assert is_done(tmp_path, Discovery(communities=("public", "学校"), rate_per_s=5))
    for other in (Discovery(), Discovery(communities=order.communities, again_at=5.0)):
        assert not is_done(tmp_path, other)
    assert "学校" not in (tmp_path / "searched").read_text()
    assert name_of(order) == (tmp_path / "searched").read_text()
    note_done(tmp_path / "nowhere", order)  # a disk that takes nothing costs a search, and no agent
