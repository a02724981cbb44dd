"""Commands that take the first or last members out of sorted sets, waiting for them or not."""

from respkv.commands.args import Args, parse_count, parse_int
from respkv.commands.flags import BLOCKING, FAST, WRITE
from respkv.commands.sorted_sets import as_sorted_set, remove_ranks, settle
from respkv.commands.spec import CommandGroup
from respkv.commands.timeouts import deadline_ms_of_seconds
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSyntax, NotAnInteger, NumkeysTooSmall, PopCountTooSmall
from respkv.reply import NULL_ARRAY, Block, Reply, Scored
from respkv.values.score_index import backwards
from respkv.values.sorted_sets import SortedSet

command = CommandGroup("sorted-set", __name__)


@command(
    "ZPOPMIN key [count:int]",
    WRITE | FAST,
    keys="RW ACCESS DELETE",
    since="5.0.0",
    cost="O(log n) a member taken, n = members of the sorted set",
)
def zpopmin(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the member with the lowest score out, or `count` of them; what was taken, with scores."""
    return _pop(db, argv, False)


@command(
    "ZPOPMAX key [count:int]",
    WRITE | FAST,
    keys="RW ACCESS DELETE",
    since="5.0.0",
    cost="O(log n) a member taken, n = members of the sorted set",
)
def zpopmax(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the member with the highest score out, or `count` of them; what was taken, with scores."""
    return _pop(db, argv, True)


def _pop(db: Keyspace, argv: list[bytes], is_max: bool) -> Reply:
    if len(argv) > 3:
        raise BadSyntax
    count = parse_count(argv[2]) if len(argv) == 3 else 1
    value = as_sorted_set(db.edit(argv[1]))
    if value is None or count == 0:
        return []
    if len(argv) == 3:
        return _take(db, argv[1], value, count, is_max)
    before = value.nbytes
    member, score = value.pop_last() if is_max else value.pop_first()
    settle(db, argv[1], value, before, b"zpopmax" if is_max else b"zpopmin")
    return [member, score]


def _take(db: Keyspace, key: bytes, value: SortedSet, count: int, is_max: bool) -> Scored:
    """Take up to `count` members out at one end, in order from there."""
    before = value.nbytes
    size = len(value)
    start = max(0, size - count) if is_max else 0
    stop = size if is_max else min(size, count)
    members = value.members_between(start, stop)
    scores = value.scores_between(start, stop)
    if is_max:
        members.reverse()
        scores = backwards(scores)
    remove_ranks(db, value, start, stop)
    settle(db, key, value, before, b"zpopmax" if is_max else b"zpopmin")
    return Scored(members, scores)


def _end_of(word: bytes) -> bool:
    """Whether MAX is meant, and not MIN. Raises BadSyntax."""
    end = word.upper()
    if end not in (b"MIN", b"MAX"):
        raise BadSyntax
    return end == b"MAX"


class _ManyKeys:
    """What ZMPOP takes and where, by its arguments from the number of keys on."""

    def __init__(self, argv: list[bytes], at: int) -> None:
        count = _positive(argv[at])
        if count < 1:
            raise NumkeysTooSmall
        args = Args(argv, at + 1 + count)
        self.keys = argv[at + 1 : at + 1 + count]
        self.is_max = _end_of(args.next())
        self.count = 1
        if args.token_with_value(b"COUNT"):
            self.count = _positive(args.next())
            if self.count < 1:
                raise PopCountTooSmall
        args.finish()

    def take(self, db: Keyspace) -> Reply:
        """From the first key that has members: key and pairs; None if there is none. Raises WrongType."""
        for key in self.keys:
            found = self.take_from(db, key)
            if found is not None:
                return found
        return None

    def take_from(self, db: Keyspace, key: bytes) -> Reply:
        """As `take`, from `key`."""
        value = as_sorted_set(db.edit(key))
        if value is None:
            return None
        taken = _take(db, key, value, self.count, self.is_max)
        taken.is_nested = True
        _propagate(db, key, len(taken.members), self.is_max)
        return [key, taken]


def _positive(word: bytes) -> int:
    """An integer from 1 on; of anything else, 0."""
    try:
        return max(0, parse_int(word))
    except NotAnInteger:
        return 0


def _propagate(db: Keyspace, key: bytes, count: int, is_max: bool) -> None:
    """Let the log have what was taken and from where, not where it was looked for."""
    db.propagate_as([b"ZPOPMAX" if is_max else b"ZPOPMIN", key, b"%d" % count])


@command(
    "ZMPOP numkeys:int key [key ...] <MIN | MAX> [COUNT count:int]",
    WRITE,
    keys="RW ACCESS DELETE",
    since="7.0.0",
    cost="O(keys) + O(log n) a member taken, n = members of the sorted set",
)
def zmpop(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take one or `count` members out at one end of the first of these sorted sets that is there.

    The reply is its key and what was taken, with scores; nil if there is none.
    """
    found = _ManyKeys(argv, 1).take(db)
    return NULL_ARRAY if found is None else found


@command(
    "BZPOPMIN key [key ...] timeout:double",
    WRITE | BLOCKING | FAST,
    keys="RW ACCESS DELETE",
    since="5.0.0",
    cost="O(log n), n = members",
)
def bzpopmin(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the member with the lowest score out of the first of these sorted sets that is there, or wait for one.

    The reply is key, member and score; nil when `timeout` seconds are over (0: never).
    """
    return _BlockingPop(db, argv, False).run()


@command(
    "BZPOPMAX key [key ...] timeout:double",
    WRITE | BLOCKING | FAST,
    keys="RW ACCESS DELETE",
    since="5.0.0",
    cost="O(log n), n = members",
)
def bzpopmax(db: Keyspace, argv: list[bytes]) -> Reply:
    """Take the member with the highest score out of the first of these sorted sets that is there, or wait for one.

    The reply is key, member and score; nil when `timeout` seconds are over (0: never).
    """
    return _BlockingPop(db, argv, True).run()


class _BlockingPop:
    """One BZPOPMIN or BZPOPMAX."""

    def __init__(self, db: Keyspace, argv: list[bytes], is_max: bool) -> None:
        self.db = db
        self.keys = argv[1:-1]
        self.deadline_ms = deadline_ms_of_seconds(argv[-1], db.engine.now_ms)
        self.is_max = is_max

    def run(self) -> Reply:
        """Take from the first key that has members, or wait."""
        for key in self.keys:
            if self.db.peek(key) is not None:
                return self.retry(key)
        return self._block()

    def retry(self, key: bytes) -> Reply:
        """Take from `key`."""
        value = as_sorted_set(self.db.edit(key))
        if value is None:
            return self._block()
        taken = _take(self.db, key, value, 1, self.is_max)
        _propagate(self.db, key, 1, self.is_max)
        return [key, taken.members[0], taken.scores[0]]

    def _block(self) -> Block:
        return Block(self.deadline_ms, NULL_ARRAY, self.keys, SortedSet.type_name, self.retry)


@command(
    "BZMPOP timeout:double numkeys:int key [key ...] <MIN | MAX> [COUNT count:int]",
    WRITE | BLOCKING,
    keys="RW ACCESS DELETE",
    since="7.0.0",
    cost="O(keys) + O(log n) a member taken, n = members of the sorted set",
)
def bzmpop(db: Keyspace, argv: list[bytes]) -> Reply:
    """As ZMPOP, but where no sorted set is there, wait for one, up to `timeout` seconds (0: without end)."""
    return _BlockingManyPop(db, argv).run()


class _BlockingManyPop:
    """One BZMPOP."""

    def __init__(self, db: Keyspace, argv: list[bytes]) -> None:
        self.db = db
        self.wanted = _ManyKeys(argv, 2)
        self.deadline_ms = deadline_ms_of_seconds(argv[1], db.engine.now_ms)

    def run(self) -> Reply:
        """Take from the first key that has members, or wait."""
        found = self.wanted.take(self.db)
        return self._block() if found is None else found

    def retry(self, key: bytes) -> Reply:
        """Take from `key`."""
        found = self.wanted.take_from(self.db, key)
        return self._block() if found is None else found

    def _block(self) -> Block:
        return Block(self.deadline_ms, NULL_ARRAY, self.wanted.keys, SortedSet.type_name, self.retry)
