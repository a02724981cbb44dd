"""`AsyncStore`: a `Store` for Trio. Calls run in the event loop, which waits for no disk and no lock.

Rule 1: a call that has to wait raises in the core before it has done anything (`LockWanted`), its task waits, and it is
  made again; what a call did while others wait for the disk is awaited after it. Tasks share syncs.
Rule 2: whoever gives locks back may be another thread: the event loop is told (`Core.when_released`), and tasks look
  for themselves whether it concerns them.
"""

import contextlib
import math
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import trio

from respkv.embedded.codecs import Codec
from respkv.embedded.core import Core, LockWanted
from respkv.embedded.errors import LockTimeoutError, StoreClosedError
from respkv.embedded.store import AnyKey, Items, Key, Seconds, Store, StoreStats
from respkv.embedded.transaction import StoreTransaction
from respkv.engine.locks import Owner

T = TypeVar("T")


class AsyncStore:
    """The same as `respkv.Store`, with `await` before each call; for the tasks of one Trio event loop.

    >>> import respkv, trio
    >>> async def main():
    ...     async with respkv.AsyncStore(codec="str") as store:
    ...         await store.put("greeting", "hello", ttl=60)
    ...         return await store.get("greeting")
    >>> trio.run(main)
    'hello'

    The directory is opened when the block is entered. While a task waits for its change to be on disk, or for a key
    that a transaction has locked, others go on; those that write meanwhile share the next sync. A cancelled call has
    happened or not; what it changed stays.

    Args and errors: as `respkv.Store`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        codec: str | Codec = "bytes",
        appendfsync: str = "always",
        maxmemory: int = 0,
        maxmemory_policy: str = "noeviction",
        **directives: str | int,
    ) -> None:
        self._open: Callable[[], Store] = lambda: Store(
            path,
            codec=codec,
            appendfsync=appendfsync,
            maxmemory=maxmemory,
            maxmemory_policy=maxmemory_policy,
            **directives,
        )
        self._store: Store | None = None
        self._is_syncing = False
        self._synced = trio.Event()
        # Somebody has got locks.
        self._released = trio.Event()

    async def __aenter__(self) -> Self:
        store = await trio.to_thread.run_sync(self._open)
        core = store._core
        core.when_released = partial(_tell, trio.lowlevel.current_trio_token(), self._note_released)
        core.defers = True
        self._store = store
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):
            await self.aclose()

    async def aclose(self) -> None:
        """Make everything durable and let others open the directory. Again: nothing. Raises DiskError."""
        if self._store is not None:
            await trio.to_thread.run_sync(self._store.close)
            self._note_released()

    async def get(self, key: Key, default: Any = None) -> Any:
        """As `Store.get`."""
        return await self._run(lambda store: store.get(key, default))

    async def put(self, key: Key, value: Any, ttl: Seconds | None = None) -> None:
        """As `Store.put`."""
        await self._run(lambda store: store.put(key, value, ttl))

    async def delete(self, key: Key) -> Any:
        """As `Store.delete`."""
        return await self._run(lambda store: store.delete(key))

    async def contains(self, key: Key) -> bool:
        """As `Store.contains`."""
        return await self._run(lambda store: store.contains(key))

    async def keys(self) -> list[str]:
        """All keys, of one moment. O(keys)."""
        return await self._run(lambda store: list(store))

    async def size(self) -> int:
        """As `Store.size`."""
        return await self._run(lambda store: store.size())

    async def clear(self) -> None:
        """As `Store.clear`."""
        await self._run(lambda store: store.clear())

    async def multi_get(self, keys: Iterable[AnyKey]) -> dict[AnyKey, Any]:
        """As `Store.multi_get`."""
        return await self._run(lambda store: store.multi_get(keys))

    async def multi_put(self, items: Items, ttl: Seconds | None = None) -> None:
        """As `Store.multi_put`."""
        await self._run(lambda store: store.multi_put(items, ttl))

    async def put_if_absent(self, key: Key, value: Any, ttl: Seconds | None = None) -> bool:
        """As `Store.put_if_absent`."""
        return await self._run(lambda store: store.put_if_absent(key, value, ttl))

    async def compare_and_set(self, key: Key, expected: Any, value: Any, ttl: Seconds | None = None) -> bool:
        """As `Store.compare_and_set`."""
        return await self._run(lambda store: store.compare_and_set(key, expected, value, ttl))

    async def ttl(self, key: Key) -> float | None:
        """As `Store.ttl`."""
        return await self._run(lambda store: store.ttl(key))

    async def stats(self) -> StoreStats:
        """As `Store.stats`."""
        return await self._run(lambda store: store.stats())

    async def get_and_update(self, key: Key, function: Callable[[Any], Any]) -> Any:
        """As `Store.get_and_update`; `function` runs in the event loop, and other tasks wait for this key only."""
        async with self.transaction() as transaction:
            value = function(await transaction.get(key, for_update=True))
            if value is None:
                await transaction.delete(key)
            else:
                await transaction.put(key, value)
        return value

    @asynccontextmanager
    async def transaction(self) -> "AsyncIterator[AsyncTransaction]":
        """As `Store.transaction`, for an `async with` block in which the task may wait for anything.

        >>> import respkv, trio
        >>> async def main():
        ...     async with respkv.AsyncStore(codec="json") as store:
        ...         async with store.transaction() as transaction:
        ...             await transaction.put("visits", await transaction.get("visits", 0) + 1)
        ...         return await store.get("visits")
        >>> trio.run(main)
        1

        An exception that leaves the block, Cancelled among them, rolls it back.
        """
        store = self._opened()
        transaction = StoreTransaction(store._core, store._codec)
        try:
            yield AsyncTransaction(self, transaction)
        except BaseException:
            if not store.closed:
                transaction.rollback()
            raise
        await self._run(lambda store: transaction._finish())

    async def snapshot(self, path: str | os.PathLike[str]) -> str:
        """As `Store.snapshot`."""
        return await trio.to_thread.run_sync(self._opened().snapshot, path)

    async def compact(self) -> None:
        """As `Store.compact`."""
        await trio.to_thread.run_sync(self._opened().compact)

    def _opened(self) -> Store:
        if self._store is None:
            raise StoreClosedError("the store is not open: use it as `async with respkv.AsyncStore(...) as store`")
        return self._store

    async def _run(self, work: Callable[[Store], T]) -> T:
        store = self._opened()
        await trio.lowlevel.checkpoint_if_cancelled()
        core = store._core
        waited: LockWanted | None = None
        try:
            while True:
                core.unsettled = 0
                core.turn = None if waited is None else waited.owner
                try:
                    result = work(store)
                    break
                except LockWanted as wanted:
                    waited = wanted
                finally:
                    core.turn = None
                await self._wait_for_locks(core, waited.owner)
        finally:
            if waited is not None:
                core.run_anyhow(waited.give_up)
        lsn = core.unsettled
        if lsn > core.engine.durable:
            with trio.CancelScope(shield=True):
                await self._wait_until_durable(core, lsn)
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return result

    async def _wait_for_locks(self, core: Core, owner: Owner) -> None:
        """Return when `owner` waits for nothing any more. Raises LockTimeoutError."""
        timeout_ms = core.server.config.lock_timeout
        with trio.move_on_after(timeout_ms / 1000 if timeout_ms else math.inf):
            # The next release is told to this thread only when the task waits.
            while owner.waiting is not None and not core.closed:
                await self._released.wait()
        if owner.waiting is not None and not core.closed:
            raise core.lock_timeout()

    def _note_released(self) -> None:
        self._released.set()
        self._released = trio.Event()

    async def _wait_until_durable(self, core: Core, lsn: int) -> None:
        while core.engine.durable < lsn:
            if self._is_syncing:
                await self._synced.wait()
                continue
            self._is_syncing = True
            try:
                await trio.to_thread.run_sync(core.wait_until_durable, lsn)
            finally:
                self._is_syncing = False
                self._synced.set()
                self._synced = trio.Event()


class AsyncTransaction:
    """A transaction of an `AsyncStore`, as `AsyncStore.transaction` gives it; for one task at a time.

    It is a `StoreTransaction` with `await`: the same locks, the same errors.
    """

    def __init__(self, store: AsyncStore, transaction: StoreTransaction) -> None:
        self._store = store
        self._transaction = transaction

    async def get(self, key: Key, default: Any = None, *, for_update: bool = False) -> Any:
        """As `StoreTransaction.get`."""
        return await self._run(lambda transaction: transaction.get(key, default, for_update=for_update))

    async def contains(self, key: Key) -> bool:
        """As `StoreTransaction.contains`."""
        return await self._run(lambda transaction: transaction.contains(key))

    async def put(self, key: Key, value: Any, ttl: float | None = None) -> None:
        """As `StoreTransaction.put`."""
        await self._run(lambda transaction: transaction.put(key, value, ttl))

    async def delete(self, key: Key) -> Any:
        """As `StoreTransaction.delete`."""
        return await self._run(lambda transaction: transaction.delete(key))

    async def rollback(self) -> None:
        """As `StoreTransaction.rollback`."""
        await self._run(lambda transaction: transaction.rollback())

    async def _run(self, work: Callable[[StoreTransaction], T]) -> T:
        try:
            return await self._store._run(lambda store: work(self._transaction))
        except LockTimeoutError:
            self._transaction._fail()
            raise


def _tell(token: trio.lowlevel.TrioToken, note: Callable[[], None]) -> None:
    """Have `note` called by the event loop, if that is still there."""
    with contextlib.suppress(trio.RunFinishedError):
        token.run_sync_soon(note, idempotent=True)
