"""`AsyncStore`: a `Store` for Trio. Calls run in the event loop, which waits for no disk; tasks share syncs."""

import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import trio

from respkv.embedded.codecs import Codec
from respkv.embedded.core import Core
from respkv.embedded.errors import StoreClosedError
from respkv.embedded.store import AnyKey, Items, Key, Seconds, Store, StoreStats

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

    The directory is opened when the block is entered. While a task waits for its change to be on disk, others go on,
    and those that write meanwhile share the next sync. A cancelled call has happened or not; what it changed stays.

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

    async def __aenter__(self) -> Self:
        self._store = await trio.to_thread.run_sync(self._open)
        self._store._core.defers = True
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
        """As `Store.get_and_update`; `function` runs in the event loop."""
        return await self._run(lambda store: store.get_and_update(key, function))

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
        core.unsettled = 0
        result = work(store)
        lsn = core.unsettled
        if lsn > core.engine.durable:
            with trio.CancelScope(shield=True):
                await self._wait_until_durable(core, lsn)
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return result

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
