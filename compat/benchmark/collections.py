"""The measurements of collections: throughput of their commands, and memory."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compat.benchmark.load import VALUE_BYTES
from compat.benchmark.plan import EVERYSEC, Plan, fleet, turn
from compat.benchmark.point import Point, measure
from compat.benchmark.results import Results
from compat.servers import start
from compat.wire import Connection

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


def in_chunks(connection: Connection, head: Words, count: int, words_of: Callable[[int], Words]) -> None:
    for first in range(0, count, CHUNK):
        words = [word for number in range(first, min(first + CHUNK, count)) for word in words_of(number)]
        connection.ask(*head, *words)


def _list(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "list")
    in_chunks(connection, ("RPUSH", "list"), requests + 1000, lambda number: (DATA,))


def _set(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "set")
    in_chunks(connection, ("SADD", "set"), requests, lambda number: (f"element:{number:012}",))


def _sorted_set(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "zset")
    in_chunks(connection, ("ZADD", "zset"), requests, lambda number: (number * 7919 % 65_537, f"element:{number:012}"))


def _million_ranked(connection: Connection, requests: int) -> None:
    if connection.ask("ZCARD", "zmillion").text != str(MILLION):
        in_chunks(connection, ("ZADD", "zmillion"), MILLION, lambda number: (number, f"element:{number:012}"))


def _hash20(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "hash20")
    in_chunks(connection, ("HSET", "hash20"), 20, lambda number: (f"field:{number}", f"value:{number}"))


def _two_sets(connection: Connection, requests: int) -> None:
    connection.ask("DEL", "set1", "set2")
    in_chunks(connection, ("SADD", "set1"), 100, lambda number: (f"member:{number}",))
    in_chunks(connection, ("SADD", "set2"), 100, lambda number: (f"member:{number * 2}",))


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
        for _ in range(plan.rounds):
            for depth, family in ((depth, family) for depth in full for family in FAMILIES):
                name = f"{family.name}, depth {depth}"
                if not plan.wants(name):
                    continue
                requests = plan.count(full[depth] // family.weight)
                point = Point("collections", name, family.words, requests, depth, family.keys, wanted=0.7)
                for server in servers:
                    with turn(server):
                        with server.connect() as connection:
                            family.prepare(connection, requests)
                        measure(plan, results, server, point)
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
    pipelined(connection, count, lambda number: ("HSET", f"key:{number:012}", *_five_fields(number)))


def _five_fields(number: int) -> list[str]:
    return [word for field in range(5) for word in (f"field{field}", f"value{number + field}")]


def _short_lists(connection: Connection, count: int) -> None:
    pipelined(connection, count, lambda number: ("RPUSH", f"key:{number:012}", *_five_fields(number)[1::2]))


def pipelined(connection: Connection, count: int, words_of: Callable[[int], Sequence[str]]) -> None:
    for first in range(0, count, CHUNK):
        connection.pipeline(
            [[word.encode() for word in words_of(number)] for number in range(first, min(first + CHUNK, count))]
        )


def one_sorted_set(connection: Connection, count: int) -> None:
    in_chunks(connection, ("ZADD", "zset"), count, lambda number: (number * 7919 % count, f"element:{number:012}"))


def one_set(connection: Connection, count: int) -> None:
    in_chunks(connection, ("SADD", "set"), count, lambda number: (f"element:{number:012}",))


HOLDINGS: dict[str, Preparation] = {
    "a million hashes of 5 fields": _small_hashes,
    "a million lists of 5 elements": _short_lists,
    "a sorted set of a million": one_sorted_set,
    "a set of a million": one_set,
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
