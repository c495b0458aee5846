"""Whatever schools come, change and go: the kept pieces are one gzip member of exactly the text."""

import gzip
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from collector.exposition.crc import SHORT_MAX_BYTES, combine
from collector.exposition.pieces import Deflater, gzipped, plain
from collector.exposition.table import BLOCK_ROWS, Table

COLUMNS = 3
texts = st.binary(max_size=40) | st.integers(0, 3_000).map(lambda n: b"classready_school_info 1.0\n" * (n // 9))


@given(st.binary(max_size=300), st.binary(max_size=300) | st.integers(0, 3 * SHORT_MAX_BYTES).map(bytes))
def test_a_checksum_of_two_parts(first: bytes, second: bytes) -> None:
    """What zlib says of the joined bytes."""
    assert combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**36), st.integers(0, 2**36))
def test_a_checksum_over_lengths_that_no_test_could_make(crc: int, one: int, other: int) -> None:
    """To carry on over n and then m zero bytes is to carry on over n + m."""
    assert combine(combine(crc, 0, one), 0, other) == combine(crc, 0, one + other)


def test_a_checksum_around_every_limit() -> None:
    """Where another way of computing begins, and where a digit of the length ends."""
    for length in (
        0,
        1,
        255,
        256,
        SHORT_MAX_BYTES - 1,
        SHORT_MAX_BYTES,
        SHORT_MAX_BYTES + 1,
        65_535,
        65_536,
        2**20 + 1,
    ):
        second = b"\xa5" * length
        assert combine(zlib.crc32(b"first"), zlib.crc32(second), length) == zlib.crc32(b"first" + second), length


@given(st.lists(texts, max_size=30))
@settings(max_examples=200)
def test_any_pieces_join(parts: list[bytes]) -> None:
    """One compressor makes them, in any order and again: each stands for itself."""
    deflater = Deflater()
    pieces = [deflater.piece(part) for part in parts]
    for order in (pieces, pieces[::-1], pieces * 2):
        expected = b"".join(plain([piece]) for piece in order)
        assert gzip.decompress(gzipped(order)) == plain(order) == expected
    assert [plain([piece]) for piece in pieces] == parts


class Schools(RuleBasedStateMachine):
    """A table beside a dict that says what should be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table(COLUMNS)
        self.deflater = Deflater()
        self.expected: dict[str, list[bytes]] = {}

    @rule(row=st.integers(0, 2 * BLOCK_ROWS).map(str), changed=st.dictionaries(st.integers(0, COLUMNS - 1), texts))
    def put(self, row: str, changed: dict[int, bytes]) -> None:
        self.table.put(row, [(column, self.deflater.piece(text)) for column, text in changed.items()])
        texts_of_row = self.expected.setdefault(row, [b""] * COLUMNS)
        for column, text in changed.items():
            texts_of_row[column] = text

    @rule(first=st.integers(0, 50), text=st.integers(0, 5).map(lambda n: b"%d\n" % n * 100))
    def put_many(self, first: int, text: bytes) -> None:
        for row in range(first, first + BLOCK_ROWS):
            self.put(str(row), {0: text})

    @rule(share=st.sampled_from([1, 2, 40]))
    def remove(self, share: int) -> None:
        for row in sorted(self.expected)[::share][:100]:
            self.table.remove(row)
            del self.expected[row]

    @invariant()
    def is_one_member(self) -> None:
        assert sorted(self.table) == sorted(self.expected)
        for column in range(COLUMNS):
            found = list(self.table.column(column))
            text = plain(found)
            assert gzip.decompress(gzipped(found)) == text
            assert len(text) == sum(len(row[column]) for row in self.expected.values())
            for row in self.expected.values():
                assert row[column] in text


TestSchools = Schools.TestCase
TestSchools.settings = settings(max_examples=30, stateful_step_count=15)
