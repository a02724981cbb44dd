"""Bases and snapshots: written whole, or not there."""

import errno
from pathlib import Path

import pytest
from persistence_fakes import RecordingFileSystem, always, content

from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.engine.snapshot import Snapshot
from respkv.persistence import base
from respkv.persistence.base import SnapshotWriter, write_base, write_snapshot
from respkv.persistence.damage import DamagedFile
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout
from respkv.persistence.recovery import load_snapshot, run_to_end


def filled() -> Engine:
    engine = open_engine()
    for number in range(1000):
        engine.database(number % 3).load(b"key:%d" % number, b"v%d" % number, number if number % 7 == 0 else None)
    engine.databases[0].load(b"number", 12, None)
    engine.databases[0].load(b"buffer", bytearray(b"abc"), None)
    return engine


def loaded(directory: Path) -> Engine:
    engine = open_engine()
    run_to_end(load_snapshot(FileSystem(), Layout(str(directory)), engine))
    return engine


def expiries(engine: Engine) -> dict[bytes, int]:
    return {key: at_ms for db in engine.databases for shard in db.shards for key, at_ms in shard.expires.items()}


def test_a_snapshot_comes_back(tmp_path: Path) -> None:
    engine = filled()
    assert write_snapshot(FileSystem(), str(tmp_path / "dump.rdb"), engine.databases) == 1002
    again = loaded(tmp_path)
    assert content(again) == content(engine)
    assert expiries(again) == expiries(engine)
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]


def test_without_a_snapshot_a_start_is_empty(tmp_path: Path) -> None:
    found = run_to_end(load_snapshot(FileSystem(), Layout(str(tmp_path)), open_engine()))
    assert (found.source, found.key_count) == ("empty", 0)


def test_slices_come_in_any_order(tmp_path: Path) -> None:
    engine = filled()
    writer = SnapshotWriter(FileSystem(), str(tmp_path / "dump.rdb"), {})
    for number in reversed(range(256)):
        for index in (2, 0, 1):
            shard = engine.database(index).shards[number]
            writer.write(index, shard.values.copy(), shard.expires.copy())
    assert not (tmp_path / "dump.rdb").exists()
    writer.finish()
    assert writer.key_count == 1002
    assert writer.byte_count == (tmp_path / "dump.rdb").stat().st_size
    assert content(loaded(tmp_path)) == content(engine)


def test_a_snapshot_of_a_moment_while_everything_changes(tmp_path: Path) -> None:
    engine = filled()
    expected = content(engine)
    snapshot = Snapshot(engine)
    writer = SnapshotWriter(FileSystem(), str(tmp_path / "dump.rdb"), snapshot.sizes)
    number = 0
    while (taken := snapshot.take(50)) is not None:
        writer.add(*taken)
        number += 1
        engine.databases[0].set(b"new:%d" % number, b"x")
        engine.database(1).set(b"key:%d" % (3 * number + 1), b"changed")
        buffer = engine.databases[0].edit(b"buffer")
        buffer += b"!"
        engine.databases[0].changed(b"buffer", 1)
        if number % 5 == 0:
            writer.drain()
            assert writer.pending_bytes == 0
    writer.finish()
    assert number > 20
    assert content(loaded(tmp_path)) == expected


@pytest.mark.parametrize("failing", ["open_new", "write", "sync", "rename"])
def test_a_snapshot_that_fails_leaves_the_old_one(tmp_path: Path, failing: str) -> None:
    engine = filled()
    write_snapshot(FileSystem(), str(tmp_path / "dump.rdb"), engine.databases)
    before = (tmp_path / "dump.rdb").read_bytes()
    files = RecordingFileSystem()
    files.fail[failing] = always(errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(files, str(tmp_path / "dump.rdb"), engine.databases)
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    assert (tmp_path / "dump.rdb").read_bytes() == before


def test_a_snapshot_is_on_disk_before_it_takes_its_place(tmp_path: Path) -> None:
    files = RecordingFileSystem()
    write_snapshot(files, str(tmp_path / "dump.rdb"), open_engine().databases)
    assert files.names() == ["open_new", "write", "write", "sync", "rename", "sync_directory"]


def test_a_discarded_snapshot_leaves_nothing(tmp_path: Path) -> None:
    writer = SnapshotWriter(FileSystem(), str(tmp_path / "dump.rdb"), {})
    writer.write(0, {b"a": b"1"}, {})
    writer.discard()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_large_base_is_synced_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_SYNC_EVERY_BYTES", 3 << 20)
    engine = open_engine()
    for number in range(10):
        engine.databases[0].load(b"%d" % number, bytes(1 << 20), None)
    files = RecordingFileSystem()
    write_base(files, str(tmp_path / "base"), engine.databases, {})
    assert files.names().count("sync") == 4


def test_a_base_that_fails_is_removed(tmp_path: Path) -> None:
    files = RecordingFileSystem()
    files.fail["sync"] = always(errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        write_base(files, str(tmp_path / "base"), filled().databases, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"x" + data[1:]])
def test_a_snapshot_that_is_not_as_written_is_refused(tmp_path: Path, change: object) -> None:
    path = tmp_path / "dump.rdb"
    write_snapshot(FileSystem(), str(path), filled().databases)
    assert callable(change)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedFile):
        loaded(tmp_path)
