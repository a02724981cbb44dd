"""The portable way to serve clients: an ordinary Trio task each, on the same session object.

Used where there is neither epoll nor kqueue. Costs about three times as
much a request as the pump at depth 1; the difference shrinks with pipelining.
"""

import logging
import socket
import ssl
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
        self._watched: dict[int, trio.CancelScope] = {}
        # Tasks that wait for the disk.
        self._waiting = trio.lowlevel.ParkingLot()

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `fd`, which is no client, is readable."""
        scope = self._watched[fd] = trio.CancelScope()
        self.nursery.start_soon(self._watch, fd, callback, scope)

    def unwatch(self, fd: int) -> None:
        """Take `watch` back, before `fd` is closed."""
        scope = self._watched.pop(fd, None)
        if scope is not None:
            scope.cancel()

    def admit(self, sock: socket.socket, session: Session) -> None:
        """Serve a new client."""
        session.fd = sock.fileno()
        stream: TlsStream | trio.SocketStream
        if isinstance(sock, ssl.SSLSocket):
            stream = TlsStream(sock)
        else:
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        task = _Task(stream, sock, session)
        self._tasks[session.number] = task
        self.nursery.start_soon(self._serve, task)

    def go_on(self, session: Session) -> None:
        """Let the task of `session`, which became ready, see to that."""
        task = self._tasks.get(session.number)
        if task is not None:
            if session.parked:
                task.wake.set()
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
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone, which is its own affair
        finally:
            self.server.close_session(session)
            del self._tasks[session.number]
            self._lagging.pop(session.number, None)
            with trio.move_on_after(1) as cleanup:
                cleanup.shield = True
                await trio.aclose_forcefully(task.stream)

    async def _converse(self, task: "_Task") -> None:
        session = task.session
        while not session.closing:
            data = await task.stream.receive_some(RECEIVE_BYTES)
            if not data:
                return
            self.engine.now_ms = unix_ms()
            self._guarded(session, bytes(data))
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
            ended = not task.peek(1, socket.MSG_PEEK)
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
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            task.scope.cancel()
        finally:
            task.is_speaking = False

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
        self._lagging[session.number] = task
        unsent = memoryview(output)
        try:
            while unsent:
                session.unsent_bytes = len(unsent)
                await task.stream.send_all(unsent[:SEND_BYTES])
                unsent = unsent[SEND_BYTES:]
        finally:
            session.unsent_bytes = 0
            session.over_soft_limit_ms = 0
            self._lagging.pop(session.number, None)


class TlsStream(trio.abc.Stream):
    """A TLS client that has shaken hands, for one task that receives and one that sends."""

    def __init__(self, sock: "ssl.SSLSocket") -> None:
        self._sock = sock

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As Trio's: what has arrived, or nothing at the end."""
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self._sock.recv(max_bytes or RECEIVE_BYTES)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._sock)
            except OSError as error:
                raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As Trio's."""
        await trio.lowlevel.checkpoint()
        unsent = memoryview(data)
        while unsent:
            try:
                unsent = unsent[self._sock.send(unsent) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._sock)
            except OSError as error:
                raise trio.BrokenResourceError from error

    async def wait_send_all_might_not_block(self) -> None:
        """As Trio's."""
        await trio.lowlevel.wait_writable(self._sock)

    async def aclose(self) -> None:
        """As Trio's."""
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
        await trio.lowlevel.checkpoint()


class _Task:
    """What belongs to one client's task."""

    def __init__(self, stream: "TlsStream | trio.SocketStream", sock: socket.socket, session: Session) -> None:
        self.stream = stream
        self.fd = sock.fileno()
        self.peek = sock.recv
        self.session = session
        self.scope = trio.CancelScope()
        # One task sends at a time: the client's own, or one that was started for a push.
        self.sending = trio.Lock()
        self.is_speaking = False
        # Set when a parked session may go on.
        self.wake = trio.Event()
