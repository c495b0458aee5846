"""The pieces of one office: a row a school, a column a family, for a format that wants whole families together."""

from array import array
from collections.abc import Iterator, Sequence

from collector.exposition.crc import combine
from collector.exposition.pieces import EMPTY, Piece

BLOCK_ROWS = 64
"""Rows whose common checksum is kept: a scrape adds up the changed blocks only, and there are few blocks to join."""


class Table:
    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._blocks: list[_Block] = []
        self._block_of: dict[str, _Block] = {}

    def __len__(self) -> int:
        return len(self._block_of)

    def __iter__(self) -> Iterator[str]:
        return iter(self._block_of)

    def put(self, row: str, pieces: Sequence[tuple[int, Piece]]) -> None:
        """Replace these columns of ``row``, which may be new."""
        block = self._block_of.get(row)
        if block is None:
            block = self._block_of[row] = self._with_room()
            block.add(row)
        for column, piece in pieces:
            block.put(row, column, piece)

    def remove(self, row: str) -> None:
        """Forget a row that is there."""
        block = self._block_of.pop(row)
        block.remove(row)
        if not block.slots:
            self._blocks.remove(block)

    def column(self, column: int) -> Iterator[Piece]:
        """Everything of one column, a piece a block."""
        return (piece for block in self._blocks if (piece := block.column(column)).length_bytes)

    def _with_room(self) -> "_Block":
        block = next((b for b in reversed(self._blocks) if len(b.slots) < BLOCK_ROWS), None)
        if block is None:
            block = _Block(self._columns)
            self._blocks.append(block)
        return block


class _Block:
    """Cells lie in arrays and not in tuples of their own: there are half a million of them in a province."""

    def __init__(self, columns: int) -> None:
        self.slots: dict[str, int] = {}
        self._free = list(range(BLOCK_ROWS))
        self._deflated = [[b""] * BLOCK_ROWS for _ in range(columns)]
        self._crcs = [array("I", bytes(4 * BLOCK_ROWS)) for _ in range(columns)]
        self._lengths = [array("I", bytes(4 * BLOCK_ROWS)) for _ in range(columns)]
        self._sums: list[tuple[int, int] | None] = [None] * columns

    def add(self, row: str) -> None:
        self.slots[row] = self._free.pop(0)

    def remove(self, row: str) -> None:
        for column in range(len(self._deflated)):
            self.put(row, column, EMPTY)
        self._free.append(self.slots.pop(row))

    def put(self, row: str, column: int, piece: Piece) -> None:
        slot, cells = self.slots[row], self._deflated[column]
        if cells[slot] != piece.deflated:  # equal bytes inflate to equal text
            cells[slot] = piece.deflated
            self._crcs[column][slot] = piece.crc
            self._lengths[column][slot] = piece.length_bytes
            self._sums[column] = None

    def column(self, column: int) -> Piece:
        sums = self._sums[column]
        if sums is None:
            sums = self._sums[column] = self._added_up(column)
        return Piece(b"".join(self._deflated[column]), *sums)

    def _added_up(self, column: int) -> tuple[int, int]:
        crc, lengths = 0, self._lengths[column]
        for next_crc, length in zip(self._crcs[column], lengths, strict=True):
            if length:
                crc = combine(crc, next_crc, length)
        return crc, sum(lengths)
