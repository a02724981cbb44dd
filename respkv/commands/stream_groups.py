"""Consumer groups: XGROUP, and what is pending: XACK, XPENDING, XCLAIM, XAUTOCLAIM. XREADGROUP is in `stream_reads.py`.

What was claimed is propagated as XCLAIM with absolute times and counts, what was dropped as XACK.
"""

from bisect import bisect_right
from typing import Final

from respkv.commands.args import INT64_MAX, Args, parse_int
from respkv.commands.events import STREAM
from respkv.commands.flags import DENYOOM, FAST, LOADING, READONLY, STALE, WRITE
from respkv.commands.spec import CommandGroup
from respkv.commands.stream_args import (
    NoGroup,
    NoGroupOfKey,
    bound_of,
    changed_aside,
    end_of,
    group_of,
    id_of,
    ids_of,
    start_of,
    stream_or_none,
)
from respkv.commands.stream_reads import Claims, find_consumer, set_id_effect
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSubcommand, BadSyntax, CountTooSmall, NotAnInteger, ReplyError
from respkv.reply import NULL_ARRAY, OK, Encoded, Reply, Status
from respkv.values.stream_groups import Group, SortedIds
from respkv.values.stream_ids import format_id, parse_id
from respkv.values.streams import NO_LIMIT, Stream

command = CommandGroup("stream", __name__)

command.container("XGROUP", since="5.0.0", summary="Manages the groups of consumers of a stream.")


class _GroupOptions:
    """The options of XGROUP CREATE and SETID."""

    def __init__(self, argv: list[bytes], *, creates: bool) -> None:
        self.makes_stream = False
        self.entries_read = -1
        args = Args(argv, 5)
        while args.more():
            if creates and args.token(b"MKSTREAM"):
                self.makes_stream = True
            elif args.token_with_value(b"ENTRIESREAD"):
                self.entries_read = args.integer()
                if self.entries_read < -1:
                    raise ReplyError(b"ERR value for ENTRIESREAD must be positive or -1")
            else:
                raise BadSubcommand(b"XGROUP", argv[1])
        if len(argv) > (8 if creates else 7):
            raise BadSubcommand(b"XGROUP", argv[1])


def _entries_read(db: Keyspace, stream: Stream | None, entries_read: int) -> int:
    """No group can have read more than there was; but in a log that is replayed it is as it was."""
    most = stream.entries_added if stream is not None else 0
    return most if entries_read > most and db.engine.now_ms > 0 else entries_read


def _existing(db: Keyspace, key: bytes) -> Stream:
    stream = stream_or_none(db.edit(key))
    if stream is None:
        raise ReplyError(
            b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
            b"MKSTREAM option to create an empty stream automatically."
        )
    return stream


def _existing_group(stream: Stream, argv: list[bytes]) -> Group:
    group = stream.groups.get(argv[3])
    if group is None:
        raise NoGroupOfKey(argv[2], argv[3])
    return group


@command(
    "XGROUP CREATE key groupname <id | $> [MKSTREAM] [ENTRIESREAD entries-read:int]",
    WRITE | DENYOOM,
    keys="RW INSERT",
    since="5.0.0",
    cost="O(1)",
)
def create(db: Keyspace, argv: list[bytes]) -> Reply:
    """Make a group of consumers of a stream, for the entries behind an ID."""
    key, name = argv[2], argv[3]
    options = _GroupOptions(argv, creates=True)
    stream = stream_or_none(db.edit(key)) if options.makes_stream else _existing(db, key)
    newest = stream.last_id if stream is not None else 0
    last_id = newest if argv[4] == b"$" else id_of(argv[4])
    if stream is not None and name in stream.groups:
        raise ReplyError(b"BUSYGROUP Consumer Group name already exists")
    group = Group(name, last_id, _entries_read(db, stream, options.entries_read))
    if stream is None:
        stream = Stream()
        stream.groups[name] = group
        stream.nbytes += group.nbytes
        db.set(key, stream)
    else:
        stream.groups[name] = group
        changed_aside(db, key, stream, group, 0)
    if group.entries_read != options.entries_read:
        made = [b"XGROUP", b"CREATE", key, name, format_id(last_id), b"MKSTREAM"]
        db.propagate_as([*made, b"ENTRIESREAD", b"%d" % group.entries_read])
    db.notify(STREAM, b"xgroup-create", key)
    return OK


@command(
    "XGROUP SETID key groupname <id | $> [ENTRIESREAD entries-read:int]",
    WRITE,
    keys="RW UPDATE",
    since="5.0.0",
    cost="O(1)",
)
def setid(db: Keyspace, argv: list[bytes]) -> Reply:
    """Let a group go on behind another ID."""
    options = _GroupOptions(argv, creates=False)
    stream = _existing(db, argv[2])
    group = _existing_group(stream, argv)
    group.last_id = stream.last_id if argv[4] == b"$" else bound_of(argv[4], 0)
    group.entries_read = _entries_read(db, stream, options.entries_read)
    db.changed_aside(argv[2], 0)
    if group.entries_read != options.entries_read:
        db.propagate_as(set_id_effect(argv[2], group))
    db.notify(STREAM, b"xgroup-setid", argv[2])
    return OK


@command(
    "XGROUP DESTROY key groupname",
    WRITE,
    keys="RW DELETE",
    since="5.0.0",
    cost="O(n), n = pending entries",
)
def destroy(db: Keyspace, argv: list[bytes]) -> Reply:
    """Forget a group; whether there was one."""
    key = argv[2]
    stream = _existing(db, key)
    group = stream.groups.pop(argv[3], None)
    if group is None:
        return 0
    stream.nbytes -= group.nbytes
    db.changed_aside(key, -group.nbytes)
    db.notify(STREAM, b"xgroup-destroy", key)
    db.wake(key)
    return 1


@command(
    "XGROUP CREATECONSUMER key groupname consumername",
    WRITE | DENYOOM,
    keys="RW INSERT",
    since="6.2.0",
    cost="O(1)",
)
def createconsumer(db: Keyspace, argv: list[bytes]) -> Reply:
    """Make a consumer of a group; whether there was none of that name."""
    stream = _existing(db, argv[2])
    group = _existing_group(stream, argv)
    if argv[4] in group.consumers:
        return 0
    find_consumer(db, argv[2], stream, group, argv[4])
    return 1


@command(
    "XGROUP DELCONSUMER key groupname consumername",
    WRITE,
    keys="RW DELETE",
    since="5.0.0",
    cost="O(n), n = the consumer's pending entries",
)
def delconsumer(db: Keyspace, argv: list[bytes]) -> Reply:
    """Forget a consumer and its pending entries; how many these were."""
    key = argv[2]
    stream = _existing(db, key)
    group = _existing_group(stream, argv)
    if argv[4] not in group.consumers:
        return 0
    bytes_before = group.nbytes
    pending = group.remove_consumer(argv[4])
    changed_aside(db, key, stream, group, bytes_before)
    db.notify(STREAM, b"xgroup-delconsumer", key)
    return pending


@command("XGROUP HELP", LOADING | STALE, since="5.0.0", cost="O(1)")
def help_(db: Keyspace, argv: list[bytes]) -> Reply:
    """What the subcommands of XGROUP do."""
    return [Status(line.encode()) for line in _HELP.splitlines()]


_HELP: Final = """\
XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CREATE <key> <groupname> <id|$> [option]
    Create a new consumer group. Options are:
    * MKSTREAM
      Create the empty stream if it does not exist.
    * ENTRIESREAD entries_read
      Set the group's entries_read counter (internal use).
CREATECONSUMER <key> <groupname> <consumer>
    Create a new consumer in the specified group.
DELCONSUMER <key> <groupname> <consumer>
    Remove the specified consumer.
DESTROY <key> <groupname>
    Remove the specified group.
SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]
    Set the current group ID and entries_read counter.
HELP
    Print this help."""


@command(
    "XACK key group id [id ...]",
    WRITE | FAST,
    keys="RW UPDATE",
    since="5.0.0",
    cost="O(n log m), n = IDs given, m = pending entries",
)
def xack(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take entries off the pending ones of a group; how many were pending."""
    key = argv[1]
    stream = stream_or_none(db.find_to_edit(key))
    group = stream.groups.get(argv[2]) if stream is not None else None
    if stream is None or group is None:
        return 0
    numbers = ids_of(argv, 3)
    bytes_before = group.nbytes
    acknowledged = int(group.acknowledge(numbers[0])) if len(numbers) == 1 else group.acknowledge_all(numbers)
    if acknowledged:
        changed_aside(db, key, stream, group, bytes_before)
    return acknowledged


@command(
    "XPENDING key group [[IDLE min-idle-time:int] start end count:int [consumer]]",
    READONLY,
    since="5.0.0",
    cost="O(log n + m), n = pending entries, m = those returned or looked at",
    tips="nondeterministic_output",
)
def xpending(db: Keyspace, argv: list[bytes]) -> Reply:
    """What is pending for a group: how much, from where to where, and for whom; or entry by entry."""
    key, name = argv[1], argv[2]
    total = len(argv)
    if total == 3:
        return _pending_summary(group_of(key, stream_or_none(db.find(key)), name))
    if not 6 <= total <= 9:
        raise BadSyntax
    at = 3
    idle_ms = 0
    if argv[3].upper() == b"IDLE":
        idle_ms = parse_int(argv[4])
        if total < 8:
            raise BadSyntax
        at = 5
    count = parse_int(argv[at + 2])
    low = start_of(argv[at])
    high = end_of(argv[at + 1])
    group = group_of(key, stream_or_none(db.find(key)), name)
    source = group.ids
    if at + 3 < total:
        consumer = group.consumers.get(argv[at + 3])
        if consumer is None:
            return []
        source = consumer.ids
    return _pending_entries(group, source, low, high, count, idle_ms, db.engine.now_ms)


def _pending_summary(group: Group) -> Reply:
    if not group.pending:
        return [0, None, None, NULL_ARRAY]
    consumers = [
        [name, b"%d" % group.consumers[name].ids.size]
        for name in sorted(group.consumers)
        if group.consumers[name].ids.size
    ]
    return [len(group.pending), format_id(group.ids.first()), format_id(group.ids.last()), consumers]


def _pending_entries(
    group: Group, source: SortedIds, low: int, high: int, count: int, idle_ms: int, now_ms: int
) -> Reply:
    if count <= 0:
        return []
    numbers = source.from_(low, NO_LIMIT if idle_ms else count)
    if numbers and numbers[-1] > high:
        del numbers[bisect_right(numbers, high) :]
    if idle_ms:
        numbers = _idle_ones(group, numbers, count, now_ms - idle_ms)
    return Encoded(group.wires_of(numbers, now_ms, names_consumer=True))


def _idle_ones(group: Group, numbers: list[int], count: int, until_ms: int) -> list[int]:
    """The first `count` of these pending entries that were delivered last at `until_ms` or before."""
    found: list[int] = []
    for number in numbers:
        if group.pending[number].at_ms <= until_ms:
            found.append(number)
            if len(found) == count:
                break
    return found


class _Claim:
    """The options of XCLAIM, from argument 5 on, and its IDs."""

    def __init__(self, db: Keyspace, argv: list[bytes]) -> None:
        self.ids: list[int] = []
        self.count = -1
        self.at_ms = -1
        self.forces = False
        self.just_ids = False
        self.last_id = 0
        self.min_idle_ms = integer_of(argv[4], b"min-idle-time argument for XCLAIM")
        at = 5
        while at < len(argv):
            number = parse_id(argv[at], 0)
            if number < 0:
                break
            self.ids.append(number)
            at += 1
        self._parse(db.engine.now_ms, Args(argv, at))

    def _parse(self, now_ms: int, args: Args) -> None:
        while args.more():
            if args.token(b"FORCE"):
                self.forces = True
            elif args.token(b"JUSTID"):
                self.just_ids = True
            elif args.token_with_value(b"IDLE"):
                self.at_ms = now_ms - integer_of(args.next(), b"IDLE option argument for XCLAIM")
            elif args.token_with_value(b"TIME"):
                self.at_ms = integer_of(args.next(), b"TIME option argument for XCLAIM")
            elif args.token_with_value(b"RETRYCOUNT"):
                self.count = integer_of(args.next(), b"RETRYCOUNT option argument for XCLAIM")
            elif args.token_with_value(b"LASTID"):
                self.last_id = id_of(args.next())
            else:
                raise ReplyError(b"ERR Unrecognized XCLAIM option '%b'" % args.next())
        # Clients compute times by clocks of their own: one that cannot be is now. While a log is replayed the clock
        # stands at 0, and its times are what they are.
        if self.at_ms < 0 or self.at_ms > now_ms > 0:
            self.at_ms = now_ms


def integer_of(word: bytes, what: bytes) -> int:
    """An integer. Raises ReplyError, which says that `what` is none."""
    try:
        return parse_int(word)
    except NotAnInteger:
        raise ReplyError(b"ERR Invalid %b" % what) from None


@command(
    "XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms:int] [TIME unix-time-milliseconds:unix-time]"
    " [RETRYCOUNT count:int] [FORCE] [JUSTID] [LASTID lastid]",
    WRITE | FAST,
    keys="RW UPDATE",
    since="5.0.0",
    cost="O(n log m), n = IDs given, m = pending entries",
    tips="nondeterministic_output",
)
def xclaim(db: Keyspace, argv: list[bytes]) -> Reply:
    """Make pending entries those of another consumer, if they were idle for long enough; the entries."""
    key = argv[1]
    stream = stream_or_none(db.find_to_edit(key))
    group = stream.groups.get(argv[2]) if stream is not None else None
    if stream is None or group is None:
        raise NoGroup(key, argv[2])
    claim = _Claim(db, argv)
    now_ms = db.engine.now_ms
    consumer = find_consumer(db, key, stream, group, argv[3])
    bytes_before = group.nbytes
    moves_on = claim.last_id > group.last_id
    if moves_on:
        group.last_id = claim.last_id
    replies: list[Reply] = []
    claims = Claims()
    gone: list[int] = []
    for number in claim.ids:
        wire = stream.wire_of(number)
        pending = group.pending.get(number)
        if wire is None:
            if group.acknowledge(number):
                gone.append(number)
            continue
        if pending is None:
            if not claim.forces:
                continue
            count = 1
        else:
            if claim.min_idle_ms > 0 and now_ms - pending.at_ms < claim.min_idle_ms:
                continue
            count = pending.count
        if claim.count >= 0:
            count = claim.count
        elif not claim.just_ids:
            count += 1
        group.deliver(number, consumer, claim.at_ms, count)
        # In a log that is replayed the clock stands; the time of the claim is nearest.
        consumer.active_ms = now_ms or claim.at_ms
        consumer.seen_ms = max(consumer.seen_ms, consumer.active_ms)
        replies.append(format_id(number) if claim.just_ids else Encoded([wire]))
        claims.add(number, count)
    if claims.by_count or gone or moves_on:
        changed_aside(db, key, stream, group, bytes_before)
        claims.propagate(db, key, group, consumer, claim.at_ms)
        _propagate_gone(db, key, group, gone)
        if moves_on:
            db.propagate_as(set_id_effect(key, group))
    return replies


def _propagate_gone(db: Keyspace, key: bytes, group: Group, gone: list[int]) -> None:
    """Let the log know that entries are no longer pending, since the stream no longer has them."""
    if gone:
        db.propagate_as([b"XACK", key, group.name, *[format_id(number) for number in gone]])


_ATTEMPTS_PER_ENTRY: Final = 10
"""How many pending entries XAUTOCLAIM looks at for each one that it may return."""

_COUNT_MAX: Final = INT64_MAX // 16
_COUNT_DEFAULT: Final = 100


@command(
    "XAUTOCLAIM key group consumer min-idle-time start [COUNT count:int] [JUSTID]",
    WRITE | FAST,
    keys="RW DELETE",
    since="6.2.0",
    cost="O(n log m), n = COUNT, m = pending entries",
    tips="nondeterministic_output",
)
def xautoclaim(db: Keyspace, argv: list[bytes]) -> Reply:
    """Claim pending entries from an ID on; where to go on, the entries, and the IDs of those that no longer exist."""
    key = argv[1]
    min_idle_ms = integer_of(argv[4], b"min-idle-time argument for XAUTOCLAIM")
    low = start_of(argv[5])
    most = _COUNT_DEFAULT
    just_ids = False
    args = Args(argv, 6)
    while args.more():
        if args.token_with_value(b"COUNT"):
            most = _count_of(args.next())
        elif args.token(b"JUSTID"):
            just_ids = True
        else:
            raise BadSyntax
    stream = stream_or_none(db.find_to_edit(key))
    group = stream.groups.get(argv[2]) if stream is not None else None
    if stream is None or group is None:
        raise NoGroup(key, argv[2])
    now_ms = db.engine.now_ms
    consumer = find_consumer(db, key, stream, group, argv[3])
    bytes_before = group.nbytes
    replies: list[Reply] = []
    claims = Claims()
    gone: list[int] = []
    candidates = group.ids.from_(low, most * _ATTEMPTS_PER_ENTRY + 1)
    following = 0
    for at, number in enumerate(candidates):
        if len(replies) + len(gone) == most or at == most * _ATTEMPTS_PER_ENTRY:
            following = number
            break
        pending = group.pending[number]
        wire = stream.wire_of(number)
        if wire is None:
            group.acknowledge(number)
            gone.append(number)
            continue
        if min_idle_ms > 0 and now_ms - pending.at_ms < min_idle_ms:
            continue
        count = pending.count if just_ids else pending.count + 1
        group.deliver(number, consumer, now_ms, count)
        consumer.active_ms = now_ms
        replies.append(format_id(number) if just_ids else Encoded([wire]))
        claims.add(number, count)
    if claims.by_count or gone:
        changed_aside(db, key, stream, group, bytes_before)
        claims.propagate(db, key, group, consumer, now_ms)
        _propagate_gone(db, key, group, gone)
    return [format_id(following), replies, [format_id(number) for number in gone]]


def _count_of(word: bytes) -> int:
    try:
        count = parse_int(word)
    except NotAnInteger:
        count = 0
    if not 1 <= count <= _COUNT_MAX:
        raise CountTooSmall
    return count
