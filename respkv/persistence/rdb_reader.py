"""Reads RDB files of Redis 2.4 to 8 and Valkey 9, in steps, straight into the databases.

Rule 1: every length is held against what is left of the file before memory is reserved for it.
Rule 2: the checksum stands at the end, so keys are loaded before it is known: on an error the caller
throws the whole target away.
Rule 3: a value type is one row in `decoders`, a function that takes the reader and returns the value, or None for
an empty collection, which is no key; it may raise ValueError for what is wrong. Strings are read in place.

Compiled: a start with a large base is this loop.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from respkv.engine.engine import Engine
from respkv.engine.keyspace import Keyspace
from respkv.engine.many_keys import load_strings
from respkv.persistence import rdb_format as rdb
from respkv.persistence.crc64 import crc64
from respkv.persistence.damage import DamagedFile, TooFewDatabases, UnsupportedFile
from respkv.persistence.lzf import decompress

if TYPE_CHECKING:
    from mypy_extensions import i64

# As much as stays in a core's own cache until it is read, copied and summed.
_READ_SIZE: Final = 1 << 17
NEWEST_REDIS_VERSION: Final = 16
NEWEST_VALKEY_VERSION: Final = 80


Decoder = Callable[["RdbReader"], Any]


def is_rdb(start: bytes) -> bool:
    """True if a file with these first bytes is an RDB file."""
    return start.startswith((b"REDIS0", b"VALKEY"))


class RdbReader:
    """One pass over an RDB file of `size` bytes; call `step` until it returns False.

    Afterwards `position` is the offset behind the file's checksum, where a log may follow; `aux` holds
    what the writer said about itself, `functions` the function libraries, `is_verified` whether a checksum
    was there.

    Raises (from any method): DamagedFile, UnsupportedFile, OSError.
    """

    def __init__(
        self,
        read_at: Callable[[int, int], bytes],
        size: int,
        path: str,
        target: Engine,
        decoders: dict[int, Decoder],
    ) -> None:
        self.size = size
        self.path = path
        self.version = 0
        # Valkey numbers its versions, and from 80 on its types, on its own.
        self.is_valkey = False
        self.limits = target.limits
        self.key_count = 0
        self.is_verified = False
        self.aux: dict[bytes, bytes] = {}
        self.functions: list[bytes] = []
        self.libraries = target.libraries
        self._read_at = read_at
        self._target = target
        self._decoders = decoders
        self._database: Keyspace = target.database(0)
        self._window = b""
        self._window_start = 0
        self._at = 0
        self._crc = 0
        self._expire_at_ms: int | None = None

    @property
    def position(self) -> int:
        """The offset of the first byte not yet read."""
        return self._window_start + self._at

    def step(self, most: int) -> bool:
        """Load up to `most` keys; False when the file was read to its end and its checksum fits."""
        if self.version == 0:
            self._read_magic()
        while most > 0:
            # Nothing that is read without another test below is longer than this.
            if len(self._window) - self._at < 32:
                self._fill(1)
            byte = self._window[self._at]
            if byte == rdb.TYPE_STRING and self._expire_at_ms is None:
                count = self._load_strings(most)
                if count:
                    self.key_count += count
                    most -= count
                    continue
            self._at += 1
            if byte == rdb.TYPE_STRING:
                key = self.read_string()
                value = self._read_string_value()
                self._database.load(key, value, self._expire_at_ms)
                self._expire_at_ms = None
                self.key_count += 1
                most -= 1
            elif byte == rdb.OP_EXPIRE_MS:
                self._expire_at_ms = int.from_bytes(self.read_bytes(8), "little", signed=True)
            elif byte == rdb.OP_END:
                self._finish()
                return False
            elif byte >= rdb.OP_SLOT_INFO:
                self._read_opcode(byte)
            else:
                self._read_other(byte)
                most -= 1
        return True

    def _load_strings(self, most: int) -> int:
        """Load up to `most` strings without expiry that come next, as long as they are short; how many."""
        # Machine integers where compiled, and no calls but those that make the objects: most of a base may be this.
        window = self._window
        size: i64 = len(window)
        at: i64 = self._at
        keys: list[bytes] = []
        values: list[bytes] = []
        left: i64 = most
        while left > 0 and at + 2 < size and window[at] == rdb.TYPE_STRING:
            length: i64 = window[at + 1]
            key_end: i64 = at + 2 + length
            if length >= 64 or key_end + 2 > size:
                break
            length = window[key_end]
            begin: i64 = key_end + 1
            if length >= 64:
                if length >= 128:
                    break
                length = (length & 63) << 8 | window[begin]
                begin += 1
            end: i64 = begin + length
            if end > size:
                break
            keys.append(window[at + 2 : key_end])
            values.append(window[begin:end])
            at = end
            left -= 1
        self._at = at
        load_strings(self._database, keys, values)
        return most - left

    def read_bytes(self, byte_count: int) -> bytes:
        """The next `byte_count` bytes."""
        start = self._at
        end = start + byte_count
        if end > len(self._window):
            self._fill(byte_count)
            start = 0
            end = byte_count
        self._at = end
        return self._window[start:end]

    def read_length(self) -> int:
        """A length or count, in the form that leaves no room for an encoding."""
        first = self.read_bytes(1)[0]
        if first < 64:
            return first
        if first < 128:
            return (first & 63) << 8 | self.read_bytes(1)[0]
        if first == 128:
            return int.from_bytes(self.read_bytes(4), "big")
        if first == 129:
            return int.from_bytes(self.read_bytes(8), "big")
        raise self.damage("an encoding where a length should be")

    def read_string(self) -> bytes:
        """A string in any of its encodings, as bytes."""
        window = self._window
        at = self._at
        if at < len(window):
            length = window[at]
            end = at + 1 + length
            if length < 64 and end <= len(window):
                self._at = end
                return window[at + 1 : end]
        value = self._read_string_value()
        return value if isinstance(value, bytes) else b"%d" % value

    def read_strings(self, count: int) -> list[bytes]:
        """The next `count` strings. Memory is taken as they come, however large `count` is."""
        strings: list[bytes] = []
        while len(strings) < count:
            self._read_short_strings(strings, count)
            if len(strings) == count:
                break
            strings.append(self.read_string())
        return strings

    def _read_short_strings(self, strings: list[bytes], count: int) -> None:
        """Append the next strings until there are `count`, as long as they are short and in the window."""
        # Machine integers where compiled, and no calls but those that make the objects.
        window = self._window
        size: i64 = len(window)
        at: i64 = self._at
        left: i64 = count - len(strings)
        while left > 0 and at < size:
            length: i64 = window[at]
            end: i64 = at + 1 + length
            if length >= 64 or end > size:
                break
            strings.append(window[at + 1 : end])
            at = end
            left -= 1
        self._at = at

    def damage(self, reason: str) -> DamagedFile:
        """The error that says that the file is wrong where it is being read."""
        return DamagedFile(self.path, self.position, reason, "restore it from a copy, or run respkv check")

    def _read_string_value(self) -> bytes | int:
        """A string; an int if the file holds it as one."""
        window = self._window
        at = self._at
        if len(window) - at >= 2:
            length = window[at]
            if length < 128:
                at += 1
                if length >= 64:
                    length = (length & 63) << 8 | window[at]
                    at += 1
                end = at + length
                if end <= len(window):
                    self._at = end
                    return window[at:end]
                self._at = at
                return self.read_bytes(length)
            if length == 195:
                found = self._read_compressed_short(window, at)
                if found is not None:
                    return found
        first = self.read_bytes(1)[0]
        if first < 192:
            self._at -= 1
            return self.read_bytes(self.read_length())
        if first == 192:
            return int.from_bytes(self.read_bytes(1), "little", signed=True)
        if first == 193:
            return int.from_bytes(self.read_bytes(2), "little", signed=True)
        if first == 194:
            return int.from_bytes(self.read_bytes(4), "little", signed=True)
        if first == 195:
            packed_size = self.read_length()
            size = self.read_length()
            packed = self.read_bytes(packed_size)
            try:
                return decompress(packed, size)
            except ValueError as error:
                raise self.damage(str(error)) from error
        self._at -= 1
        raise self.damage(f"unknown string encoding {first}")

    def _read_compressed_short(self, window: bytes, start: int) -> bytes | None:
        """The compressed string at `start` of the window, if it is short and all there; otherwise nothing is read."""
        # Redis compresses all but the shortest strings, small collections among them.
        end: i64 = len(window)
        at: i64 = start + 1
        if at + 4 > end:
            return None
        packed_size: i64 = window[at]
        at += 1
        if packed_size >= 64:
            if packed_size >= 128:
                return None
            packed_size = (packed_size & 63) << 8 | window[at]
            at += 1
        size: i64 = window[at]
        at += 1
        if size >= 64:
            if size >= 128:
                return None
            size = (size & 63) << 8 | window[at]
            at += 1
        stop: i64 = at + packed_size
        if stop > end:
            return None
        self._at = stop
        try:
            return decompress(window[at:stop], size)
        except ValueError as error:
            raise self.damage(str(error)) from error

    def _fill(self, least: int) -> None:
        """Let the window start at the next byte and hold `least` bytes or more."""
        at = self._at
        start = self._window_start + at
        if least > self.size - start:
            raise self.damage(f"{least} bytes announced, {self.size - start} left in the file")
        if at:
            self._crc = crc64(self._window[:at], self._crc)
        # What is left of the window is read again, which is cheaper than to join it with more.
        self._window = self._read_at(start, min(max(least, _READ_SIZE), self.size - start))
        self._window_start = start
        self._at = 0
        if len(self._window) < least:
            raise self.damage("the file became shorter while it was read")

    def _read_magic(self) -> None:
        magic = self.read_bytes(9)
        digits = magic[6:] if magic.startswith(b"VALKEY") else magic[5:]
        self.is_valkey = magic.startswith(b"VALKEY")
        newest = NEWEST_VALKEY_VERSION if self.is_valkey else NEWEST_REDIS_VERSION
        if not magic.startswith((b"REDIS", b"VALKEY")) or not digits.isdigit():
            self._at = 0
            raise self.damage("not an RDB file")
        self.version = int(digits)
        if not 1 <= self.version <= newest:
            raise UnsupportedFile(self.path, 0, f"RDB version {self.version}; the newest known is {newest}")

    def _read_opcode(self, opcode: int) -> None:
        # A changed version digit must not switch the checksum off.
        if opcode <= rdb.OP_RESIZE and self.version < 7:
            raise self.damage(f"an opcode that RDB version {self.version} does not have")
        if opcode == rdb.OP_SELECT:
            at = self.position
            index = self.read_length()
            if index >= self._target.database_count:
                raise TooFewDatabases(self.path, at, index)
            self._database = self._target.database(index)
        elif opcode == rdb.OP_RESIZE:
            self.read_length()
            self.read_length()
        elif opcode == rdb.OP_AUX:
            name = self.read_string()
            self.aux[name] = self.read_string()
        elif opcode == rdb.OP_EXPIRE_S:
            self._expire_at_ms = int.from_bytes(self.read_bytes(4), "little", signed=True) * 1000
        elif opcode == rdb.OP_IDLE:
            self.read_length()
        elif opcode == rdb.OP_FREQUENCY:
            self.read_bytes(1)
        elif opcode == rdb.OP_FUNCTION:
            self.functions.append(self.read_string())
        elif opcode == rdb.OP_SLOT_INFO:
            for _ in range(3):
                self.read_length()
        elif opcode == rdb.OP_MODULE_AUX:
            at = self.position
            module = rdb.module_name(self.read_length())
            raise UnsupportedFile(self.path, at, f"data of the module {module}")
        else:
            raise UnsupportedFile(self.path, self.position, "a function of a Redis 7.0 release candidate")

    def _read_other(self, kind: int) -> None:
        """A key with a value of a type other than string."""
        if kind not in self._decoders and kind not in rdb.TYPE_NAMES:
            self._at -= 1
            raise self.damage(f"unknown type {kind}")
        key = self.read_string()
        value = self.read_value(kind, key)
        if value is not None:
            self._database.load(key, value, self._expire_at_ms)
            self.key_count += 1
        self._expire_at_ms = None

    def read_value(self, kind: int, key: bytes) -> Any:
        """The value of `key`, of type `kind`; None for an empty collection, which is no key."""
        if kind == rdb.TYPE_STRING:
            return self._read_string_value()
        decoder = self._decoders.get(kind)
        if decoder is None:
            raise self._unsupported(kind, key)
        try:
            return decoder(self)
        except ValueError as error:
            raise self.damage(str(error)) from error

    def _unsupported(self, kind: int, key: bytes) -> UnsupportedFile:
        at = self.position
        name = rdb.TYPE_NAMES.get(kind, f"value of type {kind}")
        if kind == rdb.TYPE_MODULE:
            name = f"value of the module {rdb.module_name(self.read_length())}"
        return UnsupportedFile(self.path, at, f"key {key[:100]!r} is a {name}")

    def _finish(self) -> None:
        if self.version < 5:
            return
        crc = crc64(self._window[: self._at], self._crc)
        stored = int.from_bytes(self.read_bytes(8), "little")
        self.is_verified = stored != 0
        if stored not in (0, crc):
            raise self.damage("the checksum of the whole file does not fit")
