"""What all sessions of one server share, without sockets and files: the engine, the gate, configuration, counters.

Whoever runs the server (respkv.net, respkv.embedded) fills in what lies beyond it: `persistence`, `facts`, `go_on`,
`serve_others`; calls `finish_turn` at the end of each turn and sends what is `pushed` then; and calls `tick` ten times
a second, or at `next_due_ms` if that is sooner.
"""

import logging
import os
from collections.abc import Callable
from typing import Final

from respkv.commands.flags import FAST, GATE_MEMORY, GATE_PAUSED, GATE_TIMED, SKIP_SLOWLOG
from respkv.commands.spec import Spec, exact_names, find_spec
from respkv.engine.clock import steady_ns
from respkv.engine.engine import Engine
from respkv.engine.eviction import Evictor
from respkv.engine.memory import KEY_OVERHEAD_BYTES, Meter
from respkv.errors import ReplyError
from respkv.reply import Block
from respkv.server import log
from respkv.server.access import Access
from respkv.server.blocking import KeyWaiters
from respkv.server.client_eviction import ClientEvictor
from respkv.server.clients import SESSION_BYTES, Pause, Waiting, buffered_bytes, is_local, resume_paused
from respkv.server.config import Config
from respkv.server.config.table import is_sensitive
from respkv.server.latency import LatencyMonitor
from respkv.server.monitors import Monitors
from respkv.server.notifications import Notifier
from respkv.server.output import OutputGuard
from respkv.server.persistence import Persistence
from respkv.server.pubsub import PubSub
from respkv.server.scripting import Scripting
from respkv.server.session import Session
from respkv.server.slowlog import SlowLog
from respkv.server.stats import Stats
from respkv.server.tracking import TrackingTable
from respkv.server.transactions import SessionTransactions
from respkv.values.limits import LIMITS

logger = logging.getLogger(__name__)

NEVER_NS: Final = 1 << 62

TIMED_BELOW_US: Final = 1000
"""With a slow log threshold up to this, each command is timed by itself; above, only those that may well be slow, or
that come alone."""

SAMPLED_CLIENTS: Final = 128
"""At so many clients a tick looks to keep account of the memory that they take."""

TRACKED_KEYS_SHED: Final = 1000
"""So many keys a tick takes out of a tracking table whose limit was lowered."""

REDACTED: Final = b"(redacted)"


class Facts:
    """What only the network and the process know, for INFO."""

    def __init__(self) -> None:
        self.multiplexing = ""
        self.listeners: list[str] = []
        self.started_ms = 0


class Server:
    """The state behind all sessions. Raises: StartupError if the users of the configuration are wrong."""

    def __init__(self, engine: Engine, config: Config | None = None) -> None:
        self.engine = engine
        self.config = Config() if config is None else config
        self.names: dict[bytes, Spec] = exact_names()
        self.sessions: dict[int, Session] = {}
        self.gate = 0
        self.access = Access(self)
        self.stats = Stats()
        self.latency = LatencyMonitor()
        self.slowlog = SlowLog()
        self.monitors = Monitors(self, redacted)
        self.client_evictor = ClientEvictor(self)
        self.persistence = Persistence()
        self.facts = Facts()
        self.facts.started_ms = engine.now_ms
        self.meter = Meter(engine)
        self.evictor = Evictor(engine, self.meter)
        self.pause = Pause()
        self.waiting = Waiting()
        self.key_waiters = KeyWaiters(engine)
        engine.waiters = self.key_waiters
        self.scripting = Scripting(self)
        self.transactions = SessionTransactions(self)
        self.run_id = os.urandom(20).hex()
        self.replication_id = os.urandom(20).hex()
        self.last_session_number = 0
        # When `tick` will be called next (unix ms), and how to have that happen sooner.
        self.next_tick_ms = 0
        self.hurry: Callable[[], None] = _hurry_nobody
        # Whoever owns the connections sets these. The first lets a session of `ready` go on, or end; the second serves
        # other clients than that one, once, within a command of it.
        self.go_on: Callable[[Session], None] = _serve_nobody
        self.serve_others: Callable[[Session], None] = _serve_nobody
        # Clients yet to be looked at, what those take that have been, and what all took the last time.
        self._unsampled: list[Session] = []
        self._sampled_bytes = 0
        self._all_sampled_bytes = 0
        # Sessions that have something to do or to say outside their own requests: parked ones that may go on, killed
        # ones. `finish_turn` sees to them.
        self.ready: list[Session] = []
        # Sessions that had no output and were pushed something. Whoever owns the connections drains it at the end of
        # each turn, without letting them go on.
        self.pushed: list[Session] = []
        self.pubsub = PubSub()
        self.tracking = TrackingTable(self)
        engine.tracker = self.tracking
        self.notifier = Notifier(engine, self.pubsub)
        self.output_guard = OutputGuard(self.config.client_output_buffer_limit)
        # Copies of configuration for paths on which a look at `config` would cost too much.
        self.bulk_max_bytes = 0
        # What a client may have sent that is not yet run: pieces of a request, and its queue in MULTI.
        self.query_max_bytes = 0
        self.tracks_latency = True
        self.slow_ns = NEVER_NS
        self._maxmemory = 0
        self._slowlog_ns = NEVER_NS
        self._follow_config()
        self.access.start()

    # Sessions

    def open_session(self, address: str, local_address: str) -> Session:
        """A session for a new connection."""
        self.last_session_number += 1
        self.stats.connections += 1
        session = Session(self, self.last_session_number, address, local_address)
        self.sessions[session.number] = session
        return session

    def close_session(self, session: Session) -> None:
        """The connection of `session` has ended, or is about to; more than once does no more."""
        if not session.closed:
            session.close()
            self.sessions.pop(session.number, None)

    def set_gate(self, bit: int, on: bool) -> None:
        """Set or clear a reason to look closer, for all sessions that are and that will be."""
        self.gate = self.gate | bit if on else self.gate & ~bit
        for session in self.sessions.values():
            session.set_gate(bit, on)

    # Turns

    def finish_turn(self) -> None:
        """The end of a turn: all that it has brought about for others than its clients. Their output is in `pushed`."""
        engine = self.engine
        if engine.filled:  # by what no command did: keys that expired
            engine.waiters.serve()
        if self.ready:
            self._let_go_on()
        self.pubsub.flush()
        if self.tracking.has_news:
            self.tracking.broadcast()
        if self.ready:  # to their end: who cannot take what they have just been told
            self._let_go_on()

    def _let_go_on(self) -> None:
        """Let those that are ready go on, in the order in which they became so; whoever does may make others ready."""
        ready = self.ready
        at = 0
        while at < len(ready):
            self.go_on(ready[at])
            at += 1
        ready.clear()

    def has_unfinished(self) -> bool:
        """Whether there is anything for `finish_turn`, or to be sent, though no client has asked anything."""
        is_heard = len(self.pushed) > 0 or self.pubsub.gathered is not None
        return len(self.ready) > 0 or is_heard or len(self.engine.filled) > 0 or self.tracking.has_news

    # Time

    def tick(self) -> None:
        """What is due: waiting that ends, a pause that is over, samples. `engine.now_ms` is current."""
        now_ms = self.engine.now_ms
        if self.pause.until_ms and self.pause.until_ms <= now_ms:
            self.unpause()
        for session, block in self.waiting.take_due(now_ms):
            session.unblock(block.at_deadline)
        self.transactions.tick(now_ms)
        self.tracking.shrink(TRACKED_KEYS_SHED)
        self.stats.sample(steady_ns())
        self.client_evictor.tick()
        used = self.meter.used_bytes() + self._sample_client_bytes() + self.persistence.log_buffer_bytes
        if used > self.stats.peak_memory_bytes:
            self.stats.peak_memory_bytes = used
            self.stats.peak_memory_s = now_ms // 1000

    def next_due_ms(self) -> int:
        """When `tick` has something to do that must not be late (unix ms); 0 for never."""
        moments = (self.pause.until_ms, self.waiting.next_deadline_ms(), self.transactions.next_due_ms())
        return min((moment for moment in moments if moment), default=0)

    def block(self, session: Session, block: Block, argv: list[bytes]) -> None:
        """The command `argv` that `session` runs waits; in a transaction it does not."""
        if session.executing:
            session.write(block.at_once)
            return
        session.wait_for(block, argv)
        self.waiting.add(session, block)
        if block.keys:
            self.key_waiters.add(session, session.blocked_db, block)
        if 0 < block.deadline_ms < self.next_tick_ms:
            self.hurry()

    def start_pause(self, until_ms: int, *, holds_reads: bool) -> None:
        """Hold commands back until `until_ms`: writes, or all."""
        self.pause.begin(until_ms, holds_reads=holds_reads)
        self.mind_pause()
        self.set_gate(GATE_PAUSED, True)

    def mind_pause(self) -> None:
        """Let expired keys be left alone during a pause; not yet where an EXEC began it, since the rest may write.

        Whoever writes has to find them gone, for the log as well as for the value that takes their place.
        """
        self.engine.keeps_expired = self.pause.until_ms > 0 and not self.engine.serves_later

    def unpause(self) -> None:
        """Let everyone go on."""
        self.pause.end()
        self.mind_pause()
        self.set_gate(GATE_PAUSED, False)
        resume_paused(iter(self.sessions.values()))

    def is_paused_for(self, session: Session, spec: Spec, argv: list[bytes]) -> bool:
        """Whether CLIENT PAUSE holds this command back."""
        if self.pause.until_ms <= self.engine.now_ms:
            self.unpause()
            return False
        return self.pause.holds(session, spec, argv)

    # Commands

    def forget_command(self) -> None:
        """A command ended by an unexpected exception: what it changed is propagated no further."""
        self.engine.dirty = 0
        self.engine.replacement = None

    def count_error(self, message: bytes) -> None:
        """Count the error reply `message` for INFO errorstats."""
        self.stats.count_error(message)

    def note_slow(self, session: Session, spec: Spec, argv: list[bytes], elapsed_ns: int) -> None:
        """A command took `slow_ns` or longer."""
        now_s = self.engine.now_ms // 1000
        self.latency.note(b"fast-command" if spec.flags & FAST else b"command", elapsed_ns // 1_000_000, now_s)
        if elapsed_ns >= self._slowlog_ns and not spec.flags & SKIP_SLOWLOG:
            address = session.address.encode("utf-8", "surrogateescape")
            self.slowlog.add(now_s, elapsed_ns // 1000, redacted(spec, argv), address, session.name)

    def note_end_of_block(self, session: Session, *, failed: bool) -> None:
        """The command that `session` waited with is about to be answered."""
        argv = session.blocked_argv
        spec = find_spec(argv)
        if spec is None:
            return
        if failed:
            spec.failed_calls += 1
        if session.blocked_ns >= self.slow_ns and not spec.flags & SKIP_SLOWLOG:
            self.note_slow(session, spec, argv, session.blocked_ns)

    def note_event(self, name: bytes, started_ns: int) -> None:
        """What LATENCY calls `name` began at `started_ns` (steady clock) and has ended."""
        self.latency.note(name, (steady_ns() - started_ns) // 1_000_000, self.engine.now_ms // 1000)

    def check_protected(self, session: Session, spec: Spec) -> None:
        """Raises ReplyError if `enable-debug-command` or `enable-module-command` keeps `session` from `spec`."""
        name = spec.name.partition(b"|")[0]
        allowed = self.config.get(f"enable-{name.decode()}-command")
        if allowed == "no" or (allowed == "local" and not is_local(session)):
            raise ReplyError(
                b'ERR %b command not allowed. If the enable-%b-command option is set to "local", you can run it from'
                b" a local connection, otherwise you need to set this option in the configuration file, and then"
                b" restart the server." % (name.upper(), name)
            )

    def may_remove_keys(self) -> bool:
        """Whether expired keys and those above maxmemory may go just now though nobody asks for them."""
        return not self.pause.until_ms

    def make_room(self) -> bool:
        """Evict until the data take at most `maxmemory`, or for as long as that may last; False if it is impossible."""
        started_ns = steady_ns() if self.latency.threshold_ms else 0
        has_room = self.evictor.make_room(self._maxmemory)
        if started_ns:
            self.note_event(b"eviction-cycle", started_ns)
        # An empty database takes nothing, but a limit that not one key fits into refuses writes as in Redis.
        return has_room and self._maxmemory >= KEY_OVERHEAD_BYTES

    def client_bytes(self) -> int:
        """What connections and their buffers take. O(clients)."""
        return sum(map(buffered_bytes, self.sessions.values()))

    def _sample_client_bytes(self) -> int:
        """What connections and their buffers take, by looking at some of them at each call. O(1)."""
        if not self._unsampled:
            self._unsampled = list(self.sessions.values())
            self._sampled_bytes = 0
        for _ in range(min(SAMPLED_CLIENTS, len(self._unsampled))):
            self._sampled_bytes += buffered_bytes(self._unsampled.pop())
        if not self._unsampled:
            self._all_sampled_bytes = self._sampled_bytes
        return max(self._all_sampled_bytes, len(self.sessions) * SESSION_BYTES)

    def used_memory_bytes(self) -> int:
        """What data, clients and the log's buffer take. O(clients)."""
        return self.meter.used_bytes() + self.client_bytes() + self.persistence.log_buffer_bytes

    def disk_error(self) -> bytes:
        """The MISCONF error while the log, or a snapshot, cannot be written."""
        if self.persistence.write_error or self.persistence.last_save_ok:
            return b"MISCONF Errors writing to the AOF file: %b" % self.persistence.write_error.encode()
        return (
            b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."
            b" Commands that may modify the data set are disabled, because this instance is configured to report"
            b" errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the"
            b" Redis logs for details about the RDB error."
        )

    # Configuration

    def _follow_config(self) -> None:
        """Take over what the configuration says now, and what CONFIG SET changes later."""
        config = self.config
        for names, follow in (
            (("requirepass",), self._follow_password),
            (("acllog-max-len", "acl-pubsub-default"), self._follow_access),
            (("proto-max-bulk-len", "client-query-buffer-limit"), self._follow_request_limits),
            (
                (
                    "maxmemory",
                    "maxmemory-policy",
                    "maxmemory-samples",
                    "maxmemory-eviction-tenacity",
                    "lfu-log-factor",
                    "lfu-decay-time",
                ),
                self._follow_memory,
            ),
            (tuple(name.replace("_", "-") for name in LIMITS), self._follow_limits),
            (("maxmemory", "maxmemory-clients"), self._follow_client_memory),
            (
                (
                    "transaction-timeout",
                    "lock-timeout",
                    "transaction-max-open",
                    "transaction-max-keys",
                    "transaction-max-savepoints",
                    "transaction-max-memory",
                ),
                self.transactions.follow_config,
            ),
            (("rdbcompression",), self._follow_compression),
            (("latency-tracking",), self._follow_latency_tracking),
            (("notify-keyspace-events",), self._follow_events),
            (("tracking-table-max-keys",), self._follow_tracking),
            (("client-output-buffer-limit",), self._follow_output_limits),
            (("loglevel",), self._follow_log_level),
            (("slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold"), self._follow_thresholds),
        ):
            config.subscribe(names, follow)
            if names != ("loglevel",):  # nobody's logging changes because a server was made
                follow()

    def _follow_password(self) -> None:
        self.access.set_default_password(self.config.requirepass)

    def _follow_access(self) -> None:
        self.access.log.resize(self.config.acllog_max_len)
        self.access.users.all_channels = self.config.acl_pubsub_default == "allchannels"

    def _follow_request_limits(self) -> None:
        self.bulk_max_bytes = self.engine.bulk_max_bytes = self.config.proto_max_bulk_len
        self.query_max_bytes = self.config.client_query_buffer_limit
        for session in self.sessions.values():
            session.reader.bulk_max_bytes = self.bulk_max_bytes

    def _follow_memory(self) -> None:
        config = self.config
        self._maxmemory = config.maxmemory
        self.evictor.configure(
            config.maxmemory_policy,
            config.maxmemory_samples,
            config.maxmemory_eviction_tenacity,
            config.lfu_log_factor,
            config.lfu_decay_time,
        )
        self.set_gate(GATE_MEMORY, config.maxmemory > 0)
        # A new limit may ask for evictions though nobody writes.
        self.evictor.is_behind = config.maxmemory > 0

    def _follow_client_memory(self) -> None:
        self.client_evictor.configure(self.config.maxmemory_clients, self.config.maxmemory)

    def _follow_limits(self) -> None:
        for name in LIMITS:
            setattr(self.engine.limits, name, self.config.get(name.replace("_", "-")))

    def _follow_compression(self) -> None:
        self.engine.compresses_dumps = self.config.rdbcompression

    def _follow_latency_tracking(self) -> None:
        self.tracks_latency = self.config.latency_tracking

    def _follow_output_limits(self) -> None:
        self.output_guard.configure(self.config.client_output_buffer_limit)
        for session in self.sessions.values():
            self.output_guard.measure_room(session)

    def _follow_tracking(self) -> None:
        self.tracking.keys_max = self.config.tracking_table_max_keys

    def _follow_events(self) -> None:
        self.notifier.configure(self.config.notify_keyspace_events)

    def _follow_log_level(self) -> None:
        log.set_level(self.config.loglevel)

    def _follow_thresholds(self) -> None:
        config = self.config
        slower_than_us = config.slowlog_log_slower_than
        self._slowlog_ns = slower_than_us * 1000 if slower_than_us >= 0 else NEVER_NS
        self.slowlog.resize(config.slowlog_max_len)
        self.latency.threshold_ms = config.latency_monitor_threshold
        spike_ns = self.latency.threshold_ms * 1_000_000 if self.latency.threshold_ms else NEVER_NS
        self.slow_ns = min(self._slowlog_ns, spike_ns)
        self.set_gate(GATE_TIMED, spike_ns < NEVER_NS or 0 <= slower_than_us <= TIMED_BELOW_US)


def _hurry_nobody() -> None:
    """Nobody calls `tick` by itself."""


def _serve_nobody(running: Session) -> None:
    """Nobody owns connections."""


def redacted(spec: Spec, argv: list[bytes]) -> list[bytes]:
    """`argv` as logs may show it: without passwords."""
    if spec.name == b"auth":
        return [argv[0], *[REDACTED] * (len(argv) - 1)]
    shown = argv.copy()
    if spec.name == b"hello":
        for at in range(2, len(argv) - 2):
            if argv[at].lower() == b"auth":
                shown[at + 1] = shown[at + 2] = REDACTED
                break
    elif spec.name in (b"acl|setuser", b"acl|deluser"):
        shown[2:] = [REDACTED] * (len(argv) - 2)
    elif spec.name == b"config|set":
        for at in range(2, len(argv) - 1, 2):
            if is_sensitive(argv[at]):
                shown[at + 1] = REDACTED
    return shown
