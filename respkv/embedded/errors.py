"""What can go wrong with a store in this process: one tree of exceptions, `StoreError` at its root.

Where Python has an exception for the kind of mistake, ours is one of these too: a key that is not there is a
`KeyError`, a value that cannot be stored a `ValueError`.
"""

from respkv.errors import StartupError
from respkv.persistence.damage import DamagedFile
from respkv.persistence.lock import DirectoryInUse


class StoreError(Exception):
    """Any error that a store raises itself.

    >>> import respkv
    >>> issubclass(respkv.StoreInUseError, respkv.StoreError)
    True
    """


class StoreClosedError(StoreError):
    """The store was closed, or was opened by the process that this one was forked from.

    >>> import respkv
    >>> store = respkv.Store()
    >>> store.close()
    >>> store.put("k", b"v")
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.StoreClosedError: the store is closed
    """


class StoreInUseError(StoreError):
    """Another process (or another store of this one) has the data directory.

    `path` is the directory, `holder` what the holder wrote about itself: process id, host, since when.

    >>> import os, respkv, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, respkv.Store(folder):
    ...     try:
    ...         respkv.Store(folder)
    ...     except respkv.StoreInUseError as error:
    ...         f"pid {os.getpid()} on " in error.holder
    True
    """

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{path} is in use by another store or server ({holder or 'it did not write its name'})")
        self.path = path
        self.holder = holder


class StoreUnreadableError(StoreError):
    """The data directory holds what cannot be loaded, or cannot be used at all; nothing in it was changed.

    >>> import respkv, tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     try:
    ...         respkv.Store(file.name)
    ...     except respkv.StoreUnreadableError as error:
    ...         "cannot make the data directory" in str(error)
    True
    """


class StoreDamagedError(StoreUnreadableError):
    """A file is not what was written: `path` and `offset` (bytes) say where, `reason` what is wrong.

    `respkv check --fix` tells what could be kept.

    >>> import pathlib, respkv, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with respkv.Store(folder) as store:
    ...         store["k"], store["l"] = b"v" * 100, b"w" * 100
    ...     log = next(pathlib.Path(folder).rglob("*.incr.aof"))
    ...     _ = log.write_bytes(log.read_bytes().replace(b"vvv", b"vxv", 1))
    ...     try:
    ...         respkv.Store(folder)
    ...     except respkv.StoreDamagedError as error:
    ...         pathlib.Path(error.path) == log, 0 < error.offset < log.stat().st_size, error.reason[:17]
    (True, True, 'checksum mismatch')
    """

    def __init__(self, message: str, path: str, offset: int, reason: str) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset
        self.reason = reason


class DiskError(StoreError):
    """The disk fails: a write was refused, or it is not known whether it will survive a crash.

    The store goes on to answer reads, tries the disk again once a second, and takes writes as soon as everything that
    it holds is safe. What the failed call wrote is visible meanwhile.

    >>> import respkv
    >>> def put(store: respkv.Store, key: str, value: bytes) -> bool:
    ...     try:
    ...         store.put(key, value)
    ...     except respkv.DiskError:
    ...         return False  # nobody was promised that it stays
    ...     return True
    >>> put(respkv.Store(), "k", b"v")
    True
    """


class MemoryLimitError(StoreError):
    """The store is at `maxmemory`, and its policy finds nothing to evict. Nothing was changed.

    >>> import respkv
    >>> respkv.Store(maxmemory=1).put("k", b"v")
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.MemoryLimitError: the store is at maxmemory, and nothing can be evicted
    """


class WrongTypeError(StoreError, TypeError):
    """The key holds a list, a hash or another type that only Redis commands (`respkv.connect`) work on.

    >>> import respkv
    >>> store = respkv.Store()
    >>> respkv.connect(store).rpush("list", "one")
    1
    >>> store.get("list")
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.WrongTypeError: the key b'list' holds another type than a string
    """


class CodecError(StoreError, ValueError):
    """The store's codec cannot make bytes of a value, or a value of bytes.

    >>> import respkv
    >>> respkv.Store(codec="json").put("k", {1, 2})
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.CodecError: Object of type set is not JSON serializable
    """


class LockTimeoutError(StoreError):
    """A transaction of somebody else holds a key for longer than `lock_timeout` ms; the call did nothing.

    >>> import respkv
    >>> store = respkv.Store(lock_timeout=10)
    >>> with store.transaction() as transaction:
    ...     transaction["k"] = b"v"
    ...     store.get("k")
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.LockTimeoutError: a transaction holds a key for longer than 10 ms
    """


class TransactionEndedError(StoreError):
    """The transaction is over: committed, rolled back, or ended by an operator.

    >>> import respkv
    >>> store = respkv.Store()
    >>> with store.transaction() as transaction:
    ...     transaction.rollback()
    ...     transaction.get("k")
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.TransactionEndedError: transaction 1 has ended: it was rolled back
    """


class DeadlockError(TransactionEndedError):
    """Transactions waited for each other in a circle; this one, the youngest, was rolled back. Try it again.

    >>> import respkv
    >>> def move(store: respkv.Store, source: str, target: str, amount: int) -> None:
    ...     while True:
    ...         try:
    ...             with store.transaction() as transaction:
    ...                 transaction[source] -= amount
    ...                 transaction[target] += amount
    ...             return
    ...         except respkv.DeadlockError:
    ...             pass
    >>> store = respkv.Store(codec="json")
    >>> store.multi_put({"ada": 100, "bob": 0})
    >>> move(store, "ada", "bob", 30)
    >>> store["ada"], store["bob"]
    (70, 30)
    """


class KeyExistsError(StoreError, KeyError):
    """The key that was to be created is there already.

    >>> import respkv, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, respkv.DataStore(folder) as store:
    ...     store.create("k", {})
    ...     store.create("k", {})
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.KeyExistsError: the key 'k' exists
    """

    __str__ = Exception.__str__


class KeyNotFoundError(StoreError, KeyError):
    """There is no such key, or its time to live is over.

    >>> import respkv, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, respkv.DataStore(folder) as store:
    ...     store.read("k")
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.KeyNotFoundError: there is no key 'k'
    """

    __str__ = Exception.__str__


class KeyTooLongError(StoreError, ValueError):
    """The key is longer than `max_key_length` characters.

    >>> import respkv, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, respkv.DataStore(folder) as store:
    ...     store.create("k" * 33, {})
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.KeyTooLongError: a key has at most 32 characters, this one 33
    """


class ValueTooLargeError(StoreError, ValueError):
    """The value takes more bytes than a value may.

    >>> import respkv, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, respkv.DataStore(folder) as store:
    ...     store.create("k", {"text": "a" * 20_000})
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.ValueTooLargeError: a value takes at most 16384 bytes, this one 20011
    """


class InvalidValueError(StoreError, ValueError):
    """The value is no JSON object, or the time to live no positive number of seconds.

    >>> import respkv, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, respkv.DataStore(folder) as store:
    ...     store.create("k", ["no object"])
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.InvalidValueError: a value is a JSON object (a dict), not 'list'
    """


class StoreFullError(StoreError):
    """The files would become larger than `max_file_bytes`, even compacted. Nothing was changed.

    >>> import respkv, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, respkv.DataStore(folder, max_file_bytes=100_000) as store:
    ...     for number in range(100):
    ...         store.create(f"k{number}", {"text": "a" * 10_000})
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.StoreFullError: the files would take more than 100000 bytes
    """


def store_error(path: str, error: StartupError | OSError) -> StoreError:
    """What the reason not to open the data directory `path` is to who called."""
    if isinstance(error, DirectoryInUse):
        return StoreInUseError(path, error.holder)
    if isinstance(error, DamagedFile):
        return StoreDamagedError(str(error), error.path, error.offset, error.reason)
    return StoreUnreadableError(str(error))
