"""The turn: what is ready is received, run, logged and answered, for all clients at once.

    poll ── for each ready client: receive, run ── one write to the log ── for each: send or hold ── next poll

Everything in here is synchronous, and compiled; `respkv.net.service` lets Trio wait for the poller in between.

Waiting for the disk (`appendfsync always`): if most of the clients that are active wait for it anyway, the pump syncs
in place as soon as nobody else is ready, since handing over to a thread costs more than it gains (one client: 124 µs
against a sync of 190 µs). Otherwise the sync thread waits, and everyone else goes on.

Behind a long sync in place those who were answered may ask again before the next one, for up to a quarter of its time
(and 5 ms). Else clients fall into two halves, one of which waits for the disk while the other is answered, and each
sync serves but one of them.
"""

import logging
import socket
import time
from collections.abc import Callable
from typing import Final

from respkv.engine.clock import steady_ns, unix_ms
from respkv.engine.engine import TRACKED
from respkv.net.connection import Connection
from respkv.net.poller import BRIEF_S, ENDED, GONE, READ, WRITE, Poller
from respkv.server.durability import Durability
from respkv.server.server import Server
from respkv.server.session import Session

logger = logging.getLogger(__name__)

TURNS_NS: Final = 20_000_000
"""How long the pump goes on at most before it lets Trio's other tasks run: a round through them takes 0.1 ms."""

SHORT_TURNS_NS: Final = 5_000_000
"""The same while another task has much to do."""

_LONG_SYNC_NS: Final = 400_000
_GATHERING_MAX_NS: Final = 5_000_000

UNSENT_PAUSE_BYTES: Final = 32 * 1024 * 1024
"""With so much output unread, a client's requests are left in its socket until it reads."""


class Pump:
    """All clients of one poller."""

    def __init__(self, server: Server, durability: Durability, poller: Poller) -> None:
        self.server = server
        self.engine = server.engine
        self.durability = durability
        self.poller = poller
        self._poll = poller.poll
        self._connections: dict[int, Connection] = {}
        self._by_session: dict[int, Connection] = {}
        # Descriptors that are no clients (listeners, the sync thread's wake-up), and what to do when one is readable.
        self._callbacks: dict[int, Callable[[], None]] = {}
        # Connections of sessions that were ready in this turn.
        self._resumed: list[Connection] = []
        # False while other tasks have much to do: the pump then leaves at once when nobody asks anything.
        self.lingers = True
        # Connections with output that waits for the disk.
        self._holding: dict[int, Connection] = {}
        # How many clients did anything lately, and whether nearly all their answers waited for the disk: `count_lively`
        # says so now and then.
        self.lively = 1
        self.syncs_in_place = True
        # They are counted in windows of time: its number, its beginning (unix ms), and the counts so far. Answers are
        # counted, not clients: one that asks a single question beside many writes does not turn the scale.
        self._window = 1
        self._window_since_ms = 0
        self._window_lively = 0
        self._window_answers = 0
        self._window_waited = 0
        # How long others may join the next sync in place, by how long the last one took; until when (steady clock; 0:
        # not begun), whether anybody did, and whether it pays to wait: after a vain wait not before the next window.
        self._gathering_ns = 0
        self._gather_until_ns = 0
        self._gathered = False
        self._gathers = True
        # Connections with output that their clients do not read.
        self._lagging: dict[int, Connection] = {}

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `fd`, which is no client, is readable."""
        self._callbacks[fd] = callback
        self.poller.add(fd)

    def unwatch(self, fd: int) -> None:
        """Take `watch` back, before `fd` is closed."""
        if self._callbacks.pop(fd, None) is not None:
            self.poller.remove(fd)

    def admit(self, sock: socket.socket, session: Session) -> None:
        """Serve a new client."""
        connection = Connection(sock, session)
        self._connections[connection.fd] = connection
        self._by_session[session.number] = connection
        self.poller.add(connection.fd)

    def run_turns(self) -> None:
        """Take turns until nobody has asked anything for a millisecond (if it `lingers`), a tick is due, or `TURNS_NS`.

        The short wait at the end is in the poller itself: a lone client that sends its next request when it has the
        reply to the last one need not pay for a round through Trio, about 30 µs.
        """
        until_ns = steady_ns() + (TURNS_NS if self.lingers else SHORT_TURNS_NS)
        events = self._poll(0)
        while True:
            if events:
                self._turn(events)
                # With everyone waiting there is nobody left to poll for.
                if self._holding and len(self._holding) >= self.lively:
                    self._sync_in_place()
                if steady_ns() > until_ns or self.engine.now_ms >= self.server.next_tick_ms:
                    break
            elif self._holding and self.syncs_in_place and not self._sync_is_in_flight():
                self._sync_in_place()
            elif not self.lingers or not self._holding:
                break
            else:
                # Who waits for the sync thread: its news are events too.
                events = self._poll(BRIEF_S)
                if not events:
                    break
                continue
            # Whoever waits for the disk is to wait no longer than it takes to see whether others are ready.
            events = self._poll(BRIEF_S if self.lingers and not self._holding else 0)
            if not events and self._holding and self._gathering_ns:
                events = self._gather()
        if self._holding:
            self._see_to_disk()

    def finish(self, active: list[Connection]) -> None:
        """End a turn: let go on who became ready, log, answer those and `active`, then see to the disk."""
        server = self.server
        durability = self.durability
        engine = self.engine
        server.finish_turn()
        if self._resumed:
            active += self._resumed
            self._resumed = []
        if engine.effects:
            durability.write()
        # While keys are tracked, who learns from a reply that one has changed finds that those with a copy were told.
        # Else the other way round: publishers ask again while subscribers are told, and the next turn has them all.
        if server.pushed and engine.alert & TRACKED:
            self._tell_pushed(engine.durable)
        self._answer(active)
        if server.pushed:
            self._tell_pushed(engine.durable)
        if self._holding:
            if durability.failed:
                self._refuse()
            elif not self.syncs_in_place:
                durability.sync_soon()

    def go_on(self, session: Session) -> None:
        """Let `session`, which became ready, go on if it is parked, and have its say."""
        connection = self._by_session.get(session.number)
        if connection is not None:
            if session.parked:
                self._guarded(connection, resume=True)
            self._resumed.append(connection)

    def _answer(self, active: list[Connection]) -> None:
        """Send, or hold, what the sessions of `active` have to say."""
        durable = self.engine.durable
        window = self._window
        self._window_answers += len(active)
        for connection in active:
            if connection.active_window != window:
                connection.active_window = window
                self._window_lively += 1
            connection.answer(durable)
            if connection.held:
                self._holding[connection.fd] = connection
                self._window_waited += 1
            if (
                connection.unsent_bytes
                or connection.watches_write
                or not connection.watches_read
                or connection.broken
                or connection.session.closing
                or connection.session.parked
            ):
                self._look_after(connection)

    def _tell_pushed(self, durable: int) -> None:
        """Send what was pushed; those who did nothing themselves do not count as lively."""
        by_session = self._by_session
        pushed = self.server.pushed
        self.server.pushed = []
        for session in pushed:
            connection = by_session.get(session.number)
            if connection is None:
                continue
            connection.answer(durable)
            if connection.held:
                self._holding[connection.fd] = connection
            if connection.unsent_bytes or connection.watches_write or connection.broken or session.closing:
                self._look_after(connection)

    def finish_apart(self) -> None:
        """End a turn that others took: no poll follows that would see to who waits for the disk."""
        self.finish([])
        if self._holding:
            self.durability.sync_soon()

    def collect(self) -> None:
        """The sync thread has results."""
        self.durability.collect()
        self.release()

    def release(self) -> None:
        """Send what was held for the disk and no longer must be."""
        durable = self.engine.durable
        # A connection that is closed meanwhile takes itself out of the new dict.
        holding = self._holding
        self._holding = {}
        for fd, connection in holding.items():
            if connection.release(durable):
                self._holding[fd] = connection
            if connection.unsent_bytes or connection.broken or connection.session.closing or connection.session.parked:
                self._look_after(connection)
        if self._holding:
            if self.durability.failed:
                self._refuse()
            else:
                self.durability.sync_soon()

    def count_lively(self, window_ms: int) -> None:
        """Take over who did anything, and who waited for the disk, in a window of `window_ms`, if it is over. O(1)."""
        now_ms = self.engine.now_ms
        # Less than 0 it is where the clock went back.
        if 0 <= now_ms - self._window_since_ms < window_ms:
            return
        # One in which nobody asked anything tells nothing: they may have been kept from it by a busy machine.
        if self._window_answers:
            self.lively = self._window_lively
            self.syncs_in_place = self._window_waited * 4 >= self._window_answers * 3
        self._window += 1
        self._window_since_ms = now_ms
        self._window_lively = 0
        self._window_answers = 0
        self._window_waited = 0
        self._gathers = True

    def enforce_limits(self) -> None:
        """Close clients that have gone over a limit. O(clients that do not read)."""
        for connection in list(self._lagging.values()):
            self._look_after(connection)

    def close_all(self) -> None:
        """End all connections."""
        for connection in list(self._connections.values()):
            self._close(connection)

    def serve_others(self, running: Session) -> None:
        """Serve who is ready, once, within a command of `running` that takes long; without waiting.

        Nothing is written to the log, and nobody goes on who waited: that is for the end of the turn.
        """
        events = self._poll(0)
        at = self._by_session.get(running.number)
        if at is not None:
            events = [event for event in events if event[0] != at.fd]
        self._answer(self._receive(events))

    def _turn(self, events: list[tuple[int, int]]) -> None:
        self.engine.now_ms = unix_ms()
        self.finish(self._receive(events))

    def _receive(self, events: list[tuple[int, int]]) -> list[Connection]:
        """Let those that `events` name receive; who did anything."""
        connections = self._connections
        active: list[Connection] = []
        called: list[int] = []
        for fd, mask in events:
            connection = connections.get(fd)
            if connection is None:
                called.append(fd)
                continue
            if mask & WRITE:
                connection.send_unsent()
                if connection.waits_to_send_only():
                    self._guarded(connection, resume=True)
            if mask & READ:
                self._guarded(connection, resume=False)
            elif mask & GONE:
                connection.broken = True
            elif mask & ENDED:
                connection.hang_up()
            active.append(connection)
        # Last, since they may close connections and open others with the same descriptors.
        for fd in called:
            callback = self._callbacks.get(fd)
            if callback is not None:
                callback()
        return active

    def _guarded(self, connection: Connection, resume: bool) -> None:
        """Let the connection receive (or its session go on); a fault of ours ends this client alone."""
        try:
            if resume:
                connection.session.resume()
            else:
                connection.receive()
        except Exception:
            logger.exception("a command failed unexpectedly; its client is disconnected")
            connection.session.fail()

    def _see_to_disk(self) -> None:
        if self.syncs_in_place:
            self._sync_in_place()
        else:
            self.durability.sync_soon()

    def _gather(self) -> list[tuple[int, int]]:
        """Who is ready before a long sync begins in place: those whom the last one let go, above all."""
        if not self._gathers or not self.syncs_in_place or self._sync_is_in_flight():
            return []
        now_ns = steady_ns()
        if self._gather_until_ns == 0:
            self._gather_until_ns = now_ns + self._gathering_ns
        while now_ns < self._gather_until_ns:
            # Polling would wait for whole milliseconds.
            time.sleep(self._gathering_ns / 4e9)
            if events := self._poll(0):
                self._gathered = True
                return events
            now_ns = steady_ns()
        self._gathers = self._gathered
        return []

    def _sync_in_place(self) -> None:
        if not self._sync_is_in_flight():
            started_ns = steady_ns()
            self.durability.sync_now()
            took_ns = steady_ns() - started_ns
            self._gathering_ns = min(took_ns // 4, _GATHERING_MAX_NS) if took_ns > _LONG_SYNC_NS else 0
            self._gather_until_ns = 0
            self._gathered = False
            self.release()

    def _sync_is_in_flight(self) -> bool:
        log = self.durability.log
        return log is not None and log.is_sync_in_flight

    def _refuse(self) -> None:
        message = self.server.disk_error()
        holding = self._holding
        self._holding = {}
        for connection in holding.values():
            connection.refuse_held(message)
            self._look_after(connection)

    def _look_after(self, connection: Connection) -> None:
        """Everything about a connection that is not plain: its end, its limits, what the poller watches."""
        session = connection.session
        if connection.is_finished() or self.server.output_guard.is_over(session, self.engine.now_ms):
            self._close(connection)
            return
        if connection.unsent_bytes:
            self._lagging[connection.fd] = connection
        elif self._lagging:
            self._lagging.pop(connection.fd, None)
        writes = connection.unsent_bytes > 0 or connection.waits_to_send_only()
        is_parked = len(session.parked) > 0
        reads = not is_parked and connection.unsent_bytes < UNSENT_PAUSE_BYTES and not session.closing
        if (
            writes != connection.watches_write
            or reads != connection.watches_read
            or is_parked != connection.watches_end
        ):
            connection.watches_write = writes
            connection.watches_read = reads
            connection.watches_end = is_parked
            self.poller.change(connection.fd, reads=reads, writes=writes, end=is_parked)

    def _close(self, connection: Connection) -> None:
        # By now the descriptor may be another connection's.
        if self._connections.get(connection.fd) is not connection:
            return
        connection.broken = True  # should it be looked after once more in this turn
        del self._connections[connection.fd]
        self._holding.pop(connection.fd, None)
        self._lagging.pop(connection.fd, None)
        connection.drop_output()
        del self._by_session[connection.session.number]
        self.poller.remove(connection.fd)
        self.server.close_session(connection.session)
        connection.sock.close()
        connection.fd = -1  # another connection's, or a file's, from now on
