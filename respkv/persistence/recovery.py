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
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from respkv.errors import ReplyError, StartupError
from respkv.persistence.aof import LogPosition
from respkv.persistence.batch import ANNOTATION_LIMIT, parse_commands
from respkv.persistence.damage import DamagedFile
from respkv.persistence.files import FileSystem
from respkv.persistence.log_reader import READ_SIZE, LogReader
from respkv.persistence.manifest import Layout, LogFile, Manifest, read_manifest, write_manifest
from respkv.persistence.rdb_reader import Decoder, RdbReader, Target, is_rdb
from respkv.persistence.tail import Ending, judge

# Work between two looks at the clock; 512 keys take about half a millisecond.
_KEYS_PER_STEP = 512
_YIELD_AFTER_S = 0.002

Apply = Callable[[list[bytes]], object]


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
    functions: list[bytes] = field(default_factory=list)


def recover(
    files: FileSystem,
    layout: Layout,
    target: Target,
    apply: Apply,
    decoders: dict[int, Decoder] | None = None,
    cut_torn_tail: bool = True,
) -> Generator[Progress, None, Recovered]:
    """Load the data directory into `target` (keys of bases) and `apply` (commands of the log).

    Yields every few milliseconds; returns what was found, after cutting a torn tail and taking over a
    source of another form. With `cut_torn_tail` off (`aof-load-truncated no`) such a tail is refused like
    damage.

    Raises: StartupError and its kinds; OSError.
    """
    source, manifest = find_source(files, layout)
    if manifest is None:
        return Recovered(source=source)
    paths = [_source_path(layout, source, item) for item in manifest.to_load()]
    recovered = yield from load(files, paths, target, apply, decoders, cut_torn_tail)
    recovered.source = source
    if source != "log":
        yield from _take_over(files, layout, source, manifest)
    if not manifest.incrs:  # a new increment will be started, with a checksum of its own
        recovered.position = LogPosition(0, 0, recovered.position.lsn)
    recovered.manifest = manifest
    for path, ending in recovered.cut:
        if ending.dropped_bytes:
            cut(files, path if source == "log" else layout.path(manifest.to_load()[-1]), ending.offset)
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
        return "log", manifest
    if files.is_directory(layout.log_directory):
        for name in files.list_directory(layout.log_directory):
            is_ours = name.startswith(layout.append_file_name + ".")
            is_data = is_ours and (".base." in name or ".incr." in name)
            if is_data and files.size(os.path.join(layout.log_directory, name)):
                raise StartupError(
                    f"{layout.manifest_path} is missing, but {name} is there;"
                    f" restore the manifest, or move {layout.log_directory} away to start empty"
                )
    if files.exists(layout.old_log_path):
        return "old log", Manifest(LogFile(layout.append_file_name, 1, "b"))
    if files.exists(layout.snapshot_path):
        return "snapshot", Manifest(layout.base_file(1))
    return "empty", None


def load(
    files: FileSystem,
    paths: list[str],
    target: Target,
    apply: Apply,
    decoders: dict[int, Decoder] | None = None,
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
        loader = _FileLoader(files, path, size, target, apply, decoders or {}, recovered)
        try:
            for position in loader.run(cut_torn_tail and path == paths[-1]):
                yield Progress(done + position, sum(sizes), path)
        finally:
            loader.close()
        done += size
    yield Progress(done, sum(sizes), "")
    return recovered


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
        target: Target,
        apply: Apply,
        decoders: dict[int, Decoder],
        recovered: Recovered,
    ) -> None:
        self.files = files
        self.path = path
        self.size = size
        self.target = target
        self.apply = apply
        self.decoders = decoders
        self.recovered = recovered
        self.fd = files.open_read(path)
        self.open_multi: list[list[bytes]] = []
        self.open_multi_at = (0, 0)

    def close(self) -> None:
        self.files.close(self.fd)

    def read_at(self, offset: int, byte_count: int) -> bytes:
        return self.files.read_at(self.fd, offset, byte_count)

    def run(self, may_cut: bool) -> Generator[int, None, None]:
        """Load the file, yielding the position every few milliseconds."""
        start = 0
        if is_rdb(self.read_at(0, 16)):
            reader = RdbReader(self.read_at, self.size, self.path, self.target, self.decoders)
            yield from self._run_rdb(reader)
            start = reader.position
        log = LogReader(self.read_at, self.size, start)
        yield from self._run_log(log)
        ending = judge(log)
        if self.open_multi and not ending.is_damage:
            offset = self._offset_of_multi()
            ending = Ending(offset, self.size - offset, "transaction without its EXEC", log.last_was_batch)
        if ending.is_damage or (ending.dropped_bytes and not may_cut):
            raise DamagedFile(self.path, ending.offset, ending.reason, self._remedy(ending))
        recovered = self.recovered
        recovered.batch_count += log.batch_count
        recovered.unverified_bytes += log.unverified_bytes
        recovered.position = LogPosition(log.checksum, ending.offset, recovered.batch_count)
        if ending.dropped_bytes:
            recovered.cut.append((self.path, ending))

    def _run_rdb(self, reader: RdbReader) -> Generator[int, None, None]:
        resume_at_s = time.monotonic() + _YIELD_AFTER_S
        while reader.step(_KEYS_PER_STEP):
            if time.monotonic() > resume_at_s:
                yield reader.position
                resume_at_s = time.monotonic() + _YIELD_AFTER_S
        self.recovered.key_count += reader.key_count
        self.recovered.aux = reader.aux
        self.recovered.functions += reader.functions
        if not reader.is_verified:
            self.recovered.unverified_bytes += reader.position

    def _run_log(self, log: LogReader) -> Generator[int, None, None]:
        resume_at_s = time.monotonic() + _YIELD_AFTER_S
        while commands := log.next_commands():
            self._replay(log, commands)
            if time.monotonic() > resume_at_s:
                yield log.position
                resume_at_s = time.monotonic() + _YIELD_AFTER_S

    def _replay(self, log: LogReader, commands: list[list[bytes]]) -> None:
        """Apply the commands; those of a transaction only once its EXEC is there."""
        apply = self.apply
        self.recovered.command_count += len(commands)
        argv: list[bytes] = []
        try:
            for argv in commands:
                if self.open_multi:
                    self.open_multi.append(argv)
                    if len(argv) == 1 and argv[0].upper() == b"EXEC":
                        queued, self.open_multi = self.open_multi, []
                        for argv in queued:
                            apply(argv)
                elif len(argv) == 1 and argv[0].upper() == b"MULTI":
                    self.open_multi.append(argv)
                    self.open_multi_at = (log.call_start, _index_of(commands, argv))
                else:
                    apply(argv)
        except ReplyError as error:
            text = error.message[:200].decode(errors="replace")
            reason = f"at or after it, {argv[0][:40]!r} fails with {text!r}"
            raise DamagedFile(self.path, log.call_start, reason) from error

    def _offset_of_multi(self) -> int:
        """The offset of the MULTI that was left open."""
        position, index = self.open_multi_at
        while True:
            line = self.read_at(position, ANNOTATION_LIMIT)
            if line.startswith(b"#"):
                position += line.index(b"\n") + 1
                continue
            if index == 0:
                return position
            commands: list[list[bytes]] = []
            size = READ_SIZE
            while not commands:
                taken, _ = parse_commands(self.read_at(position, size), 0, commands, 1)
                size *= 2
            position += taken
            index -= 1

    def _remedy(self, ending: Ending) -> str:
        drop = f"respkv check --fix {self.path} would drop the {ending.dropped_bytes} bytes from there on"
        return drop if ending.is_damage else f"it is torn there and may not be cut; {drop}"


def _index_of(commands: list[list[bytes]], wanted: list[bytes]) -> int:
    return next(index for index, argv in enumerate(commands) if argv is wanted)


def _source_path(layout: Layout, source: str, item: LogFile) -> str:
    if source == "old log":
        return layout.old_log_path
    return layout.snapshot_path if source == "snapshot" else layout.path(item)


def _take_over(files: FileSystem, layout: Layout, source: str, manifest: Manifest) -> Generator[Progress, None, None]:
    """Make the old log or the snapshot the base of a multi-part log."""
    files.make_directory(layout.log_directory)
    base = manifest.to_load()[0]
    if source == "old log":
        # In Redis's order, so that either server can finish what the other began.
        write_manifest(files, layout, manifest)
        files.rename(layout.old_log_path, layout.path(base))
        files.sync_directory(layout.log_directory)
        files.sync_directory(layout.directory)
        return
    yield from _copy(files, layout.snapshot_path, layout.path(base))
    write_manifest(files, layout, manifest)
    files.sync_directory(layout.directory)


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
