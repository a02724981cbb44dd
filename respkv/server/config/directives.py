"""The directives that respkv acts on, a row each: the parser, CONFIG, flags and docs/config.md follow it.

To add one: a row here, in its group. Its attribute name is its name with `_` for `-`, and gives whoever
holds the `Config` the typed value. A directive that Redis has and that changes nothing here goes into
`accepted.py`.

Values, bounds and defaults are those of Redis 7.4 but for four: respkv logs (`appendonly yes`) and syncs
(`appendfsync always`) unless told otherwise, takes no snapshots beside the log (`save ""`), and keeps its
data in the platform's data directory (`dir`).
"""

from respkv.server.config.directive import Directive, Values
from respkv.server.config.kinds import (
    INT_MAX,
    LONG_MAX,
    UINT_MAX,
    ULONG_MAX,
    Addresses,
    ClientOutputLimits,
    Directory,
    FileName,
    Integer,
    KeyspaceEvents,
    Memory,
    MemoryOrPercent,
    Octal,
    OneOf,
    OutputLimit,
    OutputLimits,
    Percentiles,
    SavePoints,
    Secret,
    ShutdownOptions,
    Text,
    YesNo,
)

MB = 1024 * 1024
GB = 1024 * MB


class Network(Values):
    """Network."""

    bind = Directive(
        Addresses(),
        ("*", "-::*"),
        "Addresses to listen on; `-` before one: go on without it if it is not there.",
        since="1.0",
        common=True,
    )
    port = Directive(Integer(0, 65535), 6379, "TCP port; 0 listens on none.", since="1.0", common=True)
    unixsocket = Directive(
        Text("path"),
        "",
        "Path of a Unix socket to listen on as well.",
        since="2.2",
        mutable=False,
        common=True,
    )
    unixsocketperm = Directive(
        Octal(0, 0o777),
        0,
        "Permissions of the Unix socket; 0 leaves them to the umask.",
        since="2.4",
        mutable=False,
    )
    protected_mode = Directive(
        YesNo(), True, "Without a password, serve only clients of this machine.", since="3.2", common=True
    )
    tcp_backlog = Directive(
        Integer(0, INT_MAX), 511, "Connections that may wait to be accepted.", since="2.8.5", mutable=False
    )
    tcp_keepalive = Directive(
        Integer(0, INT_MAX), 300, "Seconds of silence before the kernel probes a peer; 0 never.", since="2.6"
    )
    timeout = Directive(Integer(0, INT_MAX), 0, "Close a client after so many idle seconds; 0 never.", since="1.0")


class Tls(Values):
    """TLS."""

    tls_port = Directive(Integer(0, 65535), 0, "TCP port for TLS; 0 listens on none.", since="6.0", common=True)
    tls_cert_file = Directive(
        Text("path"),
        "",
        "The server's certificate, with those between it and the authority.",
        since="6.0",
        volatile=True,
        common=True,
    )
    tls_key_file = Directive(Text("path"), "", "The key of the certificate.", since="6.0", volatile=True, common=True)
    tls_key_file_pass = Directive(Text("password"), "", "Password of the key.", since="6.2", sensitive=True)
    tls_ca_cert_file = Directive(
        Text("path"),
        "",
        "Authorities that clients' certificates must come from.",
        since="6.0",
        volatile=True,
        common=True,
    )
    tls_ca_cert_dir = Directive(
        Text("path"), "", "Folder of such authorities, named by hash.", since="6.0", volatile=True
    )
    tls_auth_clients = Directive(
        OneOf("no", "yes", "optional"),
        "yes",
        "Whether clients must show a certificate, or may, or are not asked.",
        since="6.0",
        common=True,
    )
    tls_protocols = Directive(
        Text("versions"), "", "Versions that clients may speak; by default TLSv1.2 and TLSv1.3.", since="6.0"
    )
    tls_ciphers = Directive(Text("ciphers"), "", "Ciphers up to TLS 1.2, as OpenSSL lists them.", since="6.0")
    tls_ciphersuites = Directive(Text("ciphers"), "", "Ciphers of TLS 1.3; needs Python 3.15.", since="6.0")
    tls_prefer_server_ciphers = Directive(YesNo(), False, "Whose order of ciphers counts.", since="6.0")
    tls_dh_params_file = Directive(Text("path"), "", "Diffie-Hellman parameters.", since="6.0", volatile=True)
    tls_session_caching = Directive(YesNo(), True, "Let clients resume sessions.", since="6.0")


class Durability(Values):
    """Durability: the append-only log."""

    dir = Directive(
        Directory(),
        "",
        "Where the data lives; a directory named here must be there.",
        since="1.0",
        protected=True,
        refused_while_loading=True,
        common=True,
    )
    appendonly = Directive(
        YesNo(),
        True,
        "Log every write, and replay the log at start.",
        since="1.1",
        refused_while_loading=True,
        common=True,
    )
    appendfsync = Directive(
        OneOf("everysec", "always", "no"),
        "always",
        "When a write is on disk: before its reply (always), once a second, or when the kernel likes (no).",
        since="1.1",
        common=True,
    )
    appenddirname = Directive(
        FileName("appenddirname", "dirname"),
        "appendonlydir",
        "Folder of the log, within `dir`.",
        since="7.0",
        mutable=False,
    )
    appendfilename = Directive(
        FileName("appendfilename", "filename"),
        "appendonly.aof",
        "What the names of the log's files begin with.",
        since="2.0",
        mutable=False,
    )
    auto_aof_rewrite_percentage = Directive(
        Integer(0, INT_MAX),
        100,
        "Compact the log once it grew by so many per cent; 0 never by itself.",
        since="2.4",
    )
    auto_aof_rewrite_min_size = Directive(
        Memory(), 64 * MB, "Do not compact by itself while the log is smaller than this.", since="2.4"
    )
    aof_segment_size = Directive(
        Memory(),
        64 * MB,
        "Begin another file of the log once the current one has so many bytes; 0 never.",
        since="respkv 0.1",
    )
    snapshot_keep = Directive(
        Integer(0, INT_MAX),
        0,
        "Replaced bases with their increments that stay in the log's folder after a compaction, newest first.",
        since="respkv 0.1",
    )
    aof_load_truncated = Directive(
        YesNo(), True, "Start when the log ends in the middle of a batch, which is then cut off.", since="3.0"
    )


class Snapshots(Values):
    """Snapshots (RDB files)."""

    save = Directive(
        SavePoints(),
        (),
        'Write a snapshot after so many seconds and changes; several pairs; "" for none.',
        since="1.0",
        common=True,
    )
    dbfilename = Directive(
        FileName("dbfilename", "filename", may_be_empty=True),
        "dump.rdb",
        "Name of the snapshot file in `dir`.",
        since="1.0",
        protected=True,
    )
    rdbcompression = Directive(
        YesNo(),
        True,
        "Compress long strings in what DUMP answers. Files are read either way and written uncompressed.",
        since="1.0",
    )
    stop_writes_on_bgsave_error = Directive(
        YesNo(), True, "Refuse writes after a background save failed, until one succeeds.", since="2.6"
    )


class MemoryLimits(Values):
    """Memory and eviction."""

    maxmemory = Directive(
        Memory(0, ULONG_MAX), 0, "Bytes that the data may take; 0 is no limit.", since="1.0", common=True
    )
    maxmemory_policy = Directive(
        OneOf(
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
            usage="policy",
        ),
        "noeviction",
        "What gives way at maxmemory: the write (noeviction), or keys: allkeys- or volatile-lru, -lfu, "
        "-random, or volatile-ttl.",
        since="2.0",
        common=True,
    )
    maxmemory_samples = Directive(Integer(1, INT_MAX), 5, "Keys looked at to find the best one to evict.", since="2.0")
    maxmemory_eviction_tenacity = Directive(
        Integer(0, 100), 10, "How long one eviction may go on: 10 is half a millisecond, 100 is for ever.", since="6.2"
    )
    lfu_log_factor = Directive(Integer(0, INT_MAX), 10, "How slowly the access counter of a key grows.", since="4.0")
    lfu_decay_time = Directive(
        Integer(0, INT_MAX),
        1,
        "Minutes without access that take one off a key's counter; 0: none do.",
        since="4.0",
    )
    active_expire_effort = Directive(
        Integer(1, 10), 1, "How much time (1 to 10) may go into removing expired keys.", since="6.0"
    )


class Clients(Values):
    """Clients and the wire."""

    maxclients = Directive(Integer(1, UINT_MAX), 10000, "Connections at a time.", since="1.0", common=True)
    client_output_buffer_limit = Directive(
        ClientOutputLimits(),
        OutputLimits(OutputLimit(0, 0, 0), OutputLimit(256 * MB, 64 * MB, 60), OutputLimit(32 * MB, 8 * MB, 60)),
        "Bytes of replies that may wait for a client: at once, or over some seconds.",
        since="2.6",
    )
    maxmemory_clients = Directive(
        MemoryOrPercent(),
        0,
        "Bytes (or per cent of maxmemory) for all clients' buffers; the largest clients are closed; 0 is no limit.",
        since="7.0",
    )
    client_query_buffer_limit = Directive(
        Memory(MB, LONG_MAX), GB, "Bytes of a request that is not complete yet.", since="4.0.7"
    )
    proto_max_bulk_len = Directive(
        Memory(MB, LONG_MAX), 512 * MB, "Bytes of one argument, and of a string value.", since="4.0.7"
    )


class Transactions(Values):
    """Interactive transactions."""

    transaction_timeout = Directive(
        Integer(0, LONG_MAX),
        60_000,
        "Milliseconds without a command after which a transaction is rolled back; 0 never.",
        since="respkv 0.1",
    )
    lock_timeout = Directive(
        Integer(0, LONG_MAX),
        10_000,
        "Milliseconds that a command may wait for the locks of transactions; 0 for ever.",
        since="respkv 0.1",
    )
    transaction_max_open = Directive(
        Integer(1, INT_MAX), 10_000, "Transactions that may be open at a time.", since="respkv 0.1"
    )
    transaction_max_keys = Directive(
        Integer(1, INT_MAX), 100_000, "Keys that one transaction may lock.", since="respkv 0.1"
    )
    transaction_max_savepoints = Directive(
        Integer(0, INT_MAX), 1000, "Savepoints that one transaction may have.", since="respkv 0.1"
    )
    transaction_max_memory = Directive(
        Memory(MB, LONG_MAX),
        256 * MB,
        "Bytes that one transaction may keep until its commit, beyond which it may only read.",
        since="respkv 0.1",
    )


class Security(Values):
    """Security."""

    requirepass = Directive(
        Secret(), b"", "Password that clients must give by AUTH.", since="1.0", sensitive=True, common=True
    )
    aclfile = Directive(
        Text("path"),
        "",
        "File of all users, instead of `user` lines; relative to `dir`.",
        since="6.0",
        mutable=False,
    )
    acllog_max_len = Directive(Integer(0, LONG_MAX), 128, "Entries that ACL LOG keeps.", since="6.0")
    acl_pubsub_default = Directive(
        OneOf("allchannels", "resetchannels"),
        "resetchannels",
        "Whether new users may use all channels or none.",
        since="6.2",
    )
    enable_protected_configs = Directive(
        OneOf("no", "yes", "local"),
        "no",
        "Who may CONFIG SET `dir` and `dbfilename`.",
        since="7.0",
        mutable=False,
    )
    enable_debug_command = Directive(
        OneOf("no", "yes", "local"), "no", "Who may use DEBUG.", since="7.0", mutable=False
    )


class Watching(Values):
    """Logging and watching."""

    loglevel = Directive(
        OneOf("debug", "verbose", "notice", "warning", "nothing"),
        "notice",
        "The least level that is logged.",
        since="1.0",
        common=True,
    )
    logfile = Directive(
        Text("path"),
        "",
        "File to log to; empty for standard error.",
        since="1.0",
        mutable=False,
        common=True,
    )
    slowlog_log_slower_than = Directive(
        Integer(-1, LONG_MAX),
        10000,
        "Microseconds that make a command slow; -1 for none, 0 for all.",
        since="2.2",
    )
    slowlog_max_len = Directive(Integer(0, LONG_MAX), 128, "Entries that the slow log keeps.", since="2.2")
    latency_monitor_threshold = Directive(
        Integer(0, LONG_MAX),
        0,
        "Milliseconds that make an event a latency spike; 0 for none.",
        since="2.8.13",
    )
    latency_tracking = Directive(YesNo(), True, "Keep a histogram of latencies by command.", since="7.0")
    latency_tracking_info_percentiles = Directive(
        Percentiles(), (50.0, 99.0, 99.9), "Percentiles that INFO latencystats shows.", since="7.0"
    )
    metrics_port = Directive(
        Integer(0, 65535),
        0,
        "Port of metrics for Prometheus and of /health, by HTTP; 0 for none. Needs `pip install respkv[metrics]`.",
        since="respkv 0.1",
        mutable=False,
        common=True,
    )
    metrics_bind = Directive(
        Addresses(),
        ("127.0.0.1", "-::1"),
        "Addresses of the metrics, which anybody may read who can connect.",
        since="respkv 0.1",
        mutable=False,
    )


class Messages(Values):
    """Messages."""

    notify_keyspace_events = Directive(
        KeyspaceEvents(),
        "",
        "Events to publish: `K` by key and `E` by event, of the classes `g$lshzxetdmn`; `A` is all but `m` and `n`.",
        since="2.8",
        common=True,
    )
    tracking_table_max_keys = Directive(
        Integer(0, LONG_MAX),
        1000000,
        "Keys that are remembered for the caches of clients; 0 is no limit.",
        since="6.0",
    )


class Scripts(Values):
    """Scripts."""

    busy_reply_threshold = Directive(
        Integer(0, LONG_MAX),
        5000,
        "Milliseconds after which others are told that a script runs, and may end it.",
        since="2.6",
        aliases=("lua-time-limit",),
    )
    script_max_memory = Directive(
        Memory(4 * MB, LONG_MAX),
        256 * MB,
        "The most that all scripts and functions may take.",
        since="respkv 0.1",
        mutable=False,
    )


class Process(Values):
    """The process."""

    databases = Directive(Integer(1, INT_MAX), 16, "Number of databases.", since="1.0", mutable=False, common=True)
    hz = Directive(
        Integer(0, INT_MAX, clamp=(1, 500)), 10, "Rounds of background work a second, 1 to 500.", since="2.8"
    )
    pidfile = Directive(Text("path"), "", "File to write the process id to.", since="1.0", mutable=False)
    shutdown_on_sigint = Directive(ShutdownOptions(), (), "SHUTDOWN's options when SIGINT comes.", since="7.0")
    shutdown_on_sigterm = Directive(ShutdownOptions(), (), "SHUTDOWN's options when SIGTERM comes.", since="7.0")


class Directives(
    Network,
    Tls,
    Durability,
    Snapshots,
    MemoryLimits,
    Clients,
    Transactions,
    Security,
    Messages,
    Watching,
    Scripts,
    Process,
):
    """All of them, as typed attributes. Each base is a group of docs/config.md, titled by its docstring."""
