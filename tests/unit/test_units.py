"""Units: one conversion each way, and nobody else converts."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from classready import units

ROOT = Path(__file__).parents[2]


def test_worked_examples() -> None:
    """100 Mbit/s are 12.5 million bytes a second; 1 MB in 0.1 s is 80 Mbit/s."""
    assert units.bps_to_bytes_per_s(100 * units.MBIT) == 12_500_000
    assert units.bps(1 * units.MBYTE, 0.1) == 80 * units.MBIT
    assert units.bps_to_mbps(94_148_000) == 94.148


def test_perfect_fast_ethernet_link() -> None:
    """100BASE-TX carries at most 94.148 Mbit/s of TCP payload, which is why capacities are layer-1 equivalent."""
    payload_bytes, frame_bytes = 1_448, 1_500 + units.ETHERNET_OVERHEAD_BYTES
    assert round(100 * payload_bytes / frame_bytes, 3) == 94.148


@given(st.floats(0, 1e15), st.floats(1e-6, 1e6))
def test_bytes_and_bits_agree(count_bytes: float, seconds: float) -> None:
    """Rate, bits and bytes are three views of one number."""
    assert units.bps(count_bytes, seconds) == units.bytes_to_bits(count_bytes) / seconds
    assert units.bps_to_bytes_per_s(units.bytes_to_bits(count_bytes)) == count_bytes


def test_nobody_else_converts() -> None:
    """Factors of 8 and of a million between rates stand in classready.units only."""
    factor = re.compile(r"(_bps|_bytes|_octets|octets|bits)\b[^#\n]{0,20}(\*|/) ?(8|1e6|10\*\*6|1_?000_?000)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for package in ("agent", "collector", "classready")
        for path in (ROOT / package).rglob("*.py")
        if path != ROOT / "classready" / "units.py"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if factor.search(line)
    ]
    assert found == []
