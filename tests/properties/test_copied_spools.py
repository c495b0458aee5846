"""Two machines with one copied spool and one boot: what either was told is stored is stored, whoever comes when."""

from hypothesis import given
from hypothesis import strategies as st

from classready.codec import ranges
from classready.observation import Ping
from classready.report import Record
from collector.engine.claims import PRINTS_MAX, Prints, taken, with_claims
from collector.store.ledgers import Ledger, contains, union

BATCH_MAX = PRINTS_MAX // 4
counts = st.integers(0, BATCH_MAX)
intervals = st.lists(st.tuples(st.booleans(), counts, counts), max_size=8)
"""In each interval both report once, and either may be first: what one left is remembered until the other comes."""


class Machine:
    """Counts on from the copy; ``held`` waits, ``trusted`` is what an answer named."""

    def __init__(self, name: str) -> None:
        self.name, self.spool_id, self.last, self.renumbered = name, "common", 0, 0
        self.held: list[Record] = []
        self.trusted: list[tuple[str, Record]] = []

    def observe(self, count: int, clock: "list[float]") -> None:
        for _ in range(count):
            self.last += 1
            clock[0] += 1.0
            self.held.append(
                Record(sequence=self.last, boot_id="b", monotonic_s=clock[0], observation=Ping(target="p"))
            )


class Bureau:
    """Takes reports as the engine does: what is new is kept, what is another's is not named."""

    def __init__(self) -> None:
        self.ledgers: dict[str, Ledger] = {}
        self.stored: set[tuple[str, int, float]] = set()
        self.prints = Prints()

    def take(self, machine: Machine) -> None:
        spool, known = ("gw", machine.spool_id), self.ledgers.get(machine.spool_id, Ledger())
        others = taken(machine.held, known, self.prints.of(spool))
        new = [record for record in machine.held if not contains(known.ranges, record.sequence)]
        self.prints.keep(spool, new)
        self.stored |= {(machine.spool_id, record.sequence, record.monotonic_s) for record in new}
        self.ledgers[machine.spool_id] = Ledger(
            ranges=union(known.ranges, ranges([record.sequence for record in new])),
            boots=with_claims(known.boots, new),
        )
        own = [record for record in machine.held if record.sequence not in others]
        machine.trusted += [(machine.spool_id, record) for record in own]
        machine.held = [record for record in machine.held if record not in own]
        if others:
            machine.renumbered += 1
            machine.spool_id = f"{machine.name}-{machine.renumbered}"


@given(intervals)
def test_what_was_acknowledged_is_stored(intervals: list[tuple[bool, int, int]]) -> None:
    bureau, machines, clock = Bureau(), (Machine("a"), Machine("b")), [0.0]
    for is_turned, *observed in intervals:
        for machine, count in zip(machines, observed, strict=True):
            machine.observe(count, clock)
        for machine in reversed(machines) if is_turned else machines:
            bureau.take(machine)
    for machine in machines:
        for spool_id, record in machine.trusted:
            assert (spool_id, record.sequence, record.monotonic_s) in bureau.stored
        assert machine.renumbered <= 1


def test_spools_that_are_remembered_are_few() -> None:
    """Whoever makes up spool ids gets no more room by it."""
    prints = Prints()
    record = Record(sequence=1, boot_id="b", monotonic_s=1.0, observation=Ping(target="p"))
    for n in range(50):
        prints.keep(("gw", str(n)), [record])
    assert sum(bool(prints.of(("gw", str(n)))) for n in range(50)) == 3
