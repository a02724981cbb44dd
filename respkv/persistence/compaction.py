"""Compaction: replaces base and increments of the log by one new base, written by a process of its own.

    server                                          child (this module run as a program)
    rotate: appends go to a new increment
    spawn  --- job, a line of JSON --------------->  loads old base and old increments, writes a base
                                                     under a temporary name, syncs it
    poll   <-- summary, a line of JSON ------------  exits with 0
    finish: rename, manifest, old files go

So the server neither forks nor copies its memory, and its pause is that of a rotation.

Rule 1: only who holds the directory's lock gives a file its final name. A child whose server died can at worst
leave a temporary file, which the next start removes.
Rule 2: an old file is removed only after a manifest that does not need it is on disk.
Rule 3: a compaction that fails at any point leaves the log as it was, with one more increment.
Rule 4: the child keeps keys whose time has passed: the increment that is appended to meanwhile may change them.
"""

import contextlib
import gc
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import respkv.commands.all  # (fills the table of commands, for the child)
from respkv.engine.engine import Engine
from respkv.errors import StartupError
from respkv.persistence.aof import OK, AppendLog, LogFailed, begin_increment
from respkv.persistence.base import write_base
from respkv.persistence.files import TEMPORARY, FileSystem
from respkv.persistence.lock import DirectoryLock
from respkv.persistence.manifest import Layout, LogFile, Manifest, find_layout, write_manifest
from respkv.persistence.recovery import find_source, load, load_alone, recover

logger = logging.getLogger(__name__)

RUNNING = "running"
DONE = "done"
FAILED = "failed"

# Redis's limit (7.0, aof.c): after three failures in a row wait a minute, then two, up to an hour.
_FREE_FAILURES = 3
_FIRST_DELAY_S = 60.0
_LONGEST_DELAY_S = 3600.0
_NICENESS = 10
_ERROR_LIMIT = 2000


class CompactionFailed(Exception):
    """Why a compaction came to nothing."""


@dataclass(frozen=True)
class Summary:
    """What the child did."""

    keys: int
    size: int
    seconds: float
    peak_memory: int


class Compaction:
    """One compaction of a running server's log, from the rotation to the new manifest."""

    def __init__(self, log: AppendLog, databases: int, keep: int = 0) -> None:
        """Rotate the log and start the child.

        Args:
            log: the log. Whoever made its writes durable just before pays for the rotation only.
            databases: how many databases the server has.
            keep: how many replaced generations stay (`snapshot-keep`).

        Raises: CompactionFailed, with the log going on as before.
        """
        self.summary: Summary | None = None
        self.failure = ""
        # The thread that removes the old files, once it is finished.
        self.removal: threading.Thread | None = None
        self._log = log
        self._keep = keep
        self._started_at_s = time.monotonic()
        self._base = log.next_base()
        # First the child, which then starts up meanwhile, and whose failing to would leave a needless increment.
        try:
            self.process = _spawn()
        except OSError as error:
            raise CompactionFailed(f"cannot start {sys.executable}: {error.strerror}") from error
        directory = log.layout.log_directory
        self._temporary = os.path.join(directory, f"{TEMPORARY}{self._base.name}.{self.process.pid}")
        try:
            self._old = log.rotate().to_load()
            job = Job([log.layout.path(item) for item in self._old], self._temporary, databases)
            assert self.process.stdin is not None
            self.process.stdin.write(job.encode())
            self.process.stdin.flush()
        except (LogFailed, OSError) as error:
            self.abandon()
            raise CompactionFailed(str(error)) from error

    def poll(self) -> str:
        """RUNNING, DONE or FAILED (then `failure` says why); never waits."""
        code = self.process.poll()
        if code is None:
            return RUNNING
        if self.summary is None and not self.failure:
            self._read_outcome(code)
        return DONE if self.summary is not None else FAILED

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._started_at_s

    def finish(self) -> None:
        """Put the new base in the place of the old files, once it is DONE.

        Raises: CompactionFailed, with the log going on as before.
        """
        log = self._log
        manifest = log.manifest
        loaded = manifest.to_load()
        summary = self.summary
        if summary is None:
            raise CompactionFailed(self.failure or "it is not done")
        if loaded[: len(self._old)] != self._old:
            self.abandon()
            raise CompactionFailed("the log was replaced meanwhile")
        path = log.layout.path(self._base)
        files = log.files
        try:
            if files.size(self._temporary) != summary.size:
                raise CompactionFailed("the new base is not as long as it was written")
            files.rename(self._temporary, path)
            files.sync_directory(log.layout.log_directory)
        except OSError as error:
            self.abandon()
            raise CompactionFailed(error.strerror or str(error)) from error
        history = [item for item in manifest.history if files.exists(log.layout.path(item))]
        manifest = Manifest(manifest.base, manifest.incrs, tuple(history))
        try:
            log.adopt(manifest.with_base(self._base, loaded[len(self._old) :]))
        except LogFailed as error:  # the base stays: a manifest of unknown fate may name it
            raise CompactionFailed(str(error)) from error
        self.removal = remove_surplus(log, self._keep)

    def abandon(self) -> None:
        """End the child if it still runs, and remove what it wrote."""
        process = self.process
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(OSError):
            self._log.files.unlink(self._temporary)

    def _read_outcome(self, code: int) -> None:
        output, errors = self.process.communicate()
        lines = errors[-_ERROR_LIMIT:].decode(errors="replace").strip().splitlines()
        if code == 0:
            try:
                self.summary = Summary(**json.loads(output))
            except (ValueError, TypeError):
                self.failure = f"its output is not a summary: {output[:100]!r}"
        elif code < 0:
            self.failure = f"its process was killed by signal {-code}"
        else:
            self.failure = lines[-1] if lines else f"its process exited with {code}"
        if self.summary is None:
            self.abandon()


class Compactor:
    """Decides when to compact, and sees each compaction through: `tick` it a few times a second.

    What INFO tells: `is_scheduled`, `running`, `last_ok`, `last_seconds` (-1: none yet), `failure`, `summary`.
    """

    def __init__(self, log: AppendLog, engine: Engine, keep: int = 0) -> None:
        self.keep = keep
        self.is_scheduled = False
        self.running: Compaction | None = None
        self.last_ok = True
        self.last_seconds = -1.0
        self.failure = ""
        self.summary: Summary | None = None
        self.removal: threading.Thread | None = None
        self._log = log
        self._engine = engine
        self._wait_for_lsn = 0
        self._backoff = Backoff()

    @property
    def is_under_way(self) -> bool:
        """Whether one is running or about to: one that waits for the disk has begun for whoever asked for it."""
        return self.running is not None or self.is_scheduled

    def request(self) -> bool:
        """Compact as soon as possible (BGREWRITEAOF); False if one is running or about to."""
        if self.is_under_way:
            return False
        self._backoff.reset()
        self._schedule()
        return True

    def tick(self, percentage: int, min_size: int) -> None:
        """Do what is due: see whether the child is done, or start one, if the log has grown enough.

        `percentage` and `min_size` are `auto-aof-rewrite-percentage` and `-min-size`.
        """
        if self.running is not None:
            self._follow(self.running)
        elif self.is_scheduled:
            # What is written after this point is all that the rotation will have to sync.
            is_synced = self._log.state is OK and self._log.durable_lsn >= self._wait_for_lsn
            # Effects that wait to be written belong to the old increment, which says what database they are of.
            if is_synced and not self._engine.effects:
                self._start()
        elif is_due(self._log, percentage, min_size) and not self._backoff.is_limited(time.monotonic()):
            self._schedule()

    def abandon(self) -> None:
        """Give up what is running or about to: the server ends."""
        self.is_scheduled = False
        running, self.running = self.running, None
        if running is not None:
            running.abandon()

    def _schedule(self) -> None:
        self.is_scheduled = True
        self._wait_for_lsn = self._log.written_lsn
        self._log.request_sync()

    def _start(self) -> None:
        self.is_scheduled = False
        try:
            self.running = Compaction(self._log, self._engine.database_count, self.keep)
        except CompactionFailed as error:
            self._failed(str(error))
        else:
            logger.info("compaction started")
        finally:
            # A base stands before the new increment then, and replaying a base selects no database.
            self._engine.effects_db = -1

    def _follow(self, compaction: Compaction) -> None:
        state = compaction.poll()
        if state is RUNNING:
            return
        self.running = None
        self.last_seconds = compaction.seconds
        try:
            compaction.finish()
        except CompactionFailed as error:
            self._failed(str(error))
            return
        self._backoff.reset()
        self.last_ok = True
        self.failure = ""
        self.summary = compaction.summary
        self.removal = compaction.removal
        logger.info("compaction done in %.1f s: %s", self.last_seconds, self.summary)

    def _failed(self, reason: str) -> None:
        self._backoff.failed(time.monotonic())
        self.last_ok = False
        self.failure = reason
        logger.warning("compaction failed: %s", reason)


class Backoff:
    """How long compactions that start by themselves pause after failures."""

    def __init__(self) -> None:
        self.failure_count = 0
        self._delay_s = 0.0
        self._until_s = 0.0

    def reset(self) -> None:
        """One succeeded, or somebody asked for one."""
        self.failure_count = 0
        self._delay_s = 0.0
        self._until_s = 0.0

    def failed(self, now_s: float) -> None:
        """One failed."""
        self.failure_count += 1
        if self.failure_count >= _FREE_FAILURES:
            self._delay_s = min(max(2 * self._delay_s, _FIRST_DELAY_S), _LONGEST_DELAY_S)
            self._until_s = now_s + self._delay_s

    def is_limited(self, now_s: float) -> bool:
        """Whether the pause goes on."""
        return now_s < self._until_s


def is_due(log: AppendLog, percentage: int, min_size: int) -> bool:
    """Whether the log has grown by `percentage` since it was last compacted, and beyond `min_size`."""
    size = log.current_size
    if log.state is not OK or not percentage or size <= min_size:
        return False
    return size * 100 // max(1, log.base_size) - 100 >= percentage


# Old files


def remove_surplus(log: AppendLog, keep: int) -> threading.Thread:
    """Remove all history but the newest `keep` generations, in a thread: freeing a gigabyte takes its time."""
    paths = [log.layout.path(item) for item in surplus(log.manifest, keep)]
    thread = threading.Thread(target=_unlink_all, args=(log.files, paths), name="respkv-unlink", daemon=True)
    thread.start()
    return thread


def surplus(manifest: Manifest, keep: int) -> list[LogFile]:
    """The history files that belong to none of the newest `keep` generations (a base and its increments)."""
    generations = manifest.kept_generations()
    doomed = generations[: max(0, len(generations) - keep)]
    return [item for generation in doomed for item in generation]


def clean(files: FileSystem, layout: Layout, manifest: Manifest, keep: int) -> list[str]:
    """Remove what earlier runs left behind, at start; the paths.

    That is surplus history, our temporary files, and, where the manifest is one that respkv wrote last, bases and
    empty increments that it does not name: a crash between creating and naming them leaves such. An increment that
    holds something is never touched.
    """
    doomed = [layout.path(item) for item in surplus(manifest, keep)]
    kept = {item.name for item in (*manifest.to_load(), *manifest.history)}
    own = re.escape(layout.append_file_name)
    temporary = re.compile(rf"{TEMPORARY}{own}\.(manifest|\d+\.base\.rdb(\.\d+)?)")
    base = re.compile(rf"{own}\.\d+\.base\.rdb")
    incr = re.compile(rf"{own}\.\d+\.incr\.aof")
    for name in files.list_directory(layout.log_directory):
        path = os.path.join(layout.log_directory, name)
        is_orphan = manifest.is_verified and name not in kept
        if (
            temporary.fullmatch(name)
            or (is_orphan and base.fullmatch(name))
            or (is_orphan and incr.fullmatch(name) and not files.size(path))
        ):
            doomed.append(path)
    if layout.snapshot_file_name:
        doomed.append(os.path.join(layout.directory, TEMPORARY + layout.snapshot_file_name))
    return _unlink_all(files, doomed)


def _unlink_all(files: FileSystem, paths: list[str]) -> list[str]:
    removed = []
    for path in paths:
        try:
            files.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            logger.warning("cannot remove %s: %s", path, error.strerror)
        else:
            removed.append(path)
    return removed


# The child


@dataclass(frozen=True)
class Job:
    """What the child is told: the files to load, in order, and the file to write."""

    paths: list[str]
    destination: str
    databases: int

    def encode(self) -> bytes:
        """The job as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"


def _spawn() -> subprocess.Popen[bytes]:
    # The same respkv, wherever it was imported from.
    home = str(Path(respkv.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )


def compact_files(files: FileSystem, job: Job) -> Summary:
    """Do the child's work. Raises: StartupError and its kinds, OSError, with nothing left at the destination."""
    started_at_s = time.monotonic()
    engine, _ = load_alone(
        lambda engine, replayer: load(files, job.paths, engine, replayer, cut_torn_tail=False), job.databases
    )
    key_count = write_base(files, job.destination, engine.databases, {}, list(engine.libraries.texts.values()))
    return Summary(key_count, files.size(job.destination), round(time.monotonic() - started_at_s, 3), _peak_memory())


def _peak_memory() -> int:
    """The most bytes that this process had resident; 0 where nobody counts them."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _main() -> int:
    line = b""
    while not line.endswith(b"\n"):
        block = os.read(0, 65536)
        if not block:
            return 1
        line += block
    threading.Thread(target=_end_with_server, daemon=True).start()
    # Ctrl-C in a terminal reaches both; what becomes of the child is the server's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    gc.disable()
    try:
        summary = compact_files(FileSystem(), Job(**json.loads(line)))
    except (StartupError, OSError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    print(json.dumps(asdict(summary)), flush=True)
    return 0


def _end_with_server() -> None:
    """Nothing more comes on standard input; its end means that the server is gone, however it ended."""
    os.read(0, 1)
    os._exit(1)


# Offline


def run(path: str) -> int:
    """Compact the log of a data directory that no server uses, and print what came of it; the exit code.

    Raises: StartupError and its kinds.
    """
    files = FileSystem()
    if not files.is_directory(path):
        raise StartupError(f"{path} is not a data directory")
    layout = find_layout(files, path)
    if find_source(files, layout)[0] == "empty":
        raise StartupError(f"{path} holds no data")
    lock = DirectoryLock(layout.directory)
    try:
        print(_compact_offline(files, layout))
    except OSError as error:
        raise StartupError(f"cannot compact {path}: {error}") from error
    finally:
        lock.release()
    return 0


def _compact_offline(files: FileSystem, layout: Layout) -> str:
    started_at_s = time.monotonic()
    gc.disable()
    engine, recovered = load_alone(lambda engine, replayer: recover(files, layout, engine, replayer))
    manifest = recovered.manifest
    assert manifest is not None
    old = [layout.path(item) for item in manifest.to_load()]
    old_size = sum(map(files.size, old))
    base = layout.base_file(manifest.next_base_seq())
    path = layout.path(base)
    temporary = os.path.join(layout.log_directory, TEMPORARY + base.name)
    key_count = write_base(files, temporary, engine.databases, {}, list(engine.libraries.texts.values()))
    files.rename(temporary, path)
    # An increment too, begun as a server begins them: then nothing about the directory is unusual.
    incr = layout.incr_file(manifest.next_incr_seq())
    fd = files.open_new(layout.path(incr))
    begin_increment(files, fd)
    files.sync(fd)
    files.close(fd)
    files.sync_directory(layout.log_directory)
    replaced = manifest.with_base(base, ())
    write_manifest(files, layout, replaced.with_incr(incr))
    _unlink_all(files, [layout.path(item) for item in replaced.history])
    write_manifest(files, layout, replaced.without_history().with_incr(incr))
    seconds = time.monotonic() - started_at_s
    lines = [
        f"cut off a torn tail: {cut_path} at {ending.offset}: {ending.reason}" for cut_path, ending in recovered.cut
    ]
    lines.append(
        f"{layout.log_directory}: {key_count} keys, {old_size} bytes in {len(old)} files before,"
        f" {files.size(path)} bytes after; {seconds:.1f} s"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    exit_code = _main()
    # At once: freeing a million keys one by one serves nobody.
    os._exit(exit_code)
