"""How long one command on a collection of a million keeps all other clients waiting.

Every command is here whose work grows with what lies at its keys, or with its own arguments.
"""

import select
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from compat.benchmark.collections import (
    CHUNK,
    MILLION,
    Preparation,
    Words,
    in_chunks,
    one_set,
    one_sorted_set,
    pipelined,
)
from compat.benchmark.plan import EVERYSEC, Plan
from compat.benchmark.results import Results
from compat.servers import KINDS, Kind, Server, start
from compat.wire import Connection, encode

HALF = MILLION // 2
MANY = 100_000  # arguments of one request, and how many elements a command with a count takes
BIG_STRING_BYTES = 100_000_000
ANSWERS = 9


def _element(number: int) -> str:
    return f"element:{number:012}"


def _one_hash(connection: Connection, count: int) -> None:
    in_chunks(connection, ("HSET", "hash"), count, lambda number: (f"field:{number:012}", f"value:{number}"))


def _one_list(connection: Connection, count: int) -> None:
    in_chunks(connection, ("RPUSH", "list"), count, lambda number: (_element(number),))


def _two_sets(connection: Connection, count: int) -> None:
    """Two that have half of their members in common."""
    one_set(connection, count)
    in_chunks(connection, ("SADD", "other"), count, lambda number: (_element(number + count // 2),))


def _one_intset(connection: Connection, count: int) -> None:
    in_chunks(connection, ("SADD", "set"), count, lambda number: (number * 7919 % count,))


def _two_sorted_sets(connection: Connection, count: int) -> None:
    one_sorted_set(connection, count)
    in_chunks(connection, ("ZADD", "zother"), count, lambda number: (number, _element(number + count // 2)))


def _same_scores(connection: Connection, count: int) -> None:
    in_chunks(connection, ("ZADD", "zset"), count, lambda number: (0, _element(number)))


def _places(connection: Connection, count: int) -> None:
    """Around the globe, each somewhere else."""

    def place(number: int) -> Words:
        longitude, latitude = number * 7919 % 36_000 / 100 - 180, number * 104_729 % 16_000 / 100 - 80
        return (str(longitude), str(latitude), _element(number))

    in_chunks(connection, ("GEOADD", "places"), count, place)


def _one_stream(connection: Connection, count: int) -> None:
    def entry(number: int) -> list[str]:
        return ["XADD", "stream", f"{number + 1}-0", "field", f"value:{number}"]

    pipelined(connection, count, entry)


def _stream_with_pending(connection: Connection, count: int) -> None:
    _one_stream(connection, count)
    connection.ask("XGROUP", "CREATE", "stream", "group", "0")
    for _ in range(0, count, CHUNK):
        connection.ask("XREADGROUP", "GROUP", "group", "one", "COUNT", CHUNK, "STREAMS", "stream", ">")


def _big_string(connection: Connection, count: int) -> None:
    size = count * (BIG_STRING_BYTES // MILLION)
    connection.ask("SET", "string", b"\x5a" * size)


def _zeros(connection: Connection, count: int) -> None:
    connection.ask("SETBIT", "string", count * (BIG_STRING_BYTES // MILLION) * 8 - 1, 1)


def _million_keys(connection: Connection, count: int) -> None:
    pipelined(connection, count, lambda number: ["SET", f"key:{number:012}", f"value:{number}"])


def _nothing(connection: Connection, count: int) -> None:
    pass


def _restore(connection: Connection, prepare: Preparation, key: str, count: int) -> Words:
    prepare(connection, count)
    payload = connection.ask("DUMP", key).value
    assert isinstance(payload, bytes)
    return ("RESTORE", "restored", 0, payload)


def _dumped(prepare: Preparation, key: str) -> Callable[[Connection, int], Words]:
    """A RESTORE of what `prepare` leaves at `key`, as the server itself dumps it."""
    return lambda connection, count: _restore(connection, prepare, key, count)


def _dumped_by_redis(prepare: Preparation, key: str) -> Callable[[Connection, int], Words]:
    """As `_dumped`, but of what redis-server dumps, as in a migration."""

    def words(connection: Connection, count: int) -> Words:
        with start(KINDS["redis7"], EVERYSEC) as other, other.connect() as theirs:
            return _restore(theirs, prepare, key, count)

    return words


@dataclass(frozen=True)
class Case:
    """A command, what has to be there, whether that is gone afterwards, and whether it takes some milliseconds at most.

    What takes as short as a wait for the core is asked several times; what also spoils is prepared again before each.
    """

    name: str
    words: Words | Callable[[Connection, int], Words]
    spoils: bool = False
    quick: bool = False


def _spoiling(name: str, *words: bytes | str | int) -> Case:
    return Case(name, words, spoils=True)


def _reading(name: str, *words: bytes | str | int) -> Case:
    return Case(name, words)


def _anew(name: str, *words: bytes | str | int) -> Case:
    return Case(name, words, spoils=True, quick=True)


def _quick(name: str, *words: bytes | str | int) -> Case:
    return Case(name, words, quick=True)


def _numbered(words: Callable[[int], Words]) -> list[bytes | str | int]:
    return [word for number in range(MANY) for word in words(number)]


LARGE: dict[Preparation, tuple[Case, ...]] = {
    _one_list: (
        _reading("LRANGE of all", "LRANGE", "list", 0, -1),
        _quick("LRANGE of 1000 in the middle", "LRANGE", "list", HALF, HALF + 999),
        _quick("LINDEX in the middle", "LINDEX", "list", HALF),
        _quick("LPOS of none", "LPOS", "list", "none"),
        _quick("LREM of none", "LREM", "list", 0, "none"),
        _reading("SORT", "SORT", "list", "ALPHA", "LIMIT", 0, 10),
        _reading("SORT by keys, with STORE", "SORT", "list", "BY", "weight:*", "GET", "#", "STORE", "sorted"),
        _reading("COPY of a list", "COPY", "list", "copied"),
        _reading("DUMP of a list", "DUMP", "list"),
        _quick("LINSERT at the middle", "LINSERT", "list", "BEFORE", _element(HALF), "x"),
        _quick("LSET in the middle", "LSET", "list", HALF, "a rather longer element than there was"),
        _reading("RENAME over a list", "RENAME", "copied", "sorted"),
        _anew("DEL of a list", "DEL", "list"),
        _anew("LTRIM to a half", "LTRIM", "list", 0, HALF),
        _anew("LPOP of many", "LPOP", "list", MANY),
        _anew("LMPOP of many", "LMPOP", 1, "list", "RIGHT", "COUNT", MANY),
    ),
    _one_hash: (
        _reading("HGETALL", "HGETALL", "hash"),
        _reading("HKEYS", "HKEYS", "hash"),
        _reading("HVALS", "HVALS", "hash"),
        _quick("HSCAN's first step", "HSCAN", "hash", 0, "COUNT", 100),
        _reading("HSCAN of all", "HSCAN", "hash", 0, "COUNT", MILLION),
        _quick("HRANDFIELD of 1000", "HRANDFIELD", "hash", 1000),
        _quick("HRANDFIELD of -1000", "HRANDFIELD", "hash", -1000, "WITHVALUES"),
        _reading("HRANDFIELD of half", "HRANDFIELD", "hash", HALF),
        Case("HMGET of many", ("HMGET", "hash", *_numbered(lambda number: (f"field:{number:012}",)))),
        _reading("COPY of a hash", "COPY", "hash", "copied"),
        _reading("DUMP of a hash", "DUMP", "hash"),
        _quick("EXPIRE of a hash", "EXPIRE", "hash", 1000),
        Case("HDEL of many", ("HDEL", "hash", *_numbered(lambda number: (f"field:{number:012}",))), spoils=True),
        _spoiling("DEL of a hash", "DEL", "hash"),
    ),
    one_set: (
        _reading("SMEMBERS", "SMEMBERS", "set"),
        _reading("SSCAN of all", "SSCAN", "set", 0, "COUNT", MILLION),
        _reading("SUNIONSTORE", "SUNIONSTORE", "destination", "set", "set"),
        _quick("SRANDMEMBER of 1000", "SRANDMEMBER", "set", 1000),
        _quick("SRANDMEMBER of -1000", "SRANDMEMBER", "set", -1000),
        _reading("SRANDMEMBER of half", "SRANDMEMBER", "set", HALF),
        Case("SMISMEMBER of many", ("SMISMEMBER", "set", *_numbered(lambda number: (_element(number * 2),)))),
        _reading("SORT of a set", "SORT", "set", "ALPHA", "LIMIT", 0, 10),
        _reading("COPY of a set", "COPY", "set", "copied"),
        _reading("DUMP of a set", "DUMP", "set"),
        _quick("SPOP of 1000", "SPOP", "set", 1000),
        Case("SREM of many", ("SREM", "set", *_numbered(lambda number: (_element(number),))), spoils=True),
        _spoiling("SPOP of many", "SPOP", "set", MANY),
        _spoiling("SPOP of nearly all", "SPOP", "set", MILLION - 10),
        _spoiling("DEL of a set", "DEL", "set"),
    ),
    _two_sets: (
        _reading("SINTER", "SINTER", "set", "other"),
        _reading("SINTERCARD", "SINTERCARD", 2, "set", "other"),
        _reading("SDIFF", "SDIFF", "set", "other"),
        _reading("SUNION", "SUNION", "set", "other"),
        _reading("SINTERSTORE", "SINTERSTORE", "destination", "set", "other"),
        _reading("SDIFFSTORE", "SDIFFSTORE", "difference", "set", "other"),
        _spoiling("SUNIONSTORE of two", "SUNIONSTORE", "union", "set", "other"),
    ),
    _one_intset: (
        _reading("SMEMBERS of numbers", "SMEMBERS", "set"),
        _spoiling("SORT of numbers", "SORT", "set", "LIMIT", 0, 10),
    ),
    one_sorted_set: (
        _reading("ZRANGE of all", "ZRANGE", "zset", 0, -1, "WITHSCORES"),
        _reading("ZRANGE of all, no scores", "ZRANGE", "zset", 0, -1),
        _reading("ZRANGE BYSCORE REV", "ZRANGE", "zset", "+inf", "-inf", "BYSCORE", "REV"),
        _quick("ZCOUNT", "ZCOUNT", "zset", 1000, HALF),
        _reading("ZRANGESTORE of half", "ZRANGESTORE", "destination", "zset", 0, HALF),
        _reading("ZSCAN of all", "ZSCAN", "zset", 0, "COUNT", MILLION),
        _quick("ZRANDMEMBER of 1000", "ZRANDMEMBER", "zset", 1000),
        _quick("ZRANDMEMBER of -1000", "ZRANDMEMBER", "zset", -1000, "WITHSCORES"),
        Case("ZMSCORE of many", ("ZMSCORE", "zset", *_numbered(lambda number: (_element(number),)))),
        _reading("SORT of a sorted set", "SORT", "zset", "ALPHA", "LIMIT", 0, 10),
        _reading("ZUNIONSTORE", "ZUNIONSTORE", "union", 1, "zset"),
        _reading("COPY of a sorted set", "COPY", "zset", "copied"),
        _reading("DUMP of a sorted set", "DUMP", "zset"),
        _spoiling("ZREMRANGEBYRANK of half", "ZREMRANGEBYRANK", "zset", 0, HALF),
        _spoiling("ZREMRANGEBYSCORE of half", "ZREMRANGEBYSCORE", "zset", 0, HALF),
        _spoiling("ZPOPMIN of many", "ZPOPMIN", "zset", MANY),
        _spoiling("ZMPOP of many", "ZMPOP", 1, "zset", "MAX", "COUNT", MANY),
        Case("ZREM of many", ("ZREM", "zset", *_numbered(lambda number: (_element(number),))), spoils=True),
        Case("ZADD of many that move", ("ZADD", "zset", *_numbered(lambda number: (number, _element(number)))), True),
        _spoiling("DEL of a sorted set", "DEL", "zset"),
    ),
    _same_scores: (
        _reading("ZRANGEBYLEX", "ZRANGEBYLEX", "zset", "-", "+"),
        _quick("ZLEXCOUNT", "ZLEXCOUNT", "zset", f"[{_element(1000)}", f"[{_element(HALF)}"),
        _spoiling("ZREMRANGEBYLEX of half", "ZREMRANGEBYLEX", "zset", "-", f"[{_element(HALF)}"),
    ),
    _two_sorted_sets: (
        _reading("ZINTER", "ZINTER", 2, "zset", "zother"),
        _reading("ZINTERCARD", "ZINTERCARD", 2, "zset", "zother"),
        _reading("ZDIFF", "ZDIFF", 2, "zset", "zother"),
        _reading("ZUNION", "ZUNION", 2, "zset", "zother", "WITHSCORES"),
        _reading("ZINTERSTORE", "ZINTERSTORE", "destination", 2, "zset", "zother"),
        _reading("ZDIFFSTORE", "ZDIFFSTORE", "difference", 2, "zset", "zother"),
        _spoiling("ZUNIONSTORE of two", "ZUNIONSTORE", "union", 2, "zset", "zother"),
    ),
    _places: (
        _reading("GEOSEARCH", "GEOSEARCH", "places", "FROMLONLAT", 0, 0, "BYRADIUS", 3000, "km", "ASC", "WITHDIST"),
        _reading("GEOSEARCH, any 10", "GEOSEARCH", "places", "FROMLONLAT", 0, 0, "BYRADIUS", 3000, "km", "COUNT", 10),
        _reading("GEORADIUS", "GEORADIUS", "places", 0, 0, 3000, "km", "WITHDIST", "WITHCOORD"),
        Case("GEOPOS of many", ("GEOPOS", "places", *_numbered(lambda number: (_element(number),)))),
        Case("GEOHASH of many", ("GEOHASH", "places", *_numbered(lambda number: (_element(number),)))),
        _spoiling("GEOSEARCHSTORE", "GEOSEARCHSTORE", "near", "places", "FROMLONLAT", 0, 0, "BYBOX", 6000, 6000, "km"),
    ),
    _one_stream: (
        _reading("XRANGE of all", "XRANGE", "stream", "-", "+"),
        _reading("XREVRANGE of all", "XREVRANGE", "stream", "+", "-"),
        _reading("XREAD of all", "XREAD", "STREAMS", "stream", 0),
        _reading("XINFO STREAM FULL", "XINFO", "STREAM", "stream", "FULL", "COUNT", 0),
        _reading("COPY of a stream", "COPY", "stream", "copied"),
        _reading("DUMP of a stream", "DUMP", "stream"),
        Case("XDEL of many", ("XDEL", "stream", *_numbered(lambda number: (f"{number * 5 + 1}-0",))), spoils=True),
        _spoiling("XTRIM to a half", "XTRIM", "stream", "MAXLEN", HALF),
        _spoiling("DEL of a stream", "DEL", "stream"),
    ),
    _stream_with_pending: (
        _quick("XPENDING, summary", "XPENDING", "stream", "group"),
        _reading("XPENDING of all", "XPENDING", "stream", "group", "-", "+", MILLION),
        _reading("XINFO STREAM FULL with pending", "XINFO", "STREAM", "stream", "FULL", "COUNT", 0),
        _reading("XAUTOCLAIM of many", "XAUTOCLAIM", "stream", "group", "two", 0, 0, "COUNT", MANY),
        Case("XACK of many", ("XACK", "stream", "group", *_numbered(lambda number: (f"{number + 1}-0",))), spoils=True),
        _spoiling("XGROUP DESTROY", "XGROUP", "DESTROY", "stream", "group"),
        _spoiling("XGROUP DELCONSUMER", "XGROUP", "DELCONSUMER", "stream", "group", "one"),
    ),
    _big_string: (
        _quick("GETRANGE of 10 MB", "GETRANGE", "string", 0, BIG_STRING_BYTES // 10),
        _reading("BITCOUNT", "BITCOUNT", "string"),
        _reading("BITCOUNT of bits", "BITCOUNT", "string", 3, -3, "BIT"),
        _reading("BITOP NOT", "BITOP", "NOT", "destination", "string"),
        _reading("BITOP AND", "BITOP", "AND", "destination", "string", "destination"),
        _reading("BITOP XOR", "BITOP", "XOR", "destination", "string", "string", "destination"),
        _anew("APPEND, the first", "APPEND", "string", "x"),
        _anew("SETRANGE, the first", "SETRANGE", "string", BIG_STRING_BYTES // 2, "x"),
        _anew("SETBIT, the first", "SETBIT", "string", BIG_STRING_BYTES * 4, 1),
        _reading("COPY of a string", "COPY", "string", "copied"),
        _spoiling("GET", "GET", "string"),
    ),
    _zeros: (
        _reading("BITPOS", "BITPOS", "string", 1),
        _spoiling("SETBIT that makes 100 MB", "SETBIT", "grown", BIG_STRING_BYTES * 8 - 1, 1),
    ),
    _million_keys: (
        _reading("KEYS *", "KEYS", "*"),
        _reading("KEYS of a pattern", "KEYS", "key:*7?"),
        _reading("SCAN of all", "SCAN", 0, "COUNT", MILLION),
        Case("MGET of many", ("MGET", *_numbered(lambda number: (f"key:{number:012}",)))),
        Case("EXISTS of many", ("EXISTS", *_numbered(lambda number: (f"key:{number:012}",)))),
        Case("DEL of many", ("DEL", *_numbered(lambda number: (f"key:{number:012}",)))),
        _quick("SWAPDB", "SWAPDB", 0, 1),
        _spoiling("FLUSHALL", "FLUSHALL"),
    ),
    _nothing: (
        Case("RPUSH of many", ("RPUSH", "list", *_numbered(lambda number: (_element(number),)))),
        Case("LPUSH of many", ("LPUSH", "list", *_numbered(lambda number: (_element(number),)))),
        Case("SADD of many", ("SADD", "set", *_numbered(lambda number: (_element(number),)))),
        Case("SADD of many numbers", ("SADD", "numbers", *_numbered(lambda number: (number * 7919 % MANY,)))),
        Case("HSET of many", ("HSET", "hash", *_numbered(lambda number: (_element(number), number)))),
        Case("ZADD of many", ("ZADD", "zset", *_numbered(lambda number: (number * 7919 % MANY, _element(number))))),
        Case("MSET of many", ("MSET", *_numbered(lambda number: (_element(number), number)))),
        Case("PFADD of many", ("PFADD", "counter", *_numbered(lambda number: (_element(number),)))),
        Case("PFMERGE of a thousand", ("PFMERGE", "merged", *["counter"] * 1000)),
        Case("PFCOUNT of a thousand", ("PFCOUNT", *["counter"] * 1000)),
        Case("RESTORE of a list", _dumped(_one_list, "list"), spoils=True),
        Case("RESTORE of a list of redis-server's", _dumped_by_redis(_one_list, "list"), spoils=True),
        Case("RESTORE of a hash", _dumped(_one_hash, "hash"), spoils=True),
        Case("RESTORE of a set", _dumped(one_set, "set"), spoils=True),
        Case("RESTORE of a sorted set", _dumped(one_sorted_set, "zset"), spoils=True),
        Case("RESTORE of a stream", _dumped(_one_stream, "stream"), spoils=True),
    ),
}


def blocking(plan: Plan, results: Results) -> None:
    """How long one command on a collection of a million keeps another client waiting."""
    for prepare, all_cases in LARGE.items():
        cases = [case for case in all_cases if plan.wants(case.name)]
        for kind in plan.kinds:
            for case, server, words in _prepared(plan, kind, prepare, cases):
                answers = [_answer_ms(server, words)]
                for _ in range(ANSWERS - 1 if case.quick else 0):
                    if case.spoils:
                        with server.connect() as connection:
                            prepare(connection, plan.count(MILLION))
                    answers.append(_answer_ms(server, words))
                took_ms = statistics.median(answers)
                results.add("blocking", case.name, "ms", kind.name, took_ms, more_is_better=False, wanted=2.0)
                plan.say(f"blocking {case.name} {kind.name} {took_ms:.1f} ms")


def _prepared(
    plan: Plan, kind: Kind, prepare: Preparation, cases: Sequence[Case]
) -> Iterator[tuple[Case, Server, Words]]:
    """Each case with a server on which it finds what it needs, and its words; a new one behind a case that spoils."""
    count = plan.count(MILLION)
    waiting = list(cases)
    while waiting:
        with start(kind, EVERYSEC, core=plan.server_core) as server, server.connect() as connection:
            prepare(connection, count)
            spoiled = False
            while waiting and not spoiled:
                case = waiting.pop(0)
                words = case.words(connection, count) if callable(case.words) else case.words
                # A quick run has less than a million elements, so the places in them are nearer.
                words = [word * count // MILLION if isinstance(word, int) and word >= HALF else word for word in words]
                yield case, server, words
                spoiled = case.spoils


def _answer_ms(server: Server, words: Words) -> float:
    """The longest that another client waits for its PONGs between the request and the reply."""
    request = encode(word if isinstance(word, bytes) else str(word).encode() for word in words)
    with server.connect() as other, socket.create_connection(("127.0.0.1", server.port), timeout=60) as asking:
        other.ask("PING")
        asking.sendall(request)
        longest_ms = 0.0
        is_answered = False
        while not is_answered:
            began = time.perf_counter()
            other.ask("PING")
            longest_ms = max(longest_ms, (time.perf_counter() - began) * 1000)
            is_answered = bool(select.select([asking], [], [], 0)[0])
        # The rest of the reply may be large, and nobody wants it.
        if asking.recv(1) in (b"-", b""):
            raise RuntimeError(f"{server.kind.label} refused {words[:10]}")
    return longest_ms
