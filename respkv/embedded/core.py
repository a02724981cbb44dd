"""The engine of a store in this process: its latch, what a call does, and its housekeeping thread.

    put ── latch ── run the command, its effect joins the batch ── the disk? ── unlatch
                                                                     │
                                                     respkv.embedded.group_commit

Rule 1: one thread at a time is in the engine, the one that holds the latch. A call holds it for microseconds: not while
  the disk works, and not while code of the program runs (`get_and_update`).
Rule 2: what a call returns is durable as the policy says, what it read included: under `always` nobody acts on a value
  that a crash can take back.
Rule 3: a process that was forked has no part in the store: every call raises StoreClosedError there, and its copies of
  the descriptors are closed, so that the lock on the directory goes with its owner.
"""

import atexit
import gc
import logging
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from respkv.commands.flags import GATE_MEMORY
from respkv.commands.keys import del_
from respkv.commands.strings import set_
from respkv.embedded.errors import (
    DiskError,
    LockTimeoutError,
    MemoryLimitError,
    StoreClosedError,
    StoreError,
    StoreUnreadableError,
    WrongTypeError,
    store_error,
)
from respkv.embedded.group_commit import GroupCommit
from respkv.embedded.no_files import NoFiles
from respkv.engine.clock import steady_s, unix_ms
from respkv.engine.engine import Argv, Engine
from respkv.engine.keyspace import Keyspace, string_bytes
from respkv.engine.locks import Owner, Wants, with_databases
from respkv.errors import ReplyError, StartupError, WrongType
from respkv.persistence.aof import AppendLog
from respkv.persistence.files import FileSystem
from respkv.server.config import Config
from respkv.server.instance import Instance

logger = logging.getLogger(__name__)

Handler = Callable[[Keyspace, Argv], Any]

TICK_S: Final = 0.1
HURRY_S: Final = 0.005
SWEEP_US: Final = 1000
"""The housekeeper's rhythm; sooner while somebody waits for it or it has more to sweep, which takes so long at most."""

_CLOSED: Final = "the store is closed"


class LockWanted(Exception):
    """What a call that must not wait in here (`Core.defers`) raises: it is to be made again when `owner` has its locks.

    `give_up` takes the wish back, with the latch held; after the call, too.
    """

    def __init__(self, owner: Owner, give_up: Callable[[], None]) -> None:
        super().__init__("a transaction holds a key")
        self.owner = owner
        self.give_up = give_up


class Clients:
    """Sessions in this process (`respkv.embedded.local`); a store without any has this one."""

    def finish_turn(self) -> None:
        """Let the sessions go on that became ready, and give out their replies and what others were pushed."""

    def release(self) -> None:
        """Give out replies that waited for the disk."""

    def close(self) -> None:
        """End all sessions."""


class Core:
    """One open store, for any number of threads.

    Args:
        path: the data directory, made if it is missing; None for memory only.
        directives: configuration, as `Config` takes it.
        files: what files are read and written by; tests put in one that fails.

    Raises: StoreInUseError, StoreDamagedError, StoreUnreadableError; ValueError for a directive that is not valid.
    """

    def __init__(self, path: str | None, directives: Mapping[str, str], files: FileSystem | None = None) -> None:
        self.path = path
        self.closed = False
        # What calls raise once it is closed.
        self._why_closed = _CLOSED
        self._stops = False
        self.latch = threading.Lock()
        # A sync has ended, or a compaction, or a reservation.
        self._changed = threading.Condition(self.latch)
        self._house = threading.Condition(self.latch)
        self._hurried = 0
        # Set by a caller that waits elsewhere (`respkv.embedded.async_store`). It learns by `unsettled` for which
        # batch, by LockWanted for which locks; it is told of `release`, and calls again with `turn` as who has them.
        self.defers = False
        self.unsettled = 0
        self.turn: Owner | None = None
        self.when_released: Callable[[], None] | None = None
        overrides = dict(directives)
        if path is None:
            overrides["appendonly"] = "no"
            files = NoFiles()
            # Each empty database costs 70 KB.
            overrides.setdefault("databases", "1")
        else:
            _make_directory(path)
            overrides["dir"] = path
        self.instance = Instance(Config(overrides), self, files)
        self.engine: Engine = self.instance.engine
        self.server = self.instance.server
        self.durability = self.instance.durability
        self.storage = self.instance.storage
        self.commits = GroupCommit(self.latch, self._changed, self.durability, self._release_clients)
        self.db: Keyspace = self.engine.database(0)
        self.clients = Clients()
        self.server.hurry = self._hurry
        if path is not None:
            self._open(path)
        # The batches that were in the log when it was opened.
        self.first_lsn = 0 if self.storage.log is None else self.storage.log.lsn
        self._housekeeper = threading.Thread(target=self._keep_house, name="respkv-housekeeping", daemon=True)
        self._housekeeper.start()
        _open_cores.add(self)

    def _open(self, path: str) -> None:
        storage = self.storage
        # What is loaded is no garbage, and each million of objects would be looked through again and again.
        collects = gc.isenabled()
        gc.disable()
        try:
            storage.lock()
            for _ in storage.load():
                pass
            log = storage.open_log()
            if log is not None:
                self.attach(log)
        except (StartupError, OSError) as error:
            storage.unlock()
            raise store_error(path, error) from None
        except BaseException:
            storage.unlock()
            raise
        finally:
            if collects:
                gc.enable()

    # Calls

    def get(self, key: bytes) -> bytes | None:
        """The string at `key`, or None. Raises WrongTypeError."""
        self.latch.acquire()
        try:
            if self.closed:
                raise StoreClosedError(self._why_closed)
            engine = self.engine
            engine.now_ms = unix_ms()
            engine.waits_for = 0
            if engine.locks:
                self._take_turn({(0, key): False})
            value = self.db.find(key)
            if engine.waits_for > engine.durable:
                self.settle(engine.waits_for)
            if value is None or type(value) is bytes:
                return value
            return string_bytes(value)
        except WrongType:
            raise _wrong_type(key) from None
        finally:
            self.latch.release()

    def put(self, key: bytes, value: bytes, ttl_ms: int = 0) -> None:
        """Give `key` a value, and a time to live unless that is 0. Raises DiskError, MemoryLimitError."""
        self.latch.acquire()
        try:
            self._begin_write(True)
            if self.engine.locks:
                self._take_turn({(0, key): True})
            argv = [b"SET", key, value]
            if ttl_ms:
                argv += [b"PXAT", b"%d" % (self.engine.now_ms + ttl_ms)]
            set_(self.db, argv)
            self.engine.commit(self.db, argv)
            self._end()
        finally:
            self.latch.release()

    def delete(self, key: bytes) -> bytes | None:
        """Delete `key`, of whatever type; the string that it held, or None if there was none. Raises WrongTypeError."""
        self.latch.acquire()
        try:
            self._begin_write(False)
            if self.engine.locks:
                self._take_turn({(0, key): True})
            value = self.db.find(key)
            if value is not None:
                value = string_bytes(value)
                argv = [b"DEL", key]
                del_(self.db, argv)
                self.engine.commit(self.db, argv)
            self._end()
            return value  # type: ignore[no-any-return]
        except WrongType:
            raise _wrong_type(key) from None
        finally:
            self.latch.release()

    def run(self, work: Callable[["Core"], Any], writes: bool, grows: bool = False, wants: Wants | None = None) -> Any:
        """What `work`, which runs commands by `apply`, returns: with the latch held, and then the disk waited for.

        Args:
            work: what to do.
            writes: whether it may change anything; its effects are one transaction then.
            grows: whether it may take memory, and is refused at `maxmemory`.
            wants: the keys that transactions must not have locked, and whether it changes them.
        """
        self.latch.acquire()
        try:
            if writes or grows:
                self._begin_write(grows)
            else:
                self._begin()
            if wants is not None and self.engine.locks:
                self._take_turn(wants)
            since = len(self.engine.effects)
            try:
                return work(self)
            finally:
                if writes:
                    self.engine.frame(since)
                self._end()
        except WrongType:
            raise WrongTypeError("the key holds another type than a string") from None
        except ReplyError as error:
            raise StoreError(error.message.decode(errors="replace")) from None
        finally:
            self.latch.release()

    def run_anyhow(self, work: Callable[[], object]) -> None:
        """Call `work` with the latch held, even if the store was closed meanwhile."""
        self.latch.acquire()
        try:
            work()
        finally:
            self.latch.release()

    def apply(self, handler: Handler, argv: Argv) -> Any:
        """Run one command of `work`. The reply may be a value of the keyspace: copy what can change."""
        engine = self.engine
        try:
            reply = handler(self.db, argv)
        except BaseException:
            self.server.forget_command()
            raise
        if engine.dirty:
            engine.commit(self.db, argv)
        return reply

    def wait_until_durable(self, lsn: int) -> None:
        """Return when batch `lsn` is on disk. Raises DiskError."""
        self.latch.acquire()
        try:
            log = self.durability.log
            if log is not None and self.durability.holds:
                self.commits.wait_for(log, lsn)
        finally:
            self.latch.release()

    def _begin(self) -> None:
        if self.closed:
            raise StoreClosedError(self._why_closed)
        engine = self.engine
        engine.now_ms = unix_ms()
        engine.waits_for = 0

    def _begin_write(self, grows: bool) -> None:
        self._begin()
        if self.durability.failed:
            raise self.disk_error()
        if grows and self.server.gate & GATE_MEMORY and not self.server.make_room():
            raise MemoryLimitError("the store is at maxmemory, and nothing can be evicted")

    def _end(self) -> None:
        """The latch is held: see to sessions and to the disk."""
        engine = self.engine
        if self.server.has_unfinished():
            self.clients.finish_turn()
        if engine.waits_for > engine.durable:
            self.settle(engine.waits_for)

    # Locks of transactions; the latch is held

    def _take_turn(self, wants: Wants) -> None:
        """Return when nobody has locked `wants`, in order of arrival. Raises LockTimeoutError."""
        locks = self.engine.locks
        owner = self.turn
        if owner is None:
            if locks.are_free(wants):
                return
            wants = with_databases(wants)
            if not locks.would_block(wants):
                return
            owner = locks.new_owner()
            locks.acquire(owner, wants, self.release)
            # It holds nothing, so whoever is in a cycle with it goes on.
            locks.victim_of(owner)
            if self.defers and owner.waiting is not None:
                raise LockWanted(owner, partial(locks.release_all, owner))
        try:
            self.wait_for_lock(owner)
        finally:
            # From here on nobody comes in between.
            locks.release_all(owner)
            if self.engine.filled:
                self.engine.waiters.serve()

    def wait_for_lock(self, owner: Owner) -> None:
        """Return when `owner` waits for nothing any more. Raises LockTimeoutError, and it does not wait then either."""
        timeout_ms = self.server.config.lock_timeout
        end_s = steady_s() + timeout_ms / 1000
        while owner.waiting is not None and not self.closed:
            left_s = end_s - steady_s()
            if timeout_ms and left_s <= 0:
                self.engine.locks.withdraw(owner)
                raise self.lock_timeout()
            self._changed.wait(left_s if timeout_ms else None)
        if self.closed:
            raise StoreClosedError(self._why_closed)
        self.engine.now_ms = unix_ms()
        self.engine.waits_for = 0

    def lock_timeout(self) -> LockTimeoutError:
        """What is raised when a lock could not be had in time."""
        return LockTimeoutError(f"a transaction holds a key for longer than {self.server.config.lock_timeout} ms")

    # The disk; the latch is held

    def settle(self, lsn: int) -> None:
        """Return when batch `lsn` is as durable as the policy asks for."""
        engine = self.engine
        durability = self.durability
        log = durability.log
        if log is None:
            return
        if not durability.holds:
            if engine.effects:
                durability.write()
            if durability.failed:
                raise self.disk_error()
            return
        if self.defers:
            self.unsettled = max(self.unsettled, lsn)
            return
        self.commits.wait_for(log, lsn)

    def _release_clients(self) -> None:
        self.clients.release()

    def disk_error(self) -> DiskError:
        """Why writes are refused just now."""
        return self.commits.disk_error()

    # Housekeeping

    def _hurry(self) -> None:
        self._house.notify()

    def _keep_house(self) -> None:
        self.latch.acquire()
        try:
            while not self.closed:
                try:
                    pause_s = self._beat()
                except Exception:
                    logger.exception("the housekeeping of a store failed; it is tried again")
                    pause_s = TICK_S
                if self._stops:
                    self._close("the store was shut down")
                    return
                self._house.wait(pause_s)
        finally:
            self.latch.release()

    def _beat(self) -> float:
        """Do what is due; how long until the next time, in seconds."""
        engine = self.engine
        server = self.server
        engine.now_ms = unix_ms()
        self.commits.reserve()
        try:
            if self.closed:  # meanwhile
                return 0
            self.durability.collect()
            self.instance.tick()
            has_more = self.instance.sweep(SWEEP_US)
            if server.has_unfinished():
                self.clients.finish_turn()
            if engine.effects:
                self.durability.write()
        finally:
            self.commits.unreserve()
        self.clients.release()
        now_ms = unix_ms()
        pause_ms = int((HURRY_S if has_more or self._hurried else TICK_S) * 1000)
        due_ms = server.next_due_ms() or now_ms + pause_ms
        server.next_tick_ms = max(now_ms + 1, min(now_ms + pause_ms, due_ms))
        return (server.next_tick_ms - now_ms) / 1000

    def compact(self) -> None:
        """Replace the log by its shortest form, in a process of its own; return when that is done. Raises DiskError."""
        self.latch.acquire()
        try:
            self._begin()
            if self.path is None:
                return
            storage = self.storage
            self._hurried += 1
            try:
                # One that runs began with what there was then.
                self._wait_for_rewrite()
                rewrites = storage.rewrites
                while not storage.start_rewrite():
                    self._wait_for_rewrite()
                self._house.notify()
                self._wait_for_rewrite()
                if storage.rewrites == rewrites or not storage.last_rewrite_ok:
                    raise DiskError(f"the compaction failed: {storage.rewrite_failure()}")
            finally:
                self._hurried -= 1
        finally:
            self.latch.release()

    def _wait_for_rewrite(self) -> None:
        while self.storage.is_rewriting:
            self._changed.wait()
            if self.closed:
                raise StoreClosedError(self._why_closed)

    # Owner

    def attach(self, log: AppendLog) -> None:
        """As Owner."""
        self.durability.attach(log)

    def detach(self, log: AppendLog) -> None:
        """As Owner."""
        self.durability.detach()
        self.clients.release()

    def release(self) -> None:
        """As Owner; also when somebody has got locks."""
        self._changed.notify_all()
        if self.when_released is not None:
            self.when_released()

    def stop(self) -> None:
        """As Owner: a client in this process said SHUTDOWN."""
        self._stops = True
        self._house.notify()

    # The end

    def close(self) -> None:
        """Make everything durable and give the directory back. A second time does nothing. Raises DiskError."""
        self.latch.acquire()
        try:
            is_safe = self._close(_CLOSED)
        finally:
            self.latch.release()
        if threading.current_thread() is not self._housekeeper:
            self._housekeeper.join()
        if not is_safe:
            raise DiskError("the store is closed, but its last changes may not be on disk")

    def _close(self, why: str) -> bool:
        if self.closed:
            return True
        self.closed = True
        self._why_closed = why
        self.commits.reserve()
        try:
            is_safe = True
            if self.engine.effects:
                self.durability.write()
            self.clients.close()
            if self.path is not None:
                if self.durability.failed:
                    self.storage.mend_log()
                self.durability.sync_now()
                is_safe = self.storage.close()
                self.storage.unlock()
        finally:
            # Engine and sessions refer to each other, so that otherwise the data would wait for the garbage collector,
            # which would look through all of them.
            for db in self.engine.databases:
                db.shards.clear()
            self.commits.unreserve()
            self._house.notify_all()
            _open_cores.discard(self)
        return is_safe

    def abandon(self) -> None:
        """After a fork, in the child: have no part in the store, and keep none of its files."""
        self.latch = threading.Lock()
        self._changed = threading.Condition(self.latch)
        self._house = threading.Condition(self.latch)
        self.closed = True
        self._why_closed = "the store belongs to the process that this one was forked from; open it after the fork"
        if self.path is not None:
            self.storage.abandon()


def _wrong_type(key: bytes) -> WrongTypeError:
    return WrongTypeError(f"the key {key[:100]!r} holds another type than a string")


def _make_directory(path: str) -> None:
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreUnreadableError(f"cannot make the data directory {path}: {error.strerror}") from None


# Their housekeepers hold them anyway.
_open_cores: set[Core] = set()


def _close_all() -> None:
    """At the end of the program: what everysec or the kernel would have written later is safe then, too."""
    for core in list(_open_cores):
        try:
            core.close()
        except StoreError as error:
            logger.error("%s: %s", core.path, error)


def _abandon_all() -> None:
    for core in list(_open_cores):
        core.abandon()
    _open_cores.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
