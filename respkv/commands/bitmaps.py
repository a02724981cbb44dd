"""Commands on strings as rows of bits; integers in them are in `bitfield.py`, the work is done in `values/bits.py`.

A string whose bits are set becomes a `bytearray`, as one that is edited otherwise.

Source of all behaviour: redis-server 7.0 and 8.2, tried; where they differ, 8.2.
"""

from typing import Final

from respkv.commands.args import parse_int
from respkv.commands.events import GENERIC, STRING
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.objects import EMBSTR_BYTES_MAX
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace, string_bytes
from respkv.engine.long_strings import edit_string
from respkv.errors import BadSyntax, NotAnInteger, ReplyError
from respkv.reply import Reply
from respkv.values import bits

command = CommandGroup("bitmap", __name__)

_FROZEN_MAX: Final = 64 * 1024
"""The longest result of BITOP that is kept as bytes."""


class BadBitOffset(ReplyError):
    """An offset that is no integer, negative, or beyond the longest string."""

    def __init__(self) -> None:
        super().__init__(b"ERR bit offset is not an integer or out of range")


def parse_bit_offset(db: Keyspace, text: bytes, factor: int = 1) -> int:
    """A place of a bit, given in units of `factor` bits. Raises BadBitOffset."""
    try:
        offset = parse_int(text) * factor
    except NotAnInteger:
        raise BadBitOffset from None
    if offset < 0 or offset >> 3 >= db.engine.bulk_max_bytes:
        raise BadBitOffset
    return offset


def bits_of(value: Reply) -> bits.Bytes:
    """The bytes of a value of the keyspace, not copied; none if there is no value. Raises WrongType."""
    if isinstance(value, bytes | bytearray):
        return value
    return b"" if value is None else string_bytes(value)


@command("SETBIT key offset:int value:int", WRITE | DENYOOM, keys="RW ACCESS UPDATE", since="2.2.0", cost="O(1)")
def setbit(db: Keyspace, argv: list[bytes]) -> Reply:
    r"""Set or clear the bit at `offset` of the string at `key`, behind zeros where it was shorter; the bit that was.

    > SETBIT k 7 1
    (integer) 0
    > GET k
    "\x01"
    """
    offset = parse_bit_offset(db, argv[2])
    if argv[3] not in (b"0", b"1"):
        raise ReplyError(b"ERR bit is not an integer or out of range")
    wanted = argv[3] == b"1"
    key = argv[1]
    at = offset >> 3
    value = edit_string(db, key, at + 1, 0)
    text = bits_of(value)
    mask = 0x80 >> (offset & 7)
    growth = at + 1 - len(text)
    if growth > 0:
        edited, is_new = editable(db, key, value, growth)
        if wanted:
            edited[at] = mask
        _store(db, key, edited, growth, is_new)
        return 0
    was = text[at] & mask != 0
    if was == wanted:
        # Nothing changes but the form, which OBJECT ENCODING shows.
        if not isinstance(text, bytearray):
            db.recast(key, bytearray(text))
        return int(was)
    edited, is_new = editable(db, key, value, 0)
    edited[at] ^= mask
    _store(db, key, edited, 0, is_new)
    return int(was)


def editable(db: Keyspace, key: bytes, value: Reply, growth: int) -> tuple[bytearray, bool]:
    """The string `value` to be edited in place, `growth` zeros longer; and whether the key still has to get it."""
    if isinstance(value, bytearray):
        if growth > 0:
            value += bytes(growth)
        return value, False
    text = bits_of(value)
    if not text:
        return bytearray(growth), True
    edited = bytearray(text)
    if growth > 0:
        edited += bytes(growth)
    return edited, True


def _store(db: Keyspace, key: bytes, edited: bytearray, growth: int, is_new: bool) -> None:
    store_edited(db, key, edited, growth, is_new)
    db.notify(STRING, b"setbit", key)


def store_edited(db: Keyspace, key: bytes, edited: bytearray, growth: int, is_new: bool) -> None:
    """Say that what `editable` gave was edited."""
    if is_new:
        db.put(key, edited)
    else:
        db.changed(key, max(growth, 0))


@command("GETBIT key offset:int", READONLY | FAST, since="2.2.0", cost="O(1)")
def getbit(db: Keyspace, argv: list[bytes]) -> Reply:
    """The bit at `offset` of the string at `key`, 0 where there is none."""
    offset = parse_bit_offset(db, argv[2])
    text = bits_of(db.find(argv[1]))
    at = offset >> 3
    return text[at] >> (7 - (offset & 7)) & 1 if at < len(text) else 0


@command("BITCOUNT key [start:int end:int [BYTE | BIT]]", READONLY, since="2.6.0", cost="O(n), n = bytes looked at")
def bitcount(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many bits of the string at `key` are set, all or those from `start` to `end`, both inclusive.

    Negative places count from the end; they are bytes, with BIT bits.

    > SET k foobar
    OK
    > BITCOUNT k
    (integer) 26
    > BITCOUNT k 5 30 BIT
    (integer) 17
    """
    if len(argv) == 2:
        text = bits_of(db.find(argv[1]))
        return bits.count_ones(text, 0, len(text))
    if not 4 <= len(argv) <= 5:
        raise BadSyntax
    start = parse_int(argv[2])
    end = parse_int(argv[3])
    by_bit = _parse_unit(argv, 4)
    text = bits_of(db.find(argv[1]))
    first, last = _range(start, end, by_bit, len(text))
    return bits.count_bits(text, first, last) if first <= last else 0


def _parse_unit(argv: list[bytes], at: int) -> bool:
    """Whether the argument at `at`, the last, is BIT; BYTE if it is missing. Raises BadSyntax."""
    if len(argv) == at:
        return False
    unit = argv[at].upper()
    if len(argv) > at + 1 or unit not in (b"BIT", b"BYTE"):
        raise BadSyntax
    return unit == b"BIT"


def _range(start: int, end: int, by_bit: bool, length: int) -> tuple[int, int]:
    """The first and the last bit that a range of bytes or bits of a string of `length` bytes means, if it is one."""
    total = length * 8 if by_bit else length
    if start < 0 and end < 0 and start > end:
        return 0, -1
    if start < 0:
        start = max(start + total, 0)
    if end < 0:
        end = max(end + total, 0)
    end = min(end, total - 1)
    if start > end:
        return 0, -1
    return (start, end) if by_bit else (start * 8, end * 8 + 7)


@command(
    "BITPOS key bit:int [start:int [end:int [BYTE | BIT]]]",
    READONLY,
    since="2.8.7",
    cost="O(n), n = bytes looked at",
)
def bitpos(db: Keyspace, argv: list[bytes]) -> Reply:
    r"""The place of the first bit of the string at `key` that is `bit`, of all or of a range, or -1.

    A string without an end of the range is taken as if zeros followed it.

    > SET k "\xff\xf0\x00"
    OK
    > BITPOS k 0
    (integer) 12
    > BITPOS k 1 2
    (integer) -1
    """
    bit = parse_int(argv[2])
    if bit not in (0, 1):
        raise ReplyError(b"ERR The bit argument must be 1 or 0.")
    if len(argv) > 6:
        raise BadSyntax
    start = parse_int(argv[3]) if len(argv) > 3 else 0
    by_bit = _parse_unit(argv, min(len(argv), 5))
    end = parse_int(argv[4]) if len(argv) > 4 else -1
    value = db.find(argv[1])
    text = bits_of(value)
    if value is None:
        return -1 if bit else 0
    first, last = _range(start, end, by_bit, len(text))
    if first > last:
        return -1
    place = bits.find_bit(text, bit, first, last)
    return len(text) * 8 if place < 0 and bit == 0 and len(argv) < 5 else place


_OPERATIONS: Final = {
    b"AND": bits.AND,
    b"OR": bits.OR,
    b"XOR": bits.XOR,
    b"NOT": bits.NOT,
    b"DIFF": bits.DIFF,
    b"DIFF1": bits.DIFF1,
    b"ANDOR": bits.ANDOR,
    b"ONE": bits.ONE,
}


@command(
    "BITOP <AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey:key key [key ...]",
    WRITE | DENYOOM,
    keys="OW UPDATE; RO ACCESS",
    since="2.6.0",
    cost="O(n), n = bytes of all sources",
)
def bitop(db: Keyspace, argv: list[bytes]) -> Reply:
    r"""Combine strings bit by bit, and let `destkey` hold what comes out; its length.

    DIFF keeps what is set in the first key alone, DIFF1 what is set in some other but not in the first, ANDOR what is
    set in the first and in some other, ONE what is set in one key alone.

    > MSET a abc b ab
    OK
    > BITOP XOR d a b
    (integer) 3
    > GET d
    "\x00\x00c"
    """
    name = argv[1].upper()
    operation = _OPERATIONS.get(name)
    if operation is None:
        raise BadSyntax
    if operation == bits.NOT and len(argv) != 4:
        raise ReplyError(b"ERR BITOP NOT must be called with a single source key.")
    if operation in (bits.DIFF, bits.DIFF1, bits.ANDOR) and len(argv) < 5:
        raise ReplyError(b"ERR BITOP %b must be called with at least two source keys." % name)
    texts = [bits_of(db.find(key)) for key in argv[3:]]
    target = argv[2]
    result = bits.combine(operation, texts)
    if result:
        # Of the encoding `raw` at any length. Where that is as well the form that is read without a copy, it has that,
        # unless it is so long that to bring it into it costs as much as a few of those copies.
        db.set(target, bytes(result) if EMBSTR_BYTES_MAX < len(result) <= _FROZEN_MAX else result)
        db.notify(STRING, b"set", target)
    elif db.remove(target):
        db.notify(GENERIC, b"del", target)
    return len(result)
