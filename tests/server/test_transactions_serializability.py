"""Concurrent clients with interactive transactions against a model: every history is serial, in order of the commits.

Each client does one step at a time: begins, reads, writes, sets savepoints, commits; or runs commands and MULTI/EXEC
outside of transactions, which are transactions of their own. What a transaction was answered is kept until it commits.
Then all of it must be what a model answers that runs whole transactions one after the other, in the order of their
commits. That excludes every anomaly: a dirty read, a lost update, a read that is not repeatable, write skew, a long
fork would each be an answer that no serial order gives; and it shows that what was rolled back left nothing.

In between the server crashes: what the log has is then the model's state, and nothing of the open transactions.
"""

from typing import Any

from harness import Client, World, decode, digest, encode
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from respkv.commands.replay import Replayer
from respkv.engine.keyspace import open_engine
from respkv.errors import ReplyError

Operation = tuple[str, ...]

KEYS = ["a", "b", "c"]
LISTS = ["l", "m"]
CLIENTS = 4

keys = st.sampled_from(KEYS)
numbers = st.integers(-3, 3).map(str)
operations = st.one_of(
    st.tuples(st.just("GET"), keys),
    st.tuples(st.just("MGET"), keys, keys),
    st.tuples(st.just("SET"), keys, numbers),
    st.tuples(st.just("INCRBY"), keys, numbers),
    st.tuples(st.just("DEL"), keys),
    st.tuples(st.just("RPUSH"), st.sampled_from(LISTS), numbers),
    st.tuples(st.just("LPOP"), st.sampled_from(LISTS)),
    st.tuples(st.just("LRANGE"), st.sampled_from(LISTS), st.just("0"), st.just("-1")),
    st.tuples(st.just("RENAME"), st.sampled_from(LISTS), st.sampled_from(LISTS)),
)


class Model:
    """What the operations do, one after the other."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.lists: dict[str, list[str]] = {}

    def run(self, operation: Operation) -> Any:
        name, key, *rest = operation
        match name:
            case "GET":
                return self.shown(key)
            case "MGET":
                return [self.shown(key), self.shown(rest[0])]
            case "SET":
                self.numbers[key] = int(rest[0])
                return "OK"
            case "INCRBY":
                self.numbers[key] = self.numbers.get(key, 0) + int(rest[0])
                return self.numbers[key]
            case "DEL":
                return int(self.numbers.pop(key, None) is not None)
            case "RPUSH":
                self.lists.setdefault(key, []).append(rest[0])
                return len(self.lists[key])
            case "LPOP":
                return self.pop(key)
            case "LRANGE":
                return [each.encode() for each in self.lists.get(key, [])]
            case "RENAME":
                if key not in self.lists:
                    return "ERR"
                self.lists[rest[0]] = self.lists.pop(key)
                return "OK"
        raise AssertionError(name)

    def shown(self, key: str) -> bytes | None:
        return str(self.numbers[key]).encode() if key in self.numbers else None

    def pop(self, key: str) -> bytes | None:
        if key not in self.lists:
            return None
        popped = self.lists[key].pop(0)
        if not self.lists[key]:
            del self.lists[key]
        return popped.encode()

    def data(self) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {key.encode(): str(number).encode() for key, number in self.numbers.items()}
        return found | {key.encode(): [each.encode() for each in elements] for key, elements in self.lists.items()}


class Actor:
    """A client: its open transaction as far as it was answered, and what it waits for."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.history: list[tuple[Operation, Any]] | None = None
        self.savepoints: list[int] = []
        self.asked: list[Operation] = []


class Machine(RuleBasedStateMachine):
    actors_by_number = st.integers(0, CLIENTS - 1)

    @initialize()
    def start(self) -> None:
        self.model = Model()
        self.open_world(World())

    def open_world(self, world: World) -> None:
        self.world = world
        world.checks_each_command = False
        world.server.transactions.lock_timeout_ms = 1000
        self.actors = [Actor(world.connect()) for _ in range(CLIENTS)]

    # What clients do

    def ask(self, actor: Actor, *requests: Operation) -> None:
        if actor.asked:
            return  # it waits
        actor.asked = list(requests)
        actor.client.session.receive(b"".join(encode([word.encode() for word in each]) for each in requests))
        self.listen(actor)
        self.settle()

    def listen(self, actor: Actor) -> None:
        """Take the replies that came, in the order in which things happened."""
        while output := actor.client.session.take_output():
            for reply in decode(output):
                self.answered(actor, actor.asked.pop(0), reply)

    def answered(self, actor: Actor, request: Operation, reply: Any) -> None:
        failed = isinstance(reply, ReplyError)
        code = reply.message.partition(b" ")[0] if failed else b""
        if code in (b"DEADLOCK", b"NOTXN"):
            actor.history = None
            if request[0] != "COMMIT":
                actor.asked.append(("ROLLBACK",))
                actor.client.session.receive(encode([b"ROLLBACK"]))
            return
        name = request[0]
        if code == b"LOCKTIMEOUT":
            return
        if name == "BEGIN":
            actor.history = []
            actor.savepoints = []
        elif name == "COMMIT":
            self.committed(actor.history or [])
            actor.history = None
        elif name in ("ROLLBACK", "SAVEPOINT"):
            pass
        elif name == "EXEC":
            for operation, part in zip(request[1:], reply, strict=True):
                self.did(actor, tuple(operation.split()), part)
        elif name != "MULTI" and reply != "QUEUED":
            self.did(actor, request, reply)

    def did(self, actor: Actor, operation: Operation, reply: Any) -> None:
        if isinstance(reply, ReplyError):
            reply = reply.message.partition(b" ")[0].decode()
        if actor.history is None:
            self.committed([(operation, reply)])
        else:
            actor.history.append((operation, reply))

    def committed(self, history: list[tuple[Operation, Any]]) -> None:
        for operation, reply in history:
            assert self.model.run(operation) == reply, f"no serial order gives {reply!r} to {operation} of {history}"

    # Rules

    @rule(number=actors_by_number)
    def begin(self, number: int) -> None:
        actor = self.actors[number]
        if actor.history is None:
            self.ask(actor, ("BEGIN",))

    @rule(number=actors_by_number, operation=operations)
    def operate(self, number: int, operation: Operation) -> None:
        self.ask(self.actors[number], operation)

    @rule(number=actors_by_number, operation=operations)
    def operate_within(self, number: int, operation: Operation) -> None:
        actor = self.actors[number]
        if actor.history is not None:
            self.ask(actor, operation)

    @rule(number=actors_by_number, amount=st.integers(1, 3), source=keys, receiver=keys)
    def transfer(self, number: int, amount: int, source: str, receiver: str) -> None:
        """As a bank does: read both, then write what was computed from that, if there is enough."""
        actor = self.actors[number]
        if actor.history is None or actor.asked or source == receiver:
            return
        self.ask(actor, ("MGET", source, receiver))
        if actor.history and actor.history[-1][0] == ("MGET", source, receiver) and not actor.asked:
            have, has = (int(each or 0) for each in actor.history[-1][1])
            self.ask(actor, ("SET", source, str(have - amount)))
            if actor.history is not None and not actor.asked:
                self.ask(actor, ("SET", receiver, str(has + amount)))

    @rule(number=actors_by_number, together=st.lists(operations, min_size=1, max_size=3))
    def run_multi(self, number: int, together: list[Operation]) -> None:
        actor = self.actors[number]
        if actor.asked:
            return
        self.ask(actor, ("MULTI",), *together)
        assert not actor.asked
        # What was queued is named behind EXEC, for the model.
        actor.asked = [("EXEC", *(" ".join(operation) for operation in together))]
        actor.client.session.receive(encode([b"EXEC"]))
        self.listen(actor)
        self.settle()

    def settle(self) -> None:
        ready = self.world.server.ready
        while ready:
            session = ready.pop(0)
            if session.parked:
                session.resume()
            for other in self.actors:
                if other.client.session is session:
                    self.listen(other)
        self.world.collect()

    @rule(number=actors_by_number)
    def commit(self, number: int) -> None:
        actor = self.actors[number]
        if actor.history is not None:
            self.ask(actor, ("COMMIT",))

    @rule(number=actors_by_number)
    def roll_back(self, number: int) -> None:
        actor = self.actors[number]
        if actor.history is not None and not actor.asked:
            actor.history = None
            self.ask(actor, ("ROLLBACK",))

    @rule(number=actors_by_number)
    def set_savepoint(self, number: int) -> None:
        actor = self.actors[number]
        if actor.history is not None and not actor.asked:
            actor.savepoints.append(len(actor.history))
            self.ask(actor, ("SAVEPOINT", f"s{len(actor.savepoints)}"))

    @rule(number=actors_by_number, back=st.integers(1, 2))
    def roll_back_to(self, number: int, back: int) -> None:
        actor = self.actors[number]
        if actor.history is not None and not actor.asked and len(actor.savepoints) >= back:
            at = len(actor.savepoints) - back
            del actor.savepoints[at + 1 :]
            # Reads since then were right as well, but what was read of own writes is forgotten with them.
            del actor.history[actor.savepoints[at] :]
            self.ask(actor, ("ROLLBACK", "TO", f"s{at + 1}"))

    @rule(number=actors_by_number)
    def vanish(self, number: int) -> None:
        self.actors[number].client.close()
        self.actors[number] = Actor(self.world.connect())
        self.settle()

    @rule()
    def wait(self) -> None:
        self.world.advance(1001)
        self.world.server.tick()
        self.settle()

    @rule()
    def crash(self) -> None:
        self.world.collect()
        world = World()
        world.engine.logging = False
        Replayer(world.engine).apply_all(self.world.log)
        world.engine.logging = True
        world.log = self.world.log
        world._taken = self.world._taken
        world.engine.now_ms = self.world.engine.now_ms
        self.open_world(world)

    @invariant()
    def data_are_those_of_the_model(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        found = {key: value for key, (value, _) in digest(world.engine).get(0, {}).items()}
        expected = self.model.data()
        assert found.keys() == expected.keys()
        for key, value in found.items():
            assert value == (("list", tuple(expected[key])) if isinstance(expected[key], list) else expected[key])
        world.server.transactions.all.check()
        world.engine.locks.check()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for actor in self.actors:
            actor.client.close()
        self.settle()
        self.world.collect()
        assert not self.world.engine.locks
        assert self.world.engine.reserved_bytes == 0
        fresh = open_engine(16)
        Replayer(fresh).apply_all(self.world.log)
        assert digest(fresh) == digest(self.world.engine)


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)
TestMachine = Machine.TestCase
