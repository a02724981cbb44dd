"""What many clients saw at the same time, with a server that is killed in between, has one explanation.

Clients work on a few keys at once and note when they asked, when they were answered, and what. Whoever was not answered
because the server was killed may have been heard or not. Each key is checked by itself, what a transaction touches as
one object (`linearizability`). Every value that is written is new, so that a read tells which write it saw.
"""

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from linearizability import NEVER, UNKNOWN, Operation, Step, find_order
from net_servers import Served

CLIENTS = 6
ROUNDS = {True: 60, False: 4}
OPERATIONS = 25
_numbers = itertools.count(1)

Ask = Callable[[redis.Redis, Any], Any]


class Kind:
    """A kind of object: what clients ask of it, how that is sent, and what it should do."""

    def __init__(self, ask: Callable[[Random], Any], send: Ask, step: Step, start: Any) -> None:
        self.ask = ask
        self.send = send
        self.step = step
        self.start = start


def _register(key: str) -> Kind:
    def ask(rng: Random) -> Any:
        kind = rng.choice(["get", "set", "getset", "setnx"])
        return kind, next(_numbers)

    def send(client: redis.Redis, question: Any) -> Any:
        kind, value = question
        if kind == "get":
            return _int(client.get(key))
        if kind == "set":
            return bool(client.set(key, value))
        return _int(client.getset(key, value)) if kind == "getset" else bool(client.set(key, value, nx=True))

    def step(state: Any, question: Any) -> tuple[Any, Any]:
        kind, value = question
        if kind == "get":
            return state, state
        if kind == "set":
            return value, True
        if kind == "getset":
            return value, state
        return (value, True) if state is None else (state, False)

    return Kind(ask, send, step, None)


def _counter(key: str) -> Kind:
    def ask(rng: Random) -> Any:
        return rng.choice([0, 1, 1, 5])

    def send(client: redis.Redis, amount: Any) -> Any:
        return client.incrby(key, amount) if amount else _int(client.get(key)) or 0

    def step(state: Any, amount: Any) -> tuple[Any, Any]:
        return state + amount, state + amount

    return Kind(ask, send, step, 0)


def _set(key: str) -> Kind:
    def ask(rng: Random) -> Any:
        return rng.choice([("add", rng.randrange(4)), ("rem", rng.randrange(4)), ("members", None)])

    def send(client: redis.Redis, question: Any) -> Any:
        kind, member = question
        if kind == "members":
            return frozenset(map(int, client.smembers(key)))
        return client.sadd(key, member) if kind == "add" else client.srem(key, member)

    def step(state: Any, question: Any) -> tuple[Any, Any]:
        kind, member = question
        if kind == "members":
            return state, state
        after = state | {member} if kind == "add" else state - {member}
        return after, len(after ^ state)

    return Kind(ask, send, step, frozenset())


def _accounts(key: str) -> Kind:
    """Two accounts, changed and read by MULTI only: their sum never differs, whatever is killed."""

    def ask(rng: Random) -> Any:
        return rng.choice([0, 3, -2])

    def send(client: redis.Redis, amount: Any) -> Any:
        with client.pipeline(transaction=True) as pipe:
            pipe.incrby(f"{key}:a", amount)
            pipe.incrby(f"{key}:b", -amount)
            return tuple(pipe.execute())

    def step(state: Any, amount: Any) -> tuple[Any, Any]:
        after = (state[0] + amount, state[1] - amount)
        return after, after

    return Kind(ask, send, step, (0, 0))


class Refused(Exception):
    """The transaction was rolled back to end a deadlock: nothing has happened."""


def _transfers(key: str) -> Kind:
    """Two accounts, read and then written in a transaction over several round trips: no update is lost between."""
    a, b = f"{key}:a", f"{key}:b"

    def ask(rng: Random) -> Any:
        return rng.choice([0, 3, -2]), rng.random() < 0.5

    def send(client: redis.Redis, question: Any) -> Any:
        amount, begins_with_a = question
        with client.client() as one:  # type: ignore[no-untyped-call]
            try:
                one.execute_command("BEGIN")
                found = {name: int(one.get(name) or 0) for name in ((a, b) if begins_with_a else (b, a))}
                if amount:
                    one.set(a, found[a] + amount)
                    one.set(b, found[b] - amount)
                one.execute_command("COMMIT")
            except redis.ResponseError as error:
                if not str(error).startswith("DEADLOCK"):
                    raise
                # Until it says so, what the client sends belongs to the transaction that is no more.
                with suppress(redis.ResponseError):
                    one.execute_command("ROLLBACK")
                raise Refused from error
        return found[a], found[b]

    def step(state: Any, question: Any) -> tuple[Any, Any]:
        amount, _ = question
        return (state[0] + amount, state[1] - amount), state

    return Kind(ask, send, step, (0, 0))


def _int(reply: Any) -> int | None:
    return None if reply is None else int(reply)


class Historian(threading.Thread):
    """A client that asks things of random objects, and notes what it saw."""

    def __init__(self, server: Served, objects: dict[str, Kind], seed: int) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.objects = objects
        self.rng = Random(seed)
        self.seen: list[tuple[str, Operation]] = []

    def run(self) -> None:
        client = self.server.client()
        for _ in range(OPERATIONS):
            name = self.rng.choice(sorted(self.objects))
            kind = self.objects[name]
            question = kind.ask(self.rng)
            called_at = time.monotonic()
            try:
                answer = kind.send(client, question)
            except Refused:
                continue
            except redis.ConnectionError:
                self.seen.append((name, Operation(called_at, NEVER, question, UNKNOWN)))
                return
            self.seen.append((name, Operation(called_at, time.monotonic(), question, answer)))


@pytest.mark.parametrize("portable", [False, True], ids=["pump", "portable"])
def test_histories_across_crashes_are_linearizable(tmp_path: Path, rng: Random, is_long: bool, portable: bool) -> None:
    server = Served(tmp_path, portable=portable)
    objects: dict[str, Kind] = {"register": _register("register"), "counter": _counter("counter")}
    objects |= {"set": _set("set"), "accounts": _accounts("accounts")}
    objects["transfers"] = _transfers("transfers")
    histories: dict[str, list[Operation]] = {name: [] for name in objects}
    try:
        for number in range(ROUNDS[is_long]):
            clients = [Historian(server, objects, rng.getrandbits(32)) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            ends_at = NEVER
            if number % 2:
                while sum(len(client.seen) for client in clients) < CLIENTS * OPERATIONS * rng.random():
                    time.sleep(0.001)
                server.kill()
                ends_at = time.monotonic()
            for client in clients:
                client.join()
                for name, operation in client.seen:
                    if operation.answer is UNKNOWN:
                        assert number % 2, "a server that was not killed does not end connections"
                        # The dead change nothing.
                        operation = replace(operation, returned_at=ends_at)
                    if operation.called_at < ends_at:
                        histories[name].append(operation)
            if number % 2:
                server.start()
    finally:
        server.close()
    for name, history in histories.items():
        kind = objects[name]
        assert len(history) > CLIENTS
        assert find_order(history, kind.step, kind.start) is not None, sorted(history, key=lambda one: one.called_at)
