"""DUMP and RESTORE: one value as bytes, which every server of the family takes.

    payload = type byte | value as in an RDB file | RDB version (uint16) | CRC-64 of all before (uint64), little endian

They are commands on data that need the RDB format, hence they stand here; whoever replays a log imports them.

Rule: a payload comes from anybody. Nothing in it is believed beyond what is there to be read (`RdbReader`).
"""

from typing import Any, Final

from respkv.commands.args import Args, parse_int
from respkv.commands.events import GENERIC, NEW
from respkv.commands.flags import DENYOOM, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.access import set_frequency, set_idle_time
from respkv.engine.engine import Engine
from respkv.engine.keyspace import Keyspace
from respkv.errors import ReplyError, StartupError
from respkv.persistence import rdb_format as rdb
from respkv.persistence.crc64 import crc64
from respkv.persistence.rdb_reader import NEWEST_REDIS_VERSION, NEWEST_VALKEY_VERSION, RdbReader
from respkv.persistence.rdb_values import DECODERS, pieces_of
from respkv.reply import OK, Reply

command = CommandGroup("generic", __name__)

_FOOTER_BYTES: Final = 10
_INT64_MAX: Final = (1 << 63) - 1


class KeyExists(ReplyError):
    """RESTORE without REPLACE of a key that is there."""

    def __init__(self) -> None:
        super().__init__(b"BUSYKEY Target key name already exists.")


class UnknownPayload(ReplyError):
    """A payload was not made by DUMP, was changed since, or is of a later version."""

    def __init__(self) -> None:
        super().__init__(b"ERR DUMP payload version or checksum are wrong")


class BadPayload(ReplyError):
    """A payload is whole and makes no sense."""

    def __init__(self) -> None:
        super().__init__(b"ERR Bad data format")


def encode_payload(value: Any, *, compressing: bool) -> bytes:
    """What DUMP says of `value`, long strings compressed or not; of the oldest version that has its type. O(bytes)."""
    kind, pieces = pieces_of(value, compressing)
    pieces.insert(0, bytes((kind,)))
    pieces.append(rdb.version_of(kind).to_bytes(2, "little"))
    checksum = 0
    for piece in pieces:
        checksum = crc64(piece, checksum)
    pieces.append(checksum.to_bytes(8, "little"))
    return b"".join(pieces)


def decode_payload(payload: bytes, target: Engine) -> Any:
    """The value that `payload` stands for, by the limits of `target`. O(bytes). Raises UnknownPayload, BadPayload."""
    size = len(payload) - _FOOTER_BYTES
    if size < 0:
        raise UnknownPayload
    version = int.from_bytes(payload[size : size + 2], "little")
    is_valkey = version == NEWEST_VALKEY_VERSION
    if version > NEWEST_REDIS_VERSION and not is_valkey:
        raise UnknownPayload
    # What has its own checksum behind it has the checksum 0.
    if crc64(payload, 0):
        raise UnknownPayload
    reader = RdbReader(lambda at, count: payload[at : at + count], size, "", target, DECODERS)
    reader.version = version
    reader.is_valkey = is_valkey
    try:
        kind = reader.read_bytes(1)[0]
        # An empty collection is None, and no value either.
        value = reader.read_value(kind, b"")
    except StartupError:
        raise BadPayload from None
    if value is None:
        raise BadPayload
    return value


@command("DUMP key", READONLY, since="2.6.0", cost="O(n), n = bytes of the value", tips="nondeterministic_output")
def dump(db: Keyspace, argv: list[bytes]) -> Reply:
    """A value in a form that RESTORE takes, here or on another server; nil if there is no such key."""
    value = db.find(argv[1])
    return None if value is None else encode_payload(value, compressing=db.engine.compresses_dumps)


@command(
    "RESTORE key ttl:int serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds:int] [FREQ frequency:int]",
    WRITE | DENYOOM,
    keys="OW UPDATE",
    acl="+dangerous",
    since="2.6.0",
    cost="O(n), n = bytes of the value",
)
def restore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Create a key from what DUMP said of another."""
    options = _Options(argv)
    key = argv[1]
    exists = db.peek(key) is not None
    if exists and not options.replaces:
        raise KeyExists
    ttl_ms = parse_int(argv[2])
    if ttl_ms < 0:
        raise ReplyError(b"ERR Invalid TTL value, must be >= 0")
    value = decode_payload(argv[3], db.engine)
    at_ms = ttl_ms if options.is_absolute or not ttl_ms else ttl_ms + db.engine.now_ms
    if ttl_ms and not db.engine.now_ms < at_ms <= _INT64_MAX:
        if exists:
            db.remove(key)
            db.propagate_as([b"DEL", key])
            db.notify(GENERIC, b"del", key)
        return OK
    if exists:
        db.notify(NEW, b"new", key)  # one key replaces another, and is not a change of it
    if ttl_ms:
        db.set_until(key, value, at_ms)
    else:
        db.set(key, value)
    options.note_use(db, key)
    replace = [b"REPLACE"] if options.replaces else []
    db.propagate_as([b"RESTORE", key, b"%d" % at_ms, argv[3], *replace, b"ABSTTL"])
    db.notify(GENERIC, b"restore", key)
    return OK


class _Options:
    """What stands behind the payload. Raises BadSyntax, ReplyError."""

    def __init__(self, argv: list[bytes]) -> None:
        self.replaces = False
        self.is_absolute = False
        self.idle_s = -1
        self.frequency = -1
        args = Args(argv, 4)
        while args.more():
            if args.token(b"REPLACE"):
                self.replaces = True
            elif args.token(b"ABSTTL"):
                self.is_absolute = True
            elif self.frequency < 0 and args.token_with_value(b"IDLETIME"):
                self.idle_s = args.integer()
                if self.idle_s < 0:
                    raise ReplyError(b"ERR Invalid IDLETIME value, must be >= 0")
            elif self.idle_s < 0 and args.token_with_value(b"FREQ"):
                self.frequency = args.integer()
                if not 0 <= self.frequency <= 255:
                    raise ReplyError(b"ERR Invalid FREQ value, must be >= 0 and <= 255")
            else:
                args.finish()

    def note_use(self, db: Keyspace, key: bytes) -> None:
        """Let `key` count as used as the options say. The log does not keep it: no use is."""
        if self.idle_s >= 0:
            set_idle_time(db.engine, db.shard_of(key), key, self.idle_s * 1000)
        if self.frequency >= 0:
            set_frequency(db.engine, db.shard_of(key), key, self.frequency)
