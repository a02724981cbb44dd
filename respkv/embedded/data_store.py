"""`DataStore`: create, read and delete JSON objects, in files that never take more than their cap.

The cap counts all files, and a compaction writes the new base beside the old log. So that one is always possible:

Rule: a change is accepted while   log + change + next base + DELs to come   <= max_file_bytes

where the log counts with the room that is prepared behind it, the next base is estimated from above by what is in
memory, and the DELs are those of the keys that will expire. If a change does not fit, the log is compacted; if it does
not fit then, the store is full: the data take about half of the cap. Deleting always works, since some room is kept for
it alone.
"""

import json
import os
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import platformdirs

from respkv.commands.keys import del_
from respkv.commands.strings import set_
from respkv.embedded.core import Core
from respkv.embedded.errors import (
    InvalidValueError,
    KeyExistsError,
    KeyNotFoundError,
    KeyTooLongError,
    StoreFullError,
    ValueTooLargeError,
)
from respkv.persistence.preallocation import BLOCK_SIZE, ROOM_MAX

FILES_MIN_BYTES: Final = 64 * 1024
"""The least cap: manifest, lock and headers have to fit into it as well."""

_FIXED_BYTES: Final = 8192
_BASE_BYTES: Final = 1024
_ENTRY_BYTES: Final = 20
"""What a base takes beside keys and values: at all, and for each key (type, expiry, two lengths)."""

_RECORD_BYTES: Final = 250
"""What a change takes in the log beside its key and value, its batch's header included."""

DONE: Final = "done"
EXISTS: Final = "exists"
ABSENT: Final = "absent"
FULL: Final = "full"


class DataStore:
    """A store of JSON objects by short keys, each with an optional time to live; for any threads of one process.

    >>> import respkv, tempfile
    >>> with respkv.DataStore(tempfile.mkdtemp()) as store:
    ...     store.create("user", {"name": "Ada"}, ttl=60)
    ...     store.read("user")
    {'name': 'Ada'}

    What a call returned survives a crash or a power failure.

    Args:
        path: the data directory, made if it is missing; None: one in the platform's directory for data of programs.
        max_key_length: characters of a key.
        max_value_bytes: bytes of a value as compact JSON in UTF-8.
        max_file_bytes: bytes of all files together, compactions included: at least 65536.

    Raises: StoreInUseError naming the process that holds the directory, StoreDamagedError, StoreUnreadableError;
        ValueError for a limit that is not valid.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_key_length: int = 32,
        max_value_bytes: int = 16 * 1024,
        max_file_bytes: int = 1024**3,
    ) -> None:
        if max_key_length < 1 or max_value_bytes < 2:
            raise ValueError("keys take at least one character, values two bytes")
        if max_file_bytes < FILES_MIN_BYTES:
            raise ValueError(f"max_file_bytes is at least {FILES_MIN_BYTES}")
        if path is None:
            path = os.path.join(platformdirs.user_data_dir("respkv", appauthor=False), "data-store")
        self.max_key_length = max_key_length
        self.max_value_bytes = max_value_bytes
        self.max_file_bytes = max_file_bytes
        # What the base can take that is being written or that comes next.
        self._base_bytes = 0
        # Where the log was when compacting it did not help; and how many compactions there were by then.
        self._full_at_lsn = -1
        self._compactions = 0
        self._core = Core(os.path.abspath(path), {})
        # Of a small cap it would take too much.
        room_max = min(ROOM_MAX, max_file_bytes // 256 // BLOCK_SIZE * BLOCK_SIZE)
        self._room_bytes = room_max + BLOCK_SIZE if room_max else 0
        log = self._core.storage.log
        assert log is not None
        log.room_max = room_max

    def create(self, key: str, value: dict[str, Any], ttl: int | None = None) -> None:
        """Store the JSON object `value` under a new key, for `ttl` seconds (None: for good). O(1).

        >>> import respkv, tempfile
        >>> store = respkv.DataStore(tempfile.mkdtemp())
        >>> store.create("k", {})
        >>> store.create("k", {})
        Traceback (most recent call last):
        ...
        respkv.embedded.errors.KeyExistsError: the key 'k' exists

        Raises: KeyExistsError; KeyTooLongError; ValueTooLargeError; InvalidValueError for a value that is no JSON
            object, or a ttl that is no positive integer; StoreFullError; DiskError; StoreClosedError.
        """
        name = self._name(key)
        data = self._encode(value)
        if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int) or not 0 < ttl < 1 << 43):
            raise InvalidValueError(f"a time to live is a positive integer of seconds, not {ttl!r}")
        argv = [b"SET", name, data]
        outcome = self._core.run(partial(self._create, argv, ttl), writes=True)
        if outcome == FULL and self._may_shrink():
            self._core.compact()
            outcome = self._core.run(partial(self._create, argv, ttl), writes=True)
        if outcome == EXISTS:
            raise KeyExistsError(f"the key {key!r} exists")
        if outcome == FULL:
            self._full_at_lsn = self._lsn()
            raise StoreFullError(f"the files would take more than {self.max_file_bytes} bytes")

    def read(self, key: str) -> dict[str, Any]:
        """The value of `key`. O(1). Raises KeyNotFoundError, also if its time is over; KeyTooLongError.

        >>> import respkv, tempfile
        >>> respkv.DataStore(tempfile.mkdtemp()).read("none")
        Traceback (most recent call last):
        ...
        respkv.embedded.errors.KeyNotFoundError: there is no key 'none'
        """
        data = self._core.get(self._name(key))
        if data is None:
            raise KeyNotFoundError(f"there is no key {key!r}")
        value: dict[str, Any] = json.loads(data)
        return value

    def delete(self, key: str) -> None:
        """Delete `key`. O(1). Raises KeyNotFoundError, also if its time is over; KeyTooLongError; DiskError.

        >>> import respkv, tempfile
        >>> with respkv.DataStore(tempfile.mkdtemp()) as store:
        ...     store.create("k", {"n": 1})
        ...     store.delete("k")
        ...     "k" in store
        False
        """
        name = self._name(key)
        outcome = self._core.run(partial(self._delete, name, True), writes=True)
        if outcome == FULL:
            self._core.compact()
            outcome = self._core.run(partial(self._delete, name, False), writes=True)
        if outcome == ABSENT:
            raise KeyNotFoundError(f"there is no key {key!r}")

    def __contains__(self, key: str) -> bool:
        name = self._name(key)
        return bool(self._core.run(lambda core: core.db.look(name) is not None, writes=False))

    def __len__(self) -> int:
        return int(self._core.run(lambda core: core.db.size(), writes=False))

    @property
    def path(self) -> str:
        """The data directory, absolute."""
        path = self._core.path
        assert path is not None
        return path

    def close(self) -> None:
        """Let others open the directory. Again: nothing. Raises DiskError."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Within; the latch is held

    def _create(self, argv: list[bytes], ttl: int | None, core: Core) -> str:
        _, name, data = argv
        if core.db.edit(name) is not None:
            return EXISTS
        payload_bytes = len(name) + len(data)
        dels_bytes = 0 if ttl is None else self._del_bytes()
        # A DEL may follow it as long as it is there, and one at least must always fit.
        reserve_bytes = self._reserve_bytes() + dels_bytes
        if not self._fits(core, payload_bytes + _RECORD_BYTES, payload_bytes + _ENTRY_BYTES, reserve_bytes):
            return FULL
        if ttl is not None:
            argv = [*argv, b"PXAT", b"%d" % (core.engine.now_ms + ttl * 1000)]
        core.apply(set_, argv)
        return DONE

    def _delete(self, name: bytes, may_refuse: bool, core: Core) -> str:
        if core.db.edit(name) is None:
            return ABSENT
        if not self._fits(core, self._del_bytes(), 0, 0) and may_refuse:
            return FULL
        core.apply(del_, [b"DEL", name])
        return DONE

    def _fits(self, core: Core, record_bytes: int, entry_bytes: int, reserve_bytes: int) -> bool:
        storage = core.storage
        log = storage.log
        assert log is not None
        if storage.rewrites != self._compactions:
            self._compactions = storage.rewrites
            storage.wait_for_removals()
        db = core.db
        base_bytes = db.payload_bytes + _ENTRY_BYTES * db.size() + _BASE_BYTES + entry_bytes
        # One that is being written holds what was there when it began.
        if storage.is_rewriting:
            base_bytes = max(base_bytes, self._base_bytes)
        self._base_bytes = base_bytes
        dels_bytes = db.expiring_size() * self._del_bytes()
        used_bytes = log.current_size + self._room_bytes + log.pending_bytes + _FIXED_BYTES
        return used_bytes + record_bytes + base_bytes + dels_bytes + reserve_bytes <= self.max_file_bytes

    def _del_bytes(self) -> int:
        return _RECORD_BYTES + 4 * self.max_key_length

    def _reserve_bytes(self) -> int:
        return 4 * self._del_bytes() + self.max_file_bytes // 256

    def _may_shrink(self) -> bool:
        """Whether anything was logged since a compaction did not help."""
        return self._lsn() != self._full_at_lsn

    def _lsn(self) -> int:
        return int(self._core.run(lambda core: core.engine.batch, writes=False))

    # Arguments

    def _name(self, key: str) -> bytes:
        if not isinstance(key, str):
            raise TypeError(f"a key is a str, not {type(key).__name__!r}")
        if len(key) > self.max_key_length:
            raise KeyTooLongError(f"a key has at most {self.max_key_length} characters, this one {len(key)}")
        return key.encode("utf-8", "surrogateescape")

    def _encode(self, value: dict[str, Any]) -> bytes:
        if not isinstance(value, dict):
            raise InvalidValueError(f"a value is a JSON object (a dict), not {type(value).__name__!r}")
        try:
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            data = text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidValueError(f"the value is no JSON object: {error}") from error
        if len(data) > self.max_value_bytes:
            raise ValueTooLargeError(f"a value takes at most {self.max_value_bytes} bytes, this one {len(data)}")
        return data
