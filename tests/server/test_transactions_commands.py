"""No command goes past a lock: all of them, with the arguments that the cases of the differential suite give them."""

from pathlib import Path

import pytest
from harness import World, encode

import compat.differential
from compat.differential.script import load_cases, split_words
from respkv.commands.flags import TRANSACTION
from respkv.commands.spec import COMMANDS, find_spec
from respkv.engine.locks import Wants, with_databases
from respkv.server.parking import LOCKED
from respkv.server.transactions import wants_of

CASES = Path(compat.differential.__file__).parent / "cases"


def requests() -> dict[bytes, list[list[bytes]]]:
    """By command: requests that name keys, one of each length."""
    found: dict[tuple[bytes, int], list[bytes]] = {}
    for case in load_cases(CASES):
        for step in case.steps:
            if step.action not in ("ask", "send") or "{" in step.text:
                continue
            argv = split_words(step.text)
            spec = find_spec(argv) if argv else None
            if spec is None or not spec.least <= len(argv) <= spec.most or spec.flags & TRANSACTION:
                continue
            found.setdefault((spec.name, len(argv)), argv)
    by_name: dict[bytes, list[list[bytes]]] = {}
    for (name, _), argv in found.items():
        by_name.setdefault(name, []).append(argv)
    return by_name


REQUESTS = requests()


@pytest.mark.parametrize("name", [name.decode() for name in REQUESTS])
def test_a_command_waits_for_each_key_that_it_names_and_for_no_other(name: str) -> None:
    world = World()
    world.checks_each_command = False
    locks = world.engine.locks
    # Whoever has the gate's bit set looks at locks.
    world.connect().run("BEGIN")
    for argv in REQUESTS[name.encode()]:
        spec = find_spec(argv)
        assert spec is not None
        client = world.connect()
        wants = wants_of(client.session, spec, argv)
        named = set(spec.keys(argv))
        assert named <= {key for _, key in wants}
        for item in wants:
            holder = locks.new_owner()
            held: Wants = with_databases({item: True})
            assert locks.acquire(holder, held, _nobody).is_granted
            client.session.receive(encode(argv))
            world.resume_ready()
            assert client.session.parked == LOCKED, f"{argv} did not wait for {item}"
            client.close()
            locks.release_all(holder)
            client = world.connect()
        holder = locks.new_owner()
        locks.acquire(holder, with_databases({(0, b"of nobody"): True}), _nobody)
        client.session.receive(encode(argv))
        # FLUSHALL and its like change all keys.
        assert (client.session.parked == LOCKED) == ((0, None) in wants)
        client.close()
        locks.release_all(holder)
        locks.check()


def test_the_cases_have_nearly_all_commands_that_name_keys() -> None:
    with_keys = {name for name, spec in COMMANDS.items() if spec.key_flags or spec.key_finder is not None}
    assert len(with_keys - REQUESTS.keys()) <= len(with_keys) // 20, with_keys - REQUESTS.keys()


def _nobody() -> None:
    """The holder has its locks at once."""
