"""`InMemoryStore`: the smallest store, a dict with a write-ahead log."""

import os
from types import TracebackType
from typing import Any, Self

from respkv.embedded.store import Key, Store


class InMemoryStore:
    """Keys and JSON values in memory; with a write-ahead log they are there again after a restart.

    >>> import respkv, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with respkv.InMemoryStore(write_ahead_log=folder) as store:
    ...     store.put("language", "Python")
    >>> with respkv.InMemoryStore(write_ahead_log=folder) as store:
    ...     store.get("language")
    'Python'

    Every `put` is on disk before it returns. The log is that of a respkv server: `respkv serve --dir PATH` serves it.

    Args:
        write_ahead_log: the directory of the log, made if it is missing; None: nothing is kept.

    Raises: StoreInUseError, StoreDamagedError, StoreUnreadableError.
    """

    def __init__(self, write_ahead_log: str | os.PathLike[str] | None = None) -> None:
        self._store = Store(write_ahead_log, codec="json")

    def put(self, key: Key, value: Any) -> None:
        """Give `key` a value that JSON has. O(1). Raises CodecError, DiskError, StoreClosedError."""
        self._store.put(key, value)

    def get(self, key: Key, default: Any = None) -> Any:
        """The value of `key`, or `default`. O(1). Raises StoreClosedError.

        >>> import respkv
        >>> respkv.InMemoryStore().get("none") is None
        True
        """
        return self._store.get(key, default)

    def close(self) -> None:
        """Close the log. Again: nothing."""
        self._store.close()

    def __len__(self) -> int:
        return len(self._store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
