"""Which gaps of a ledger are losses: a decision table, and looks that follow each other."""

import pytest

from collector.engine import metrics
from collector.engine.losses import Losses, gaps_of, lost_count
from collector.store.ledgers import Gapped, Ledger

SPOOL = ("gw", "a" * 32)


@pytest.mark.parametrize(
    ("ledger", "count"),
    [
        (Ledger(ranges=((1, 9),), applied_records=9), 0),
        (Ledger(ranges=((5, 9),), applied_records=5), 0),  # an earlier store may have had the others
        (Ledger(ranges=((1, 4), (7, 9)), applied_records=7), 2),
        (Ledger(ranges=((1, 4), (7, 9)), applied_records=7, declared_drops={"spool_full": 1}), 1),
        (Ledger(ranges=((1, 4), (7, 9)), applied_records=7, declared_drops={"disk_full": 1, "refused": 1}), 0),
        (Ledger(ranges=((1, 4), (7, 9)), applied_records=7, declared_drops={"spool_age": 99}), 0),
        (Ledger(ranges=((1, 9),), applied_records=6, closed_records=3, closed_through=6), 3),
        (Ledger(ranges=((1, 4), (7, 9)), applied_records=6, rejected_records=1), 2),
        (Ledger(ranges=((1, 4), (7, 9)), applied_records=7, rejected_records=2), 0),  # a store of an older release
    ],
)
def test_what_no_drop_explains(ledger, count):
    assert lost_count(ledger, gaps_of(ledger)) == count


def gapped(at, *ranges, in_use=True, **fields):
    applied = sum(last - first + 1 for first, last in ranges)
    ledger = Ledger(ranges=ranges, applied_records=applied, **fields)
    return Gapped(spool=SPOOL, ledger=ledger, updated_at=at, is_in_use=in_use)


def counted(looks, held=0):
    """How many are counted in the end."""
    losses, before = Losses(None, lambda _gateway: held), metrics.RECORDS_LOST_UNEXPLAINED._value.get()
    for look in looks:
        losses.take(look)
    return metrics.RECORDS_LOST_UNEXPLAINED._value.get() - before


@pytest.mark.parametrize(
    ("looks", "held", "count"),
    [
        ([[gapped(1, (1, 4), (7, 9))]], 0, 0),  # the backlog may be on its way
        ([[gapped(1, (1, 4), (7, 9))], [gapped(1, (1, 4), (7, 9))]], 0, 0),  # nothing was heard in between
        ([[gapped(1, (1, 4), (7, 9))], [gapped(2, (1, 4), (7, 12))]], 0, 2),
        ([[gapped(1, (1, 4), (7, 9))], [gapped(2, (1, 4), (7, 12))], [gapped(3, (1, 4), (7, 15))]], 0, 2),  # once
        ([[gapped(1, (1, 4), (7, 9))], [gapped(2, (1, 5), (7, 12))]], 0, 1),
        ([[gapped(1, (1, 4), (7, 9))], [gapped(2, (1, 9), (12, 12))]], 0, 0),  # another gap, a new one
        ([[gapped(1, (1, 4), (7, 9))], [gapped(2, (1, 4), (7, 12))]], 2_001, 0),  # a long backlog
        ([[gapped(1, (1, 4), (7, 9))], [gapped(2, (1, 4), (7, 12))]], None, 0),  # not known
        ([[gapped(1, (1, 4), (7, 9), in_use=False)]], None, 2),  # its gateway has another spool by now
        ([[gapped(1, (1, 4), (7, 9), in_use=False)]] * 3, 0, 2),
        ([[gapped(1, (1, 4), (7, 9), in_use=False, declared_drops={"spool_full": 2})]], 0, 0),
    ],
)
def test_a_loss_is_counted_once_it_is_certain(looks, held, count):
    assert counted(looks, held) == count
