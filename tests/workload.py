"""Random commands that change data of every type, the same for the same seed: what tests of reliability run.

Keys are few, so that commands meet each other's values; wrong types and missing keys are part of it.
"""

from collections.abc import Callable
from random import Random

from harness import Client, encode

Argv = list[bytes]

MEMBERS = [b"a", b"b", b"c", b"1", b"2", b"-7", b"", b"a-longer-member", b"\x00\xff\r\n", b"m" * 70]
VALUES = [b"", b"0", b"41", b"-3", b"2.5", b"text", b"\r\n$3\r\n", b"\x00" * 40, b"v" * 300]


class Workload:
    """Commands on the keys `<prefix><type><number>`, drawn from `rng`."""

    def __init__(self, rng: Random, prefix: bytes = b"", keys_per_type: int = 3) -> None:
        self.rng = rng
        self._prefix = prefix
        self._keys_per_type = keys_per_type
        self._entries = 0
        self._kinds: list[tuple[bytes, Callable[[bytes, Callable[[], bytes]], list[Argv]]]] = [
            (b"string", self._strings),
            (b"list", self._lists),
            (b"hash", self._hashes),
            (b"set", self._sets),
            (b"zset", self._sorted_sets),
            (b"stream", self._streams),
            (b"bits", self._bitmaps),
            (b"hll", self._hyperloglogs),
            (b"geo", self._geo),
        ]

    def turn(self) -> list[Argv]:
        """What one client sends at once: some commands, now and then as a transaction."""
        commands = [self.command() for _ in range(self.rng.choice((1, 1, 1, 2, 5)))]
        return [[b"MULTI"], *commands, [b"EXEC"]] if self.rng.random() < 0.2 else commands

    def command(self) -> Argv:
        """One command that means to change something."""
        name, make = self.rng.choice(self._kinds)
        if self.rng.random() < 0.12:
            return self.rng.choice(self._generic(self._key(name), lambda: self._key(self.rng.choice(self._kinds)[0])))
        return self.rng.choice(make(self._key(name), lambda: self._key(name)))

    def repeatable_turn(self) -> list[Argv]:
        """As `turn`, of commands that leave the same data wherever they run, and touch no other prefix's keys."""
        while True:
            turn = [self._repeatable(argv) for argv in self.turn()]
            if all(turn):
                return turn

    def _repeatable(self, argv: Argv) -> Argv:
        """`argv`, with a chosen ID where it asks for one; empty if it depends on chance, time or another database."""
        if argv[0] == b"XADD" and b"*" in argv:
            self._entries += 1
            at = argv.index(b"*")
            return [*argv[:at], b"%d-1" % self._entries, *argv[at + 1 :]]
        is_relative = argv[0] in (b"EXPIRE", b"HEXPIRE") or b"EX" in argv or b"PX" in argv
        return [] if is_relative or argv[0] in (b"SPOP", b"XAUTOCLAIM", b"MOVE", b"SWAPDB") else argv

    def _key(self, kind: bytes) -> bytes:
        return b"%b%b%d" % (self._prefix, kind, self.rng.randrange(self._keys_per_type))

    def _member(self) -> bytes:
        return self.rng.choice(MEMBERS)

    def _members(self) -> list[bytes]:
        return [self._member() for _ in range(self.rng.choice((1, 2, 3, 12)))]

    def _value(self) -> bytes:
        return self.rng.choice(VALUES)

    def _number(self) -> bytes:
        return b"%d" % self.rng.choice((0, 1, -1, 7, 1000, -(2**40)))

    def _pairs(self) -> list[bytes]:
        return [part for member in self._members() for part in (member, self._value())]

    def _generic(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        return [
            [b"DEL", key],
            [b"UNLINK", key, other()],
            [b"RENAME", key, other()],
            [b"COPY", key, other(), b"REPLACE"],
            [b"EXPIRE", key, b"%d" % self.rng.choice((1, 100, 100000))],
            [b"PEXPIREAT", key, b"33177117420000"],
            [b"PERSIST", key],
            [b"MOVE", key, b"1"],
            [b"SWAPDB", b"0", b"1"],
            [b"SORT", key, b"ALPHA", b"STORE", other()],
        ]

    def _strings(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        return [
            [b"SET", key, self._value()],
            [b"SET", key, self._value(), b"EX", b"100"],
            [b"SET", key, self._value(), b"KEEPTTL"],
            [b"SETNX", key, self._value()],
            [b"MSET", key, self._value(), other(), self._value()],
            [b"INCRBY", key, self._number()],
            [b"INCRBYFLOAT", key, b"0.1"],
            [b"APPEND", key, self._value()],
            [b"SETRANGE", key, b"5", self._value()],
            [b"GETDEL", key],
            [b"GETEX", key, b"PX", b"50000"],
        ]

    def _lists(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        side = self.rng.choice((b"LEFT", b"RIGHT"))
        return [
            [b"LPUSH", key, *self._members()],
            [b"RPUSH", key, *self._members()],
            [b"RPUSH", key, *(b"%d" % number for number in range(150))],
            [b"LPOP", key, b"2"],
            [b"RPOP", key],
            [b"LSET", key, b"-1", self._member()],
            [b"LREM", key, b"0", self._member()],
            [b"LINSERT", key, b"AFTER", self._member(), self._member()],
            [b"LTRIM", key, b"0", b"40"],
            [b"LMOVE", key, other(), side, side],
            [b"BLMPOP", b"0.001", b"1", key, side],
        ]

    def _hashes(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        return [
            [b"HSET", key, *self._pairs()],
            [b"HSET", key, *(part for number in range(140) for part in (b"f%d" % number, b"v"))],
            [b"HDEL", key, *self._members()],
            [b"HINCRBY", key, self._member(), self._number()],
            [b"HINCRBYFLOAT", key, self._member(), b"1.5"],
            [b"HSETNX", key, self._member(), self._value()],
            [b"HEXPIRE", key, b"1000", b"FIELDS", b"1", self._member()],
            [b"HPERSIST", key, b"FIELDS", b"1", self._member()],
            [b"HSETEX", key, b"PX", b"70000", b"FIELDS", b"1", self._member(), self._value()],
            [b"HGETDEL", key, b"FIELDS", b"1", self._member()],
        ]

    def _sets(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        return [
            [b"SADD", key, *self._members()],
            [b"SADD", key, *(b"%d" % (number * number) for number in range(140))],
            [b"SREM", key, *self._members()],
            [b"SPOP", key],
            [b"SPOP", key, b"5"],
            [b"SMOVE", key, other(), self._member()],
            [b"SUNIONSTORE", key, other(), other()],
            [b"SDIFFSTORE", key, other(), other()],
        ]

    def _sorted_sets(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        scores = [b"1", b"-2.5", b"inf", b"0.1", b"17179869184"]
        pairs = [part for member in self._members() for part in (self.rng.choice(scores), member)]
        return [
            [b"ZADD", key, *pairs],
            [b"ZADD", key, b"GT", b"CH", *pairs],
            [b"ZADD", key, *(part for number in range(150) for part in (b"%d" % number, b"m%d" % number))],
            [b"ZINCRBY", key, b"0.3", self._member()],
            [b"ZREM", key, *self._members()],
            [b"ZPOPMIN", key, b"2"],
            [b"ZPOPMAX", key],
            [b"ZREMRANGEBYRANK", key, b"0", b"1"],
            [b"ZUNIONSTORE", key, b"2", other(), other(), b"WEIGHTS", b"2", b"0.5"],
            [b"ZRANGESTORE", key, other(), b"0", b"20"],
        ]

    def _streams(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        entry = [b"XADD", key, b"*", *self._pairs()]
        return [
            entry,
            entry,
            [b"XADD", key, b"MAXLEN", b"~", b"20", b"*", b"f", self._value()],
            [b"XGROUP", b"CREATE", key, b"g", b"0", b"MKSTREAM"],
            [b"XREADGROUP", b"GROUP", b"g", self.rng.choice((b"alice", b"bob")), b"COUNT", b"2", b"STREAMS", key, b">"],
            [b"XAUTOCLAIM", key, b"g", b"carol", b"0", b"0", b"COUNT", b"2"],
            [b"XTRIM", key, b"MAXLEN", b"5"],
            [b"XGROUP", b"SETID", key, b"g", b"$"],
            [b"XGROUP", b"DESTROY", key, b"g"],
        ]

    def _bitmaps(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        offset = b"%d" % self.rng.choice((0, 7, 8, 1000))
        return [
            [b"SETBIT", key, offset, self.rng.choice((b"0", b"1"))],
            [b"BITOP", b"XOR", key, other(), other()],
            [b"BITFIELD", key, b"INCRBY", b"i13", offset, self._number()],
        ]

    def _hyperloglogs(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        return [
            [b"PFADD", key, *self._members()],
            [b"PFADD", key, *(b"%d" % self.rng.randrange(10**6) for _ in range(50))],
            [b"PFMERGE", key, other(), other()],
        ]

    def _geo(self, key: bytes, other: Callable[[], bytes]) -> list[Argv]:
        place = [b"%.4f" % self.rng.uniform(-170, 170), b"%.4f" % self.rng.uniform(-80, 80)]
        return [
            [b"GEOADD", key, *place, self._member()],
            [b"GEOSEARCHSTORE", key, other(), b"FROMLONLAT", *place, b"BYRADIUS", b"9000", b"km"],
        ]


def repeat(client: Client, argv: Argv) -> None:
    """Run it on a client in process; a pop that waits has waited long enough."""
    client.raw(encode(argv))
    if client.session.parked:
        client.world.tick(1000)
        client.replies()
