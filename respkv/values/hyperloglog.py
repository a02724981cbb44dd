"""HyperLogLogs: how many different elements were seen, in 12 KB at most; an estimate with a standard error of 0.81 %.

A HyperLogLog is a string, so that GET and SET copy it, in Redis's own form:

    header      "HYLL" | encoding (1 byte: 0 dense, 1 sparse) | 3 bytes of zero | cached estimate (uint64)
    dense       16384 registers of 6 bits, from the lowest bit of the first byte on
    sparse      runs of registers, one after the other:
                  00nnnnnn            ZERO    n + 1 registers of 0
                  01nnnnnn nnnnnnnn   XZERO   n + 1 registers of 0
                  1vvvvvnn            VAL     n + 1 registers of v + 1

The estimate's highest bit says that registers have changed since. An element chooses a register by 14 bits of its hash;
the register keeps the longest run of zeros, plus one, that the other 50 bits began with.

The functions take what `is_valid` agrees to; where the runs of a sparse one do not add up they raise `Corrupted`. Those
that change one change nothing then, or belong to a caller who works on a copy.

Source: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (2007); the estimator is of Ertl, "New cardinality estimation
algorithms for HyperLogLog sketches" (2017), algorithm 6; the hash is Appleby's MurmurHash64A. Which runs an update
leaves was compared byte by byte with redis-server's.
"""

import math
from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from mypy_extensions import i64, u8

from respkv.build import BUILD

REGISTERS: Final = 16384
HEADER_BYTES: Final = 16
DENSE_BYTES: Final = HEADER_BYTES + REGISTERS * 6 // 8

_DENSE: Final = 0
_SPARSE: Final = 1
_MAGIC: Final = b"HYLL"
_STALE: Final = 0x80
_HASH_BITS: Final = 50
_SPARSE_VALUE_MAX: Final = 32
_ALPHA: Final = 0.7213475204444817  # 1 / (2 ln 2)

_MANY: Final = 512
"""For more elements it is worth while to take the registers apart."""

_MANY_TO_SPARSE: Final = 4096
"""More elements than this may make a sparse one dense by any limit but a generous one: it is worth a try."""

_SEED: Final = 0xADC83B19
_MULTIPLIER: Final = 0xC6A4A7935BD1E995
_MASK: Final = (1 << 64) - 1


class Corrupted(Exception):
    """The runs of a sparse HyperLogLog do not add up to its registers."""


def is_valid(value: bytes | bytearray) -> bool:
    """Whether a string is a HyperLogLog, as far as its header tells. O(1)."""
    if len(value) < HEADER_BYTES or value[:4] != _MAGIC:
        return False
    if value[4] == _DENSE:
        return len(value) == DENSE_BYTES
    return value[4] == _SPARSE


def is_dense(value: bytes | bytearray) -> bool:
    """Whether it has the dense encoding."""
    return value[4] == _DENSE


def new() -> bytearray:
    """A sparse one of nothing, whose estimate is 0."""
    return bytearray(b"HYLL\x01" + bytes(11) + b"\x7f\xff")


# Elements


def hash_of(element: bytes) -> int:
    """MurmurHash64A of `element`: unsigned, 64 bits. O(length)."""
    if BUILD == "compiled":
        return _hash_compiled(element) & _MASK
    length = len(element)
    digest = _SEED ^ (length * _MULTIPLIER & _MASK)
    whole = length & ~7
    for at in range(0, whole, 8):
        block = int.from_bytes(element[at : at + 8], "little") * _MULTIPLIER & _MASK
        block = (block ^ block >> 47) * _MULTIPLIER & _MASK
        digest = (digest ^ block) * _MULTIPLIER & _MASK
    if length & 7:
        digest = (digest ^ int.from_bytes(element[whole:], "little")) * _MULTIPLIER & _MASK
    digest = (digest ^ digest >> 47) * _MULTIPLIER & _MASK
    return digest ^ digest >> 47


def _hash_compiled(element: bytes) -> int:
    """The same, signed, by 64-bit arithmetic that wraps around: as it does in compiled code only."""
    # 0xC6A4A7935BD1E995 as a signed number.
    multiplier: i64 = -0x395B586CA42E166B
    low_bits: i64 = (1 << 17) - 1
    length: i64 = len(element)
    digest: i64 = length * multiplier
    digest ^= _SEED
    at: i64 = 0
    whole: i64 = length & ~7
    while at < whole:
        block: i64 = read_i64_le(element, at)
        block *= multiplier
        block ^= (block >> 47) & low_bits
        block *= multiplier
        digest ^= block
        digest *= multiplier
        at += 8
    if at < length:
        block = 0
        shift: i64 = 0
        while at < length:
            one: i64 = element[at]
            block |= one << shift
            shift += 8
            at += 1
        digest ^= block
        digest *= multiplier
    digest ^= (digest >> 47) & low_bits
    digest *= multiplier
    digest ^= (digest >> 47) & low_bits
    return digest


def place_of(element: bytes) -> tuple[int, int]:
    """The register of `element`, and the value that it has for it. O(length)."""
    digest = hash_of(element)
    bits = digest >> 14 | 1 << _HASH_BITS
    return digest & (REGISTERS - 1), (bits & -bits).bit_length()


def add_all(value: bytearray, elements: list[bytes], start: int, sparse_bytes_max: int) -> bool:
    """As `add`, of each of `elements` from `start` on; whether a register changed. O(elements)."""
    is_changed = False
    has_many = BUILD == "compiled" and len(elements) - start > _MANY_TO_SPARSE
    if has_many and _add_many_to_sparse(value, elements, start, sparse_bytes_max):
        return True
    for at in range(start, len(elements)):
        if value[4] == _DENSE and len(elements) - at > _MANY and BUILD == "compiled":
            if _add_many(value, elements, at):
                is_changed = True
            break
        if add(value, elements[at], sparse_bytes_max):
            is_changed = True
    return is_changed


def _add_many(value: bytearray, elements: list[bytes], start: int) -> bool:
    """As `add_all`, to a dense one, by registers that are a byte each meanwhile."""
    found = BytesWriter()
    found.write(_dense_registers(bytes(value)))
    if not _raise_all(found, elements, start):
        return False
    value[HEADER_BYTES:] = pack_dense(found.getvalue())
    value[15] |= _STALE
    return True


def _add_many_to_sparse(value: bytearray, elements: list[bytes], start: int, sparse_bytes_max: int) -> bool:
    """Add all to a sparse one that is certain to become dense by them; False, and nothing done, if it is another.

    One after the other, each goes through some KB of runs until it is dense.
    """
    if value[4] != _SPARSE or len(value) > sparse_bytes_max:
        return False  # what does not make it longer leaves it sparse
    found = BytesWriter()
    found.write(registers(value))
    _raise_all(found, elements, start)
    after = found.getvalue()
    if HEADER_BYTES + _least_runs(after) <= sparse_bytes_max:
        return False
    value[HEADER_BYTES:] = pack_dense(after)
    value[4] = _DENSE
    value[15] |= _STALE
    return True


def _least_runs(found: bytes) -> int:
    """How many runs at least, of a byte or more each, registers of a byte each take: one begins at each change."""
    runs: i64 = 1
    at: i64 = 1
    while at < REGISTERS:
        if found[at] != found[at - 1]:
            runs += 1
        at += 1
    return runs


def _raise_all(found: BytesWriter, elements: list[bytes], start: int) -> bool:
    """Count the elements in registers of a byte each; whether one changed."""
    is_changed = False
    end: i64 = 1 << _HASH_BITS
    for at in range(start, len(elements)):
        digest: i64 = _hash_compiled(elements[at])
        # The shift brings copies of the sign down, which end where the bit is that ends the longest run.
        bits: i64 = digest >> 14 & end - 1 | end
        count: i64 = 1
        while bits & 1 == 0:
            bits >>= 1
            count += 1
        index: i64 = digest & (REGISTERS - 1)
        if i64(found[index]) < count:
            found[index] = u8(count)
            is_changed = True
    return is_changed


def add(value: bytearray, element: bytes, sparse_bytes_max: int) -> bool:
    """Count `element`; whether a register changed. O(1), O(bytes) if sparse. Raises Corrupted.

    A sparse one that would become longer than `sparse_bytes_max` becomes dense.
    """
    index, count = place_of(element)
    return raise_register(value, index, count, sparse_bytes_max)


def raise_register(value: bytearray, index: int, count: int, sparse_bytes_max: int) -> bool:
    """Let register `index` have at least `count`; whether it had less. As `add`. The estimate is stale then."""
    if value[4] == _DENSE:
        return _raise_dense(value, index, count)
    return _raise_sparse(value, index, count, sparse_bytes_max)


def _raise_dense(value: bytearray, index: int, count: int) -> bool:
    at = HEADER_BYTES + index * 6 // 8
    shift = index * 6 & 7
    # The last register ends with the last byte.
    both = value[at] | value[at + 1] << 8 if shift > 2 else value[at]
    if both >> shift & 63 >= count:
        return False
    both = both & ~(63 << shift) | count << shift
    value[at] = both & 0xFF
    if shift > 2:
        value[at + 1] = both >> 8
    value[15] |= _STALE
    return True


def _raise_sparse(value: bytearray, index: int, count: int, sparse_bytes_max: int) -> bool:
    if count > _SPARSE_VALUE_MAX:
        make_dense(value)
        return _raise_dense(value, index, count)
    # Single bytes of a bytes object are faster to get at.
    runs = bytes(value)
    end = len(runs)
    at: i64 = HEADER_BYTES
    before: i64 = 0
    first: i64 = 0
    run: i64 = 0
    length: i64 = 1
    wanted: i64 = index
    while at < end:
        code: i64 = runs[at]
        length = 1
        if code & 0x80:
            run = (code & 3) + 1
        elif code & 0x40:
            if at + 1 == end:
                raise Corrupted
            run = ((code & 0x3F) << 8 | runs[at + 1]) + 1
            length = 2
        else:
            run = code + 1
        first += run
        if wanted < first:
            break
        before = at
        at += length
    else:
        raise Corrupted
    first -= run
    old = (code >> 2 & 31) + 1 if code & 0x80 else 0
    if old >= count:
        return False
    left = index - first
    right = first + run - 1 - index
    codes = _run_codes(left, old) + bytes((0x80 | (count - 1) << 2,)) + _run_codes(right, old)
    if len(codes) > length and end + len(codes) - length > sparse_bytes_max:
        make_dense(value)
        return _raise_dense(value, index, count)
    value[at : at + length] = codes
    _join_values(value, before or HEADER_BYTES)
    value[15] |= _STALE
    return True


def _run_codes(run: int, value: int) -> bytes:
    """The code of `run` registers of `value`, which are as many as one code can tell; nothing for none."""
    if run == 0:
        return b""
    if value:
        return bytes((0x80 | value - 1 << 2 | run - 1,))
    if run <= 64:
        return bytes((run - 1,))
    return bytes((0x40 | run - 1 >> 8, run - 1 & 0xFF))


def _join_values(value: bytearray, at: int) -> None:
    """Make one of neighbouring runs of the same value, as far as a code holds them, among the five codes from `at`."""
    left = 5
    while left and at < len(value):
        left -= 1
        code = value[at]
        if not code & 0x80:
            at += 2 if code & 0x40 else 1
            continue
        if at + 1 < len(value):
            other = value[at + 1]
            if other & 0xFC == code & 0xFC:
                run = (code & 3) + (other & 3) + 2
                if run <= 4:
                    # What was joined may be joined again with what follows.
                    value[at : at + 2] = bytes((code & 0xFC | run - 1,))
                    continue
        at += 1


# Registers at once


def registers(value: bytes | bytearray) -> bytes:
    """All registers, a byte each. O(registers). Raises Corrupted."""
    if value[4] == _DENSE:
        return _dense_registers(bytes(value))
    parts: list[bytes] = []
    at = HEADER_BYTES
    end = len(value)
    total = 0
    while at < end:
        code = value[at]
        if code & 0x80:
            run = (code & 3) + 1
            parts.append(_VALUE_RUNS[code & 0x7F])
        elif code & 0x40:
            if at + 1 == end:
                raise Corrupted
            at += 1
            run = ((code & 0x3F) << 8 | value[at]) + 1
            parts.append(bytes(run))
        else:
            run = code + 1
            parts.append(bytes(run))
        at += 1
        total += run
        if total > REGISTERS:
            raise Corrupted
    if total != REGISTERS:
        raise Corrupted
    return b"".join(parts)


_VALUE_RUNS: Final = [bytes(((code >> 2) + 1,)) * ((code & 3) + 1) for code in range(128)]
"""The registers that the lower seven bits of a VAL code stand for."""

# Three bytes hold four registers: `aaaaaa | bbbbbb | cccccc | dddddd` from the lowest bit on.
_FIRST: Final = bytes([byte & 63 for byte in range(256)])
_SECOND_LOW: Final = bytes([byte >> 6 for byte in range(256)])
_SECOND_HIGH: Final = bytes([(byte & 15) << 2 for byte in range(256)])
_THIRD_LOW: Final = bytes([byte >> 4 for byte in range(256)])
_THIRD_HIGH: Final = bytes([(byte & 3) << 4 for byte in range(256)])
_FOURTH: Final = bytes([byte >> 2 for byte in range(256)])

_FOURTHS: Final = REGISTERS // 4


def _either(one: bytes, two: bytes) -> bytes:
    """Bitwise or. O(bytes), as one number."""
    return (int.from_bytes(one, "little") | int.from_bytes(two, "little")).to_bytes(len(one), "little")


def _dense_registers(value: bytes) -> bytes:
    low = value[HEADER_BYTES::3]
    middle = value[HEADER_BYTES + 1 :: 3]
    high = value[HEADER_BYTES + 2 :: 3]
    found = bytearray(REGISTERS)
    found[0::4] = low.translate(_FIRST)
    found[1::4] = _either(low.translate(_SECOND_LOW), middle.translate(_SECOND_HIGH))
    found[2::4] = _either(middle.translate(_THIRD_LOW), high.translate(_THIRD_HIGH))
    found[3::4] = high.translate(_FOURTH)
    return bytes(found)


_INTO_LOW: Final = bytes([(byte & 3) << 6 for byte in range(256)])
_INTO_MIDDLE: Final = bytes([(byte & 15) << 4 for byte in range(256)])
_INTO_HIGH: Final = bytes([(byte & 63) << 2 for byte in range(256)])
_OVER_FOUR: Final = bytes([byte >> 4 for byte in range(256)])


def pack_dense(found: bytes) -> bytes:
    """16384 registers of a byte each as the dense form has them. O(registers)."""
    second = found[1::4]
    third = found[2::4]
    packed = bytearray(DENSE_BYTES - HEADER_BYTES)
    packed[0::3] = _either(found[0::4], second.translate(_INTO_LOW))
    packed[1::3] = _either(second.translate(_FOURTH), third.translate(_INTO_MIDDLE))
    packed[2::3] = _either(third.translate(_OVER_FOUR), found[3::4].translate(_INTO_HIGH))
    return bytes(packed)


def make_dense(value: bytearray) -> None:
    """Give it the dense encoding. O(registers). Raises Corrupted, and leaves it alone then."""
    if value[4] == _SPARSE:
        value[HEADER_BYTES:] = pack_dense(registers(value))
        value[4] = _DENSE


def highest(one: bytes, two: bytes) -> bytes:
    """The greater of each two registers, which are a byte each. O(registers), as one number."""
    length = len(one)
    tops = int.from_bytes(b"\x80" * length, "little")
    first = int.from_bytes(one, "little")
    second = int.from_bytes(two, "little")
    # Registers are below 128, so that the top bit of each difference stays where the first is not less.
    not_less = ((first | tops) - second & tops) >> 7
    chosen = not_less * 127
    return (second ^ (first ^ second) & chosen).to_bytes(length, "little")


def union(sketches: list[bytes | bytearray]) -> bytes:
    """The highest of each register, a byte each, of all of them; zeros of none. O(registers) each. Raises Corrupted."""
    if not sketches:
        return bytes(REGISTERS)
    found = registers(sketches[0])
    for at in range(1, len(sketches)):
        if BUILD != "compiled":
            found = highest(found, registers(sketches[at]))
        elif is_dense(sketches[at]):
            found = _highest_of_dense(found, bytes(sketches[at]))
        else:
            found = _highest_compiled(found, registers(sketches[at]))
    return found


# Eight registers of a byte each in a word of 64 bits: the greater of each two, since the top bit of each byte of the
# difference stays where the one is not less than the other, which are below 64.


def _highest_compiled(one: bytes, two: bytes) -> bytes:
    """As `highest`, by arithmetic of 64 bits, which interpreted code has not."""
    tops: i64 = -0x7F7F7F7F7F7F7F80
    lows: i64 = 0x0101010101010101
    buffer = BytesWriter()
    at: i64 = 0
    while at < REGISTERS:
        first: i64 = read_i64_le(one, at)
        second: i64 = read_i64_le(two, at)
        not_less: i64 = ((first | tops) - second) >> 7 & lows
        write_i64_le(buffer, second ^ (first ^ second) & not_less * 127)
        at += 8
    return buffer.getvalue()


def _highest_of_dense(one: bytes, dense: bytes) -> bytes:
    """The greater of the registers `one`, a byte each, and of those of a dense one. As `_highest_compiled`."""
    tops: i64 = -0x7F7F7F7F7F7F7F80
    lows: i64 = 0x0101010101010101
    buffer = BytesWriter()
    at: i64 = 0
    # Six bytes hold eight registers: they are what is behind two others, so that all of a word is there to be read.
    place: i64 = HEADER_BYTES - 2
    while at < REGISTERS:
        packed: i64 = read_i64_le(dense, place) >> 16
        # Halves of 24 bits move apart, then quarters of 12, then eighths of 6.
        second: i64 = packed & 0xFFFFFF | (packed & 0xFFFFFF000000) << 8
        second = second & 0x00000FFF00000FFF | (second & 0x00FFF00000FFF000) << 4
        second = second & 0x003F003F003F003F | (second & 0x0FC00FC00FC00FC0) << 2
        first: i64 = read_i64_le(one, at)
        not_less: i64 = ((first | tops) - second) >> 7 & lows
        write_i64_le(buffer, second ^ (first ^ second) & not_less * 127)
        at += 8
        place += 6
    return buffer.getvalue()


def merge(value: bytearray, found: bytes, sparse_bytes_max: int) -> None:
    """Let each register have at least what `found` has for it. O(registers); a sparse one O(bytes) each, not 0."""
    if value[4] == _DENSE:
        value[HEADER_BYTES:] = pack_dense(highest(_dense_registers(bytes(value)), found))
    else:
        for index, count in enumerate(found):
            if count:
                raise_register(value, index, count, sparse_bytes_max)
    value[15] |= _STALE


# The estimate


def estimate_of(value: bytes | bytearray) -> int:
    """How many different elements it has seen, by the cached estimate if that is not stale. Raises Corrupted."""
    if not value[15] & _STALE:
        return int.from_bytes(value[8:16], "little")
    return estimate(registers(value))


def is_stale(value: bytes | bytearray) -> bool:
    """Whether registers have changed since the estimate was cached."""
    return value[15] & _STALE != 0


def forget_estimate(value: bytearray) -> None:
    """Registers have changed since the estimate was cached, or there was none."""
    value[15] |= _STALE


def cache_estimate(value: bytearray, number: int) -> None:
    """Keep the estimate with it."""
    value[8:16] = (number & _MASK).to_bytes(8, "little")


def estimate(found: bytes) -> int:
    """How many different elements these registers, a byte each, have seen. O(registers)."""
    total = float(REGISTERS)
    counts = [0] * 64
    left = REGISTERS
    # Most registers have one of few values.
    for value in range(64):
        counts[value] = found.count(value)
        left -= counts[value]
        if not left:
            break
    z = total * _tau((total - counts[_HASH_BITS + 1]) / total)
    for value in range(_HASH_BITS, 0, -1):
        z += counts[value]
        z *= 0.5
    z += total * _sigma(counts[0] / total)
    if z == 0.0:
        # No element leaves such registers; the reference's answer is what C makes of infinity.
        return -1 << 63
    return _rounded(_ALPHA * total * total / z)


def _rounded(number: float) -> int:
    """To the nearest integer, halves upwards."""
    return math.floor(number + 0.5) if number - math.floor(number) >= 0.5 else math.floor(number)


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y = 1.0
    z = 1.0 - x
    while True:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
        if z == before:
            return z / 3.0


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y = 1.0
    z = x
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if z == before:
            return z


def describe(value: bytes | bytearray) -> bytes:
    """The runs of a sparse one as text, `Z:10 v:3,1 X:500`. O(bytes)."""
    words: list[bytes] = []
    at = HEADER_BYTES
    while at < len(value):
        code = value[at]
        if code & 0x80:
            words.append(b"v:%d,%d" % ((code >> 2 & 31) + 1, (code & 3) + 1))
        elif code & 0x40:
            at += 1
            words.append(b"Z:%d" % (((code & 0x3F) << 8 | (value[at] if at < len(value) else 0)) + 1))
        else:
            words.append(b"z:%d" % (code + 1))
        at += 1
    return b" ".join(words)
