"""Units: the only place in which 8 and 10**6 appear.

Capacities are layer-1 equivalent: a frame costs its IP packet plus what Ethernet puts around it.
"""

MBIT = 10**6
MBYTE = 10**6

ETHERNET_OVERHEAD_BYTES = 38
"""Preamble 8, MAC header 14, FCS 4, inter-frame gap 12 (IEEE 802.3 clauses 3 and 4.4.2)."""

COUNTED_OVERHEAD_BYTES = 24
"""What Linux interface counters leave out of a frame: preamble 8, FCS 4, inter-frame gap 12."""

IPV4_UDP_HEAD_BYTES = 28
"""IPv4 header without options 20, UDP header 8."""

IPV6_EXTRA_BYTES = 20
"""IPv6 header 40, where IPv4 has 20."""


def bps_to_bytes_per_s(rate_bps: float) -> float:
    """Prometheus wants base units: bytes."""
    return rate_bps / 8


def bytes_to_bits(count_bytes: float) -> float:
    return count_bytes * 8


def bps(count_bytes: float, seconds: float) -> float:
    """Rate of ``count_bytes`` in ``seconds`` (> 0), in bit/s."""
    return count_bytes * 8 / seconds


def bps_to_mbps(rate_bps: float) -> float:
    """For people only; everything that is computed or sent stays in bit/s."""
    return rate_bps / MBIT


def layer1_bytes(udp_payload_bytes: int, extra_bytes: int = 0) -> int:
    """What one UDP/IPv4 packet occupies on untagged Ethernet; ``extra_bytes`` for IPv6, tags or tunnels."""
    return udp_payload_bytes + IPV4_UDP_HEAD_BYTES + ETHERNET_OVERHEAD_BYTES + extra_bytes
