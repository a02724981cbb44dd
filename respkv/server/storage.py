"""The server's data directory: its lock, loading it, its log, compaction and snapshots.

What SAVE, BGSAVE, BGREWRITEAOF and SHUTDOWN ask for (`respkv.server.persistence.Persistence`) is done here. Snapshots
beside other work are cut into slices of a tick: the image is the engine's (`respkv.engine.snapshot`), the file is
written by a thread.
"""

import logging
from collections.abc import Generator
from typing import Protocol

from respkv.commands.replay import Replayer
from respkv.engine.clock import steady_s, unix_s
from respkv.engine.engine import UNSYNCED
from respkv.engine.snapshot import Snapshot
from respkv.errors import StartupError
from respkv.persistence.aof import AppendLog, LogFailed, LogPosition
from respkv.persistence.base import SnapshotWriter, version_for, write_base
from respkv.persistence.compaction import Compactor, clean, remove_surplus
from respkv.persistence.files import FileSystem
from respkv.persistence.lock import DirectoryLock
from respkv.persistence.manifest import Layout, read_manifest
from respkv.persistence.recovery import Progress, Recovered, load, load_snapshot, recover
from respkv.persistence.segments import Segmenter
from respkv.server import log as server_log
from respkv.server.config import CannotApply, Config
from respkv.server.durability import Durability
from respkv.server.persistence import Persistence
from respkv.server.replicas import Replica
from respkv.server.server import Server
from respkv.server.session import Session
from respkv.server.snapshot_thread import PENDING_BYTES, SLICE_KEYS, SnapshotThread
from respkv.server.transfers import Transfers

logger = logging.getLogger(__name__)

RETRY_S = 1.0
"""How often a log that failed is tried again, and a poisoned one replaced."""


class Owner(Protocol):
    """Whoever runs the server."""

    def attach(self, log: AppendLog) -> None:
        """From now on what is done goes to `log`."""

    def detach(self, log: AppendLog) -> None:
        """From now on nothing is logged; `log` is about to be closed."""

    def release(self) -> None:
        """Let go whoever waits for the disk and no longer must."""

    def stop(self) -> None:
        """End the server once this turn is over."""


class Storage(Persistence):
    """All that a server does with files."""

    def __init__(
        self, config: Config, server: Server, durability: Durability, owner: Owner, files: FileSystem | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.server = server
        self.engine = server.engine
        self.durability = durability
        self.files = files or FileSystem()
        self.layout = Layout(config.dir, config.appenddirname, config.appendfilename, config.dbfilename)
        self.log: AppendLog | None = None
        self._owner = owner
        self._lock: DirectoryLock | None = None
        self._recovered = Recovered()
        self._compactor: Compactor | None = None
        self._segmenter: Segmenter | None = None
        self._writer: SnapshotThread | None = None
        self._transfers = Transfers(self.engine, self.files, config.dir, self._new_snapshot_writer)
        self._retry_at_s = 0.0
        self._save_failed_at_s = 0.0
        self.last_save_s = unix_s()
        server.persistence = self
        config.subscribe("appendonly", self._follow_appendonly)
        config.subscribe("appendfsync", self._follow_policy)
        config.subscribe("snapshot-keep", self._follow_keep)

    # Start and end

    def lock(self) -> None:
        """Take the directory for this process. Raises StartupError, naming the holder."""
        try:
            self._lock = DirectoryLock(self.config.dir)
        except OSError as error:
            raise StartupError(f"cannot use the data directory {self.config.dir}: {error.strerror}") from None

    def unlock(self) -> None:
        """Let the next server have the directory."""
        if self._lock is not None:
            self._lock.release()

    def abandon(self) -> None:
        """Have no part in the directory any longer: in a forked child, whose parent goes on."""
        if self._lock is not None:
            self._lock.abandon()
        if self.log is not None:
            self.log.abandon()

    def load(self) -> Generator[Progress, None, None]:
        """Load the data, ten milliseconds at a time. Raises StartupError."""
        engine = self.engine
        self.is_loading = True
        self.loading_started_s = unix_s()
        if self.config.appendonly:
            replayer = Replayer(engine)
            steps = recover(self.files, self.layout, engine, replayer, cut_torn_tail=self.config.aof_load_truncated)
        else:
            steps = load_snapshot(self.files, self.layout, engine)
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                self._recovered = end.value
                break
            self.loading_total_bytes = progress.bytes_total
            self.loading_loaded_bytes = progress.bytes_done
            yield progress
        engine.changes = 0
        self.is_loading = False
        self.loaded_keys = sum(db.size() for db in engine.databases)
        for path, ending in self._recovered.cut:
            server_log.warning(
                logger, "dropped the torn end of the log", file=path, offset=ending.offset, bytes=ending.dropped_bytes
            )

    def open_log(self) -> AppendLog | None:
        """The log to append to, or None under `appendonly no`. Raises OSError."""
        if not self.config.appendonly:
            return None
        recovered = self._recovered
        if recovered.manifest is not None:
            clean(self.files, self.layout, recovered.manifest, self.config.snapshot_keep)
        log = AppendLog(self.files, self.layout, recovered.manifest, recovered.position, self.config.appendfsync)
        self._use(log)
        return log

    def close(self) -> bool:
        """Make everything durable and end all work; whether everything is safe."""
        self._abandon_snapshot()
        if self._compactor is not None:
            self._compactor.abandon()
        return self.log is None or self.log.close()

    # Ten times a second

    def tick(self) -> None:
        """Whatever is due: a failed log's recovery, compaction, a snapshot's next slices, save points."""
        # What the sweeper did is in memory: a new base or increment must not be followed by it once more.
        if self.engine.effects:
            self.durability.write()
        if self.durability.failed:
            self._recover_log()
        if self._compactor is not None:
            was_under_way = self._compactor.is_under_way
            self._compactor.tick(self.config.auto_aof_rewrite_percentage, self.config.auto_aof_rewrite_min_size)
            self.durability.take_over_state()
            if was_under_way and not self._compactor.is_under_way:
                self._rewrite_ended(self._compactor)
            self._cut_log(self._compactor)
        self._tick_transfers()
        if self._writer is not None:
            self._feed_snapshot(self._writer)
        elif self._transfers.is_writing:
            pass  # the others wait until it is done
        elif self.is_save_scheduled and not self.is_rewriting:
            self.is_save_scheduled = False
            self.start_save()
        elif self.is_rewrite_scheduled:
            self.is_rewrite_scheduled = False
            self.start_rewrite()
        elif self.config.save and not self.is_rewriting:
            self._save_if_due()
        refuses = self.config.stop_writes_on_bgsave_error and bool(self.config.save)
        self.durability.set_snapshot_failed(refuses and not self.last_save_ok)
        self._take_stock()

    def _cut_log(self, compactor: Compactor) -> None:
        # A compaction that is about to start begins another file anyway.
        if self._segmenter is not None and not compactor.is_scheduled:
            self._segmenter.tick(self.config.aof_segment_size)

    def _recover_log(self) -> None:
        now_s = steady_s()
        if now_s < self._retry_at_s:
            return
        self._retry_at_s = now_s + RETRY_S
        self.mend_log()

    def mend_log(self) -> None:
        """Try to write what could not be written, or a new base and increment where a sync failed."""
        if not self.durability.is_poisoned():
            self.durability.retry()
        elif self.log is not None:
            # What the failed sync left of the file is not to be trusted. Memory holds everything.
            try:
                self.log.rebase(self._write_base)
            except LogFailed as error:
                server_log.warning(logger, "the log cannot be replaced yet", reason=str(error))
                return
            self.engine.effects_db = -1
            remove_surplus(self.log, self.config.snapshot_keep)
            self.durability.take_over_state()
        if not self.durability.failed:
            server_log.notice(logger, "the log is sound again; writes are accepted")

    def _take_stock(self) -> None:
        log = self.log
        if log is not None:
            self.log_bytes = log.current_size
            self.log_base_bytes = log.base_size
            self.log_buffer_bytes = log.pending_bytes
            self.syncs_in_flight = int(log.is_sync_in_flight)
            self.delayed_syncs = log.delayed_fsync_count
            self.write_error = log.failure if self.durability.failed else ""
        compactor = self._compactor
        if compactor is not None:
            if compactor.is_under_way and not self.is_rewriting:
                self.rewrite_started_s = unix_s()
            self.is_rewriting = compactor.is_under_way

    # Snapshots

    def save(self) -> bool:
        """As Persistence."""
        started_s = steady_s()
        try:
            self._write_snapshot(Snapshot(self.engine))
        except OSError as error:
            server_log.warning(logger, "the snapshot could not be written", reason=error.strerror or str(error))
            self.last_save_ok = False
            return False
        self._saved(steady_s() - started_s)
        return True

    def _write_snapshot(self, image: Snapshot) -> None:
        writer: SnapshotWriter | None = None
        try:
            writer = self._new_snapshot_writer(image, self.layout.snapshot_path)
            while (piece := image.take(SLICE_KEYS)) is not None:
                writer.add(*piece)
                if writer.pending_bytes > PENDING_BYTES:
                    writer.drain()
            writer.finish()
        except OSError:
            if writer is not None:
                writer.discard()
            raise
        finally:
            image.close()

    def _new_snapshot_writer(self, image: Snapshot | None, path: str, with_functions: bool = True) -> SnapshotWriter:
        version = version_for(self.engine.databases)
        functions = list(self.engine.libraries.texts.values()) if with_functions else ()
        sizes = {} if image is None else image.sizes
        return SnapshotWriter(self.files, path, sizes, functions, version=version)

    def start_save(self) -> bool:
        """As Persistence."""
        image = Snapshot(self.engine)
        try:
            writer = self._new_snapshot_writer(image, self.layout.snapshot_path)
        except OSError as error:
            image.close()
            server_log.warning(logger, "the snapshot could not be begun", reason=error.strerror or str(error))
            self.last_save_ok = False
            return False
        self._writer = SnapshotThread(writer, image, self.engine.changes)
        self.is_saving = True
        self.save_started_s = unix_s()
        return True

    def _feed_snapshot(self, writer: SnapshotThread) -> None:
        if not writer.feed_slices():
            return
        self._writer = None
        self.is_saving = False
        if writer.error is not None:
            self.last_save_ok = False
            self.last_save_duration_s = int(steady_s() - writer.started_s)
            self._save_failed_at_s = steady_s()
            server_log.warning(logger, "the snapshot could not be written", reason=str(writer.error))
            return
        self.engine.changes -= writer.changes_at_start
        changes = self.engine.changes
        self._saved(steady_s() - writer.started_s)
        self.engine.changes = changes

    def _abandon_snapshot(self) -> None:
        self._transfers.abandon()
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
        self.is_saving = False

    def _saved(self, seconds: float) -> None:
        self.engine.changes = 0
        self.last_save_ok = True
        self.last_save_s = unix_s()
        self.last_save_duration_s = int(seconds)
        self.saves += 1
        server_log.notice(logger, "snapshot saved", file=self.layout.snapshot_path, seconds=round(seconds, 2))

    def _save_if_due(self) -> None:
        now_s = unix_s()
        # As Redis: after a failure wait a little before the next try.
        if not self.last_save_ok and steady_s() - self._save_failed_at_s < 5:
            return
        for seconds, changes in self.config.save:
            # A save in the future was one before the clock went back: how long ago is not known.
            is_long_ago = not 0 <= now_s - self.last_save_s < seconds
            if self.engine.changes >= changes and is_long_ago:
                self.start_save()
                return

    def start_transfer(self, session: Session, replica: Replica) -> bool:
        """As Persistence."""
        self._transfers.add(session)
        self.transfers_begun += 1
        return True

    def _tick_transfers(self) -> None:
        was_writing = self._transfers.is_writing
        self._transfers.tick(self.config.get("repl-timeout"))
        if was_writing and not self._transfers.is_writing:
            self.is_saving = False
        if not self.is_saving and not self.is_save_scheduled:
            self._transfers.begin()
            if self._transfers.is_writing:
                self.is_saving = True
                self.save_started_s = unix_s()

    # Compaction

    def start_rewrite(self) -> bool:
        """As Persistence."""
        if self._compactor is None:
            # Without a log Redis writes one all the same, for a later start with `appendonly yes`.
            return self._write_log_once()
        self.is_rewriting = self._compactor.request()
        self.rewrite_started_s = unix_s()
        return self.is_rewriting

    def _write_log_once(self) -> bool:
        started_s = steady_s()
        try:
            log = self._new_log()
        except LogFailed as error:
            server_log.warning(logger, "the log could not be written", reason=str(error))
            return False
        log.close()
        self.last_rewrite_duration_s = int(steady_s() - started_s)
        self.rewrites += 1
        return True

    def _new_log(self) -> AppendLog:
        """A log that begins with a base of what is in memory. Everyone waits. Raises LogFailed."""
        # What an earlier log left stays valid, stale as it is, until the new base is in its place.
        path = self.layout.manifest_path
        try:
            old = read_manifest(self.files, path) if self.files.exists(path) else None
            # Numbers of batches go on: sessions remember the last one that they waited for.
            position = LogPosition(lsn=max(self.engine.batch, self.engine.durable))
            log = AppendLog(self.files, self.layout, old, position, self.config.appendfsync)
        except (OSError, StartupError) as error:
            raise LogFailed(str(error)) from error
        try:
            log.rebase(self._write_base)
        except LogFailed:
            log.close()
            raise
        return log

    def wait_for_removals(self) -> None:
        """Return when the files that the last compaction replaced are gone."""
        compactor = self._compactor
        if compactor is not None and compactor.removal is not None:
            compactor.removal.join()
            compactor.removal = None

    def rewrite_failure(self) -> str:
        """Why the last compaction came to nothing; empty if it did not."""
        return "" if self._compactor is None else self._compactor.failure

    def _rewrite_ended(self, compactor: Compactor) -> None:
        self.is_rewriting = False
        self.last_rewrite_ok = compactor.last_ok
        self.last_rewrite_duration_s = int(compactor.last_seconds)
        self.rewrites += 1
        self.rewrite_failures_in_a_row = 0 if compactor.last_ok else self.rewrite_failures_in_a_row + 1

    # Others

    def sync(self) -> bool:
        """As Persistence."""
        if self.log is None:
            return False
        if self.engine.effects:
            self.durability.write()
        self.durability.sync_now()
        return not self.durability.failed

    def shut_down(self, *, save: bool | None, now: bool, force: bool) -> bool:
        """As Persistence."""
        if self.is_loading:
            # What is loaded so far must not take the place of what is on disk.
            self._owner.stop()
            return True
        if save is None:
            save = bool(self.config.save) and not self.config.appendonly
        if save:
            self._abandon_snapshot()
            if not self.save() and not force:
                return False
        if self.log is not None and not self.sync() and not force:
            return False
        self._owner.stop()
        return True

    def reload(self, *, save: bool, flush: bool, merge: bool) -> bool:
        """As Persistence. Everyone waits: it is for tests."""
        if save and not self.save():
            return False
        return self._load_in_place(load_snapshot(self.files, self.layout, self.engine), flush=flush)

    def reload_log(self) -> bool:
        """As Persistence. Everyone waits: it is for tests."""
        if self.log is None or not self.sync():
            return False
        paths = [self.layout.path(item) for item in self.log.manifest.to_load()]
        steps = load(self.files, paths, self.engine, Replayer(self.engine), cut_torn_tail=False)
        return self._load_in_place(steps, flush=True)

    def _load_in_place(self, steps: Generator[Progress, None, Recovered], *, flush: bool) -> bool:
        """Load instead of (or over) the data; the log keeps what it has, which is the same."""
        engine = self.engine
        engine.logging = False
        # What is loaded is in no batch to come: nobody may wait for one.
        holds = engine.alert & UNSYNCED != 0
        engine.set_alert(UNSYNCED, False)
        try:
            if flush:
                for db in engine.databases:
                    db.clear()
            for _ in steps:
                pass
        except (StartupError, OSError) as error:
            server_log.warning(logger, "the data could not be loaded again", reason=str(error))
            return False
        finally:
            engine.dirty = 0
            engine.logging = self.log is not None
            engine.set_alert(UNSYNCED, holds)
        return True

    # Configuration

    def _follow_appendonly(self) -> None:
        if self.config.appendonly and self.log is None:
            try:
                log = self._new_log()
            except LogFailed as error:
                raise CannotApply(f"the log cannot be started: {error}") from error
            self._use(log)
            self._owner.attach(log)
        elif not self.config.appendonly and self.log is not None:
            if self._compactor is not None:
                self._compactor.abandon()
            self._compactor = None
            self._owner.detach(self.log)
            self.log.close()
            self.log = None
            self.log_enabled = False

    def _follow_policy(self) -> None:
        if self.log is not None:
            self.log.set_policy(self.config.appendfsync)
            self.durability.follow_policy()
            self._owner.release()

    def _follow_keep(self) -> None:
        if self._compactor is not None:
            self._compactor.keep = self.config.snapshot_keep

    def _use(self, log: AppendLog) -> None:
        self.log = log
        self.log_enabled = True
        self._compactor = Compactor(log, self.engine, self.config.snapshot_keep)
        self._segmenter = Segmenter(log, self.engine)

    def _write_base(self, path: str) -> None:
        write_base(self.files, path, self.engine.databases, {}, list(self.engine.libraries.texts.values()))
