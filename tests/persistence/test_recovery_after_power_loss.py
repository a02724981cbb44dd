"""Power failures, replayed: every point of a run, and whatever the disk had not been told to keep dropped or torn.

The disk that is assumed keeps what was synced, and of the rest what it likes: of each file's writes since its last
sync all, none, or a part, the last one cut or full of zeros; of each directory's changes since its last sync all,
none, or some, early or late ones. What is recovered must be a prefix of what happened, with all in it that was
acknowledged.
"""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from persistence_fakes import content

from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.persistence import compaction
from respkv.persistence.aof import AppendLog
from respkv.persistence.base import write_base, write_snapshot
from respkv.persistence.batch import Effect
from respkv.persistence.compaction import DONE, Compaction
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout
from respkv.persistence.recovery import Recovered, load_alone, recover

Op = tuple[Any, ...]
NAMES = ("all", "none", "first", "half", "last", "but the first")
DATA = ("all", "none", "half", "one byte", "but one byte", "zeros", "zeros from half")


class NotingDisk(FileSystem):
    """Notes every change; a file is known by a number, whatever its names. Nothing is really synced."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.names: dict[str, int] = {}
        self.open_files: dict[int, int] = {}
        self.sizes: list[int] = []

    def _opened(self, path: str, fd: int) -> int:
        if path not in self.names:
            self.names[path] = len(self.sizes)
            self.sizes.append(0)
            self.ops.append(("name", path, self.names[path]))
        self.open_files[fd] = self.names[path]
        return fd

    def open_append(self, path: str) -> int:
        return self._opened(path, super().open_append(path))

    def open_new(self, path: str) -> int:
        fd = self._opened(path, super().open_new(path))
        self.truncate(fd, 0)
        return fd

    def write(self, fd: int, pieces: list[bytes]) -> int:
        number = self.open_files[fd]
        data = b"".join(pieces)
        self.ops.append(("write", number, self.sizes[number], data))
        self.sizes[number] += len(data)
        return super().write(fd, pieces)

    def truncate(self, fd: int, byte_count: int) -> None:
        number = self.open_files[fd]
        self.ops.append(("truncate", number, byte_count))
        self.sizes[number] = byte_count
        super().truncate(fd, byte_count)

    def sync(self, fd: int) -> None:
        self.ops.append(("sync", self.open_files[fd]))

    def rename(self, source: str, destination: str) -> None:
        self.ops.append(("rename", source, destination))
        self.names[destination] = self.names.pop(source)
        super().rename(source, destination)

    def unlink(self, path: str) -> None:
        self.ops.append(("unlink", path))
        self.names.pop(path, None)
        super().unlink(path)

    def make_directory(self, path: str) -> None:
        if not self.is_directory(path):
            self.ops.append(("directory", path))
        super().make_directory(path)

    def sync_directory(self, path: str) -> None:
        self.ops.append(("sync_directory", path))


class Image:
    """What is on the disk after some operations: what it must keep, and what it may."""

    def __init__(self, ops: list[Op]) -> None:
        self.files: dict[int, bytes] = {}
        self.names: dict[str, int] = {}
        self.unsynced: dict[int, list[Op]] = {}
        self.unsynced_names: dict[str, list[Op]] = {}
        self.acknowledged = self.issued = 0
        for op in ops:
            match op[0]:
                case "write" | "truncate":
                    self.unsynced.setdefault(op[1], []).append(op)
                case "sync":
                    self.files[op[1]] = changed(self.files.get(op[1], b""), self.unsynced.pop(op[1], []))
                case "name" | "rename" | "unlink" | "directory":
                    self.unsynced_names.setdefault(os.path.dirname(op[1]), []).append(op)
                case "sync_directory":
                    rename_all(self.names, self.unsynced_names.pop(op[1], []))
                case "issued":
                    self.issued = op[1]
                case "acknowledged":
                    self.acknowledged = op[1]

    def lay(self, old: Path, new: Path, keep_names: str, keep_data: str) -> None:
        """Write the directory `old`, as this disk may hold it, to `new`."""
        names = dict(self.names)
        for ops in self.unsynced_names.values():
            rename_all(
                names,
                {
                    "all": ops,
                    "none": [],
                    "first": ops[:1],
                    "half": ops[: len(ops) // 2],
                    "last": ops[-1:],
                    "but the first": ops[1:],
                }[keep_names],
            )
        new.mkdir()
        for path, number in sorted(names.items()):
            target = new / os.path.relpath(path, old)
            if number < 0:
                target.mkdir(exist_ok=True)
            elif target.parent.exists():
                target.write_bytes(
                    changed(self.files.get(number, b""), survivors(self.unsynced.get(number, []), keep_data))
                )


def survivors(ops: list[Op], keep: str) -> list[Op]:
    if keep in ("all", "none") or not ops or ops[-1][0] != "write":
        return ops if keep != "none" else []
    kind, number, at, data = ops[-1]
    half = len(data) // 2
    torn = {
        "half": data[:half],
        "one byte": data[:1],
        "but one byte": data[:-1],
        "zeros": bytes(len(data)),
        "zeros from half": data[: half - (at + half) % 512] + bytes(len(data)),
    }[keep]
    return [*ops[:-1], (kind, number, at, torn[: len(data)])]


def changed(content: bytes, ops: list[Op]) -> bytes:
    for op in ops:
        if op[0] == "truncate":
            content = content[: op[2]].ljust(op[2], b"\0")
        else:
            _, _, at, data = op
            content = content[:at].ljust(at, b"\0") + data + content[at + len(data) :]
    return content


def rename_all(names: dict[str, int], ops: list[Op]) -> None:
    for op in ops:
        if op[0] == "name":
            names[op[1]] = op[2]
        elif op[0] == "directory":
            names[op[1]] = -1
        elif op[0] == "unlink":
            names.pop(op[1], None)
        elif op[1] in names:
            names[op[2]] = names.pop(op[1])


class ChildInProcess:
    """Stands for the compacting process, so that its file operations are noted as well."""

    pid = 4711
    returncode = 0
    stdout = stderr = None

    def __init__(self, files: FileSystem) -> None:
        self.files = files
        self.output = b""
        self.stdin = self

    def write(self, line: bytes) -> None:
        job = compaction.Job(**json.loads(line))
        self.output = json.dumps(asdict(compaction.compact_files(self.files, job))).encode()

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def poll(self) -> int:
        return 0

    def communicate(self) -> tuple[bytes, bytes]:
        return self.output, b""


class Run:
    """A server's life with its disk, and what its clients know of it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, files: NotingDisk | None = None) -> None:
        self.directory = directory
        self.files = files or NotingDisk()
        self.states: list[dict[bytes, bytes]] = [{}]
        monkeypatch.setattr(compaction, "_spawn", lambda: ChildInProcess(self.files))
        self.log = self.start()

    def start(self) -> AppendLog:
        engine, found = recovered(self.directory, self.files)
        self.states = [*self.states[:-1], content(engine)]
        self.log = AppendLog(self.files, Layout(str(self.directory)), found.manifest, found.position)
        return self.log

    def write(self, count: int = 1, size: int = 10) -> None:
        for _ in range(count):
            number = len(self.states)
            effects: list[Effect] = [[b"SET", b"last", b"%d" % number], [b"SET", b"k%d" % (number % 3), b"x" * size]]
            self.files.ops.append(("issued", number))
            self.log.append([[b"SELECT", b"0"], *effects])
            self.states.append(self.states[-1] | {b"last": b"%d" % number, b"k%d" % (number % 3): b"x" * size})

    def sync(self) -> None:
        assert self.log.sync_now()
        self.files.ops.append(("acknowledged", len(self.states) - 1))

    def compact(self) -> None:
        running = Compaction(self.log, 1)
        self.files.ops.append(("acknowledged", len(self.states) - 1))
        self.write()
        assert running.poll() is DONE, running.failure
        running.finish()
        for thread in threading.enumerate():
            if thread.name == "respkv-unlink":
                thread.join()

    def begin_anew(self) -> None:
        engine, _ = recovered(self.directory, FileSystem())
        self.log.rebase(lambda path: write_base(self.files, path, engine.databases, {}))
        self.files.ops.append(("acknowledged", len(self.states) - 1))

    def crashes(self) -> Iterator[tuple[Image, str, str]]:
        for count in range(len(self.files.ops) + 1):
            image = Image(self.files.ops[:count])
            for keep_names in NAMES if image.unsynced_names else NAMES[:1]:
                for keep_data in DATA if image.unsynced else DATA[:1]:
                    yield image, keep_names, keep_data

    def check_every_crash(self, scratch: Path) -> int:
        """Recover from each; how many there were."""
        number = 0
        for number, (image, keep_names, keep_data) in enumerate(self.crashes()):
            image.lay(self.directory, scratch, keep_names, keep_data)
            engine, found = recovered(scratch, FileSystem())
            survived = content(engine)
            context = (number, keep_names, keep_data, found, image.acknowledged, image.issued)
            last = int(survived.get(b"last", b"0"))
            assert image.acknowledged <= last <= image.issued, context
            assert survived == self.states[last], context
            if number % 20 == 0:  # and life goes on
                log = AppendLog(FileSystem(), Layout(str(scratch)), found.manifest, found.position)
                compaction.clean(FileSystem(), log.layout, log.manifest, 0)
                log.append([[b"SELECT", b"0"], [b"SET", b"new", b"1"]])
                assert log.close()
                assert content(recovered(scratch, FileSystem())[0]) == survived | {b"new": b"1"}, context
            shutil.rmtree(scratch)
        return number


def recovered(directory: Path, files: FileSystem) -> tuple[Engine, Recovered]:
    layout = Layout(str(directory))
    return load_alone(lambda engine, replayer: recover(files, layout, engine, replayer), databases=1)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    (tmp_path / "data").mkdir()
    run = Run(tmp_path / "data", monkeypatch)
    yield run
    run.log.close()


def test_appends_and_syncs(run: Run, tmp_path: Path) -> None:
    for size in (10, 2000):
        run.write(3, size)
        run.sync()
    run.write(2)
    assert run.check_every_crash(tmp_path / "scratch") > 100


def test_rotation_and_compaction(run: Run, tmp_path: Path) -> None:
    run.write(2)
    run.sync()
    run.compact()
    run.write()
    run.compact()
    run.write()
    run.sync()
    assert run.check_every_crash(tmp_path / "scratch") > 400


def test_a_new_beginning(run: Run, tmp_path: Path) -> None:
    run.write(2)
    run.sync()
    run.write()
    run.begin_anew()
    run.write()
    run.sync()
    assert run.check_every_crash(tmp_path / "scratch") > 150


def test_a_second_life(run: Run, tmp_path: Path) -> None:
    run.write(2, 700)
    run.sync()
    assert run.log.close()
    run.start()
    run.write()
    run.sync()
    run.compact()
    assert run.check_every_crash(tmp_path / "scratch") > 150


@pytest.mark.parametrize("name", ["dump.rdb", "appendonly.aof"])
def test_taking_over_what_another_server_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    engine = open_engine(1)
    engine.databases[0].load(b"last", b"0", None)
    write_snapshot(FileSystem(), str(data / name), engine.databases)
    files = NotingDisk()
    files.names[str(data / name)] = 0
    files.sizes.append((data / name).stat().st_size)
    files.ops += [
        *(("name", str(data / name), 0), ("write", 0, 0, (data / name).read_bytes())),
        *(("sync", 0), ("sync_directory", str(data))),
    ]
    run = Run(data, monkeypatch, files)
    run.write()
    run.sync()
    assert run.states[0] == {b"last": b"0"}
    count = 0
    for count, (image, keep_names, keep_data) in enumerate(run.crashes()):
        if image.names:  # from where on the file is there
            scratch = tmp_path / f"scratch{count}"
            image.lay(data, scratch, keep_names, keep_data)
            survived = content(recovered(scratch, FileSystem())[0])
            assert image.acknowledged <= int(survived[b"last"]) <= image.issued
    assert count > 50
    run.log.close()
