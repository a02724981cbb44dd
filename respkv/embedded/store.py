"""`Store`: a mapping of keys to values, in memory and on disk, for all threads of a program.

Rule 1: a method is one atomic step. What several calls need to see as one is `transaction` or `get_and_update`.
Rule 2: values are copies: changing what `get` returned changes nothing in the store.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from respkv.commands.databases import flushdb
from respkv.commands.keys import del_
from respkv.commands.strings import set_
from respkv.embedded.codecs import BYTES, Codec, decode_key, decode_value, encode_key, encode_value, find_codec
from respkv.embedded.core import Core
from respkv.embedded.errors import DiskError
from respkv.embedded.snapshots import write_snapshot
from respkv.embedded.transaction import StoreTransaction
from respkv.engine.keyspace import string_bytes
from respkv.engine.locks import Wants
from respkv.engine.shards import SHARD_COUNT

Key = str | bytes
Seconds = float | timedelta
Items = Mapping[str, Any] | Mapping[bytes, Any] | Iterable[tuple[Key, Any]]
AnyKey = TypeVar("AnyKey", str, bytes)

_MISSING: Final = object()
_TTL_MAX_MS: Final = 1 << 53


@dataclass(frozen=True)
class StoreStats:
    """What `Store.stats` tells.

    >>> import respkv
    >>> store = respkv.Store()
    >>> store.multi_put({"a": b"1", "b": b"22"})
    >>> stats = store.stats()
    >>> stats.keys, stats.data_bytes, stats.disk_bytes, stats.transactions
    (2, 5, 0, 0)

    Attributes:
        keys: how many there are, those included that have expired and were not met yet.
        expiring: how many of them have a time to live.
        data_bytes: what keys and values hold.
        memory_bytes: what the data take in memory, estimated.
        disk_bytes: what a start would read; 0 in memory.
        hits, misses: reads that found a key, or none, since the store was opened.
        expired, evicted: keys that went by themselves since then.
        batches: groups of changes written to the log since then.
        compactions: how often the log was replaced by a shorter one since then.
        transactions: how many are open, those of clients included.
        waiting_transactions: how many of them wait for a key that another one has locked.
        locked_keys: how many keys they have locked.
        oldest_transaction_s: the seconds since the first of them began; 0 if there is none.
    """

    keys: int
    expiring: int
    data_bytes: int
    memory_bytes: int
    disk_bytes: int
    hits: int
    misses: int
    expired: int
    evicted: int
    batches: int
    compactions: int
    transactions: int
    waiting_transactions: int
    locked_keys: int
    oldest_transaction_s: float


class Store(MutableMapping[str, Any]):
    """A key-value store in this process; every method may be called from any thread.

    >>> import respkv
    >>> with respkv.Store() as store:
    ...     store["greeting"] = b"hello"
    ...     store.put("session", b"42", ttl=30)
    ...     store["greeting"], sorted(store)
    (b'hello', ['greeting', 'session'])

    Keys are `str` or `bytes`, and come back as `str` (UTF-8; other bytes as lone surrogates). Values are what `codec`
    takes. Given a path, everything is in the files of a respkv server: `respkv serve --dir PATH` serves them when the
    store is closed, and the store opens what a server left.

    Args:
        path: the data directory, made if it is missing. None: memory only, gone when the store is closed.
        codec: `"bytes"`, `"str"`, `"json"`, or a `Codec`. Pickle is refused.
        appendfsync: when a change is on disk: before the call returns (`"always"`), once a second (`"everysec"`), or
            when the operating system likes (`"no"`). The first survives power failures; all survive the program's end.
        maxmemory: bytes that the data may take; 0 is no limit.
        maxmemory_policy: what gives way then: the write (`"noeviction"`, by MemoryLimitError), or keys:
            `"allkeys-lru"`, `"allkeys-lfu"`, `"allkeys-random"`, `"volatile-lru"`, `"volatile-lfu"`,
            `"volatile-random"`, `"volatile-ttl"`.
        directives: any other directive of docs/config.md, with `_` for `-`: `aof_segment_size="16mb"`.

    Raises: StoreInUseError, naming the holder; StoreDamagedError, naming file and offset; StoreUnreadableError;
        ValueError for an argument that is not valid. Methods raise StoreClosedError after `close`, DiskError while the
        disk fails, WrongTypeError where a key holds no string.
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
        self._codec = find_codec(codec)
        self._is_plain = self._codec is BYTES
        overrides = {name.replace("_", "-"): str(value) for name, value in directives.items()}
        overrides |= {
            "appendfsync": appendfsync,
            "maxmemory": str(maxmemory),
            "maxmemory-policy": maxmemory_policy,
        }
        self._core = Core(None if path is None else os.path.abspath(path), overrides)

    # Reading

    def get(self, key: Key, default: Any = None) -> Any:
        """The value of `key`, or `default` if there is none or its time is over. O(1).

        >>> import respkv
        >>> respkv.Store().get("k", "nothing")
        'nothing'

        Raises: WrongTypeError; CodecError if what is stored is not of the store's codec.
        """
        value = self._core.get(key.encode("utf-8", "surrogateescape") if type(key) is str else encode_key(key))
        if value is None:
            return default
        return value if self._is_plain else decode_value(self._codec, value)

    def __getitem__(self, key: Key) -> Any:
        value = self._core.get(encode_key(key))
        if value is None:
            raise KeyError(key)
        return value if self._is_plain else decode_value(self._codec, value)

    def contains(self, key: Key) -> bool:
        """Whether there is `key`, of whatever type. O(1).

        >>> import respkv
        >>> store = respkv.Store()
        >>> store["k"] = b"v"
        >>> store.contains("k"), "other" in store
        (True, False)
        """
        name = encode_key(key)
        return bool(self._core.run(lambda core: core.db.look(name) is not None, writes=False, wants={(0, name): False}))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str | bytes) and self.contains(key)

    def multi_get(self, keys: Iterable[AnyKey]) -> dict[AnyKey, Any]:
        """The values of those of `keys` that there are, all of one moment. O(keys).

        >>> import respkv
        >>> store = respkv.Store(codec="str")
        >>> store.multi_put({"a": "1", "b": "2"})
        >>> store.multi_get(["a", "b", "c"])
        {'a': '1', 'b': '2'}
        """
        names = [(key, encode_key(key)) for key in keys]

        def read(core: Core) -> dict[AnyKey, bytes]:
            found = {}
            for key, name in names:
                value = core.db.find(name)
                if value is not None:
                    found[key] = string_bytes(value)
            return found

        wants: Wants = {(0, name): False for _, name in names}
        found: dict[AnyKey, bytes] = self._core.run(read, writes=False, wants=wants)
        return {key: decode_value(self._codec, value) for key, value in found.items()}

    def ttl(self, key: Key) -> float | None:
        """The seconds that `key` has left, or None if it stays. O(1). Raises KeyError if there is no such key.

        >>> import respkv
        >>> store = respkv.Store()
        >>> store.put("k", b"v", ttl=10)
        >>> 9 < store.ttl("k") <= 10
        True
        """
        name = encode_key(key)

        def read(core: Core) -> int:
            if core.db.peek(name) is None:
                return -2
            at_ms = core.db.expiry_of(name)
            return at_ms if at_ms < 0 else max(0, at_ms - core.engine.now_ms)

        left_ms: int = self._core.run(read, writes=False, wants={(0, name): False})
        if left_ms == -2:
            raise KeyError(key)
        return None if left_ms < 0 else left_ms / 1000

    def size(self) -> int:
        """How many keys there are; some may have expired and not be gone yet. O(1)."""
        return int(self._core.run(lambda core: core.db.size(), writes=False))

    __len__ = size

    def __iter__(self) -> Iterator[str]:
        """All keys. One that is there all the while comes once; one that comes or goes meanwhile may or may not."""
        for number in range(SHARD_COUNT):
            yield from map(decode_key, self._core.run(partial(_keys_of, number), writes=False))

    # Writing

    def put(self, key: Key, value: Any, ttl: Seconds | None = None) -> None:
        """Give `key` a value, whatever it held, and a time to live in seconds (None: it stays). O(1).

        >>> import respkv
        >>> store = respkv.Store(codec="json")
        >>> store.put("user", {"name": "Ada"}, ttl=3600)
        >>> store["user"]["name"]
        'Ada'

        Raises: CodecError, MemoryLimitError, DiskError; ValueError for a time to live that is not positive.
        """
        data = value if self._is_plain and type(value) is bytes else encode_value(self._codec, value)
        name = key.encode("utf-8", "surrogateescape") if type(key) is str else encode_key(key)
        self._core.put(name, data, 0 if ttl is None else _ttl_ms(ttl))

    def __setitem__(self, key: Key, value: Any) -> None:
        self.put(key, value)

    def multi_put(self, items: Items, ttl: Seconds | None = None) -> None:
        """Give several keys their values, all or none, now and after a crash. O(keys). Raises as `put`."""
        pairs: Iterable[tuple[Key, Any]] = items.items() if isinstance(items, Mapping) else items
        encoded = [(encode_key(key), encode_value(self._codec, value)) for key, value in pairs]
        ttl_ms = 0 if ttl is None else _ttl_ms(ttl)

        def write(core: Core) -> None:
            for name, data in encoded:
                _set(core, name, data, ttl_ms)

        wants: Wants = {(0, name): True for name, _ in encoded}
        self._core.run(write, writes=True, grows=True, wants=wants)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """As `dict.update`, in one step."""
        pairs = dict(other)
        pairs.update(more)
        self.multi_put(pairs)

    def put_if_absent(self, key: Key, value: Any, ttl: Seconds | None = None) -> bool:
        """Give `key` a value if it has none; whether it had none. O(1). Raises as `put`.

        >>> import respkv
        >>> store = respkv.Store()
        >>> store.put_if_absent("leader", b"one"), store.put_if_absent("leader", b"two")
        (True, False)
        """
        name, data = encode_key(key), encode_value(self._codec, value)
        ttl_ms = 0 if ttl is None else _ttl_ms(ttl)

        def write(core: Core) -> bool:
            if core.db.edit(name) is not None:
                return False
            _set(core, name, data, ttl_ms)
            return True

        return bool(self._core.run(write, writes=True, grows=True, wants={(0, name): True}))

    def setdefault(self, key: Key, default: Any = None) -> Any:
        """The value of `key`; if there is none, `default`, which becomes its value. Raises as `put`."""
        name, data = encode_key(key), encode_value(self._codec, default)

        def write(core: Core) -> bytes:
            value = core.db.find(name)
            if value is not None:
                return string_bytes(value)
            _set(core, name, data, 0)
            return data

        return decode_value(self._codec, self._core.run(write, writes=True, grows=True, wants={(0, name): True}))

    def compare_and_set(self, key: Key, expected: Any, value: Any, ttl: Seconds | None = None) -> bool:
        """Give `key` a value if what it holds is `expected`; whether it was. O(1). Raises as `put`.

        What is compared are the bytes that the codec makes.

        >>> import respkv
        >>> store = respkv.Store(codec="json")
        >>> store["n"] = 1
        >>> store.compare_and_set("n", 1, 2), store.compare_and_set("n", 1, 3), store["n"]
        (True, False, 2)
        """
        name, data = encode_key(key), encode_value(self._codec, value)
        old = encode_value(self._codec, expected)
        ttl_ms = 0 if ttl is None else _ttl_ms(ttl)

        def write(core: Core) -> bool:
            value = core.db.find(name)
            if value is None or string_bytes(value) != old:
                return False
            _set(core, name, data, ttl_ms)
            return True

        return bool(self._core.run(write, writes=True, grows=True, wants={(0, name): True}))

    def delete(self, key: Key) -> Any:
        """Delete `key`; the value that it had, or None. O(1).

        >>> import respkv
        >>> store = respkv.Store()
        >>> store["k"] = b"v"
        >>> store.delete("k"), store.delete("k")
        (b'v', None)
        """
        value = self._core.delete(encode_key(key))
        return None if value is None else decode_value(self._codec, value)

    def pop(self, key: Key, default: Any = _MISSING) -> Any:
        """As `delete`, but `default`, or KeyError without one, if there is no such key."""
        value = self._core.delete(encode_key(key))
        if value is not None:
            return decode_value(self._codec, value)
        if default is _MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, Any]:
        """Delete some key; it and its value. Raises KeyError when the store is empty."""
        # Of a key that is not known yet: nobody may have locked any.

        def write(core: Core) -> tuple[bytes, bytes] | None:
            name = core.db.random_key()
            if name is None:
                return None
            value = string_bytes(core.db.find(name))
            core.apply(del_, [b"DEL", name])
            return name, value

        found = self._core.run(write, writes=True, wants={(0, None): True})
        if found is None:
            raise KeyError("the store is empty")
        return decode_key(found[0]), decode_value(self._codec, found[1])

    def __delitem__(self, key: Key) -> None:
        name = encode_key(key)
        if not self._core.run(lambda core: core.apply(del_, [b"DEL", name]), writes=True, wants={(0, name): True}):
            raise KeyError(key)

    def clear(self) -> None:
        """Delete all keys. O(1); the memory is given back bit by bit."""
        self._core.run(lambda core: core.apply(flushdb, [b"FLUSHDB"]), writes=True, wants={(0, None): True})

    # Several steps

    def transaction(self) -> StoreTransaction:
        """A transaction, for a `with` block: all of its reads and changes happen at once, or none.

        Raises StoreClosedError. See `StoreTransaction` for what it does and what its methods raise.
        """
        return StoreTransaction(self._core, self._codec)

    def get_and_update(self, key: Key, function: Callable[[Any], Any]) -> Any:
        """Give `key` the value that `function` makes of the current one (None if there is none); the new value.

        The key is locked while `function` runs, once; other keys are not. If it returns None, the key is deleted. If it
        raises, nothing changes. It must not wait for others who want this key.

        >>> import respkv
        >>> store = respkv.Store(codec="json")
        >>> store.get_and_update("visits", lambda count: (count or 0) + 1)
        1

        Raises: LockTimeoutError, and as `put`.
        """
        with self.transaction() as transaction:
            value = function(transaction.get(key, for_update=True))
            if value is None:
                transaction.delete(key)
            else:
                transaction.put(key, value)
        return value

    # The whole

    def snapshot(self, path: str | os.PathLike[str]) -> str:
        """Write all data as they are now to an RDB file, while other threads go on; its absolute path.

        The file appears as a whole and durably, or not at all. Any Redis loads it. O(keys), the latch is held for
        slices of it. Raises: DiskError if it cannot be written, StoreError if another one is being written.
        """
        return write_snapshot(self._core, os.path.abspath(path))

    def compact(self) -> None:
        """Rewrite the log to its shortest form, in a process of its own; return when that is done.

        It also happens by itself when the log has doubled. In memory it does nothing. Raises DiskError.
        """
        self._core.compact()

    def stats(self) -> StoreStats:
        """Counts and sizes as of now. O(1 + keys locked by transactions).

        >>> import respkv
        >>> store = respkv.Store()
        >>> store["k"] = b"v"
        >>> store.stats().keys
        1
        """

        def read(core: Core) -> StoreStats:
            engine, log = core.engine, core.storage.log
            transactions = list(core.server.transactions.all.open.values())
            return StoreStats(
                keys=core.db.size(),
                expiring=core.db.expiring_size(),
                data_bytes=core.db.payload_bytes,
                memory_bytes=core.server.meter.used_bytes(),
                disk_bytes=0 if log is None else log.current_size,
                hits=engine.hits,
                misses=engine.misses,
                expired=engine.expired,
                evicted=engine.evicted,
                batches=0 if log is None else log.lsn - core.first_lsn,
                compactions=core.storage.rewrites,
                transactions=len(transactions),
                waiting_transactions=sum(each.owner.waiting is not None for each in transactions),
                locked_keys=len({item for each in transactions for item in each.owner.held if item[1] is not None}),
                oldest_transaction_s=max((engine.now_ms - each.begun_ms for each in transactions), default=0) / 1000,
            )

        stats: StoreStats = self._core.run(read, writes=False)
        return stats

    @property
    def path(self) -> str | None:
        """The data directory, absolute; None in memory."""
        return self._core.path

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._core.closed

    # The end

    def close(self) -> None:
        """Make everything durable and let others open the directory. Again: nothing. Raises DiskError."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is None or core.closed:
            return
        if core.path is not None:
            warnings.warn(f"the store in {core.path} was not closed", ResourceWarning, stacklevel=2, source=self)
        try:
            core.close()
        except DiskError as error:
            warnings.warn(str(error), ResourceWarning, stacklevel=2)

    def __repr__(self) -> str:
        where = self.path or "in memory"
        return f"<respkv.{type(self).__name__} {where}{', closed' if self.closed else ''}>"


def _set(core: Core, name: bytes, data: bytes, ttl_ms: int) -> None:
    argv = [b"SET", name, data]
    if ttl_ms:
        argv += [b"PXAT", b"%d" % (core.engine.now_ms + ttl_ms)]
    core.apply(set_, argv)


def _keys_of(number: int, core: Core) -> list[bytes]:
    shard = core.db.shards[number]
    core.engine.wait_for_all()
    if not shard.expires:
        return list(shard.values)
    return [key for key in list(shard.values) if core.db.holds(key)]


def _ttl_ms(ttl: Seconds) -> int:
    """A time to live in ms. Raises ValueError, TypeError."""
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"a time to live is a number of seconds or a timedelta, not {type(ttl).__name__!r}")
    if not 0 < seconds * 1000 <= _TTL_MAX_MS:
        raise ValueError(f"a time to live is positive, and not for ever: {ttl!r}")
    return max(1, int(seconds * 1000))
