"""MEMORY: what takes how much of it."""

import sys

from respkv.commands.args import Args
from respkv.commands.flags import LOADING, READONLY, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.engine import memory
from respkv.errors import BadSyntax
from respkv.reply import OK, Reply, Verbatim
from respkv.server import process
from respkv.server.server import Server
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)

_TIPS = "nondeterministic_output request_policy:all_shards response_policy:special"

SMALL_BYTES = 5 * 1024 * 1024
"""Below this, ratios of memory say nothing."""

command.container("MEMORY", since="4.0.0", summary="Shows what takes how much memory.")


@command(
    "MEMORY USAGE key [SAMPLES count:int]",
    READONLY,
    keys="RO",
    since="4.0.0",
    cost="O(n), n = samples",
)
def memory_usage(session: Session, argv: list[bytes]) -> Reply:
    """Bytes that `key` takes with its value and its places in the tables; nil if there is no such key."""
    args = Args(argv, 3)
    samples = 5
    while args.more():
        if not args.token_with_value(b"SAMPLES"):
            raise BadSyntax
        samples = args.integer()
        if samples < 0:
            raise BadSyntax
    db = session.db
    return None if db.peek(argv[2]) is None else memory.memory_usage(db, argv[2], samples)


@command("MEMORY STATS", since="4.0.0", cost="O(1)", tips=_TIPS)
def memory_stats(session: Session, argv: list[bytes]) -> Reply:
    """Where memory goes, by name."""
    server = session.server
    used = server.used_memory_bytes()
    peak = max(used, server.stats.peak_memory_bytes)
    data = server.meter.used_bytes()
    keys = sum(db.size() for db in server.engine.databases)
    resident = process.resident_bytes()
    stats: dict[bytes, Reply] = {
        b"peak.allocated": peak,
        b"total.allocated": used,
        b"startup.allocated": 0,
        b"replication.backlog": 0,
        b"clients.slaves": 0,
        b"clients.normal": server.client_bytes(),
        b"cluster.links": 0,
        b"aof.buffer": server.persistence.log_buffer_bytes,
        b"lua.caches": server.scripting.cache.memory_bytes(),
        b"functions.caches": server.engine.libraries.payload_bytes(),
    }
    for db in server.engine.databases:
        usage = memory.usage_of(db)
        if usage.keys:
            stats[b"db.%d" % db.index] = {
                b"overhead.hashtable.main": usage.tables_bytes,
                b"overhead.hashtable.expires": usage.expiry_bytes,
            }
    return stats | {
        b"overhead.db.hashtable.lut": 0,
        b"overhead.db.hashtable.rehashing": 0,
        b"overhead.total": used - data,
        b"db.dict.rehashing.count": 0,
        b"keys.count": keys,
        b"keys.bytes-per-key": data // keys if keys else 0,
        b"dataset.bytes": data,
        b"dataset.percentage": 100 * data / used if used else 0.0,
        b"peak.percentage": 100 * used / peak if peak else 0.0,
        b"allocator.allocated": used,
        b"allocator.active": resident,
        b"allocator.resident": resident,
        b"allocator.muzzy": 0,
        b"allocator-fragmentation.ratio": 1.0,
        b"allocator-fragmentation.bytes": 0,
        b"allocator-rss.ratio": 1.0,
        b"allocator-rss.bytes": 0,
        b"rss-overhead.ratio": 1.0,
        b"rss-overhead.bytes": 0,
        b"fragmentation": resident / used if used else 0.0,
        b"fragmentation.bytes": resident - used,
    }


@command("MEMORY DOCTOR", since="4.0.0", cost="O(1)", tips=_TIPS)
def memory_doctor(session: Session, argv: list[bytes]) -> Reply:
    """What is unusual about the memory, in words."""
    return Verbatim(" ".join(diagnoses(session.server)).encode())


@command(
    "MEMORY MALLOC-STATS", since="4.0.0", cost="Depends on how much memory is allocated, could be slow", tips=_TIPS
)
def memory_malloc_stats(session: Session, argv: list[bytes]) -> Reply:
    """What the interpreter's allocator tells of itself."""
    lines = [
        f"allocator: {process.allocator()}",
        f"blocks in use: {sys.getallocatedblocks()}",
        f"resident bytes: {process.resident_bytes()}",
    ]
    return Verbatim("".join(f"{line}\n" for line in lines).encode())


@command(
    "MEMORY PURGE",
    since="4.0.0",
    cost="Depends on how much memory is allocated, could be slow",
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def memory_purge(session: Session, argv: list[bytes]) -> Reply:
    """Give memory that lies unused back to the system."""
    process.give_back()
    return OK


@command("MEMORY HELP", LOADING | STALE, since="4.0.0", cost="O(1)")
def memory_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"memory")


def diagnoses(server: Server) -> list[str]:
    """Sentences about what is unusual; one that nothing is."""
    used = server.used_memory_bytes()
    if used < SMALL_BYTES:
        return ["There is too little data to say anything about its memory."]
    found = []
    peak = server.stats.peak_memory_bytes
    if peak > 1.5 * used:
        found.append(
            f"At its peak the data took {peak} bytes, {peak / used:.1f} times as much as now: the process may hold"
            " more memory than it needs. MEMORY PURGE gives back what it can."
        )
    resident = process.resident_bytes()
    if resident > 2 * used:
        found.append(
            f"The process holds {resident} bytes for {used} bytes in use, {resident / used:.1f} times as much: memory"
            " is fragmented, or was needed earlier."
        )
    clients = server.client_bytes()
    if server.sessions and clients / len(server.sessions) > 200_000:
        found.append(
            f"Clients' buffers take {clients} bytes: somebody does not read his replies, or sends very large requests."
            " CLIENT LIST shows who (qbuf, omem)."
        )
    return found or ["Nothing is unusual."]
