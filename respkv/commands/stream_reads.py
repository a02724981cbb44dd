"""XREAD and XREADGROUP: what is new in streams, and waiting for it."""

from typing import Final

from respkv.commands.args import Args
from respkv.commands.events import STREAM
from respkv.commands.flags import BLOCKING, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.commands.stream_args import NoGroup, changed_aside, id_of, most_of, stream_or_none
from respkv.commands.timeouts import deadline_ms_of
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSyntax, ReplyError
from respkv.reply import NULL_ARRAY, Block, Encoded, NamedReplies, Reply
from respkv.values.stream_groups import Consumer, Group
from respkv.values.stream_ids import ID_MAX, format_id
from respkv.values.streams import NO_LIMIT, Stream

command = CommandGroup("stream", __name__)

_NEVER: Final = -1
"""A deadline: there is no BLOCK."""


class _Reader:
    """One XREAD or XREADGROUP: its arguments, and the IDs behind which it reads (ID_MAX for XREADGROUP's `>`)."""

    def __init__(self, db: Keyspace, argv: list[bytes], *, has_group: bool) -> None:
        self.db = db
        self.has_group = has_group
        self.group_name = b""
        self.consumer_name = b""
        self.deadline_ms = _NEVER
        self.most = NO_LIMIT
        self.acknowledges = False
        self.keys: list[bytes] = []
        self.after: list[int] = []
        self.block: Block | None = None
        id_words = self._parse(argv)
        for at in range(len(self.keys)):
            self.after.append(self._resolve(self.keys[at], id_words[at]))

    def _parse(self, argv: list[bytes]) -> list[bytes]:
        """Read the options; the IDs as they were given. Raises ReplyError."""
        args = Args(argv, 1)
        names_group = False
        while args.more():
            if args.token_with_value(b"BLOCK"):
                self.deadline_ms = deadline_ms_of(args.next(), self.db.engine.now_ms)
            elif args.token_with_value(b"COUNT"):
                self.most = most_of(args.next())
            elif args.token_with_value(b"STREAMS"):
                break
            elif args.remaining() >= 3 and args.token(b"GROUP"):
                if not self.has_group:
                    raise _only_for_groups(b"GROUP")
                self.group_name = args.next()
                self.consumer_name = args.next()
                names_group = True
            elif args.token(b"NOACK"):
                if not self.has_group:
                    raise _only_for_groups(b"NOACK")
                self.acknowledges = True
            else:
                raise BadSyntax
        words = argv[args.at :]
        if len(words) % 2:
            name, choice = (b"xreadgroup", b"or '>'") if self.has_group else (b"xread", b"'+', or '$'")
            raise ReplyError(
                b"ERR Unbalanced '%b' list of streams: for each stream key an ID%b %b must be specified."
                % (name, b"" if self.has_group else b",", choice)
            )
        if not words:
            raise BadSyntax
        if self.has_group and not names_group:
            raise ReplyError(b"ERR Missing GROUP option for XREADGROUP")
        half = len(words) // 2
        self.keys = words[:half]
        return words[half:]

    def _resolve(self, key: bytes, word: bytes) -> int:
        """The ID that `word` means for `key`. Raises ReplyError."""
        stream = stream_or_none(self.db.find(key))
        if self.has_group:
            self._group(key, stream)
            if word == b">":
                return ID_MAX
            if word in (b"$", b"+"):
                raise ReplyError(
                    b"ERR The %b ID is meaningless in the context of XREADGROUP: you want to read the history of this "
                    b"consumer by specifying a proper ID, or use the > ID to get new messages. The %b ID would just "
                    b"return an empty result set." % (word, word)
                )
            return id_of(word)
        if word == b"$":
            return stream.last_id if stream is not None else 0
        if word == b"+":
            return max(stream.last_entry_id() - 1, 0) if stream is not None else 0
        if word == b">":
            raise ReplyError(
                b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
            )
        return id_of(word)

    def _group(self, key: bytes, stream: Stream | None) -> Group:
        group = stream.groups.get(self.group_name) if stream is not None else None
        if group is None:
            raise NoGroup(key, self.group_name, b" in XREADGROUP with GROUP option")
        return group

    def run(self) -> Reply:
        """What there is now; a Block, or nothing, if that is nothing."""
        replies = self._serve(is_first=True)
        if replies:
            return NamedReplies(replies)
        if self.deadline_ms == _NEVER:
            return NULL_ARRAY
        self.block = Block(self.deadline_ms, NULL_ARRAY, self.keys, b"stream", self.retry)
        return self.block

    def retry(self, key: bytes) -> Reply:
        """What there is after a change of `key`. Raises ReplyError."""
        if not self.has_group and not isinstance(self.db.peek(key), Stream):
            return self.block
        for each in self.keys:
            stream = stream_or_none(self.db.peek(each))
            if self.has_group:
                self._group(each, stream)
        replies = self._serve(is_first=False)
        return NamedReplies(replies) if replies else self.block

    def _serve(self, *, is_first: bool) -> list[tuple[bytes, Reply]]:
        replies: list[tuple[bytes, Reply]] = []
        for at in range(len(self.keys)):
            key = self.keys[at]
            after = self.after[at]
            if self.has_group:
                reply = self._serve_group(key, after, is_first=is_first)
                if reply is not None:
                    replies.append((key, reply))
                continue
            # The second look counts as well, and a miss is told twice, as in the reference.
            stream = self.db.find(key) if is_first else self.db.peek(key)
            if isinstance(stream, Stream) and stream.length and stream.last_entry_id() > after:
                replies.append((key, Encoded(stream.read(after + 1, ID_MAX, self.most))))
        return replies

    def _serve_group(self, key: bytes, after: int, *, is_first: bool) -> Reply:
        db = self.db
        stream = db.edit(key)
        if not isinstance(stream, Stream):
            return None
        group = self._group(key, stream)
        wants_new = after == ID_MAX
        has_new = wants_new and stream.length > 0 and stream.last_entry_id() > group.last_id
        if not is_first and not has_new:
            # Nothing is to be changed by who goes on waiting.
            return None
        consumer = find_consumer(db, key, stream, group, self.consumer_name)
        if not wants_new:
            return self._history(key, stream, group, consumer, after)
        if not has_new:
            return None
        return self._deliver(key, stream, group, consumer)

    def _deliver(self, key: bytes, stream: Stream, group: Group, consumer: Consumer) -> Reply:
        """Entries that nobody in the group has got yet."""
        db = self.db
        now_ms = db.engine.now_ms
        ids: list[int] = []
        wires = stream.read(group.last_id + 1, ID_MAX, self.most, ids)
        bytes_before = group.nbytes
        for number in ids:
            advance(stream, group, number)
            if not self.acknowledges:
                group.deliver(number, consumer, now_ms, 1)
        if not self.acknowledges:
            consumer.active_ms = now_ms
        changed_aside(db, key, stream, group, bytes_before)
        if not self.acknowledges:
            db.propagate_as(claim_effect(key, group, consumer, ids, now_ms, 1))
        db.propagate_as(set_id_effect(key, group))
        return Encoded(wires)

    def _history(self, key: bytes, stream: Stream, group: Group, consumer: Consumer, after: int) -> Reply:
        """What the consumer got before and has not acknowledged."""
        db = self.db
        now_ms = db.engine.now_ms
        entries: list[Reply] = []
        claims = Claims()
        for number in consumer.ids.from_(after + 1, self.most):
            wire = stream.wire_of(number)
            if wire is None:
                entries.append([format_id(number), NULL_ARRAY])
                continue
            entries.append(Encoded([wire]))
            pending = group.pending[number]
            pending.at_ms = now_ms
            pending.count += 1
            claims.add(number, pending.count)
        if claims.by_count:
            db.changed_aside(key, 0)
            claims.propagate(db, key, group, consumer, now_ms)
        return entries


def _only_for_groups(option: bytes) -> ReplyError:
    return ReplyError(b"ERR The %b option is only supported by XREADGROUP. You called XREAD instead." % option)


def advance(stream: Stream, group: Group, number: int) -> None:
    """`group` has read on to entry `number`."""
    if group.entries_read != -1 and group.last_id >= stream.first_id and not stream.has_gap_from(group.last_id):
        group.entries_read += 1
    elif stream.entries_added:
        group.entries_read = stream.rank_of(number)
    group.last_id = number


def find_consumer(db: Keyspace, key: bytes, stream: Stream, group: Group, name: bytes) -> Consumer:
    """The consumer of that name, seen now; it is made, and that propagated, if there is none."""
    consumer = group.consumers.get(name)
    if consumer is None:
        bytes_before = group.nbytes
        consumer = group.consumer(name, db.engine.now_ms)
        changed_aside(db, key, stream, group, bytes_before)
        db.propagate_as([b"XGROUP", b"CREATECONSUMER", key, group.name, name])
        db.notify(STREAM, b"xgroup-createconsumer", key)
    consumer.seen_ms = db.engine.now_ms
    return consumer


def claim_effect(key: bytes, group: Group, consumer: Consumer, ids: list[int], at_ms: int, count: int) -> list[bytes]:
    """The command that makes entries pending for `consumer`, as they are now."""
    effect = [b"XCLAIM", key, group.name, consumer.name, b"0"]
    for number in ids:
        effect.append(format_id(number))  # noqa: PERF401  - compiled, a loop is as fast
    effect += [b"TIME", b"%d" % at_ms, b"RETRYCOUNT", b"%d" % count, b"FORCE", b"JUSTID"]
    return effect


def set_id_effect(key: bytes, group: Group) -> list[bytes]:
    """The command that brings a group to where it is now."""
    read = b"%d" % group.entries_read
    return [b"XGROUP", b"SETID", key, group.name, format_id(group.last_id), b"ENTRIESREAD", read]


class Claims:
    """Entries that one consumer got at one time, by how often they were delivered."""

    def __init__(self) -> None:
        self.by_count: dict[int, list[int]] = {}

    def add(self, number: int, count: int) -> None:
        """Entry `number` was delivered for the `count`th time."""
        self.by_count.setdefault(count, []).append(number)

    def propagate(self, db: Keyspace, key: bytes, group: Group, consumer: Consumer, at_ms: int) -> None:
        """Let the log have them."""
        for count, ids in self.by_count.items():
            db.propagate_as(claim_effect(key, group, consumer, ids, at_ms, count))


@command(
    "XREAD [COUNT count:int] [BLOCK milliseconds:int] STREAMS key [key ...] id [id ...]",
    READONLY | BLOCKING,
    since="5.0.0",
    cost="O(n + m), n = streams, m = entries returned",
)
def xread(db: Keyspace, argv: list[bytes]) -> Reply:
    """The entries of streams behind given IDs: `$` is the last ID, `+` the one before; waits for some with BLOCK.

    > XADD s 1-1 a b
    "1-1"
    > XREAD STREAMS s 0
    1) 1) "s"
       2) 1) 1) "1-1"
             2) 1) "a"
                2) "b"
    """
    return _Reader(db, argv, has_group=False).run()


@command(
    "XREADGROUP <GROUP group consumer> [COUNT count:int] [BLOCK milliseconds:int] [NOACK]"
    " STREAMS key [key ...] id [id ...]",
    WRITE | BLOCKING,
    keys="RO ACCESS",
    since="5.0.0",
    cost="O(n + m log p), n = streams, m = entries returned, p = pending entries",
)
def xreadgroup(db: Keyspace, argv: list[bytes]) -> Reply:
    """The entries of streams that no consumer of the group has got yet; or those pending for this consumer.

    > XADD s 1-1 a b
    "1-1"
    > XGROUP CREATE s workers 0
    OK
    > XREADGROUP GROUP workers w1 STREAMS s >
    1) 1) "s"
       2) 1) 1) "1-1"
             2) 1) "a"
                2) "b"
    """
    return _Reader(db, argv, has_group=True).run()
