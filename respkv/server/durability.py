"""Between the engine and the log: when effects are written, when the disk is waited for, and by whom.

One turn of the pump (or one request of a portable client) ends with `write`: its effects become one batch, LSN for LSN
the batch that the engine numbered. Under `appendfsync always` replies that wrote, or saw what is not yet durable, are
held until `engine.durable` has reached their LSN; everyone else goes on.

When the log fails, the gate's disk bit makes the server refuse writes; `recover` is called now and then and clears it
once everything in memory is safe again.
"""

import hiredis

from respkv.commands.flags import GATE_DISK, GATE_SUBSCRIBED
from respkv.engine.clock import steady_ns
from respkv.engine.engine import UNSYNCED
from respkv.persistence.aof import ALWAYS, FAILED, OK, POISONED, AppendLog
from respkv.reply import Push
from respkv.resp.writer import error_line, write3
from respkv.server.server import Server
from respkv.server.session import Session


class Durability:
    """The log's side of a server; without a log (`appendonly no`) nothing waits."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.engine = server.engine
        self.log: AppendLog | None = None
        # Whether replies wait for the disk.
        self.holds = False
        self.failed = False
        self._snapshot_failed = False
        # When the sync that is in flight was asked for (steady clock); 0 unless LATENCY wants to know.
        self._asked_ns = 0

    def attach(self, log: AppendLog) -> None:
        """From now on effects go to `log`."""
        engine = self.engine
        self.log = log
        engine.effects.clear()
        engine.effects_db = -1
        engine.batch = log.lsn + 1
        engine.logging = True
        self.follow_policy()

    def detach(self) -> None:
        """From now on nothing is logged; whoever waits is let go."""
        if self.engine.effects:
            self.write()
        self.log = None
        self.engine.logging = False
        self.engine.effects.clear()
        self.engine.made_durable(self.engine.batch)
        self.follow_policy()
        self._set_failed(False)

    def follow_policy(self) -> None:
        """Act on the log's `appendfsync`: only `always` makes replies wait."""
        log = self.log
        self.holds = log is not None and log.policy == ALWAYS
        self.engine.set_alert(UNSYNCED, self.holds)
        if log is not None:
            self.engine.made_durable(log.durable_lsn if self.holds else log.lsn)

    def write(self) -> None:
        """Write the effects so far as one batch."""
        engine = self.engine
        log = self.log
        if log is None:
            engine.effects.clear()
            return
        effects = engine.take_effects()
        started_ns = self._clock_ns()
        log.append(effects)
        if started_ns:
            self.server.note_event(b"aof-write", started_ns)
        if log.state != OK:
            self._set_failed(True)
        elif not self.holds:
            engine.durable = log.lsn
            if log.must_delay_writes:
                log.sync_now()

    def sync_now(self) -> None:
        """Wait for the disk here."""
        log = self.log
        if log is not None:
            started_ns = self._clock_ns()
            log.sync_now()
            if started_ns and self.holds:
                self.server.note_event(b"aof-fsync-always", started_ns)
            self._take_over(log)

    def _clock_ns(self) -> int:
        """The steady clock; 0 while nobody watches for spikes."""
        return steady_ns() if self.server.latency.threshold_ms else 0

    def sync_soon(self) -> None:
        """Let the sync thread wait for the disk; `collect` when the log's wake-up descriptor is readable."""
        if self.log is not None and not self.log.is_sync_in_flight:
            self._asked_ns = self._clock_ns()
            self.log.request_sync()

    def collect(self) -> None:
        """Take the sync thread's results over."""
        log = self.log
        if log is not None:
            log.collect()
            if self._asked_ns and not log.is_sync_in_flight:
                if self.holds:
                    self.server.note_event(b"aof-fsync-always", self._asked_ns)
                self._asked_ns = 0
            self._take_over(log)

    def retry(self) -> None:
        """Where a write failed, try it again."""
        log = self.log
        if log is not None and log.state == FAILED and log.retry():
            if self.holds:
                log.sync_now()
            self._take_over(log)

    def is_poisoned(self) -> bool:
        """Whether only a new base and increment lead out."""
        return self.log is not None and self.log.state == POISONED

    def take_over_state(self) -> None:
        """Act on a log whose state somebody else changed (a new base, a rotation)."""
        if self.log is not None:
            self._take_over(self.log)

    def _take_over(self, log: AppendLog) -> None:
        self.engine.made_durable(log.durable_lsn if self.holds else log.lsn)
        if log.state != OK:
            self._set_failed(True)
        elif self.failed:
            self._set_failed(False)

    def _set_failed(self, failed: bool) -> None:
        if failed != self.failed:
            self.failed = failed
            log = self.log
            # Whoever is refused first is to be told why, too.
            self.server.persistence.write_error = log.failure if failed and log is not None else ""
            self._set_gate()

    def set_snapshot_failed(self, failed: bool) -> None:
        """Whether writes are refused because the last snapshot failed (`stop-writes-on-bgsave-error`)."""
        if failed != self._snapshot_failed:
            self._snapshot_failed = failed
            self._set_gate()

    def _set_gate(self) -> None:
        self.server.set_gate(GATE_DISK, self.failed or self._snapshot_failed)


def refusal_of(output: bytes, message: bytes, session: Session) -> bytes:
    """The error `message` in place of each reply in `output`; pushes stay, which nobody waits for as an answer.

    What a push tells of happened in memory, and is safe once the log is repaired.
    """
    if session.protocol == 2 and session.gate & GATE_SUBSCRIBED:
        return output  # nothing that it may run sees data
    reader = hiredis.Reader()
    reader.feed(output)
    # Counted here and not while commands run: these may have no reply (CLIENT REPLY) or several, and a failing disk is
    # rare.
    refusal: list[bytes] = []
    while (reply := reader.gets()) is not False:
        if isinstance(reply, hiredis.PushNotification):
            write3(refusal, Push(list(reply)))
        else:
            refusal.append(error_line(message))
    return b"".join(refusal)
