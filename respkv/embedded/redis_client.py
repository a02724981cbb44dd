"""`connect`: redis-py on an engine in this process, without a socket and without a server."""

import os
from collections.abc import Mapping
from typing import Any

from respkv.embedded.core import Core
from respkv.embedded.errors import StoreClosedError
from respkv.embedded.local import LocalSocket
from respkv.embedded.store import Store

try:
    import redis
    from redis.connection import ConnectionPool, UnixDomainSocketConnection
except ImportError as error:
    raise ImportError("respkv.connect needs redis-py, which is not installed: pip install 'respkv[redis]'") from error


def _identity() -> dict[str, Any]:
    """What a connection says of its library: by default redis-py looks that up anew, for a third of what all takes."""
    try:
        return {"driver_info": redis.DriverInfo(lib_version=redis.__version__)}
    except AttributeError:  # before redis-py 7.2
        return {}


class LocalConnection(UnixDomainSocketConnection):
    """A redis-py connection whose other end is a session in this process."""

    def __init__(self, core: Core, **options: Any) -> None:
        super().__init__(path="in-process", **options)  # type: ignore[no-untyped-call]
        self._core = core

    def _connect(self) -> Any:
        try:
            return LocalSocket(self._core, self.socket_timeout)
        except StoreClosedError as error:
            raise redis.ConnectionError(str(error)) from error

    def can_read(self, timeout: float = 0) -> bool:
        """Whether there is a reply to read, or the connection has ended: redis-py would ask the operating system."""
        if not self._sock:
            self.connect()  # type: ignore[no-untyped-call]
        sock: Any = self._sock
        return _has_unread(self._parser) or bool(sock.wait_readable(timeout))


def _has_unread(parser: Any) -> bool:
    """Whether a parser of redis-py, in C or in Python, has bytes that it has not given out."""
    reader = getattr(parser, "_reader", None)
    if reader is not None:
        return bool(reader.has_data())
    buffer = getattr(parser, "_buffer", None)
    return buffer is not None and bool(buffer.unread_bytes())


class LocalRedis(redis.Redis):
    """`redis.Redis` on a store in this process; `close` closes the store too, unless it was given one."""

    _own_core: Core | None = None

    def close(self) -> None:
        """End all connections, and the store if nobody else has it."""
        super().close()
        core = self._own_core
        if core is not None:
            self._own_core = None
            self.connection_pool.disconnect()
            core.close()


def connect(
    store: "str | os.PathLike[str] | Store | None" = None,
    *,
    directives: Mapping[str, str | int] | None = None,
    **options: Any,
) -> LocalRedis:
    """A `redis.Redis` whose server is this process: any command, pipelines, MULTI, blocking commands, pub/sub.

    >>> import respkv
    >>> with respkv.connect(decode_responses=True) as client:
    ...     client.rpush("letters", "a", "b")
    ...     client.lrange("letters", 0, -1)
    2
    ['a', 'b']

    Nothing listens anywhere. Given a path, the data are in the files of a respkv server, and every write is on disk
    when its reply is read, unless `directives` say otherwise. Any number of threads may use the client.

    Args:
        store: a data directory, made if it is missing; a `Store`, whose keys it shares; None for an empty engine in
            memory.
        directives: configuration of a new engine, as in docs/config.md: `{"appendfsync": "everysec"}`.
        options: what `redis.Redis` takes: `decode_responses`, `protocol`, `db`, `password`, ...

    Raises: ImportError if redis-py is not installed; StoreInUseError and others as `Store`.
    """
    if isinstance(store, Store):
        core = store._core
    else:
        overrides = {name.replace("_", "-"): str(value) for name, value in (directives or {}).items()}
        path = None if store is None else os.path.abspath(store)
        core = Core(path, {"databases": "16", **overrides})
    if not options.keys() & {"driver_info", "lib_name", "lib_version"}:
        options.update(_identity())
    pool: Any = ConnectionPool(connection_class=LocalConnection, core=core, **options)
    client = LocalRedis(connection_pool=pool)
    if not isinstance(store, Store):
        client._own_core = core
    return client
