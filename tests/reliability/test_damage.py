"""Every bit of small files flipped, every length cut: found and named, or without effect; never served.

The data directory has keys of all types in its base and its increment. redis-server is put to the same test on files
of its own in the long form, and the shares are printed side by side.
"""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import redis
from harness import Digest, World, digest, encode
from persistence_fakes import real_server, server_binaries
from workload import Workload, repeat

from respkv.commands.replay import Replayer
from respkv.engine.keyspace import open_engine
from respkv.errors import StartupError
from respkv.persistence import check
from respkv.persistence.aof import AppendLog
from respkv.persistence.base import write_base
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout
from respkv.persistence.recovery import recover, run_to_end

BATCHES = 12


class Store:
    """A data directory, and what its data were behind each batch of its increment."""

    def __init__(self, directory: Path, rng: Random) -> None:
        self.directory = directory
        world = World(databases=2)
        world.checks_each_command = False
        client = world.connect()
        workload = Workload(rng, keys_per_type=2)
        for _ in range(40):
            for argv in workload.repeatable_turn():
                repeat(client, argv)
        log = AppendLog(FileSystem(), Layout(str(directory)), None)
        log.rebase(lambda path: write_base(FileSystem(), path, world.engine.databases, {}))
        engine = world.engine
        engine.take_effects()
        engine.effects_db = -1
        self.states: list[Digest] = [digest(engine)]
        while len(self.states) <= BATCHES:
            client.session.receive(b"".join(map(encode, workload.repeatable_turn())))
            if client.session.parked:
                world.tick(1000)
            client.session.take_output()
            if engine.effects:
                log.append(engine.take_effects())
                self.states.append(digest(engine))
        log.close()
        manifest = log.manifest
        self.manifest = Path(Layout(str(directory)).manifest_path)
        assert manifest.base is not None
        self.base = Path(log.layout.path(manifest.base))
        self.incr = Path(log.layout.path(manifest.incrs[-1]))

    def load(self) -> Digest:
        engine = open_engine(2)
        run_to_end(recover(FileSystem(), Layout(str(self.directory)), engine, Replayer(engine)))
        return digest(engine)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("damage"), Random(4))


def damaged(store: Store, path: Path, data: bytes) -> Digest | str:
    """What a start makes of it with `data` in the place of that file: the data, or why it refuses."""
    whole = path.read_bytes()
    others = {file: file.read_bytes() for file in (store.manifest, store.base, store.incr)}
    path.write_bytes(data)
    try:
        return store.load()
    except StartupError as error:
        # Nothing was changed by looking.
        assert path.read_bytes() == data
        return str(error)
    finally:
        for file, content in others.items():
            file.write_bytes(content)
        assert path.read_bytes() == whole


def flips(size: int, rng: Random, is_long: bool, at_most: int) -> list[tuple[int, int]]:
    """Places and bits: all, or as many as there is time for."""
    every = [(at, bit) for at in range(size) for bit in range(8)]
    return every if is_long else rng.sample(every, min(at_most, len(every)))


@pytest.mark.parametrize(("name", "count"), [("manifest", 200), ("base", 150), ("incr", 200)])
def test_a_flipped_bit_is_named_or_without_effect(
    store: Store, rng: Random, is_long: bool, name: str, count: int
) -> None:
    path: Path = getattr(store, name)
    whole = path.read_bytes()
    verdicts: Counter[str] = Counter()
    for at, bit in flips(len(whole), rng, is_long, count):
        outcome = damaged(store, path, whole[:at] + bytes((whole[at] ^ 1 << bit,)) + whole[at + 1 :])
        if isinstance(outcome, str):
            assert path.name in outcome or name == "manifest", (at, bit, outcome)
            assert name == "manifest" or re.search(r"offset [0-9]+", outcome), (at, bit, outcome)
            verdicts["named"] += 1
        else:
            assert outcome == store.states[-1], (at, bit)
            verdicts["without effect"] += 1
    print(f"{name}: {len(whole)} bytes, {dict(verdicts)}")
    # In a log a wrong checksum line is forgiven where the next one proves the data right.
    assert verdicts["named"] > verdicts["without effect"]


@pytest.mark.parametrize(("name", "count"), [("manifest", 100), ("base", 100), ("incr", 200)])
def test_a_cut_file_is_refused_or_ends_behind_a_batch(
    store: Store, rng: Random, is_long: bool, name: str, count: int
) -> None:
    path: Path = getattr(store, name)
    whole = path.read_bytes()
    sizes = range(len(whole)) if is_long else rng.sample(range(len(whole)), min(count, len(whole)))
    for size in sizes:
        outcome = damaged(store, path, whole[:size])
        if name == "incr":
            assert outcome in store.states, size
        else:
            # Without its last line a manifest is one of Redis's.
            assert isinstance(outcome, str) or (name == "manifest" and outcome == store.states[-1]), size


def test_what_a_repair_keeps_is_what_was_before_the_damage(store: Store, rng: Random, is_long: bool) -> None:
    whole = store.incr.read_bytes()
    for at, bit in flips(len(whole), rng, is_long, 60)[:2000]:
        store.incr.write_bytes(whole[:at] + bytes((whole[at] ^ 1 << bit,)) + whole[at + 1 :])
        cut = [Path(f"{store.incr}.cut-at-{at}")]
        try:
            code = check.run(str(store.directory), fix=True)
            assert code == 0, (at, bit)
            data = store.load()
            cut = list(store.incr.parent.glob("*.cut-at-*"))
            assert data in store.states, (at, bit)
            if data != store.states[-1]:
                # All that is not kept is beside it.
                kept = store.incr.stat().st_size
                assert [file.name for file in cut] == [f"{store.incr.name}.cut-at-{kept}"]
                assert len(cut[0].read_bytes()) == len(whole) - kept
        finally:
            for file in cut:
                file.unlink(missing_ok=True)
            store.incr.write_bytes(whole)


@pytest.mark.parametrize("server", sorted(server_binaries()))
def test_the_same_done_to_redis(tmp_path: Path, rng: Random, is_long: bool, server: str) -> None:
    """What docs/durability.md says of Redis: it serves changed values."""
    if not is_long:
        pytest.skip("for the table in docs/durability.md; RESPKV_PROOF=long makes it")
    binary = server_binaries()[server]
    directory = tmp_path / "whole"
    directory.mkdir()
    with real_server(binary, directory) as client:
        for number in range(60):
            client.set(f"key{number}", f"value{number}" * 5)
        expected = {key: client.get(key) for key in client.scan_iter()}
    path = next((directory / "appendonlydir").glob("*.incr.aof"))
    whole = path.read_bytes()
    verdicts: Counter[str] = Counter()
    for at, bit in flips(len(whole), rng, False, 300):
        scratch = tmp_path / "scratch"
        shutil.copytree(directory, scratch)
        (scratch / "appendonlydir" / path.name).write_bytes(
            whole[:at] + bytes((whole[at] ^ 1 << bit,)) + whole[at + 1 :]
        )
        try:
            with real_server(binary, scratch) as client:
                found = {key: client.get(key) for key in client.scan_iter()}
            verdicts["without effect" if found == expected else "served wrong or lost"] += 1
        except (RuntimeError, redis.RedisError, subprocess.SubprocessError):
            verdicts["named"] += 1
        shutil.rmtree(scratch)
    print(f"{server}: {len(whole)} bytes, {dict(verdicts)}")
    assert verdicts["served wrong or lost"] > 0
