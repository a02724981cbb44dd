"""BITFIELD: integers of any width up to 64 bits, anywhere in a string.

Source of all behaviour: redis-server 7.0 and 8.2, tried.
"""

from typing import Final

from respkv.commands.args import INT64_MAX, parse_int
from respkv.commands.bitmaps import bits_of, editable, parse_bit_offset, store_edited
from respkv.commands.events import STRING
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.engine.long_strings import edit_string
from respkv.errors import BadSyntax, ReplyError
from respkv.reply import Reply
from respkv.values import bits

command = CommandGroup("bitmap", __name__)

_GET: Final = 0
_SET: Final = 1
_INCRBY: Final = 2

_WRAP: Final = 0
_SAT: Final = 1
_FAIL: Final = 2

_SUBCOMMANDS: Final = {b"GET": _GET, b"SET": _SET, b"INCRBY": _INCRBY}
_OVERFLOWS: Final = {b"WRAP": _WRAP, b"SAT": _SAT, b"FAIL": _FAIL}


class Step:
    """One GET, SET or INCRBY of a BITFIELD."""

    def __init__(self, kind: int, signed: bool, width: int, offset: int, number: int, overflow: int) -> None:
        self.kind = kind
        self.signed = signed
        self.width = width
        self.offset = offset
        self.number = number
        self.overflow = overflow

    def read(self, text: bits.Bytes) -> int:
        """The integer that is there."""
        if self.signed:
            return bits.read_signed(text, self.offset, self.width)
        return bits.read_unsigned(text, self.offset, self.width)

    def fit(self, number: int) -> int | None:
        """What is written for `number`, by the rule for overflows; None for nothing."""
        width = self.width
        low = -(1 << (width - 1)) if self.signed else 0
        high = (1 << (width - 1)) - 1 if self.signed else (1 << width) - 1
        if low <= number <= high:
            return number
        if self.overflow == _FAIL:
            return None
        if self.overflow == _SAT:
            # Of a SET far below, the reference's 64 bits overflow in turn, so that it saturates at the wrong end.
            if self.kind == _SET and high - number > INT64_MAX:
                return high
            return low if number < low else high
        number &= (1 << width) - 1
        return number - (1 << width) if number > high else number


@command(
    "BITFIELD key [<GET encoding offset:int | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset:int value:int"
    " | INCRBY encoding offset:int increment:int>> [<GET encoding offset:int | [OVERFLOW <WRAP | SAT | FAIL>]"
    " <SET encoding offset:int value:int | INCRBY encoding offset:int increment:int>> ...]]",
    WRITE | DENYOOM,
    keys="RW ACCESS UPDATE VARIABLE_FLAGS",
    since="3.2.0",
    cost="O(n), n = subcommands given",
)
def bitfield(db: Keyspace, argv: list[bytes]) -> Reply:
    """Read, set and count up integers in the string at `key`; for each what it is, was, or became.

    An encoding is `i` (signed) or `u` and a width, an offset a bit, or with `#` before it a number of integers.
    OVERFLOW says for what follows it what becomes of integers that do not fit: FAIL leaves things as they are, for nil.

    > BITFIELD k SET u8 #1 255 GET u4 8 OVERFLOW SAT INCRBY u8 #1 10
    1) (integer) 0
    2) (integer) 15
    3) (integer) 255
    """
    steps = _parse(db, argv)
    end = 0
    for step in steps:
        if step.kind != _GET:
            end = max(end, step.offset + step.width)
    if end == 0:
        return _read(db, argv[1], steps)
    return _run(db, argv[1], steps, (end + 7) >> 3)


@command(
    "BITFIELD_RO key [GET encoding offset:int [GET encoding offset:int ...]]",
    READONLY | FAST,
    since="6.0.0",
    cost="O(n), n = subcommands given",
)
def bitfield_ro(db: Keyspace, argv: list[bytes]) -> Reply:
    """Read integers in the string at `key`, as BITFIELD does."""
    steps = _parse(db, argv)
    for step in steps:
        if step.kind != _GET:
            raise ReplyError(b"ERR BITFIELD_RO only supports the GET subcommand")
    return _read(db, argv[1], steps)


def _parse(db: Keyspace, argv: list[bytes]) -> list[Step]:
    steps: list[Step] = []
    overflow = _WRAP
    at = 2
    while at < len(argv):
        word = argv[at].upper()
        left = len(argv) - at - 1
        if word == b"OVERFLOW" and left >= 1:
            rule = _OVERFLOWS.get(argv[at + 1].upper())
            if rule is None:
                raise ReplyError(b"ERR Invalid OVERFLOW type specified")
            overflow = rule
            at += 2
            continue
        kind = _SUBCOMMANDS.get(word)
        if kind is None or left < (2 if kind == _GET else 3):
            raise BadSyntax
        encoding = argv[at + 1]
        signed = encoding[:1] == b"i"
        width = _parse_width(encoding)
        place = argv[at + 2]
        offset = parse_bit_offset(db, place[1:], width) if place[:1] == b"#" else parse_bit_offset(db, place)
        number = 0
        at += 3
        if kind != _GET:
            number = parse_int(argv[at])
            at += 1
        steps.append(Step(kind, signed, width, offset, number, overflow))
    return steps


def _parse_width(encoding: bytes) -> int:
    digits = encoding[1:]
    if encoding[:1] in (b"i", b"u") and digits.isdigit() and len(digits) <= 2 and digits[0] != 48:
        width = int(digits)
        if width <= (64 if encoding[:1] == b"i" else 63):
            return width
    raise ReplyError(
        b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
    )


def _read(db: Keyspace, key: bytes, steps: list[Step]) -> Reply:
    text = bits_of(db.find(key))
    return [step.read(text) for step in steps]


def _run(db: Keyspace, key: bytes, steps: list[Step], length: int) -> Reply:
    """The replies of steps that write up to byte `length`."""
    value = edit_string(db, key, length, 0)
    growth = max(length - len(bits_of(value)), 0)
    edited, is_new = editable(db, key, value, growth)
    replies: list[Reply] = []
    writes = 0
    for step in steps:
        old = step.read(edited)
        if step.kind == _GET:
            replies.append(old)
            continue
        number = step.number
        if step.kind == _INCRBY:
            number += old
        elif not step.signed:
            # As the reference sees it, a negative number is a large one.
            number &= (1 << 64) - 1
        new = step.fit(number)
        if new is None:
            replies.append(None)
            continue
        replies.append(old if step.kind == _SET else new)
        bits.write(edited, step.offset, step.width, new)
        writes += growth > 0 or new != old
    if writes or growth:
        store_edited(db, key, edited, growth, is_new)
    elif is_new:
        db.recast(key, edited)
    if writes:
        db.notify(STRING, b"setbit", key)
    return replies
