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
    """

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{path} is in use by another store or server ({holder or 'it did not write its name'})")
        self.path = path
        self.holder = holder


class StoreUnreadableError(StoreError):
    """The data directory holds what cannot be loaded, or cannot be used at all; nothing in it was changed."""


class StoreDamagedError(StoreUnreadableError):
    """A file is not what was written: `path` and `offset` (bytes) say where, `reason` what is wrong.

    `respkv check --fix` tells what could be kept.
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
    """


class MemoryLimitError(StoreError):
    """The store is at `maxmemory`, and its policy finds nothing to evict. Nothing was changed."""


class WrongTypeError(StoreError, TypeError):
    """The key holds a list, a hash or another type that only Redis commands (`respkv.connect`) work on."""


class CodecError(StoreError, ValueError):
    """The store's codec cannot make bytes of a value, or a value of bytes.

    >>> import respkv
    >>> respkv.Store(codec="json").put("k", {1, 2})
    Traceback (most recent call last):
    ...
    respkv.embedded.errors.CodecError: Object of type set is not JSON serializable
    """


class LockTimeoutError(StoreError):
    """A transaction of somebody else holds a key for longer than `lock_timeout` ms; the call did nothing."""


class TransactionEndedError(StoreError):
    """The transaction is over: committed, rolled back, or ended by an operator."""


class DeadlockError(TransactionEndedError):
    """Transactions waited for each other in a circle; this one, the youngest, was rolled back. Try it again."""


class KeyExistsError(StoreError, KeyError):
    """The key that was to be created is there already."""

    __str__ = Exception.__str__


class KeyNotFoundError(StoreError, KeyError):
    """There is no such key, or its time to live is over."""

    __str__ = Exception.__str__


class KeyTooLongError(StoreError, ValueError):
    """The key is longer than `max_key_length` characters."""


class ValueTooLargeError(StoreError, ValueError):
    """The value takes more bytes than a value may."""


class InvalidValueError(StoreError, ValueError):
    """The value is no JSON object, or the time to live no positive number of seconds."""


class StoreFullError(StoreError):
    """The files would become larger than `max_file_bytes`, even compacted. Nothing was changed."""


def store_error(path: str, error: StartupError | OSError) -> StoreError:
    """What the reason not to open the data directory `path` is to who called."""
    if isinstance(error, DirectoryInUse):
        return StoreInUseError(path, error.holder)
    if isinstance(error, DamagedFile):
        return StoreDamagedError(str(error), error.path, error.offset, error.reason)
    return StoreUnreadableError(str(error))
