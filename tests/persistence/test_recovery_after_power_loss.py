"""Power failures, replayed: every point of a run, and whatever the disk had not been told to keep dropped or torn.

`crash_disk` tells what the disk may do. What is recovered must be a prefix of what happened, with all in it that was
acknowledged.
"""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_disk import ChildInProcess, Image, NotingDisk, SameFiles, every_crash
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
        return every_crash(self.files.ops)

    def check_every_crash(self, scratch: Path) -> int:
        """Recover from each; how many there were."""
        number = 0
        for number, (image, keep_names, keep_data) in enumerate(self.crashes()):
            image.lay(self.directory, scratch, keep_names, keep_data)
            engine, found = recovered(scratch, SameFiles())
            survived = content(engine)
            context = (number, keep_names, keep_data, found, image.acknowledged, image.issued)
            last = int(survived.get(b"last", b"0"))
            assert image.acknowledged <= last <= image.issued, context
            assert survived == self.states[last], context
            if number % 20 == 0:  # and life goes on
                log = AppendLog(SameFiles(), Layout(str(scratch)), found.manifest, found.position)
                compaction.clean(FileSystem(), log.layout, log.manifest, 0)
                log.append([[b"SELECT", b"0"], [b"SET", b"new", b"1"]])
                assert log.close()
                assert content(recovered(scratch, SameFiles())[0]) == survived | {b"new": b"1"}, context
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
            survived = content(recovered(scratch, SameFiles())[0])
            assert image.acknowledged <= int(survived[b"last"]) <= image.issued
    assert count > 50
    run.log.close()
