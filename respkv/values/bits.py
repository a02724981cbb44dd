"""Strings as rows of bits: counting, finding, combining, and integers of any width in them.

Bit 0 is the highest bit of the first byte. All functions take the bytes of a string in either form that has them, and
leave them alone unless they say otherwise. They work in pieces of some KB, which stay in the processor's caches while
they are integers.

The pace is that of `int.from_bytes`, 0.6 ns a byte, the fastest way of the interpreter to look into bytes; stretches of
zeros or ones are passed at that of memcmp. To count, compiled code looks at words of 64 bits, ten times as
fast.
"""

from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le

from respkv.build import BUILD

if TYPE_CHECKING:
    from mypy_extensions import i64

Bytes = bytes | bytearray

PIECE: Final = 16 * 1024
"""Bytes that are made an integer at a time."""

_WORDS_PIECE: Final = 64 * 1024
"""Bytes that are combined at a time where that goes by words."""

_ROUND: Final = 8 * PIECE
_ZEROS: Final = bytes(_ROUND)
_ONES: Final = b"\xff" * PIECE  # shorter, since it is not of the pages that the system has not given yet, as zeros are
_WORD: Final = (1 << 64) - 1
_INVERTED: Final = bytes(range(255, -1, -1))

AND: Final = 0
OR: Final = 1
XOR: Final = 2
NOT: Final = 3
DIFF: Final = 4
DIFF1: Final = 5
ANDOR: Final = 6
ONE: Final = 7


def count_ones(text: Bytes, start: int, end: int) -> int:
    """How many bits are set in the bytes from `start` up to `end`, which is not beyond the end. O(bytes)."""
    if BUILD != "compiled":
        return _count_in_integers(text, start, end)
    count = 0
    at = start
    while at < end:
        stop = min(at + PIECE, end)
        count += _count_in_words(bytes(text[at:stop]))
        at = stop
    return count


def _count_in_words(text: bytes) -> int:
    """How many bits of `text` are set, by arithmetic modulo 2 ** 64, which interpreted code has not.

    Eight words at a time pass through adders of single bits (three inputs, a sum and a carry), so that the bits of one
    of eight words only have to be counted. Source: Harley and Seal, in Warren, Hacker's Delight.
    """
    size: i64 = len(text)
    at: i64 = 0
    eights_count: i64 = 0
    ones: i64 = 0
    twos: i64 = 0
    fours: i64 = 0
    while at + 64 <= size:
        a: i64 = read_i64_le(text, at)
        b: i64 = read_i64_le(text, at + 8)
        half: i64 = ones ^ a
        twos_a: i64 = ones & a | half & b
        ones = half ^ b
        a = read_i64_le(text, at + 16)
        b = read_i64_le(text, at + 24)
        half = ones ^ a
        twos_b: i64 = ones & a | half & b
        ones = half ^ b
        half = twos ^ twos_a
        fours_a: i64 = twos & twos_a | half & twos_b
        twos = half ^ twos_b
        a = read_i64_le(text, at + 32)
        b = read_i64_le(text, at + 40)
        half = ones ^ a
        twos_a = ones & a | half & b
        ones = half ^ b
        a = read_i64_le(text, at + 48)
        b = read_i64_le(text, at + 56)
        half = ones ^ a
        twos_b = ones & a | half & b
        ones = half ^ b
        half = twos ^ twos_a
        fours_b: i64 = twos & twos_a | half & twos_b
        twos = half ^ twos_b
        half = fours ^ fours_a
        pairs: i64 = fours & fours_a | half & fours_b
        fours = half ^ fours_b
        # The sums of two bits, of four, of eight; then of the eight bytes, in the highest of them.
        pairs -= pairs >> 1 & 0x5555555555555555
        pairs = (pairs & 0x3333333333333333) + (pairs >> 2 & 0x3333333333333333)
        pairs = pairs + (pairs >> 4) & 0x0F0F0F0F0F0F0F0F
        eights_count += (pairs * 0x0101010101010101) >> 56 & 0xFF
        at += 64
    count = 8 * eights_count + 4 * _ones_of(fours) + 2 * _ones_of(twos) + _ones_of(ones)
    return count + int.from_bytes(text[at:], "little").bit_count()


def _ones_of(word: int) -> int:
    # Unsigned, since the bits of a negative number are those of its amount.
    return (word & _WORD).bit_count()


def _count_in_integers(text: Bytes, start: int, end: int) -> int:
    """As `count_ones`, the same in pieces that are integers of Python."""
    ones = twos = fours = 0
    eights_count = 0
    at = start
    while at + _ROUND <= end:
        if text[at] == 0 and text.startswith(_ZEROS, at):
            at += _ROUND
            continue
        a = int.from_bytes(text[at : at + PIECE], "little")
        b = int.from_bytes(text[at + PIECE : at + 2 * PIECE], "little")
        half = ones ^ a
        twos_a = ones & a | half & b
        ones = half ^ b
        a = int.from_bytes(text[at + 2 * PIECE : at + 3 * PIECE], "little")
        b = int.from_bytes(text[at + 3 * PIECE : at + 4 * PIECE], "little")
        half = ones ^ a
        twos_b = ones & a | half & b
        ones = half ^ b
        half = twos ^ twos_a
        fours_a = twos & twos_a | half & twos_b
        twos = half ^ twos_b
        a = int.from_bytes(text[at + 4 * PIECE : at + 5 * PIECE], "little")
        b = int.from_bytes(text[at + 5 * PIECE : at + 6 * PIECE], "little")
        half = ones ^ a
        twos_a = ones & a | half & b
        ones = half ^ b
        a = int.from_bytes(text[at + 6 * PIECE : at + 7 * PIECE], "little")
        b = int.from_bytes(text[at + 7 * PIECE : at + _ROUND], "little")
        half = ones ^ a
        twos_b = ones & a | half & b
        ones = half ^ b
        half = twos ^ twos_a
        fours_b = twos & twos_a | half & twos_b
        twos = half ^ twos_b
        half = fours ^ fours_a
        eights_count += (fours & fours_a | half & fours_b).bit_count()
        fours = half ^ fours_b
        at += _ROUND
    count = 8 * eights_count + 4 * fours.bit_count() + 2 * twos.bit_count() + ones.bit_count()
    while at < end:
        stop = min(at + PIECE, end)
        count += int.from_bytes(text[at:stop], "little").bit_count()
        at = stop
    return count


def count_bits(text: Bytes, first: int, last: int) -> int:
    """How many of the bits from `first` to `last`, both inclusive and within the string, are set. O(bytes)."""
    start = first >> 3
    stop = (last >> 3) + 1
    count = count_ones(text, start, stop)
    if first & 7:
        count -= (text[start] >> (8 - (first & 7))).bit_count()
    if last & 7 != 7:
        count -= (text[stop - 1] & (0x7F >> (last & 7))).bit_count()
    return count


def find_bit(text: Bytes, bit: int, first: int, last: int) -> int:
    """The place of the first of the bits from `first` to `last`, both within the string, that is `bit`; or -1.

    O(bytes), as fast as memcmp.
    """
    start = first >> 3
    stop = (last >> 3) + 1
    skipped = _ONES if bit == 0 else _ZEROS
    length = first & 7
    if length:
        # What of the first byte is in front of the first bit counts as the other bit.
        found = _find_in(bytes((_masked(text[start], bit, length),)), bit)
        if found >= 0:
            return _within(start * 8 + found, last)
        start += 1
    while start + len(skipped) <= stop and text.startswith(skipped, start):
        start += len(skipped)
    while start < stop:
        end = min(start + 1024, stop)
        if not text.startswith(skipped[: end - start], start):
            return _within(start * 8 + _find_in(text[start:end], bit), last)
        start = end
    return -1


def _masked(byte: int, bit: int, length: int) -> int:
    """`byte` with its first `length` bits other than `bit`."""
    rest = 0xFF >> length
    return byte & rest if bit else byte | 0xFF ^ rest


def _find_in(text: Bytes, bit: int) -> int:
    bits = len(text) * 8
    number = int.from_bytes(text, "big")
    if not bit:
        number ^= (1 << bits) - 1
    return bits - number.bit_length() if number else -1


def _within(place: int, last: int) -> int:
    return place if place <= last else -1


def combine(operation: int, texts: list[Bytes]) -> bytearray:
    """The strings combined bit by bit, each as if zeros followed it up to the length of the longest. O(bytes).

    DIFF: set in the first and in no other; DIFF1: in some other and not in the first; ANDOR: in the first and in some
    other; ONE: in one alone. NOT takes one string, these four but ONE two or more.
    """
    lengths = sorted([len(text) for text in texts])
    length = lengths[-1]
    joint = length if operation == NOT else lengths[0] if operation == AND else lengths[-2] if len(texts) > 1 else 0
    # It grows by pieces: memory that is new to the process is touched once, when there is something to write.
    result = bytearray()
    # As far as all strings go.
    if BUILD == "compiled" and operation in (AND, OR, XOR, NOT):
        _combine_words(operation, texts, min(joint, lengths[0]) & -8, result)
    for at in range(len(result), joint, PIECE):
        end = min(at + PIECE, joint)
        if operation == NOT:
            result += texts[0][at:end].translate(_INVERTED)
        else:
            numbers = [int.from_bytes(text[at:end], "little") for text in texts]
            result += _combined(operation, numbers).to_bytes(end - at, "little")
    if joint == length:
        return result
    # From here on there is nothing but the longest.
    is_first = len(texts[0]) == length
    if operation in (OR, XOR, ONE) or (operation == DIFF and is_first) or (operation == DIFF1 and not is_first):
        longest = texts[0]
        for text in texts:
            if len(text) == length:
                longest = text
        with memoryview(longest) as view:
            result += view[joint:]
    else:
        for at in range(joint, length, _ROUND):
            result += _ZEROS[: min(_ROUND, length - at)]
    return result


def _combine_words(operation: int, texts: list[Bytes], end: int, result: bytearray) -> None:
    """Append AND, OR, XOR or NOT of the first `end` bytes, a multiple of eight, to `result`, which is empty.

    Word by word, where that is compiled; in pieces, which stay in the processor's caches until all strings are in.
    """
    buffer = BytesWriter()
    for at in range(0, end, _WORDS_PIECE):
        stop = min(at + _WORDS_PIECE, end)
        first = texts[0]
        if operation == NOT:
            piece = _inverted_words(bytes(first[at:stop]), buffer)
        else:
            piece = bytes(first[at:stop])
            for number in range(1, len(texts)):
                text = texts[number]
                if isinstance(text, bytes):
                    piece = _combined_words(operation, piece, text, at, buffer)
                else:
                    piece = _combined_words(operation, piece, bytes(text[at:stop]), 0, buffer)
        result += piece


def _inverted_words(text: bytes, buffer: BytesWriter) -> bytes:
    """NOT of `text`, which is a multiple of eight long; `buffer` is for its use."""
    buffer.truncate(0)
    size: i64 = len(text)
    at: i64 = 0
    while at < size:
        write_i64_le(buffer, ~read_i64_le(text, at))
        at += 8
    return buffer.getvalue()


def _combined_words(operation: int, one: bytes, other: bytes, start: int, buffer: BytesWriter) -> bytes:
    """AND, OR or XOR of `one` and as much of `other` from `start` on: word by word, where that is compiled.

    The length of `one` is a multiple of eight; `buffer` is for its use.
    """
    buffer.truncate(0)
    size: i64 = len(one)
    at: i64 = 0
    offset: i64 = start
    if operation == AND:
        while at < size:
            write_i64_le(buffer, read_i64_le(one, at) & read_i64_le(other, offset + at))
            at += 8
    elif operation == OR:
        while at < size:
            write_i64_le(buffer, read_i64_le(one, at) | read_i64_le(other, offset + at))
            at += 8
    else:
        while at < size:
            write_i64_le(buffer, read_i64_le(one, at) ^ read_i64_le(other, offset + at))
            at += 8
    return buffer.getvalue()


def _combined(operation: int, numbers: list[int]) -> int:
    first = numbers[0]
    if operation == ONE:
        any_of = several = 0
        for number in numbers:
            several |= any_of & number
            any_of |= number
        return any_of ^ several
    if operation == AND:
        for number in numbers:
            first &= number
        return first
    if operation == XOR:
        for number in numbers[1:]:
            first ^= number
        return first
    rest = 0
    for number in numbers[1:]:
        rest |= number
    if operation == OR:
        return first | rest
    both = first & rest
    if operation == ANDOR:
        return both
    return both ^ (first if operation == DIFF else rest)


# Integers in rows of bits


def read_unsigned(text: Bytes, offset: int, width: int) -> int:
    """The unsigned integer in the `width` bits from `offset` on; zeros stand behind the end. O(width)."""
    start = offset >> 3
    stop = (offset + width + 7) >> 3
    piece = text[start:stop]
    number = int.from_bytes(piece, "big") << (stop - start - len(piece)) * 8
    return number >> (stop * 8 - offset - width) & ((1 << width) - 1)


def read_signed(text: Bytes, offset: int, width: int) -> int:
    """As `read_unsigned`, in two's complement."""
    number = read_unsigned(text, offset, width)
    return number - (1 << width) if number >> (width - 1) else number


def write(text: bytearray, offset: int, width: int, number: int) -> None:
    """Put the lowest `width` bits of `number` at `offset`, all of which is within `text`, in place. O(width)."""
    start = offset >> 3
    stop = (offset + width + 7) >> 3
    shift = stop * 8 - offset - width
    mask = ((1 << width) - 1) << shift
    old = int.from_bytes(text[start:stop], "big")
    text[start:stop] = (old & ~mask | number << shift & mask).to_bytes(stop - start, "big")
