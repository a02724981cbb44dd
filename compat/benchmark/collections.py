"""The measurements of collections: throughput of their commands, memory, and how long the largest keep others out."""

import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compat.benchmark.load import VALUE_BYTES, drive
from compat.benchmark.plan import CLIENTS, EVERYSEC, Plan, fleet, turn
from compat.benchmark.results import Results
from compat.servers import Server, start
from compat.wire import Connection, encode

MILLION = 1_000_000
DATA = "x" * VALUE_BYTES
RANDOM = "__rand_int__"  # redis-benchmark puts twelve digits there
CHUNK = 500

Words = Sequence[bytes | str | int]
Preparation = Callable[[Connection, int], None]


@dataclass(frozen=True)
class Family:
    """A command that is measured: its words, what has to be there, and by how much it is slower than a GET."""

    name: str
    words: Sequence[str]
    prepare: Preparation
    weight: int = 1
    keys: int = 100_000


def _fresh(*keys: str) -> Preparation:
    def prepare(connection: Connection, requests: int) -> None:
        connection.ask("DEL", *keys)

    return prepare


def _in_chunks(connection: Connection, head: Words, count: int, words_of: Callable[[int], Words]) -> None:
    for first in range(0, count, CHUNK):
        words = [word for number in range(first, min(first + CHUNK, count)) for word in words_of(number)]
        connection.ask(*head, *words)


def _list(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "list")
    _in_chunks(connection, ("RPUSH", "list"), requests + 1000, lambda number: (DATA,))


def _set(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "set")
    _in_chunks(connection, ("SADD", "set"), requests, lambda number: (f"element:{number:012}",))


def _sorted_set(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "zset")
    _in_chunks(connection, ("ZADD", "zset"), requests, lambda number: (number * 7919 % 65_537, f"element:{number:012}"))


def _million_ranked(connection: Connection, requests: int) -> None:
    if connection.ask("ZCARD", "zmillion").text != str(MILLION):
        _in_chunks(connection, ("ZADD", "zmillion"), MILLION, lambda number: (number, f"element:{number:012}"))


def _hash20(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "hash20")
    _in_chunks(connection, ("HSET", "hash20"), 20, lambda number: (f"field:{number}", f"value:{number}"))


def _two_sets(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "set1", "set2")
    _in_chunks(connection, ("SADD", "set1"), 100, lambda number: (f"member:{number}",))
    _in_chunks(connection, ("SADD", "set2"), 100, lambda number: (f"member:{number * 2}",))


def _stream(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "stream")
    for number in range(1, 2001):
        connection.ask("XADD", "stream", f"{number}-0", "field", "value")


def _bitmap(connection: Connection, requests: int) -> None:
    connection.ask("SET", "bitmap", "\x5a" * 100_000)


FAMILIES = (
    Family("LPUSH", ("LPUSH", "list", DATA), _fresh("list")),
    Family("RPUSH", ("RPUSH", "list", DATA), _fresh("list")),
    Family("LPOP", ("LPOP", "list"), _list),
    Family("RPOP", ("RPOP", "list"), _list),
    Family("SADD", ("SADD", "set", f"element:{RANDOM}"), _fresh("set")),
    Family("HSET", ("HSET", "hash", f"element:{RANDOM}", DATA), _fresh("hash")),
    Family("SPOP", ("SPOP", "set"), _set),
    Family("ZADD", ("ZADD", "zset", RANDOM, f"element:{RANDOM}"), _fresh("zset")),
    Family("ZPOPMIN", ("ZPOPMIN", "zset"), _sorted_set),
    Family("LRANGE of 100", ("LRANGE", "list", "0", "99"), _list, weight=5),
    Family("LRANGE of 300", ("LRANGE", "list", "0", "299"), _list, weight=12),
    Family("LRANGE of 500", ("LRANGE", "list", "0", "449"), _list, weight=20),
    Family("LRANGE of 600", ("LRANGE", "list", "0", "599"), _list, weight=25),
    Family("HGETALL of 20", ("HGETALL", "hash20"), _hash20, weight=3),
    Family("ZRANGE of 100", ("ZRANGE", "zset", "0", "99"), _sorted_set, weight=5),
    Family("ZRANK of a million", ("ZRANK", "zmillion", f"element:{RANDOM}"), _million_ranked, keys=MILLION),
    Family("SINTER of 100 and 100", ("SINTER", "set1", "set2"), _two_sets, weight=8),
    Family("XADD", ("XADD", "stream", "*", "field", DATA), _fresh("stream")),
    Family("XRANGE of 100", ("XRANGE", "stream", "-", "+", "COUNT", "100"), _stream, weight=15),
    Family("BITCOUNT of 100 kB", ("BITCOUNT", "bitmap"), _bitmap, weight=10),
)


def collections(plan: Plan, results: Results) -> None:
    """Each family at depths 1 and 16: requests a second and CPU time a request; and the median of all ratios."""
    full = {1: 40_000, 16: 200_000}
    with fleet(plan, EVERYSEC) as servers:
        for number in range(plan.rounds):
            for depth, family in ((depth, family) for depth in full for family in FAMILIES):
                requests = plan.count(full[depth] // family.weight)
                name = f"{family.name}, depth {depth}"
                for server in servers:
                    with turn(server):
                        with server.connect() as connection:
                            family.prepare(connection, requests)
                        rate = drive(
                            server,
                            family.words,
                            requests=requests,
                            clients=CLIENTS,
                            depth=depth,
                            keys=family.keys,
                            core=plan.client_core,
                        )
                    key = server.kind.name
                    add = results.add
                    add("collections", name, "requests/s", key, rate.per_second, more_is_better=True, wanted=0.7)
                    add("collections CPU", name, "µs/request", key, rate.cpu_us, more_is_better=False)
                    plan.say(f"{number + 1} {name} {key} {rate.per_second:,.0f}/s {rate.cpu_us:.2f} µs")
    _add_median(plan, results)


def _add_median(plan: Plan, results: Results) -> None:
    metrics = [metric for metric in results.metrics if metric.section == "collections"]
    for kind in plan.kinds:
        ratios = [ratio for metric in metrics if (ratio := metric.ratio(kind.name)) is not None]
        if ratios:
            median = statistics.median(ratios)
            results.add("collections", "median of all ratios", "", kind.name, median, more_is_better=True, wanted=1.0)
            plan.say(f"median of all ratios {kind.name} {median:.2f}")


def _small_hashes(connection: Connection, count: int) -> None:
    _pipelined(connection, count, lambda number: ("HSET", f"key:{number:012}", *_five_fields(number)))


def _five_fields(number: int) -> list[str]:
    return [word for field in range(5) for word in (f"field{field}", f"value{number + field}")]


def _short_lists(connection: Connection, count: int) -> None:
    _pipelined(connection, count, lambda number: ("RPUSH", f"key:{number:012}", *_five_fields(number)[1::2]))


def _pipelined(connection: Connection, count: int, words_of: Callable[[int], Sequence[str]]) -> None:
    for first in range(0, count, CHUNK):
        connection.pipeline(
            [[word.encode() for word in words_of(number)] for number in range(first, min(first + CHUNK, count))]
        )


def _one_sorted_set(connection: Connection, count: int) -> None:
    _in_chunks(connection, ("ZADD", "zset"), count, lambda number: (number * 7919 % count, f"element:{number:012}"))


def _one_set(connection: Connection, count: int) -> None:
    _in_chunks(connection, ("SADD", "set"), count, lambda number: (f"element:{number:012}",))


def _one_hash(connection: Connection, count: int) -> None:
    _in_chunks(connection, ("HSET", "hash"), count, lambda number: (f"field:{number:012}", f"value:{number}"))


def _one_list(connection: Connection, count: int) -> None:
    _in_chunks(connection, ("RPUSH", "list"), count, lambda number: (f"element:{number:012}",))


HOLDINGS: dict[str, Preparation] = {
    "a million hashes of 5 fields": _small_hashes,
    "a million lists of 5 elements": _short_lists,
    "a sorted set of a million": _one_sorted_set,
    "a set of a million": _one_set,
}


def collections_memory(plan: Plan, results: Results) -> None:
    """What collections add to resident memory."""
    count = plan.count(MILLION)
    for name, prepare in HOLDINGS.items():
        for kind in plan.kinds:
            with start(kind, EVERYSEC, core=plan.server_core) as server, server.connect() as connection:
                empty_bytes = server.rss_bytes()
                prepare(connection, count)
                added = (server.rss_bytes() - empty_bytes) / 1e6
            results.add("collections memory", name, "MB", kind.name, added, more_is_better=False, wanted=2.0)
            plan.say(f"memory {name} {kind.name} {added:.1f} MB")


LARGE: dict[str, tuple[Preparation, Words]] = {
    "DEL of a list": (_one_list, ("DEL", "list")),
    "DEL of a hash": (_one_hash, ("DEL", "hash")),
    "DEL of a set": (_one_set, ("DEL", "set")),
    "DEL of a sorted set": (_one_sorted_set, ("DEL", "zset")),
    "LRANGE of all": (_one_list, ("LRANGE", "list", 0, -1)),
    "LINDEX in the middle": (_one_list, ("LINDEX", "list", MILLION // 2)),
    "LINSERT at the middle": (_one_list, ("LINSERT", "list", "BEFORE", f"element:{MILLION // 2:012}", "x")),
    "LREM of none": (_one_list, ("LREM", "list", 0, "none")),
    "HGETALL": (_one_hash, ("HGETALL", "hash")),
    "HSCAN's first step": (_one_hash, ("HSCAN", "hash", 0, "COUNT", 100)),
    "SMEMBERS": (_one_set, ("SMEMBERS", "set")),
    "SUNIONSTORE": (_one_set, ("SUNIONSTORE", "destination", "set", "set")),
    "SRANDMEMBER of 1000": (_one_set, ("SRANDMEMBER", "set", 1000)),
    "ZRANGE of all": (_one_sorted_set, ("ZRANGE", "zset", 0, -1, "WITHSCORES")),
    "ZREMRANGEBYRANK of half": (_one_sorted_set, ("ZREMRANGEBYRANK", "zset", 0, MILLION // 2)),
    "ZUNIONSTORE": (_one_sorted_set, ("ZUNIONSTORE", "destination", 1, "zset")),
    "SORT": (_one_list, ("SORT", "list", "ALPHA", "LIMIT", 0, 10)),
    "COPY of a sorted set": (_one_sorted_set, ("COPY", "zset", "destination")),
    "DUMP of a hash": (_one_hash, ("DUMP", "hash")),
}


def blocking(plan: Plan, results: Results) -> None:
    """How long one command on a collection of a million keeps another client waiting."""
    count = plan.count(MILLION)
    for name, (prepare, words) in LARGE.items():
        for kind in plan.kinds:
            with start(kind, EVERYSEC, core=plan.server_core) as server, server.connect() as connection:
                prepare(connection, count)
                took_ms = _answer_ms(server, words)
            results.add("blocking", name, "ms", kind.name, took_ms, more_is_better=False, wanted=2.0)
            plan.say(f"blocking {name} {kind.name} {took_ms:.1f} ms")


def _answer_ms(server: Server, words: Words) -> float:
    """From the request to a PONG that another client asked for right behind it: until then nobody else is served."""
    request = encode(word if isinstance(word, bytes) else str(word).encode() for word in words)
    with server.connect() as other, socket.create_connection(("127.0.0.1", server.port), timeout=60) as asking:
        other.ask("PING")
        asking.sendall(request)
        began = time.perf_counter()
        other.ask("PING")
        took_ms = (time.perf_counter() - began) * 1000
        # The rest of the reply may be large, and nobody wants it.
        if asking.recv(1) in (b"-", b""):
            raise RuntimeError(f"{server.kind.label} refused {words}")
    return took_ms
