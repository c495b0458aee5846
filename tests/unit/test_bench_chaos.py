"""The comparison of ledgers, and the plan of faults: what bench.chaos could be wrong about."""

import itertools
import random

import pytest

from bench.chaos.faults import FAULTS, plan
from bench.chaos.ledgers import Ledger, Spool, compare, doubled_texts
from bench.chaos.relay import _Acks
from classready.codec import encode_ack
from classready.report import Ack, Rejected

ID = "0" * 32


def spool(last, held=(), aside=(), dropped_count=0):
    return Spool(spool_id=ID, last=last, held=frozenset(held), aside=frozenset(aside), dropped_count=dropped_count)


def ledger(*stored, counted=None):
    return Ledger(stored=frozenset(stored), counted=len(stored) if counted is None else counted)


@pytest.mark.parametrize(
    ("given", "stored", "acks", "expected"),
    [
        pytest.param(spool(3), ledger(1, 2, 3), [[(1, 3)]], {}, id="all of it"),
        pytest.param(spool(3, held=[3]), ledger(1, 2), [[(1, 2)]], {}, id="one waits"),
        pytest.param(spool(3, held=[2, 3]), ledger(1, 2, 3), [[(1, 1)]], {}, id="an ack was lost on its way"),
        pytest.param(spool(3), ledger(1, 3), [], {"lost": 1}, id="one is nowhere"),
        pytest.param(spool(3, dropped_count=1), ledger(1, 3), [], {"dropped": 1}, id="one was dropped, and that said"),
        pytest.param(spool(3, aside=[2]), ledger(1, 3), [], {}, id="one was refused, and kept aside"),
        pytest.param(spool(2), ledger(1, 2, 3), [], {"phantom": 1}, id="one that nobody made"),
        pytest.param(spool(2), ledger(1, 2, counted=3), [], {"doubled": 1}, id="one counted twice"),
        pytest.param(spool(2, held=[2]), ledger(1), [[(1, 2)]], {"acked_not_stored": 1}, id="a promise not kept"),
        pytest.param(spool(2), None, [[(1, 2)]], {"lost": 2, "acked_not_stored": 2}, id="a store that forgot it all"),
    ],
)
def test_what_follows_from_what_each_side_has(given, stored, acks, expected):
    """Each of the four figures is moved by its own fault alone."""
    told = {ID: [Ack(spool_id=ID, committed=tuple(committed)) for committed in acks]}
    verdict = compare([given], {} if stored is None else {ID: stored}, told)
    bad = {name: getattr(verdict, name) for name in ("lost", "phantom", "doubled", "acked_not_stored", "dropped")}
    assert {name: value for name, value in bad.items() if value} == expected


def test_a_spool_that_left_no_file_is_counted_apart():
    """Memory takes a full disk's place under an id of its own."""
    assert compare([], {ID: ledger(1, 2)}, {}).elsewhere == 2


def test_a_message_that_was_read_twice():
    """Once too often, whoever reads it."""
    assert doubled_texts(["a", "b", "a", "a"]) == 2


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_acks_are_heard_however_they_were_cut(size):
    """Between two answers stands HTTP or MQTT, whose bytes may be anything."""
    acks = [
        Ack(spool_id=ID, committed=((1, 5), (7, 7)), rejected=(Rejected(sequence=6, reason="identity"),)),
        Ack(spool_id="1" * 32, committed=()),
    ]
    heard = []
    listener = _Acks(heard.append)
    stream = b"".join(b"HTTP/1.1 200 OK\r\n{}\r\n" + encode_ack(ack) + b"}{\x00" for ack in acks)
    for start in range(0, len(stream), size):
        listener.feed(stream[start : start + size])
    assert [(ack.spool_id, ack.committed) for ack in heard] == [(ack.spool_id, ack.committed) for ack in acks]


@pytest.mark.parametrize("seed", range(20))
def test_the_plan(seed):
    """All faults happen, are over in time, and those of one part never at once; the same seed plans the same."""
    strikes = plan(random.Random(seed), 90.0)
    assert strikes == plan(random.Random(seed), 90.0)
    assert {strike.fault.name for strike in strikes} == {fault.name for fault in FAULTS}
    assert all(strike.ends_s <= 90.0 for strike in strikes)
    for part in {fault.touches for fault in FAULTS}:
        own = sorted((s.begins_s, s.ends_s) for s in strikes if s.fault.touches == part)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(own))
