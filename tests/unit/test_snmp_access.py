"""How GETs are cut, without a device."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probes.switch import mib
from agent.snmp.access import batches

PORT = "1.3.6.1.2.1.2.2.1.14"
oids = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 2**31)).map(lambda cell: f"{PORT}.{cell[0]}.{cell[1]}"))


@given(oids)
def test_nothing_is_lost(wanted: list[str]) -> None:
    """Every OID is asked for once, in its order, and no request is empty."""
    found = batches(wanted)
    assert [oid for batch in found for oid in batch] == wanted
    assert all(found)


@pytest.mark.parametrize("first", [1, 10_101, 436_207_616])
def test_an_answer_fits_a_frame(first: int) -> None:
    """Whatever numbers its ports have: names of 22 characters, 64 bit counters at their largest, an SNMPv3 header."""
    columns = (mib.IF_NAME, *mib.LINK, *mib.HC_OCTETS, *mib.ERRORS)
    value_bytes = dict.fromkeys(columns, 5) | {mib.IF_NAME: 22} | dict.fromkeys(mib.HC_OCTETS, 9)
    value_bytes |= dict.fromkeys((mib.IF_ADMIN_STATUS, mib.IF_OPER_STATUS, mib.DOT3_DUPLEX_STATUS), 1)
    sizes = []
    for batch in batches([f"{column}.{index}" for index in range(first, first + 48) for column in columns]):
        values = sum(value_bytes[oid.rpartition(".")[0]] for oid in batch)
        sizes.append(values + sum(6 + oid.count(".") + _more(oid) for oid in batch))
    assert max(sizes) + 120 <= 1_472
    assert min(sizes[:-1]) > 1_000, "and none is half empty"


def _more(oid: str) -> int:
    """Bytes beyond one for each number of an OID."""
    return sum(max(0, (number.bit_length() - 1) // 7) for number in map(int, oid.split(".")))


def test_what_is_returned_is_the_callers() -> None:
    """A driver takes batches from the list and puts others in."""
    wanted = [f"{PORT}.{i}" for i in range(1, 4)]
    batches(wanted).clear()
    assert batches(wanted) == [wanted]
