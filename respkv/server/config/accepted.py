"""Directives of Redis that respkv accepts and keeps, though they change nothing here, and why.

A configuration written for Redis then works as it is, CONFIG GET shows what monitoring tools look for, and
docs/config.md lists them plainly. When respkv comes to act on one, its row moves to `directives.py`.
"""

from collections.abc import Callable
from typing import Any

from respkv.server.config.directive import Group, Row
from respkv.server.config.kinds import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    ULONG_MAX,
    BadValue,
    Integer,
    Kind,
    Memory,
    OneOf,
    OomScores,
    PrimaryAddress,
    Secret,
    Text,
    YesNo,
)

MB = 1024 * 1024

COUNT = Integer(0, INT_MAX)
LONG_COUNT = Integer(0, LONG_MAX)
PORT = Integer(0, 65535)
SIZE = Memory(0, LONG_MAX)


def _row(
    name: str,
    kind: Kind[Any],
    default: object,
    since: str,
    doc: str,
    *aliases: str,
    mutable: bool = True,
    hidden: bool = False,
    sensitive: bool = False,
    refused_while_loading: bool = False,
    check: Callable[[Any], None] | None = None,
) -> Row:
    return Row(
        kind,
        default,
        doc,
        name=name,
        since=since,
        aliases=aliases,
        mutable=mutable,
        hidden=hidden,
        sensitive=sensitive,
        refused_while_loading=refused_while_loading,
        check=check,
    )


def _fixed(name: str, kind: Kind[Any], default: object, since: str, doc: str, *aliases: str) -> Row:
    return _row(name, kind, default, since, doc, *aliases, mutable=False)


def _hidden(name: str, kind: Kind[Any], default: object, since: str, doc: str) -> Row:
    return _row(name, kind, default, since, doc, hidden=True)


def _group(title: str, no_effect: str, *rows: Row) -> Group:
    for row in rows:
        row.no_effect = no_effect
    return title, {row.name: row for row in rows}


def _no_defrag(value: bool) -> None:
    if value:
        raise BadValue(
            "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified "
            "Jemalloc like the one shipped by default with the Redis source distribution"
        )


def _check_hostname(name: str) -> None:
    if len(name) >= 256:
        raise BadValue("Hostnames must be less than 256 characters")
    if not all(char.isascii() and (char.isalnum() or char in "-.") for char in name):
        raise BadValue("Hostnames may only contain alphanumeric characters, hyphens or dots")


def _check_title(template: str) -> None:
    rest = template.replace("{{", "")
    for variable in ("title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"):
        rest = rest.replace("{" + variable + "}", "")
    if not template or "{" in rest:
        raise BadValue("template format is invalid or contains unknown variables")


def _no_primary(address: str) -> None:
    if address:
        raise BadValue("respkv does not replicate: as a replica it would take writes that its primary never sees")


ACCEPTED: tuple[Group, ...] = (
    _group(
        "Always so",
        "respkv does it, or has nothing to wait for, whatever it says",
        _fixed("rdbchecksum", YesNo(), True, "2.6", "End an RDB file with a CRC64, and check it when loading."),
        _row("shutdown-timeout", Integer(0, INT_MAX), 10, "7.0", "Seconds that a shutdown waits for replicas."),
    ),
    _group(
        "Process and kernel",
        "a service manager or the kernel does this for a Python process",
        _fixed("daemonize", YesNo(), False, "1.0", "Go into the background at start."),
        _fixed("supervised", OneOf("upstart", "systemd", "auto", "no"), "no", "3.2", "Report to a supervisor."),
        _fixed("set-proc-title", YesNo(), True, "6.0", "Set the title that ps shows."),
        _row(
            "proc-title-template",
            Text("template"),
            "{title} {listen-addr} {server-mode}",
            "6.2",
            "What the title that ps shows is made of.",
            check=_check_title,
        ),
        _fixed("always-show-logo", YesNo(), False, "4.0", "Show a logo in logs as well."),
        _fixed("syslog-enabled", YesNo(), False, "2.2", "Log to syslog."),
        _fixed("syslog-ident", Text(), "redis", "2.2", "Name in syslog."),
        _fixed(
            "syslog-facility",
            OneOf("user", *(f"local{number}" for number in range(8))),
            "local0",
            "2.2",
            "Facility in syslog.",
        ),
        _row("crash-log-enabled", YesNo(), True, "6.2", "Log registers and stack at a crash."),
        _row("crash-memcheck-enabled", YesNo(), True, "6.2", "Test memory at a crash."),
        _fixed("disable-thp", YesNo(), True, "6.2", "Do without transparent huge pages."),
        _row(
            "oom-score-adj",
            OneOf("no", "yes", "relative", "absolute", same={"relative": "yes"}),
            "no",
            "6.2",
            "Tune the kernel's out-of-memory killer.",
        ),
        _row("oom-score-adj-values", OomScores(), (0, 200, 800), "6.2", "Scores for that killer."),
        _fixed("server-cpulist", Text("cpus"), "", "6.0", "CPUs of the server.", "server_cpulist"),
        _fixed("bio-cpulist", Text("cpus"), "", "6.0", "CPUs of background threads.", "bio_cpulist"),
        _fixed("aof-rewrite-cpulist", Text("cpus"), "", "6.0", "CPUs of compaction.", "aof_rewrite_cpulist"),
        _fixed("bgsave-cpulist", Text("cpus"), "", "6.0", "CPUs of background saves.", "bgsave_cpulist"),
        _row("ignore-warnings", Text(), "", "6.2", "Start-up warnings to pass over."),
        _fixed("locale-collate", Text("locale"), "", "7.2", "Order of strings in SORT ALPHA."),
        _hidden("use-exit-on-panic", YesNo(), False, "7.0", "Leave by exit instead of abort at a panic."),
        _hidden("watchdog-period", COUNT, 0, "2.6", "Milliseconds after which a stuck server logs its stack."),
    ),
    _group(
        "Threads, allocator and clock",
        "tunes how Redis's C code uses threads, jemalloc or its timer; respkv is built otherwise",
        _fixed("io-threads", Integer(1, 128), 1, "6.0", "Threads that write to sockets."),
        _fixed("io-threads-do-reads", YesNo(), False, "6.0", "Let those threads read as well."),
        _row("max-new-connections-per-cycle", Integer(1, 1000), 10, "7.4", "Connections accepted in a round."),
        _row("max-new-tls-connections-per-cycle", Integer(1, 1000), 1, "7.4", "The same with TLS."),
        _row("dynamic-hz", YesNo(), True, "5.0", "Raise hz with the number of clients."),
        _row("activerehashing", YesNo(), True, "2.0", "Rehash tables in idle time."),
        _hidden("dict-resizing", YesNo(), True, "7.4", "Resize tables at all."),
        _row("jemalloc-bg-thread", YesNo(), True, "6.0", "Let jemalloc purge in a thread."),
        _row("activedefrag", YesNo(), False, "4.0", "Defragment memory while running.", check=_no_defrag),
        _row("active-defrag-cycle-min", Integer(1, 99), 1, "4.0", "Least CPU per cent for it."),
        _row("active-defrag-cycle-max", Integer(1, 99), 25, "4.0", "Most CPU per cent for it."),
        _row(
            "active-defrag-threshold-lower",
            Integer(0, 1000),
            10,
            "4.0",
            "Fragmentation per cent to begin at.",
        ),
        _row(
            "active-defrag-threshold-upper",
            Integer(0, 1000),
            100,
            "4.0",
            "Fragmentation per cent for most effort.",
        ),
        _row("active-defrag-max-scan-fields", Integer(1, LONG_MAX), 1000, "5.0", "Fields handled in one scan."),
        _row("active-defrag-ignore-bytes", Memory(1, LONG_MAX), 100 * MB, "4.0", "Waste that is not worth it."),
        _row("lazyfree-lazy-eviction", YesNo(), False, "4.0", "Free evicted values in a thread."),
        _row("lazyfree-lazy-expire", YesNo(), False, "4.0", "Free expired values in a thread."),
        _row("lazyfree-lazy-server-del", YesNo(), False, "4.0", "Free overwritten values in a thread."),
        _row("lazyfree-lazy-user-del", YesNo(), False, "6.0", "Make DEL behave as UNLINK."),
        _row("lazyfree-lazy-user-flush", YesNo(), False, "6.2", "Make FLUSHALL asynchronous."),
    ),
    _group(
        "Files",
        "respkv neither forks nor syncs in that way; see docs/formats",
        _row("rdb-del-sync-files", YesNo(), False, "6.0", "Delete RDB files used for replication."),
        _row("rdb-save-incremental-fsync", YesNo(), True, "5.0", "Sync an RDB file as it grows."),
        _row("aof-rewrite-incremental-fsync", YesNo(), True, "2.4", "Sync a base file as it grows."),
        _row("aof-use-rdb-preamble", YesNo(), True, "4.0", "Base files in RDB form (always so here)."),
        _row("aof-timestamp-enabled", YesNo(), False, "7.0", "Note the time in the log."),
        _row("aof-disable-auto-gc", YesNo(), False, "7.0", "Keep files that compaction made superfluous."),
        _row("no-appendfsync-on-rewrite", YesNo(), False, "2.4", "Do not sync the log during a rewrite."),
        _row(
            "sanitize-dump-payload",
            OneOf("no", "yes", "clients"),
            "no",
            "6.2",
            "Check RDB and RESTORE data in depth (always so here).",
        ),
        _hidden("rdb-key-save-delay", Integer(INT_MIN, INT_MAX), 0, "6.0", "Wait while saving, for tests."),
        _hidden("key-load-delay", Integer(INT_MIN, INT_MAX), 0, "6.0", "Wait while loading, for tests."),
        _hidden(
            "loading-process-events-interval-bytes",
            Integer(1024, INT_MAX),
            2 * MB,
            "6.2",
            "Serve clients each so many bytes of loading.",
        ),
    ),
    _group(
        "Encodings of collections",
        "values have other forms here; kept for OBJECT ENCODING and for tools that read them",
        _row(
            "hash-max-listpack-entries",
            LONG_COUNT,
            512,
            "2.6",
            "Small hash: fields.",
            "hash-max-ziplist-entries",
        ),
        _row(
            "hash-max-listpack-value",
            SIZE,
            64,
            "2.6",
            "Small hash: bytes of a value.",
            "hash-max-ziplist-value",
        ),
        _row(
            "list-max-listpack-size",
            Integer(INT_MIN, INT_MAX),
            -2,
            "3.2",
            "Small list.",
            "list-max-ziplist-size",
        ),
        _row("list-compress-depth", COUNT, 0, "3.2", "Nodes at a list's ends that stay uncompressed."),
        _row("set-max-intset-entries", LONG_COUNT, 512, "2.0", "Set of integers: members."),
        _row("set-max-listpack-entries", LONG_COUNT, 128, "7.2", "Small set: members."),
        _row("set-max-listpack-value", SIZE, 64, "7.2", "Small set: bytes of a member."),
        _row(
            "zset-max-listpack-entries",
            LONG_COUNT,
            128,
            "2.4",
            "Small sorted set.",
            "zset-max-ziplist-entries",
        ),
        _row("zset-max-listpack-value", SIZE, 64, "2.4", "Its bytes of a member.", "zset-max-ziplist-value"),
        _row("hll-sparse-max-bytes", SIZE, 3000, "2.8.9", "Bytes of a sparse HyperLogLog."),
        _row("stream-node-max-bytes", SIZE, 4096, "5.0", "Bytes of a node of a stream."),
        _row("stream-node-max-entries", LONG_COUNT, 100, "5.0", "Entries in a node of a stream."),
    ),
    _group(
        "Scripts, users and tracking",
        "belongs to what respkv does not have yet",
        _fixed("enable-module-command", OneOf("no", "yes", "local"), "no", "7.0", "Who may use MODULE."),
        _row("hide-user-data-from-log", YesNo(), False, "7.4", "Keep keys and values out of logs."),
        _fixed("socket-mark-id", Integer(0, 2**32 - 1), 0, "7.0", "Mark sockets for packet filters."),
        _row("bind-source-addr", Text("address"), "", "7.0", "Address that outgoing connections come from."),
    ),
    _group(
        "Replication",
        "respkv does not replicate",
        _row(
            "replicaof",
            PrimaryAddress(),
            "",
            "1.0",
            "Follow a primary.",
            "slaveof",
            mutable=False,
            check=_no_primary,
        ),
        _row("masteruser", Text(), "", "6.0", "User at the primary.", sensitive=True),
        _row("masterauth", Secret(), b"", "1.0", "Password at the primary.", sensitive=True),
        _row(
            "replica-serve-stale-data",
            YesNo(),
            True,
            "2.2",
            "Answer without the primary.",
            "slave-serve-stale-data",
        ),
        _row("replica-read-only", YesNo(), True, "2.6", "Refuse writes on a replica.", "slave-read-only"),
        _row("replica-lazy-flush", YesNo(), False, "4.0", "Empty a replica in a thread.", "slave-lazy-flush"),
        _row(
            "replica-ignore-maxmemory",
            YesNo(),
            True,
            "5.0",
            "Evict on the primary only.",
            "slave-ignore-maxmemory",
        ),
        _row("replica-priority", COUNT, 100, "2.6", "Rank for Sentinel.", "slave-priority"),
        _row("replica-announced", YesNo(), True, "6.2", "Let Sentinel show this replica."),
        _row("replica-announce-ip", Text("address"), "", "3.2.2", "Address to announce.", "slave-announce-ip"),
        _row("replica-announce-port", PORT, 0, "3.2.2", "Port to announce.", "slave-announce-port"),
        _row(
            "replica-ignore-disk-write-errors",
            YesNo(),
            False,
            "7.0",
            "Let a replica live on after such errors.",
        ),
        _row("repl-diskless-sync", YesNo(), True, "2.8.18", "Send the data set without a file."),
        _row("repl-diskless-sync-delay", COUNT, 5, "2.8.18", "Seconds to wait for more replicas."),
        _row("repl-diskless-sync-max-replicas", COUNT, 0, "7.0", "Do not wait beyond so many replicas."),
        _row(
            "repl-diskless-load",
            OneOf("disabled", "on-empty-db", "swapdb"),
            "disabled",
            "6.0",
            "Load the data set without a file.",
            refused_while_loading=True,
        ),
        _row("repl-disable-tcp-nodelay", YesNo(), False, "2.8", "Save packets to replicas."),
        _row("repl-backlog-size", Memory(1, LONG_MAX), MB, "2.8", "Bytes of the backlog."),
        _row("repl-backlog-ttl", LONG_COUNT, 3600, "2.8", "Seconds that it outlives the last replica."),
        _row("repl-timeout", Integer(1, INT_MAX), 60, "2.4", "Seconds until a link counts as lost."),
        _row(
            "repl-ping-replica-period",
            Integer(1, INT_MAX),
            10,
            "2.4",
            "Seconds between pings.",
            "repl-ping-slave-period",
        ),
        _row("min-replicas-to-write", COUNT, 0, "2.8", "Replicas that writes need.", "min-slaves-to-write"),
        _row("min-replicas-max-lag", COUNT, 10, "2.8", "Seconds that they may lag.", "min-slaves-max-lag"),
        _row(
            "propagation-error-behavior",
            OneOf("ignore", "panic", "panic-on-replicas"),
            "ignore",
            "7.0",
            "What to do when a replicated command fails.",
        ),
    ),
    _group(
        "Cluster",
        "respkv is one node, never part of a cluster",
        _fixed("cluster-enabled", YesNo(), False, "3.0", "Take part in a cluster."),
        _fixed("cluster-config-file", Text("path"), "nodes.conf", "3.0", "Where a node keeps what it knows."),
        _fixed("cluster-port", PORT, 0, "7.0", "Port of the cluster bus."),
        _row("cluster-node-timeout", LONG_COUNT, 15000, "3.0", "Milliseconds until a node counts as lost."),
        _row("cluster-migration-barrier", COUNT, 1, "3.0", "Replicas that a primary keeps."),
        _row("cluster-allow-replica-migration", YesNo(), True, "7.0", "Let replicas change their primary."),
        _row(
            "cluster-replica-validity-factor",
            COUNT,
            10,
            "3.0",
            "Staleness limit.",
            "cluster-slave-validity-factor",
        ),
        _row(
            "cluster-replica-no-failover",
            YesNo(),
            False,
            "4.0",
            "Never take over.",
            "cluster-slave-no-failover",
        ),
        _row("cluster-require-full-coverage", YesNo(), True, "3.0", "Serve only with all slots."),
        _row("cluster-allow-reads-when-down", YesNo(), False, "6.0", "Serve reads when down."),
        _row("cluster-allow-pubsubshard-when-down", YesNo(), True, "7.0", "Serve shard channels when down."),
        _row("cluster-link-sendbuf-limit", Memory(0, ULONG_MAX), 0, "7.0", "Bytes buffered for another node."),
        _row("cluster-announce-ip", Text("address"), "", "4.0", "Address to announce."),
        _row("cluster-announce-port", PORT, 0, "4.0", "Port to announce."),
        _row("cluster-announce-tls-port", PORT, 0, "6.2", "TLS port to announce."),
        _row("cluster-announce-bus-port", PORT, 0, "4.0", "Bus port to announce."),
        _row(
            "cluster-announce-hostname",
            Text("name"),
            "",
            "7.0",
            "Host name to announce.",
            check=_check_hostname,
        ),
        _row("cluster-announce-human-nodename", Text("name"), "", "7.2", "Name of the node in logs."),
        _row(
            "cluster-preferred-endpoint-type",
            OneOf("ip", "hostname", "unknown-endpoint"),
            "ip",
            "7.0",
            "What clients are sent to.",
        ),
    ),
    _group(
        "TLS",
        "respkv connects to nobody, and Python's ssl leaves OpenSSL's session cache as it is (tickets are what counts)",
        _row("tls-client-cert-file", Text("path"), "", "6.2", "Certificate as a client."),
        _row("tls-client-key-file", Text("path"), "", "6.2", "Key as a client."),
        _row("tls-client-key-file-pass", Text("password"), "", "6.2", "Password of that key.", sensitive=True),
        _row("tls-session-cache-size", COUNT, 20480, "6.0", "Sessions kept."),
        _row("tls-session-cache-timeout", COUNT, 300, "6.0", "Seconds that they are kept."),
        _row("tls-replication", YesNo(), False, "6.0", "TLS to the primary."),
        _row("tls-cluster", YesNo(), False, "6.0", "TLS on the cluster bus."),
    ),
)

IGNORED = ("list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands")
"""Directives of old versions that Redis 7 reads and forgets: no CONFIG knows them."""

REFUSED = {
    "rename-command": "commands keep their names",
    "loadmodule": "modules are machine code for Redis itself",
    "sentinel": "this is no Sentinel",
}
"""Lines of a redis.conf that no CONFIG knows, and that must not be passed over: they guard something."""
