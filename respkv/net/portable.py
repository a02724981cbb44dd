"""The portable way to serve clients: an ordinary Trio task each, on the same session object.

Used where there is neither epoll nor kqueue. Costs about three times as
much a request as the pump at depth 1; the difference shrinks with pipelining.
"""

import logging
import socket
from collections.abc import Callable

import trio

from respkv.engine.clock import unix_ms
from respkv.net.connection import RECEIVE_BYTES
from respkv.server.durability import Durability, refusal_of
from respkv.server.parking import UNSENT
from respkv.server.server import Server
from respkv.server.session import Session

logger = logging.getLogger(__name__)

SEND_BYTES = 64 * 1024
"""How much is sent at once: in between it is noted how much the client has yet to read."""


class PortableClients:
    """All clients that are tasks of `nursery`."""

    def __init__(self, server: Server, durability: Durability, nursery: trio.Nursery) -> None:
        self.server = server
        self.engine = server.engine
        self.durability = durability
        self.nursery = nursery
        self._tasks: dict[int, _Task] = {}
        # Those with output that their clients have yet to read; of the others nothing is looked at.
        self._lagging: dict[int, _Task] = {}
        self._watched: dict[int, tuple[Callable[[], None], trio.CancelScope]] = {}
        # Tasks that wait for the disk.
        self._waiting = trio.lowlevel.ParkingLot()

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `fd`, which is no client, is readable."""
        scope = trio.CancelScope()
        self._watched[fd] = callback, scope
        self.nursery.start_soon(self._watch, fd, callback, scope)

    def unwatch(self, fd: int) -> None:
        """Take `watch` back, before `fd` is closed."""
        watched = self._watched.pop(fd, None)
        if watched is not None:
            watched[1].cancel()

    def admit(self, sock: socket.socket, session: Session) -> None:
        """Serve a new client."""
        session.fd = sock.fileno()
        task = _Task(sock, session)
        self._tasks[session.number] = task
        self.nursery.start_soon(self._serve, task)

    def go_on(self, session: Session) -> None:
        """Let the task of `session`, which became ready, see to that."""
        task = self._tasks.get(session.number)
        if task is not None:
            if session.parked and task.is_receiving:  # parked by what it sent within a script, see `serve_others`
                self._guarded(session, None)
                self.server.pushed.append(session)
            elif session.parked:
                task.wake.set()
            if session.killed:
                # At once, as with the pump and in Redis: who asks next finds nothing of it. Its task has yet to see.
                self.server.close_session(session)
            if session.closing:
                task.scope.cancel()

    def finish_apart(self) -> None:
        """End a turn: wake whoever became ready, log what was done."""
        self.server.finish_turn()
        for session in self.server.pushed:
            task = self._tasks.get(session.number)
            if task is not None and not task.is_speaking:
                task.is_speaking = True
                self.nursery.start_soon(self._speak, task)
        self.server.pushed.clear()
        if self.engine.effects:
            self.durability.write()

    def serve_others(self, running: Session) -> None:
        """Serve who has sent something, once, within a command of `running` that takes long; without waiting.

        No task but that of `running` can go on, so each socket is tried here. Nothing is written to the log, and nobody
        goes on who waited: that is for the end of the turn. O(clients).
        """
        for fd, (callback, _) in list(self._watched.items()):
            if fd in self._watched:
                callback()
        for task in list(self._tasks.values()):
            if task.is_receiving:  # neither that of `running`, nor one that is parked
                self._serve_in_passing(task)

    def _serve_in_passing(self, task: "_Task") -> None:
        session = task.session
        try:
            data = task.sock.recv(RECEIVE_BYTES)
        except OSError:  # mostly: there is nothing
            return
        if not data:
            return  # the end, which its task will find
        self._guarded(session, data)
        if session.is_over_query_limit():
            session.kill()
        elif session.out:
            self._send_in_passing(task)

    def _send_in_passing(self, task: "_Task") -> None:
        """Send what the socket takes just now; the rest, and what waits for the disk, is left to a task."""
        session = task.session
        if not task.is_speaking and session.wait_lsn <= self.engine.durable:
            output = session.take_output()
            try:
                sent = task.send_at_once(output)
            except OSError:
                sent = 0  # the end, which its task will find
            if sent == len(output):
                if session.closing:
                    task.scope.cancel()
                return
            session.give_back(output[sent:])
        self.server.pushed.append(session)

    def collect(self) -> None:
        """The sync thread has results: let go whose batch is durable."""
        self.durability.collect()
        self.release()

    def release(self) -> None:
        """Let everyone who waits for the disk look again."""
        self._waiting.unpark_all()

    def enforce_limits(self) -> None:
        """Close clients that do not read their replies. O(those)."""
        for task in self._lagging.values():
            if self.server.output_guard.is_over(task.session, self.engine.now_ms):
                task.scope.cancel()

    async def drain(self) -> None:
        """Before the end: make durable what was done, and let those who wait for that be told."""
        self.finish_apart()
        self.durability.sync_now()
        self.release()
        # One turn to leave the queue, another for what they send.
        for _ in range(2):
            await trio.lowlevel.checkpoint()

    async def _watch(self, fd: int, callback: Callable[[], None], scope: trio.CancelScope) -> None:
        with scope:
            while True:
                await trio.lowlevel.wait_readable(fd)
                callback()
                await trio.lowlevel.checkpoint()

    async def _serve(self, task: "_Task") -> None:
        session = task.session
        try:
            with task.scope:
                await self._converse(task)
        except (OSError, trio.ClosedResourceError):
            pass  # the client is gone, which is its own affair
        finally:
            self.server.close_session(session)
            del self._tasks[session.number]
            self._lagging.pop(session.number, None)
            trio.lowlevel.notify_closing(task.sock)
            task.sock.close()

    async def _converse(self, task: "_Task") -> None:
        session = task.session
        while not session.closing:
            task.is_receiving = True
            data = await task.receive()
            task.is_receiving = False
            if not data:
                return
            self.engine.now_ms = unix_ms()
            self._guarded(session, data)
            self.finish_apart()
            await self._answer(task)
            if session.is_over_query_limit():
                return
            while session.parked:
                await self._wait_while_parked(task)
                self.engine.now_ms = unix_ms()
                self._guarded(session, None)
                self.finish_apart()
                await self._answer(task)

    async def _wait_while_parked(self, task: "_Task") -> None:
        """Return when the session may go on, or its client has ended the connection."""
        if task.session.parked == UNSENT:  # and what there was to be sent has been
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_for_end, task)
            await task.wake.wait()
            # At once: leaving the nursery lets others run, who may call again.
            task.wake = trio.Event()
            nursery.cancel_scope.cancel()

    async def _watch_for_end(self, task: "_Task") -> None:
        await trio.lowlevel.wait_readable(task.fd)
        # What it sends ahead is left where it is; then its end is seen only behind that.
        try:
            ended = not task.sock.recv(1, socket.MSG_PEEK)
        except OSError:
            ended = True
        if ended:
            task.session.hang_up()
            task.wake.set()

    def _guarded(self, session: Session, data: bytes | None) -> None:
        """Run requests (or go on after parking); a fault of ours ends this client alone."""
        try:
            if data is None:
                session.resume()
            else:
                session.receive(data)
        except Exception:
            logger.exception("a command failed unexpectedly; its client is disconnected")
            session.fail()

    async def _speak(self, task: "_Task") -> None:
        """Send what the session has to say though its client asked nothing."""
        try:
            await self._answer(task)
        except (OSError, trio.ClosedResourceError):
            task.scope.cancel()
        finally:
            task.is_speaking = False
        if task.is_receiving and task.session.closing:  # that was said by `serve_others`
            task.scope.cancel()

    async def _answer(self, task: "_Task") -> None:
        # What comes while something is sent follows it, whoever sends.
        try:
            task.sending.acquire_nowait()
        except trio.WouldBlock:
            await task.sending.acquire()
        try:
            while task.session.out and not task.session.closed:
                await self._send(task)
        finally:
            task.sending.release()

    async def _send(self, task: "_Task") -> None:
        session = task.session
        output = session.take_output()
        while session.wait_lsn > self.engine.durable:
            if self.durability.failed:
                output = refusal_of(output, self.server.disk_error(), session)
                session.wait_lsn = 0
                break
            self.durability.sync_soon()
            await self._waiting.park()
        # Mostly that is all, and the task is at its next request without others having had a turn, as `serve_others`
        # needs it: whoever has the reply may send something. Who is gone is found out here too: else a crowd that asks
        # and goes would have all its replies in memory at once.
        sent = task.send_at_once(output)
        if sent == len(output):
            return
        self._lagging[session.number] = task
        unsent = memoryview(output)[sent:]
        try:
            while unsent:
                session.unsent_bytes = len(unsent)
                unsent = unsent[await task.send(unsent[:SEND_BYTES]) :]
        finally:
            session.unsent_bytes = 0
            session.over_soft_limit_ms = 0
            self._lagging.pop(session.number, None)


class _Task:
    """What belongs to one client's task: a non-blocking socket, after the handshake if it speaks TLS, and the session.

    Not a stream of Trio's: that lets others have their turn with what it has received in its hands, where
    `PortableClients.serve_others` could not find it.
    """

    def __init__(self, sock: socket.socket, session: Session) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.session = session
        # Whether it waits for requests, or is about to.
        self.is_receiving = True
        self.scope = trio.CancelScope()
        # One task sends at a time: the client's own, or one that was started for a push.
        self.sending = trio.Lock()
        self.is_speaking = False
        # Set when a parked session may go on.
        self.wake = trio.Event()

    async def receive(self) -> bytes:
        """What has arrived, or nothing at the end. Raises OSError."""
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self.sock.recv(RECEIVE_BYTES)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self.sock)

    async def send(self, data: memoryview) -> int:
        """Send what the socket takes, once it takes some; how many bytes. Raises OSError."""
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self.sock.send(data)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self.sock)

    def send_at_once(self, data: bytes) -> int:
        """Send what the socket takes just now; how many bytes. Raises OSError."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
