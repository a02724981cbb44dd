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
    from respkv.embedded.codecs import Codec as Codec
    from respkv.embedded.errors import CodecError as CodecError
    from respkv.embedded.store import Store as Store

__version__ = "0.1.0"

_HOMES = {
    "Codec": "respkv.embedded.codecs",
    "CodecError": "respkv.embedded.errors",
    "DiskError": "respkv.embedded.errors",
    "MemoryLimitError": "respkv.embedded.errors",
    "Store": "respkv.embedded.store",
    "StoreClosedError": "respkv.embedded.errors",
    "StoreDamagedError": "respkv.embedded.errors",
    "StoreError": "respkv.embedded.errors",
    "StoreInUseError": "respkv.embedded.errors",
    "StoreStats": "respkv.embedded.store",
    "StoreUnreadableError": "respkv.embedded.errors",
    "WrongTypeError": "respkv.embedded.errors",
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
