"""Brings a data directory back into memory, and decides what a crash or another server left there.

Sources, the first that is there:

    1. the multi-part log that the manifest names: base, then increments
    2. `appendonly.aof` beside the log directory (Redis before 7): becomes the base
    3. `dump.rdb`, if no log ever was: is copied to become the base. (Redis 7 with appendonly yes would
    start empty
       and later overwrite it.)

Rule 1: only the tail of the last file is ever cut, and only what `tail.py` calls torn.
Rule 2: nothing is changed on disk before all has been loaded.
Rule 3: a log without its manifest is not an empty store: the start is refused.
"""

import os
import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Protocol, cast

from respkv.commands.replay import Replayer
from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.errors import BadDatabaseIndex, ReplyError, StartupError
from respkv.persistence import dump  # noqa: F401  (its commands may be in a log)
from respkv.persistence.aof import LogPosition
from respkv.persistence.batch import FIRST_BATCH_BYTES, FIRST_BATCH_START
from respkv.persistence.damage import DamagedFile, TooFewDatabases
from respkv.persistence.files import TEMPORARY, FileSystem
from respkv.persistence.functions import library_name
from respkv.persistence.log_reader import READ_SIZE, LogReader, walk
from respkv.persistence.manifest import Layout, LogFile, Manifest, read_manifest, write_manifest
from respkv.persistence.rdb_reader import Decoder, RdbReader, is_rdb
from respkv.persistence.rdb_values import DECODERS
from respkv.persistence.tail import Ending, judge

# Work between two looks at the clock; 512 keys take about a third of a millisecond.
_KEYS_PER_STEP = 512
# Whoever asks meanwhile waits as long for LOADING, half as long as with the reference, which answers every 2 MB.
_YIELD_AFTER_S = 0.01
# A database takes 70 KB even when empty; nobody may make a tool reserve gigabytes by one number.
MOST_DATABASES = 4096


class Replaying(Protocol):
    """Runs logged commands; `respkv.commands.replay.Replayer` is one."""

    @property
    def argv(self) -> list[bytes]:
        """The command that failed."""

    def apply_all(self, commands: list[list[bytes]]) -> None:
        """Run the commands in order, those of a transaction when its EXEC comes. Raises: ReplyError."""

    def in_transaction(self) -> bool:
        """True while an EXEC has yet to come."""


@dataclass
class Progress:
    """How far a load has come."""

    bytes_done: int
    bytes_total: int
    path: str


@dataclass
class Recovered:
    """What a load found; `manifest` is None if nothing was there."""

    manifest: Manifest | None = None
    position: LogPosition = field(default_factory=LogPosition)
    source: str = "empty"
    key_count: int = 0
    command_count: int = 0
    batch_count: int = 0
    unverified_bytes: int = 0
    cut: list[tuple[str, Ending]] = field(default_factory=list)
    aux: dict[bytes, bytes] = field(default_factory=dict)


def recover(
    files: FileSystem,
    layout: Layout,
    target: Engine,
    replayer: Replaying,
    decoders: dict[int, Decoder] = DECODERS,
    cut_torn_tail: bool = True,
) -> Generator[Progress, None, Recovered]:
    """Load the data directory into `target` (keys of bases) and through `replayer` (commands of the log).

    Yields every ten milliseconds; returns what was found, after cutting a torn tail and taking over a
    source of another form. With `cut_torn_tail` off (`aof-load-truncated no`) such a tail is refused like
    damage.

    Raises: StartupError and its kinds; OSError.
    """
    source, manifest = find_source(files, layout)
    if manifest is None:
        return Recovered(source=source)
    paths = [_source_path(layout, source, item) for item in manifest.to_load()]
    recovered = yield from load(files, paths, target, replayer, decoders, cut_torn_tail)
    recovered.source = source
    if source != "log":
        yield from _take_over(files, layout, source, manifest)
    if not manifest.incrs:  # a new increment will be started, with a checksum of its own
        recovered.position = LogPosition(0, 0, recovered.position.lsn)
    recovered.manifest = manifest
    for path, ending in recovered.cut:
        if ending.dropped_bytes:
            cut(files, path if source == "log" else layout.path(manifest.to_load()[-1]), ending.offset)
    if source == "log" and manifest.incrs and files.size(paths[-1]) > recovered.position.size:
        cut(files, paths[-1], recovered.position.size)  # room that a killed server had prepared
    return recovered


def find_source(files: FileSystem, layout: Layout) -> tuple[str, Manifest | None]:
    """Where the data are ("log", "old log", "snapshot" or "empty"), and the manifest that names them.

    Raises: StartupError for a log without a manifest; DamagedFile for a manifest that cannot be read.
    """
    if files.exists(layout.manifest_path):
        manifest = read_manifest(files, layout.manifest_path)
        base = manifest.base
        # Redis 7 writes the manifest first when it upgrades, then moves the file: it may have died between.
        if (
            base is not None
            and base.name == layout.append_file_name
            and not files.exists(layout.path(base))
            and files.exists(layout.old_log_path)
        ):
            return "old log", manifest
        if _is_half_taken_over(files, layout, manifest):
            return "snapshot", manifest
        if not manifest.is_verified:
            _refuse_unnamed(files, layout, manifest)
        return "log", manifest
    if files.is_directory(layout.log_directory):
        for name in files.list_directory(layout.log_directory):
            is_ours = name.startswith(layout.append_file_name + ".")
            is_data = is_ours and (".base." in name or ".incr." in name)
            if is_data and not _is_unused(files, os.path.join(layout.log_directory, name)):
                raise StartupError(
                    f"{layout.manifest_path} is missing, but {name} is there;"
                    f" restore the manifest, or move {layout.log_directory} away to start empty"
                )
    if files.exists(layout.old_log_path):
        return "old log", Manifest(LogFile(layout.append_file_name, 1, "b"))
    if files.exists(layout.snapshot_path):
        return "snapshot", Manifest(layout.base_file(1))
    return "empty", None


def _is_unused(files: FileSystem, path: str) -> bool:
    """True if nothing was ever appended to the file: a start died between making it and naming it."""
    if files.size(path) > FIRST_BATCH_BYTES:
        return False
    start = files.read_all(path).rstrip(b"\0")[: len(FIRST_BATCH_START)]
    return FIRST_BATCH_START.startswith(start)


def _refuse_unnamed(files: FileSystem, layout: Layout, manifest: Manifest) -> None:
    """Raises StartupError if an increment is newer than all that a manifest without checksum names: it was cut."""
    pattern = re.compile(re.escape(layout.append_file_name) + r"\.([0-9]+)\.incr\.aof")
    for name in files.list_directory(layout.log_directory):
        match = pattern.fullmatch(name)
        if match is None or int(match[1]) < manifest.next_incr_seq():
            continue
        if not _is_unused(files, os.path.join(layout.log_directory, name)):
            raise StartupError(
                f"{layout.manifest_path} does not name {name}, which is newer than all that it names;"
                " restore the manifest from a copy, or move the file away"
            )


def _is_half_taken_over(files: FileSystem, layout: Layout, manifest: Manifest) -> bool:
    """True if a start died between naming the base and copying the snapshot to it."""
    base = manifest.base
    return (
        base == layout.base_file(1)
        and not manifest.incrs
        and not files.exists(layout.path(base))
        and files.exists(layout.snapshot_path)
    )


def load(
    files: FileSystem,
    paths: list[str],
    target: Engine,
    replayer: Replaying,
    decoders: dict[int, Decoder] = DECODERS,
    cut_torn_tail: bool = True,
) -> Generator[Progress, None, Recovered]:
    """Load these files in order, changing nothing on disk; a torn tail of the last is reported in `cut`."""
    recovered = Recovered()
    sizes = []
    for path in paths:
        if not files.exists(path):
            raise StartupError(f"{path} is missing, though the manifest names it; restore it from a copy")
        sizes.append(files.size(path))
    done = 0
    for path, size in zip(paths, sizes, strict=True):
        loader = _FileLoader(files, path, size, target, replayer, decoders, recovered)
        try:
            for position in loader.run(cut_torn_tail and path == paths[-1]):
                yield Progress(done + position, sum(sizes), path)
        finally:
            loader.close()
        done += size
    yield Progress(done, sum(sizes), "")
    return recovered


def load_snapshot(
    files: FileSystem, layout: Layout, target: Engine, decoders: dict[int, Decoder] = DECODERS
) -> Generator[Progress, None, Recovered]:
    """Load the snapshot, if there is one, into `target`: the start of a server without a log.

    Raises: StartupError and its kinds; OSError.
    """
    path = layout.snapshot_path
    recovered = Recovered()
    if not files.exists(path):
        return recovered
    recovered.source = "snapshot"
    size = files.size(path)
    fd = files.open_read(path)
    try:
        reader = RdbReader(
            lambda offset, byte_count: files.read_at(fd, offset, byte_count), size, path, target, decoders
        )
        for position in load_rdb(reader, recovered):
            yield Progress(position, size, path)
        if reader.position < size:
            raise DamagedFile(path, reader.position, f"{size - reader.position} bytes behind the end of the snapshot")
    finally:
        files.close(fd)
    yield Progress(size, size, "")
    return recovered


def load_rdb(reader: RdbReader, recovered: Recovered) -> Generator[int, None, None]:
    """Load an RDB file, yielding the position every ten milliseconds, and add to `recovered` what it held."""
    resume_at_s = time.monotonic() + _YIELD_AFTER_S
    while reader.step(_KEYS_PER_STEP):
        if time.monotonic() > resume_at_s:
            yield reader.position
            resume_at_s = time.monotonic() + _YIELD_AFTER_S
    recovered.key_count += reader.key_count
    recovered.aux = reader.aux
    for text in reader.functions:
        try:
            reader.libraries.texts[library_name(text)] = text
        except ReplyError as error:
            raise reader.damage(f"a function library: {error.message.decode(errors='replace')}") from None
    if not reader.is_verified:
        recovered.unverified_bytes += reader.position


def run_to_end(steps: Generator[Progress, None, Recovered]) -> Recovered:
    """What a load found, for those who need not do anything else meanwhile."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("Recovered", end.value)


def load_alone(
    run: Callable[[Engine, Replayer], Generator[Progress, None, Recovered]], databases: int = 16
) -> tuple[Engine, Recovered]:
    """Load into an engine of its own, with as many databases as the files need (tools have no configuration).

    `run` starts a `load` or `recover`. The table of commands must be filled.

    Raises: as `recover`.
    """
    while True:
        engine = open_engine(databases)
        try:
            return engine, run_to_end(run(engine, Replayer(engine)))
        except TooFewDatabases as error:
            if error.needed > MOST_DATABASES:
                raise
            databases = error.needed


def cut(files: FileSystem, path: str, offset: int) -> None:
    """Cut the file at `offset`, durably."""
    fd = files.open_append(path)
    try:
        files.truncate(fd, offset)
        files.sync(fd)
    finally:
        files.close(fd)


class _FileLoader:
    """One file of a load: an RDB part, a log part, or the one behind the other."""

    def __init__(
        self,
        files: FileSystem,
        path: str,
        size: int,
        target: Engine,
        replayer: Replaying,
        decoders: dict[int, Decoder],
        recovered: Recovered,
    ) -> None:
        self.files = files
        self.path = path
        self.size = size
        self.target = target
        self.replayer = replayer
        self.decoders = decoders
        self.recovered = recovered
        self.fd = files.open_read(path)

    def close(self) -> None:
        self.files.close(self.fd)

    def read_at(self, offset: int, byte_count: int) -> bytes:
        return self.files.read_at(self.fd, offset, byte_count)

    def run(self, may_cut: bool) -> Generator[int, None, None]:
        """Load the file, yielding the position every ten milliseconds."""
        start = 0
        if not self.size and self.path.endswith(".rdb"):  # an empty log is one without commands, but this is none
            raise DamagedFile(self.path, 0, "the file is empty", "restore it from a copy, or run respkv check")
        if is_rdb(self.read_at(0, 16)):
            reader = RdbReader(self.read_at, self.size, self.path, self.target, self.decoders)
            yield from load_rdb(reader, self.recovered)
            start = reader.position
        log = LogReader(self.read_at, self.size, start)
        yield from self._run_log(log)
        is_copy = log.file_number not in (-1, self.files.number(self.fd))
        ending = judge(log, is_copy)
        if self.replayer.in_transaction() and not ending.is_damage:
            offset = self._offset_of_open_multi(start, ending.offset)
            ending = Ending(offset, self.size - offset, "transaction without its EXEC", log.last_was_batch)
        if ending.is_damage or (ending.dropped_bytes and not may_cut):
            raise DamagedFile(self.path, ending.offset, ending.reason, self._remedy(ending), may_be_cut=True)
        recovered = self.recovered
        recovered.batch_count += log.batch_count
        recovered.unverified_bytes += log.unverified_bytes
        recovered.position = LogPosition(log.checksum, ending.offset, recovered.batch_count, is_copy)
        if ending.dropped_bytes:
            recovered.cut.append((self.path, ending))

    def _run_log(self, log: LogReader) -> Generator[int, None, None]:
        resume_at_s = time.monotonic() + _YIELD_AFTER_S
        while commands := log.next_commands():
            self._replay(log, commands)
            if time.monotonic() > resume_at_s:
                yield log.position
                resume_at_s = time.monotonic() + _YIELD_AFTER_S

    def _replay(self, log: LogReader, commands: list[list[bytes]]) -> None:
        self.recovered.command_count += len(commands)
        replayer = self.replayer
        try:
            replayer.apply_all(commands)
        except ReplyError as error:
            argv = replayer.argv
            index = next((at for at, candidate in enumerate(commands) if candidate is argv), 0)
            offset = self._offset_of_command(log.call_start, index)
            if isinstance(error, BadDatabaseIndex) and len(argv) == 2 and argv[1].isdigit():
                raise TooFewDatabases(self.path, offset, int(argv[1][:9])) from error
            text = error.message[:200].decode(errors="replace")
            ending = Ending(offset, self.size - offset, "", is_damage=True)
            reason = f"{argv[0][:40]!r} fails with {text!r}"
            raise DamagedFile(self.path, offset, reason, self._remedy(ending), may_be_cut=True) from error

    def _offset_of_command(self, start: int, index: int) -> int:
        """Where command number `index` from `start` on begins, or the batch that holds it."""
        for offset, commands in walk(self.read_at, start, self.size):
            if index < len(commands):
                return offset
            index -= len(commands)
        return start

    def _offset_of_open_multi(self, start: int, end: int) -> int:
        """The offset of the MULTI that was left open; batches hold none. O(file), after a crash of Redis only."""
        offset = start
        is_open = False
        for at, commands in walk(self.read_at, start, end):
            for argv in commands:
                name = argv[0].upper()
                if name == b"MULTI" and not is_open:
                    offset = at
                    is_open = True
                elif name == b"EXEC":
                    is_open = False
        return offset

    def _remedy(self, ending: Ending) -> str:
        drop = f"respkv check --fix {self.path} would drop the {ending.dropped_bytes} bytes from there on"
        return drop if ending.is_damage else f"it is torn there and may not be cut; {drop}"


def _source_path(layout: Layout, source: str, item: LogFile) -> str:
    if source == "old log":
        return layout.old_log_path
    return layout.snapshot_path if source == "snapshot" else layout.path(item)


def _take_over(files: FileSystem, layout: Layout, source: str, manifest: Manifest) -> Generator[Progress, None, None]:
    """Make the old log or the snapshot the base of a multi-part log."""
    base = layout.path(manifest.to_load()[0])
    files.make_directory(layout.log_directory)
    files.sync_directory(layout.directory)
    # The manifest comes first, in Redis's order, so that either server can finish what the other began; a base
    # that no manifest names would look like a log whose manifest was lost.
    write_manifest(files, layout, manifest)
    if source == "old log":
        files.rename(layout.old_log_path, base)
        files.sync_directory(layout.log_directory)
        files.sync_directory(layout.directory)
        return
    temporary = os.path.join(layout.log_directory, TEMPORARY + os.path.basename(base))
    yield from _copy(files, layout.snapshot_path, temporary)
    files.rename(temporary, base)
    files.sync_directory(layout.log_directory)


def _copy(files: FileSystem, source: str, destination: str) -> Generator[Progress, None, None]:
    size = files.size(source)
    reading = files.open_read(source)
    try:
        writing = files.open_new(destination)
        try:
            at = 0
            while at < size:
                block = files.read_at(reading, at, READ_SIZE)
                files.write_whole(writing, block)
                at += len(block)
                yield Progress(at, size, destination)
            files.sync(writing)
        finally:
            files.close(writing)
    finally:
        files.close(reading)
