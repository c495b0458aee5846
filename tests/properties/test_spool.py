"""The spool against a model: whatever happens in whatever order, every record is held, settled or counted."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.settings import SpoolSettings
from agent.spool.store import Store
from classready.report import Rejected
from tests.support.records import ping_record

LIVE_S = 5.0
SHM = Path("/dev/shm")


class SpoolMachine(RuleBasedStateMachine):
    """Records of one size; the model is a list of sequences, oldest first."""

    @initialize(max_bytes=st.integers(600, 6_000))
    def start(self, max_bytes):
        self.folder = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
        self.settings = SpoolSettings(max_bytes=max_bytes)
        self.held: list[int] = []
        self.generated = self.settled = self.rejected = self.dropped = 0
        self.now_s = 0.0
        self.open()
        self.spool_id = self.store.heartbeat().spool_id

    def open(self):
        self.store = Store(self.folder, self.settings, LIVE_S)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(count=st.integers(1, 12), size=st.integers(0, 120))
    def append(self, count, size):
        self.store.append([ping_record(monotonic_s=self.now_s, detail="x" * size) for _ in range(count)])
        self.held += range(self.generated + 1, self.generated + count + 1)
        self.generated += count
        kept = self.store.statistics().held_count
        self.dropped += len(self.held) - kept
        self.held = self.held[len(self.held) - kept :]

    @rule(seconds=st.floats(0.1, 10))
    def wait(self, seconds):
        self.now_s += seconds

    @rule(lane=st.sampled_from(["live", "backlog"]), limit_bytes=st.integers(1, 3_000), data=st.data())
    def deliver(self, lane, limit_bytes, data):
        batch = self.store.take(lane, self.now_s, limit_bytes)
        if batch is None:
            return
        assert set(batch.sequences) <= set(self.held)
        committed = data.draw(st.sets(st.sampled_from(batch.sequences)))
        rejected = set(batch.sequences) - committed if data.draw(st.booleans()) else set()
        refusals = [Rejected(sequence=n, reason="schema") for n in rejected]
        assert self.store.on(self.spool_id, lambda file: file.settle([(n, n) for n in committed], refusals))
        self.settled += len(committed)
        self.rejected += len(rejected)
        self.held = [n for n in self.held if n not in committed | rejected]

    @rule()
    def restart(self):
        self.store.close()
        self.open()

    @invariant()
    def every_record_is_accounted_for(self):
        if not hasattr(self, "store"):
            return
        held = self.store.statistics()
        assert held.held_count == len(self.held)
        assert held.held_bytes <= self.settings.max_bytes
        assert held.dropped.get("spool_full", 0) == self.dropped
        assert held.rejected.get("schema", 0) == self.rejected
        assert self.generated == len(self.held) + self.settled + self.rejected + self.dropped
        lanes = [self.store.take(lane, self.now_s, 10**6) for lane in ("live", "backlog")]
        assert sorted(n for batch in lanes if batch for n in batch.sequences) == self.held
        assert self.store.heartbeat().spool_id == self.spool_id


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
