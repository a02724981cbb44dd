"""Commands on HyperLogLogs, which are strings. Source of all behaviour: redis-server 7.0 and 8.2."""

from typing import Final

from respkv.commands.events import STRING
from respkv.commands.flags import ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.errors import ReplyError, WrongType
from respkv.reply import OK, Reply, Status
from respkv.values import hyperloglog
from respkv.values.hyperloglog import Corrupted

command = CommandGroup("hyperloglog", __name__)


class CorruptedSketch(ReplyError):
    """The runs of a sparse HyperLogLog do not add up."""

    def __init__(self) -> None:
        super().__init__(b"INVALIDOBJ Corrupted HLL object detected")


def _as_sketch(value: object) -> bytes | bytearray | None:
    """What a door gave for a key, as a HyperLogLog. Raises WrongType, ReplyError if it is none."""
    if value is None:
        return None
    if isinstance(value, bytes | bytearray):
        if hyperloglog.is_valid(value):
            return value
    elif not isinstance(value, int):
        raise WrongType
    raise ReplyError(b"WRONGTYPE Key is not a valid HyperLogLog string value.")


def _put(db: Keyspace, key: bytes, old: bytes | bytearray | None, new: bytearray, bytes_before: int) -> None:
    """The HyperLogLog `old` of `key`, which had that many bytes, has become `new`: in place, or another object."""
    if old is new:
        db.changed(key, len(new) - bytes_before)
    elif old is None:
        db.set(key, new)
    else:
        db.put(key, new)


@command(
    "PFADD key [element [element ...]]",
    WRITE | DENYOOM | FAST,
    keys="RW INSERT",
    since="2.8.9",
    cost="O(n), n = elements given",
)
def pfadd(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let the HyperLogLog at `key` see elements; whether that changed it.

    > PFADD h a b c
    (integer) 1
    > PFADD h a
    (integer) 0
    > PFCOUNT h
    (integer) 3
    """
    key = argv[1]
    old = _as_sketch(db.edit(key))
    before = 0
    if old is None:
        value = hyperloglog.new()
    else:
        before = len(old)
        # With several elements, a later one may meet a fault in a sparse one.
        is_safe = len(argv) <= 3 or hyperloglog.is_dense(old)
        value = old if isinstance(old, bytearray) and is_safe else bytearray(old)
    limit = db.engine.limits.hll_sparse_max_bytes
    is_changed = old is None
    try:
        if hyperloglog.add_all(value, argv, 2, limit):
            is_changed = True
    except Corrupted:
        raise CorruptedSketch from None
    if not is_changed:
        return 0
    hyperloglog.forget_estimate(value)
    _put(db, key, old, value, before)
    db.notify(STRING, b"pfadd", key)
    return 1


@command(
    "PFCOUNT key [key ...]",
    READONLY | MAY_REPLICATE,
    keys="RW ACCESS",
    since="2.8.9",
    cost="O(n), n = keys given; O(1) for one whose estimate is kept",
)
def pfcount(db: Keyspace, argv: list[bytes]) -> Reply:
    """How many different elements the HyperLogLogs at one or more keys have seen together, about.

    > PFADD a 1 2
    (integer) 1
    > PFADD b 2 3
    (integer) 1
    > PFCOUNT a b
    (integer) 3
    """
    try:
        if len(argv) > 2:
            return hyperloglog.estimate(hyperloglog.union(_sketches(db, argv)))
        key = argv[1]
        old = _as_sketch(db.find(key))
        if old is None:
            return 0
        number = hyperloglog.estimate_of(old)
    except Corrupted:
        raise CorruptedSketch from None
    if hyperloglog.is_stale(old):
        # The estimate is kept with the registers; that is a change of the string, and has to be one in the log.
        db.edit(key)
        value = old if isinstance(old, bytearray) else bytearray(old)
        hyperloglog.cache_estimate(value, number)
        _put(db, key, old, value, len(value))
    return number


def _sketches(db: Keyspace, argv: list[bytes]) -> list[bytes | bytearray]:
    """The HyperLogLogs at the keys that are there. Raises WrongType, ReplyError if one holds something else."""
    found: list[bytes | bytearray] = []
    for at in range(1, len(argv)):
        value = _as_sketch(db.find(argv[at]))
        if value is not None:
            found.append(value)
    return found


@command(
    "PFMERGE destkey:key [sourcekey:key [sourcekey:key ...]]",
    WRITE | DENYOOM,
    keys="RW ACCESS INSERT; RO ACCESS",
    since="2.8.9",
    cost="O(n), n = keys given",
)
def pfmerge(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let the HyperLogLog at `destkey` have seen what those at the other keys have."""
    key = argv[1]
    old = _as_sketch(db.edit(key))
    before = 0 if old is None else len(old)
    sketches = _sketches(db, argv)
    value = hyperloglog.new() if old is None else bytearray(old)
    try:
        highest = hyperloglog.union(sketches)
        if any(map(hyperloglog.is_dense, sketches)):
            hyperloglog.make_dense(value)
        hyperloglog.merge(value, highest, db.engine.limits.hll_sparse_max_bytes)
    except Corrupted:
        raise CorruptedSketch from None
    _put(db, key, old, value, before)
    db.notify(STRING, b"pfadd", key)
    return OK


@command("PFDEBUG subcommand key", WRITE | DENYOOM | ADMIN, keys="RW ACCESS", since="2.8.9", cost="O(registers)")
def pfdebug(db: Keyspace, argv: list[bytes]) -> Reply:
    """What a HyperLogLog consists of.

    GETREG tells its registers, DECODE its runs, ENCODING whether it is sparse or dense; TODENSE makes it dense, and so
    does GETREG.
    """
    key = argv[2]
    subcommand = argv[1].lower()
    old = db.edit(key)
    if old is None:
        raise ReplyError(b"ERR The specified key does not exist")
    sketch = _as_sketch(old)
    if sketch is None:
        return None
    is_dense = hyperloglog.is_dense(sketch)
    if subcommand == b"encoding":
        return Status(b"dense" if is_dense else b"sparse")
    if subcommand == b"decode":
        if is_dense:
            raise ReplyError(b"ERR HLL encoding is not sparse")
        return hyperloglog.describe(sketch)
    if subcommand not in (b"getreg", b"todense"):
        raise ReplyError(b"ERR Unknown PFDEBUG subcommand '%b'" % argv[1])
    if not is_dense:
        value = bytearray(sketch)
        try:
            hyperloglog.make_dense(value)
        except Corrupted:
            raise CorruptedSketch from None
        _put(db, key, sketch, value, len(sketch))
        sketch = value
    if subcommand == b"getreg":
        return list(hyperloglog.registers(sketch))
    return 0 if is_dense else 1


@command("PFSELFTEST", ADMIN, since="2.8.9", cost="O(1)")
def pfselftest(db: Keyspace, argv: list[bytes]) -> Reply:
    """Whether dense and sparse HyperLogLogs agree with each other and are about right; OK, or an error."""
    limit = db.engine.limits.hll_sparse_max_bytes
    dense = hyperloglog.new()
    hyperloglog.make_dense(dense)
    sparse = hyperloglog.new()
    checkpoint = 1
    for number in range(1, _TESTED + 1):
        element = number.to_bytes(8, "little")
        hyperloglog.add(dense, element, limit)
        hyperloglog.add(sparse, element, limit)
        if number == checkpoint:
            checkpoint *= 10
            registers = hyperloglog.registers(dense)
            if registers != hyperloglog.registers(sparse):
                raise ReplyError(b"TESTFAILED sparse and dense registers differ after %d elements" % number)
            if abs(hyperloglog.estimate(registers) - number) > number * _ERROR_MAX:
                raise ReplyError(b"TESTFAILED the estimate for %d elements is too far off" % number)
    return OK


_TESTED: Final = 10_000
_ERROR_MAX: Final = 6 * 1.04 / 128
"""Six standard errors, of 1.04 / sqrt(registers) each."""
