"""A durable, Redis-compatible key-value server and store, written in Python.

    >>> import respkv
    >>> with respkv.Store() as store:
    ...     store["greeting"] = b"hello"
    ...     store["greeting"]
    b'hello'

What is named here is public. Each name is imported when it is first used, so that `import respkv` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from respkv.embedded.async_store import AsyncStore as AsyncStore
    from respkv.embedded.codecs import Codec as Codec
    from respkv.embedded.data_store import DataStore as DataStore
    from respkv.embedded.errors import CodecError as CodecError
    from respkv.embedded.errors import DeadlockError as DeadlockError
    from respkv.embedded.errors import DiskError as DiskError
    from respkv.embedded.errors import InvalidValueError as InvalidValueError
    from respkv.embedded.errors import KeyExistsError as KeyExistsError
    from respkv.embedded.errors import KeyNotFoundError as KeyNotFoundError
    from respkv.embedded.errors import KeyTooLongError as KeyTooLongError
    from respkv.embedded.errors import LockTimeoutError as LockTimeoutError
    from respkv.embedded.errors import MemoryLimitError as MemoryLimitError
    from respkv.embedded.errors import StoreClosedError as StoreClosedError
    from respkv.embedded.errors import StoreDamagedError as StoreDamagedError
    from respkv.embedded.errors import StoreError as StoreError
    from respkv.embedded.errors import StoreFullError as StoreFullError
    from respkv.embedded.errors import StoreInUseError as StoreInUseError
    from respkv.embedded.errors import StoreUnreadableError as StoreUnreadableError
    from respkv.embedded.errors import TransactionEndedError as TransactionEndedError
    from respkv.embedded.errors import ValueTooLargeError as ValueTooLargeError
    from respkv.embedded.errors import WrongTypeError as WrongTypeError
    from respkv.embedded.in_memory_store import InMemoryStore as InMemoryStore
    from respkv.embedded.redis_client import connect as connect
    from respkv.embedded.server import running_server as running_server
    from respkv.embedded.store import Store as Store
    from respkv.embedded.store import StoreStats as StoreStats
    from respkv.embedded.transaction import StoreTransaction as StoreTransaction

__version__ = "0.1.0"

_HOMES = {
    "AsyncStore": "respkv.embedded.async_store",
    "Codec": "respkv.embedded.codecs",
    "CodecError": "respkv.embedded.errors",
    "DataStore": "respkv.embedded.data_store",
    "DeadlockError": "respkv.embedded.errors",
    "DiskError": "respkv.embedded.errors",
    "InMemoryStore": "respkv.embedded.in_memory_store",
    "InvalidValueError": "respkv.embedded.errors",
    "KeyExistsError": "respkv.embedded.errors",
    "KeyNotFoundError": "respkv.embedded.errors",
    "KeyTooLongError": "respkv.embedded.errors",
    "LockTimeoutError": "respkv.embedded.errors",
    "MemoryLimitError": "respkv.embedded.errors",
    "Store": "respkv.embedded.store",
    "StoreClosedError": "respkv.embedded.errors",
    "StoreDamagedError": "respkv.embedded.errors",
    "StoreError": "respkv.embedded.errors",
    "StoreFullError": "respkv.embedded.errors",
    "StoreInUseError": "respkv.embedded.errors",
    "StoreStats": "respkv.embedded.store",
    "StoreTransaction": "respkv.embedded.transaction",
    "StoreUnreadableError": "respkv.embedded.errors",
    "TransactionEndedError": "respkv.embedded.errors",
    "ValueTooLargeError": "respkv.embedded.errors",
    "WrongTypeError": "respkv.embedded.errors",
    "connect": "respkv.embedded.redis_client",
    "running_server": "respkv.embedded.server",
}
"""Where each public name lives."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
