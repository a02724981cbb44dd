"""A server is killed at random moments, again and again, while clients write.

Each client has keys of its own and a shadow, an engine in this process on which it repeats what was acknowledged. After
each kill its keys must be as in the shadow, but for what was on the way: that may be there up to any command, a
transaction whole or not at all. Compactions run all the while.
"""

import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from harness import Client, World, encode
from net_servers import Served, eventually
from observation import Observation, observe
from workload import Argv, Workload, repeat

ROUNDS = {True: 500, False: 3}
WRITERS = 4
ALIVE_S = 0.4
YEAR_MS = 365 * 24 * 3600 * 1000


class Writer(threading.Thread):
    """A client for one round; its workload and shadow live on."""

    def __init__(self, server: Served, workload: Workload, shadow: Client) -> None:
        super().__init__(daemon=True)
        self.raw = server.connect()
        self.workload = workload
        self.shadow = shadow
        self.in_flight: list[Argv] = []
        self.turn_count = 0

    def run(self) -> None:
        try:
            while True:
                turn = self.workload.repeatable_turn()
                self.in_flight = turn
                self.raw.send(b"".join(map(encode, turn)))
                for _ in turn:
                    self.raw.reply()
                self.in_flight = []
                for argv in turn:
                    repeat(self.shadow, argv)
                self.turn_count += 1
        except (EOFError, OSError):
            return


def outcomes(shadow: Client, in_flight: list[Argv], prefix: bytes) -> list[tuple[Observation, list[Argv]]]:
    """What may be there: the keys as they are, and behind each command that was on the way; and what led there."""
    seen = observe(shadow.run, prefix + b"*")
    found: list[tuple[Observation, list[Argv]]] = [(seen, [])]
    for at, argv in enumerate(in_flight):
        repeat(shadow, argv)
        if in_flight[0] != [b"MULTI"] or argv == [b"EXEC"]:
            found.append((observe(shadow.run, prefix + b"*"), in_flight[: at + 1]))
    return found


def let_the_clock_jump(server: Served, rng: Random) -> None:
    """Up to a year in either direction, again and again until the server ends."""
    while server.process.poll() is None:
        server.set_clock(rng.randrange(-YEAR_MS, YEAR_MS))
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("policy", "jumping"),
    [("always", False), ("everysec", False), ("everysec", True)],
    ids=["always", "everysec", "the clock jumps"],
)
def test_killed_at_any_moment_it_has_what_it_acknowledged_and_no_half_of_a_transaction(
    tmp_path: Path, rng: Random, is_long: bool, policy: str, jumping: bool
) -> None:
    options = ["--appendfsync", policy, "--auto-aof-rewrite-min-size", "64kb"]
    server = Served(tmp_path, *options, jumping=jumping)
    worlds = [World() for _ in range(WRITERS)]
    for world in worlds:
        world.checks_each_command = False
    workloads = [Workload(Random(rng.getrandbits(32)), b"w%d:" % number) for number in range(WRITERS)]
    shadows = [world.connect() for world in worlds]
    turns = 0
    try:
        for number in range(ROUNDS[is_long]):
            writers = [Writer(server, *pair) for pair in zip(workloads, shadows, strict=True)]
            for writer in writers:
                writer.start()
            if jumping:
                jumper = threading.Thread(target=let_the_clock_jump, args=(server, Random(rng.getrandbits(32))))
                jumper.start()
            if number % 3 == 2:
                server.connect().call("BGREWRITEAOF")
            eventually(lambda: sum(writer.turn_count for writer in writers), "an answer")  # noqa: B023
            time.sleep(rng.random() * ALIVE_S)  # the moment is what is tried out
            server.kill()
            for writer in writers:
                writer.join()
                turns += writer.turn_count
            if jumping:
                jumper.join()
            server.start()
            raw = server.connect()
            for at, writer in enumerate(writers):
                survived = observe(raw.call, b"w%d:*" % at)
                possible = outcomes(writer.shadow, writer.in_flight, b"w%d:" % at)
                assert survived in [data for data, _ in possible], (number, writer.in_flight)
                # The shadow has gone to the end of what was on the way: let the server follow.
                done = next(commands for data, commands in possible if data == survived)
                for argv in writer.in_flight[len(done) :]:
                    raw.call(*argv)
                assert observe(raw.call, b"w%d:*" % at) == observe(writer.shadow.run, b"w%d:*" % at)
            if number % 8 == 7:
                # Those that are killed never end, and on a busy machine the log would grow and grow.
                raw.call("BGREWRITEAOF")
                eventually(lambda: not raw.is_compacting(), "the compaction")  # noqa: B023
    finally:
        server.close()
    assert turns >= ROUNDS[is_long]


def test_what_was_deleted_evicted_or_expired_does_not_come_back(tmp_path: Path, rng: Random, is_long: bool) -> None:
    options = ["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru", "--auto-aof-rewrite-min-size", "256kb"]
    server = Served(tmp_path, *options)
    values: dict[bytes, set[bytes | None]] = {}  # what each key may hold, if it is there at all
    number = 0
    try:
        for _ in range(ROUNDS[is_long]):
            client = server.client()
            killer = threading.Timer(0.2 + rng.random() * ALIVE_S, server.kill)
            killer.start()
            key = b""
            wanted: bytes | None = None
            try:
                while True:
                    number += 1
                    key = b"key%d" % rng.randrange(3000)
                    chance = rng.random()
                    wanted = None if chance < 0.2 else b"%d:" % number + b"x" * rng.choice((10, 2000))
                    if chance > 0.9:
                        seen: Any = client.get(key)
                        # Gone once, by eviction too, is gone for good.
                        values[key] = {None, seen}
                        continue
                    if wanted is None:
                        client.delete(key)
                    elif chance < 0.3:
                        client.set(key, wanted, px=1)
                    else:
                        client.set(key, wanted)
                    # One that expires at once is gone by the time of the restart.
                    values[key] = {None} if wanted is None or 0.2 <= chance < 0.3 else {None, wanted}
            except (OSError, redis.ConnectionError):
                values.setdefault(key, {None}).add(wanted)
            killer.join()
            server.start()
            raw = server.connect()
            for key, possible in values.items():
                found: Any = raw.call("GET", key)
                assert found in possible, (key, found, possible)
                values[key] = {None, found}
    finally:
        server.close()
    assert number > ROUNDS[is_long]
