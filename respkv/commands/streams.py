"""Commands that write streams and read ranges of them.

Reading what is new is in `stream_reads.py`, consumer groups in `stream_groups.py`, XINFO in `stream_info.py`.

Source of all behaviour: redis-server 7.0 and 8.2, tried side by side.
"""

from respkv.commands.args import Args, parse_int
from respkv.commands.events import STREAM
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.commands.stream_args import TrimParser, end_of, id_of, ids_of, start_of, stream_or_none
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSyntax, NoSuchKey, ReplyError, WrongArity, WrongType
from respkv.reply import NULL_ARRAY, OK, Encoded, Reply
from respkv.values.stream_ids import ID_MAX, SEQUENCE_MAX
from respkv.values.streams import ENTRY_MAX_BYTES, NO_LIMIT, Stream

command = CommandGroup("stream", __name__)


@command(
    "XADD key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count:int]] <* | id>"
    " field value [field value ...]",
    WRITE | DENYOOM | FAST,
    keys="RW UPDATE",
    since="5.0.0",
    cost="O(fields); with trimming, O(entries trimmed)",
    tips="nondeterministic_output",
)
def xadd(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add an entry to the end of a stream; its ID.

    > XADD s 1-1 temperature 20
    "1-1"
    > XADD s 1-* temperature 21
    "1-2"
    """
    if argv[2] == b"*":
        return _add(db, argv, 2, None)
    parser = TrimParser(argv, adds=True)
    parser.parse(db.engine.limits)
    return _add(db, argv, parser.at, parser)


def _add(db: Keyspace, argv: list[bytes], at: int, parser: TrimParser | None) -> Reply:
    """Add the entry whose ID is argument `at`, with what `parser` found before it, if anything."""
    words = len(argv) - at
    if words < 3 or not words & 1:
        raise WrongArity(b"xadd")
    ms = sequence = -1
    if parser is not None:
        ms = parser.ms
        sequence = parser.sequence
        if ms == 0 and sequence == 0:
            raise ReplyError(b"ERR The ID specified in XADD must be greater than 0-0")
    key = argv[1]
    value = db.edit(key)
    if value is None:
        if parser is not None and not parser.may_create:
            return None
        stream = Stream()
    elif isinstance(value, Stream):
        stream = value
    else:
        raise WrongType
    is_chosen = sequence < 0
    if is_chosen:
        if ms >= 0:
            sequence = stream.next_sequence(ms)
        else:
            # Should the clock have gone back, IDs go on where they are.
            ms = max(db.engine.now_ms, stream.last_ms)
            sequence = stream.next_sequence(ms)
            if sequence < 0 and ms < SEQUENCE_MAX:
                ms += 1
                sequence = 0
    last_ms = stream.last_ms
    if ms < last_ms or (ms == last_ms and sequence <= stream.last_sequence):
        if stream.last_id == ID_MAX:
            raise ReplyError(b"ERR The stream has exhausted the last possible ID, unable to add more items")
        raise ReplyError(b"ERR The ID specified in XADD is equal or smaller than the target stream top item")
    size = 0
    for place in range(at + 1, len(argv)):
        size += len(argv[place])
    if size > ENTRY_MAX_BYTES:
        raise ReplyError(b"ERR Elements are too large to be stored")
    bytes_before = stream.nbytes
    stream.append(ms, sequence, argv, at + 1, size, db.engine.limits)
    name = b"%d-%d" % (ms, sequence)
    trim = parser.trim if parser is not None else None
    trimmed = trim.apply(stream) if trim is not None else 0
    if value is None:
        db.set(key, stream)
    else:
        db.changed(key, stream.nbytes - bytes_before)
    db.notify(STREAM, b"xadd", key)
    if trimmed:
        db.notify(STREAM, b"xtrim", key)
    if is_chosen or (trim is not None and trim.is_approximate):
        effect = argv.copy() if at == 2 else [b"XADD", key, *argv[at:]]
        effect[2] = name
        if trim is not None and trimmed:
            effect[2:2] = trim.effect(stream)
        db.propagate_as(effect)
    return name


@command("XLEN key", READONLY | FAST, keys="RO", since="5.0.0", cost="O(1)")
def xlen(db: Keyspace, argv: list[bytes]) -> Reply:
    """The number of entries of a stream; 0 if there is none."""
    stream = stream_or_none(db.find(argv[1]))
    return 0 if stream is None else stream.length


@command(
    "XRANGE key start end [COUNT count:int]",
    READONLY,
    since="5.0.0",
    cost="O(log n + m), n = nodes, m = entries returned",
)
def xrange_(db: Keyspace, argv: list[bytes]) -> Reply:
    """The entries of a stream from one ID to another, both inclusive unless behind a parenthesis.

    > XADD s 1-1 a b
    "1-1"
    > XRANGE s - +
    1) 1) "1-1"
       2) 1) "a"
          2) "b"
    """
    low = start_of(argv[2])
    return _range(db, argv, low, end_of(argv[3]), is_reverse=False)


@command(
    "XREVRANGE key end start [COUNT count:int]",
    READONLY,
    since="5.0.0",
    cost="O(log n + m), n = nodes, m = entries returned",
)
def xrevrange(db: Keyspace, argv: list[bytes]) -> Reply:
    """The entries of a stream as XRANGE has them, the last one first."""
    low = start_of(argv[3])
    return _range(db, argv, low, end_of(argv[2]), is_reverse=True)


def _range(db: Keyspace, argv: list[bytes], low: int, high: int, *, is_reverse: bool) -> Reply:
    count = -1
    if len(argv) > 4:
        args = Args(argv, 4)
        while args.more():
            if not args.token_with_value(b"COUNT"):
                raise BadSyntax
            count = max(args.integer(), 0)
    stream = stream_or_none(db.find(argv[1]))
    if stream is None:
        return []
    if count == 0:
        return NULL_ARRAY
    most = NO_LIMIT if count < 0 else count
    return Encoded(stream.read_back(low, high, most) if is_reverse else stream.read(low, high, most))


@command(
    "XDEL key id [id ...]",
    WRITE | FAST,
    keys="RW DELETE",
    since="5.0.0",
    cost="O(n log m), n = IDs given, m = nodes",
)
def xdel(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete entries of a stream; how many there were."""
    key = argv[1]
    stream = stream_or_none(db.edit(key))
    if stream is None:
        return 0
    numbers = ids_of(argv, 2)
    bytes_before = stream.nbytes
    deleted = 0
    for number in numbers:
        if stream.delete(number):
            deleted += 1
    if deleted:
        db.changed(key, stream.nbytes - bytes_before)
        db.notify(STREAM, b"xdel", key)
    return deleted


@command(
    "XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count:int]",
    WRITE,
    keys="RW DELETE",
    since="5.0.0",
    cost="O(n), n = entries deleted",
    tips="nondeterministic_output",
)
def xtrim(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete the oldest entries of a stream: those beyond a length, or before an ID; how many there were.

    With `~`, as many as can be deleted cheaply.
    """
    parser = TrimParser(argv, adds=False)
    parser.parse(db.engine.limits)
    key = argv[1]
    stream = stream_or_none(db.edit(key))
    trim = parser.trim
    if stream is None or trim is None:
        return 0
    bytes_before = stream.nbytes
    deleted = trim.apply(stream)
    if deleted:
        db.changed(key, stream.nbytes - bytes_before)
        db.notify(STREAM, b"xtrim", key)
        if trim.is_approximate:
            db.propagate_as([b"XTRIM", key, *trim.effect(stream)])
    return deleted


@command(
    "XSETID key last-id [ENTRIESADDED entries-added:int] [MAXDELETEDID max-deleted-id]",
    WRITE | DENYOOM | FAST,
    keys="RW UPDATE",
    since="5.0.0",
    cost="O(1)",
)
def xsetid(db: Keyspace, argv: list[bytes]) -> Reply:
    """Set what a stream knows of its past: its last ID, how many entries there were, the highest deleted ID."""
    last_id = id_of(argv[2])
    entries_added = -1
    max_deleted_id = 0
    args = Args(argv, 3)
    while args.more():
        if args.token_with_value(b"ENTRIESADDED"):
            entries_added = parse_int(args.next())
            if entries_added < 0:
                raise ReplyError(b"ERR entries_added must be positive")
        elif args.token_with_value(b"MAXDELETEDID"):
            max_deleted_id = id_of(args.next())
            if last_id < max_deleted_id:
                raise ReplyError(b"ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
        else:
            raise BadSyntax
    key = argv[1]
    stream = stream_or_none(db.edit(key))
    if stream is None:
        raise NoSuchKey
    if last_id < stream.max_deleted_id:
        raise ReplyError(b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if stream.length:
        if last_id < stream.last_entry_id():
            raise ReplyError(b"ERR The ID specified in XSETID is smaller than the target stream top item")
        if -1 < entries_added < stream.length:
            raise ReplyError(b"ERR The entries_added specified in XSETID is smaller than the target stream length")
    stream.set_last_id(last_id)
    if entries_added >= 0:
        stream.entries_added = entries_added
    if max_deleted_id:
        stream.max_deleted_id = max_deleted_id
    db.changed_aside(key, 0)
    db.notify(STREAM, b"xsetid", key)
    return OK
