"""DEBUG, continued: how values and clients are kept, and an end without notice."""

import logging
import os
import sys

from respkv.commands.objects import encoding_of
from respkv.errors import NoSuchKey, ReplyError
from respkv.persistence.rdb_values import encode_value
from respkv.reply import OK, Reply, Status, Verbatim
from respkv.server import log
from respkv.server.commands.debugging import part
from respkv.server.config.kinds import read_memory
from respkv.server.session import Session

logger = logging.getLogger(__name__)

BUCKETS = 18
SMALLEST_BUCKET_BYTES = 32 * 1024


def _value(session: Session, key: bytes) -> object:
    """Raises NoSuchKey."""
    value: object = session.db.peek(key)
    if value is None:
        raise NoSuchKey
    return value


@part("LISTPACK <key>", "Write into the log how a value that is one listpack is kept.", least=3, most=3)
def listpack(session: Session, argv: list[bytes]) -> Reply:
    """Redis prints it to its standard output."""
    value = _value(session, argv[2])
    if encoding_of(value) != b"listpack":
        raise ReplyError(b"ERR Not a listpack encoded object.")
    _log(argv[2], value)
    return Status(b"Listpack structure printed on stdout")


@part("QUICKLIST <key> [<0|1>]", "Write into the log how a list of many nodes is kept.", least=3, most=4)
def quicklist(session: Session, argv: list[bytes]) -> Reply:
    """Redis prints it to its standard output."""
    value = _value(session, argv[2])
    if encoding_of(value) != b"quicklist":
        raise ReplyError(b"ERR Not a quicklist encoded object.")
    _log(argv[2], value)
    return Status(b"Quicklist structure printed on stdout")


def _log(key: bytes, value: object) -> None:
    kind, encoded = encode_value(value, False)
    log.notice(logger, "DEBUG of a value", key=key, encoding=encoding_of(value), rdb_type=kind, rdb_bytes=len(encoded))


@part("QUICKLIST-PACKED-THRESHOLD <size>", "Accepted, and without effect: nodes are cut otherwise.", least=3, most=3)
def quicklist_packed_threshold(session: Session, argv: list[bytes]) -> Reply:
    """Checked as in Redis."""
    size = read_memory(argv[2])
    if size is None or size > 4 << 30:
        raise ReplyError(b"ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    return OK


@part("SDSLEN <key>", "How many bytes a key and its string take, and how many are spare.", least=3, most=3)
def sdslen(session: Session, argv: list[bytes]) -> Reply:
    """In the reference's form."""
    key = argv[2]
    value = _value(session, key)
    if not isinstance(value, bytes | bytearray) or encoding_of(value) == b"int":
        raise ReplyError(b"ERR Not an sds encoded string.")
    spare = max(0, value.__alloc__() - len(value) - 1) if isinstance(value, bytearray) else 0
    return Status(
        b"key_sds_len:%d, key_sds_avail:0, key_zmalloc: %d, val_sds_len:%d, val_sds_avail:%d, val_zmalloc: %d"
        % (len(key), sys.getsizeof(key), len(value), spare, sys.getsizeof(value))
    )


@part("HTSTATS-KEY <key> [full]", "As HTSTATS, for a value that is a table.", least=3, most=4)
def htstats_key(session: Session, argv: list[bytes]) -> Reply:
    """How many elements it has is what there is to tell."""
    value = _value(session, argv[2])
    if encoding_of(value) not in (b"hashtable", b"skiplist"):
        raise ReplyError(b"ERR The value stored at the specified key is not represented using an hash table")
    count = len(value)  # type: ignore[arg-type]
    text = f"Hash table 0 stats (main hash table):\n table size: {count}\n number of elements: {count}\n"
    return Verbatim(text.encode())


@part("CLIENT-EVICTION", "How many clients take how much, where maxmemory-clients is set.")
def client_eviction(session: Session, argv: list[bytes]) -> Reply:
    """In the reference's form: a line for each power of two."""
    evictor = session.server.client_evictor
    if evictor.limit_bytes == 0:
        raise ReplyError(b"ERR maxmemory-clients is disabled.")
    sizes = list(evictor.sizes().values())
    lines = []
    low = 0
    for number in range(BUCKETS + 1):
        high = SMALLEST_BUCKET_BYTES << number
        is_last = number == BUCKETS
        inside = [size for size in sizes if low <= size and (is_last or size < high)]
        span = f"{low:10}+            " if is_last else f"{low:10} - {high - 1:10}"
        lines.append(f"bucket {span}: tot-mem: {sum(inside):10}, clients: {len(inside)}\n")
        low = high
    return Verbatim("".join(lines).encode())


@part("CLUSTERLINK KILL <to|from|all> <node-id>", "Refused: there is no cluster.", least=5, most=5)
def clusterlink(session: Session, argv: list[bytes]) -> Reply:
    """As the reference without a cluster."""
    raise ReplyError(b"ERR Debug option only available for cluster mode enabled setup!")


def _crash(session: Session, argv: list[bytes]) -> Reply:
    """End the process at once, as a crash does: nothing is written or synced."""
    log.warning(logger, "crashing, as DEBUG asked for", by=argv[1])
    os.abort()


for _name in ("SEGFAULT", "PANIC", "ASSERT", "OOM"):
    part(_name, "Crash the server.")(_crash)
