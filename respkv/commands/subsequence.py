"""The longest common subsequence of two byte strings, the same one that Redis's LCS finds.

The matrix of lengths is kept as one whole number a row: bit c of row r is 1 where the length grows by one from column
c to column c + 1. A row follows from the one before by a few operations on whole numbers, so that a row of n columns
costs n / 30 machine steps. The rows stand for the shorter string.

Source: Hyyrö, "Bit-parallel LCS-length computation revisited" (2004); the walk back through the matrix, which decides
among subsequences of one length, is redis-server 7.0's: a match is taken, else the first string gives way where that
keeps the length and giving way in the second would not.
"""

from typing import Final, NamedTuple

# Columns of one step when the positions of a byte are turned into a number: bounds the memory that this takes.
_COLUMNS_AT_ONCE: Final = 1 << 16


class Run(NamedTuple):
    """`length` bytes that the two strings have in common, at `a_start` of the first and `b_start` of the second."""

    a_start: int
    b_start: int
    length: int


def length_of_lcs(a: bytes, b: bytes) -> int:
    """The length of the longest common subsequence. O(len(a) * len(b) / 30)."""
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    return _Matrix(short, long).last_row().bit_count()


def find_runs(a: bytes, b: bytes) -> list[Run]:
    """The longest common subsequence as runs from the last to the first. O(len(a) * len(b) / 30)."""
    if len(a) <= len(b):
        return _walk_rows_of_a(a, b, _Matrix(a, b).all_rows())
    return _walk_rows_of_b(a, b, _Matrix(b, a).all_rows())


class _Matrix:
    """Makes one row after the other; row 0 is 0."""

    def __init__(self, row_bytes: bytes, column_bytes: bytes) -> None:
        self.row_bytes = row_bytes
        self.all_ones = (1 << len(column_bytes)) - 1
        # Where the length does not grow: the complement of a row, which the recurrence is made for.
        self.level = self.all_ones
        self.positions = {byte: _positions(byte, column_bytes) for byte in set(row_bytes)}

    def last_row(self) -> int:
        """The row of the last byte."""
        for byte in self.row_bytes:
            self._step(byte)
        return self.level ^ self.all_ones

    def all_rows(self) -> list[int]:
        """The rows, row 0 too."""
        rows = [0]
        for byte in self.row_bytes:
            self._step(byte)
            rows.append(self.level ^ self.all_ones)
        return rows

    def _step(self, byte: int) -> None:
        matching = self.level & self.positions[byte]
        self.level = ((self.level + matching) | (self.level - matching)) & self.all_ones


def _positions(byte: int, text: bytes) -> int:
    """A number whose bit i is 1 where `text[i]` is `byte`."""
    table = bytearray(b"0") * 256
    table[byte] = 49  # "1"
    parts = []
    for start in range(0, len(text), _COLUMNS_AT_ONCE):
        part = text[start : start + _COLUMNS_AT_ONCE][::-1].translate(table)
        parts.append(int(part, 2).to_bytes(_COLUMNS_AT_ONCE // 8, "little"))
    return int.from_bytes(b"".join(parts), "little")


def _run_length(a: bytes, b: bytes, i: int, j: int) -> int:
    """How many bytes before `a[i]` and `b[j]` are equal."""
    length = 0
    while length < i and length < j and a[i - length - 1] == b[j - length - 1]:
        length += 1
    return length


def _walk_rows_of_a(a: bytes, b: bytes, rows: list[int]) -> list[Run]:
    """The walk where row i stands for a[:i] and bit j - 1 says that length(i, j) > length(i, j - 1).

    At (i, j) without a match, that bit is just what makes the first string give way. So the next column that matters
    in a row is the last one that matches or has its bit set.
    """
    runs: list[Run] = []
    i, j = len(a), len(b)
    while i > 0 and j > 0:
        matching = b.rfind(a[i - 1], 0, j) + 1
        growing = (rows[i] & ((1 << j) - 1)).bit_length()
        if growing > matching:
            j = growing
            i -= 1
        elif matching:
            length = _run_length(a, b, i, matching)
            i -= length
            j = matching - length
            runs.append(Run(i, j, length))
        else:
            break
    return runs


def _walk_rows_of_b(a: bytes, b: bytes, rows: list[int]) -> list[Run]:
    """The walk where row j stands for b[:j] and bit i - 1 says that length(i, j) > length(i - 1, j).

    If the length at (i, j) is more than at (i, j - 1), that stays so for smaller i until there is a match. So each
    row needs to be looked at once.
    """
    runs: list[Run] = []
    i, j = len(a), len(b)
    common = rows[j].bit_count()
    while common:
        before = i
        if a[i - 1] != b[j - 1]:
            if (rows[j - 1] & ((1 << i) - 1)).bit_count() == common:
                j -= 1
                continue
            before = a.rfind(b[j - 1], 0, i) + 1
        length = _run_length(a, b, before, j)
        i = before - length
        j -= length
        common -= length
        runs.append(Run(i, j, length))
    return runs
