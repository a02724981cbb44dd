"""A running server: its sockets, its data directory, its background work, from start to a clean end.

    run -- listen -- lock and load the data -- serve -- (signal, SHUTDOWN) -- close the log -- exit code

Tasks of the nursery: the pump (or a task a client, see `respkv.net.portable`), the clock work of `_tick` ten times a
second, the sweeper, the signals. Loading is a task too, so that clients get LOADING errors instead of silence.
"""

import contextlib
import gc
import linecache
import logging
import os
import signal
import sys
import time
from collections.abc import Callable

import trio

from respkv.build import BUILD
from respkv.commands.flags import GATE_LOADING
from respkv.engine.clock import unix_ms
from respkv.errors import StartupError
from respkv.net.admission import Admission, allow_descriptors
from respkv.net.metrics_http import MetricsServer
from respkv.net.poller import make_poller
from respkv.net.portable import PortableClients
from respkv.net.pump import Pump
from respkv.persistence.aof import AppendLog
from respkv.persistence.files import FileSystem
from respkv.server import log as server_log
from respkv.server.banner import banner
from respkv.server.clients import may_be_silent
from respkv.server.config import Config
from respkv.server.instance import Instance

logger = logging.getLogger(__name__)

TICK_S = 0.1

SWEEP_US = 1000
"""The longest that the sweeper keeps everyone else waiting."""

PROGRESS_S = 2.0
"""How often a load says how far it is."""


def run(config: Config, files: FileSystem | None = None) -> int:
    """Serve as `config` says, with its data in `files`, until stopped; the process's exit code.

    Raises: StartupError.
    """
    server_log.configure(config.loglevel, config.logfile)
    service = Service(config, files, portable=os.environ.get("RESPKV_IO") == "portable")
    admission = service.admission
    metrics = service.metrics
    try:
        # First: a server that may not have the directory must not touch the other one's Unix socket.
        service.storage.lock()
        admission.open()
        metrics.open()
        allow_descriptors(config.maxclients)
        _write_pid_file(config.pidfile)
        # The source of the methods that attrs made for Trio's classes, for tracebacks: 150 KB.
        linecache.clearcache()
        # Values are no garbage cycles, and a full collection over a million objects stops everyone for 70 ms.
        gc.disable()
        # The sync thread has news for the pump: let it have its turn sooner than after the usual 5 ms.
        sys.setswitchinterval(0.0005)
        return trio.run(service.main)
    finally:
        if config.pidfile and admission.listeners:
            with contextlib.suppress(OSError):
                os.unlink(config.pidfile)
        metrics.close()
        admission.close()
        service.storage.unlock()


def _write_pid_file(path: str) -> None:
    if path:
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        except OSError as error:
            server_log.warning(logger, "cannot write the pid file", file=path, reason=error.strerror)


class Service:
    """One server in this process.

    Args:
        config: what it does.
        files: what it reads and writes files by.
        portable: whether clients are served without a poller.
        announce: called with the seconds that loading took, once clients are served; None prints the banner.
        watches_signals: whether SIGTERM and SIGINT end it: only the main thread can have them.
    """

    def __init__(
        self,
        config: Config,
        files: FileSystem | None = None,
        *,
        portable: bool = False,
        announce: Callable[[float], None] | None = None,
        watches_signals: bool = True,
    ) -> None:
        self.config = config
        self._announce = announce or self._print_banner
        self._watches_signals = watches_signals
        self.instance = Instance(config, self, files)
        self.engine = self.instance.engine
        self.server = self.instance.server
        self.durability = self.instance.durability
        self.storage = self.instance.storage
        self.admission = Admission(config, self.server)
        self.metrics = MetricsServer(config, self.server)
        self.exit_code = 0
        self._portable = portable
        self._clients: Pump | PortableClients | None = None
        self._stop = trio.Event()
        self._sooner = trio.Event()
        self._idle_check_ms = 0

    async def main(self) -> int:
        """Serve clients until stopped; the exit code."""
        poller = None if self._portable else make_poller()
        async with trio.open_nursery() as nursery:
            self.server.set_gate(GATE_LOADING, True)
            if poller is None:
                self._clients = PortableClients(self.server, self.durability, nursery)
                self.server.facts.multiplexing = "portable"
            else:
                self._clients = Pump(self.server, self.durability, poller)
                self.server.facts.multiplexing = poller.name
                nursery.start_soon(self._run_pump, self._clients)
            self.server.go_on = self._clients.go_on
            self.server.serve_others = self._clients.serve_others
            self.admission.start(self._clients)
            if self._watches_signals:
                nursery.start_soon(self._watch_signals)
            nursery.start_soon(self.metrics.serve)
            refusal = await self._start(nursery)
            if refusal is None:
                await self._stop.wait()
                if isinstance(self._clients, PortableClients):
                    await self._clients.drain()
            nursery.cancel_scope.cancel()
        self._end()
        if refusal is not None:  # out here: a nursery would wrap it
            raise refusal
        return self.exit_code

    def stop(self) -> None:
        """Let `main` end."""
        self._stop.set()

    def release(self) -> None:
        """As Owner."""
        if self._clients is not None:
            self._clients.release()

    async def _run_pump(self, pump: Pump) -> None:
        fd = pump.poller.fileno()
        run_turns = pump.run_turns
        while True:
            await trio.lowlevel.wait_readable(fd)
            run_turns()

    # Background work

    async def _start(self, nursery: trio.Nursery) -> StartupError | None:
        """Load the data, then let the clients in; why that cannot be."""
        started_s = time.monotonic()
        try:
            if not await self._load():
                return None
            log = self.storage.open_log()
            if log is not None:
                self.attach(log)
        except StartupError as error:
            return error
        except OSError as error:
            return StartupError(f"cannot load the data: {error}")
        loading_s = time.monotonic() - started_s
        self.server.set_gate(GATE_LOADING, False)
        self._announce(loading_s)
        nursery.start_soon(self._tick_forever)
        nursery.start_soon(self._sweep_forever)
        return None

    def _print_banner(self, loading_s: float) -> None:
        names = [listener.name for listener in self.admission.listeners]
        count = sum(db.size() for db in self.engine.databases)
        print(banner(self.config, BUILD, names, count, loading_s), file=sys.stderr, flush=True)

    async def _load(self) -> bool:
        """Load the data; False if the server was stopped meanwhile."""
        said_s = time.monotonic()
        for progress in self.storage.load():
            if self._stop.is_set():
                return False
            if time.monotonic() - said_s >= PROGRESS_S:
                said_s = time.monotonic()
                share = 100 * progress.bytes_done // max(1, progress.bytes_total)
                server_log.notice(logger, "loading", done=f"{share}%", megabytes=progress.bytes_total >> 20)
            await trio.lowlevel.checkpoint()
        return not self._stop.is_set()

    def attach(self, log: AppendLog) -> None:
        """From now on what is done goes to `log`."""
        self.durability.attach(log)
        if self._clients is not None:
            self._clients.watch(log.wakeup_fd, self._clients.collect)

    def detach(self, log: AppendLog) -> None:
        """From now on nothing is logged; `log` is about to be closed."""
        if self._clients is not None:
            self._clients.unwatch(log.wakeup_fd)
            self.durability.detach()
            self._clients.release()

    async def _tick_forever(self) -> None:
        server = self.server
        server.hurry = self._hurry
        tick_ms = int(TICK_S * 1000)
        regular_ms = unix_ms() + tick_ms
        while True:
            now_ms = unix_ms()
            # Where the clock went back, what was regular before it is far away.
            regular_ms = min(regular_ms, now_ms + tick_ms)
            due_ms = server.next_due_ms() or regular_ms
            server.next_tick_ms = max(now_ms + 1, min(regular_ms, due_ms))
            with trio.move_on_after((server.next_tick_ms - now_ms) / 1000):
                await self._sooner.wait()
            if self._sooner.is_set():
                self._sooner = trio.Event()
                continue
            self.engine.now_ms = unix_ms()
            regular_ms = self.engine.now_ms + tick_ms
            self.instance.tick()
            self._close_idle()
            self.admission.resume()
            if isinstance(self._clients, Pump):
                self._clients.count_lively(int(TICK_S * 1000))
            if self._clients is not None:
                self._clients.enforce_limits()
            self._finish_turn()

    def _hurry(self) -> None:
        """Something is due sooner than `_tick_forever` expects."""
        self._sooner.set()
        # The pump is to leave after this turn.
        self.server.next_tick_ms = 0

    async def _sweep_forever(self) -> None:
        while True:
            self.engine.now_ms = unix_ms()
            has_more = self.instance.sweep(SWEEP_US)
            if self.engine.effects or self.engine.filled:
                self._finish_turn()
            if isinstance(self._clients, Pump):
                self._clients.lingers = not has_more
            # While there is more to do, its share of the time is `share_percent`; the pump's turns fill the rest.
            pause_s = SWEEP_US / 1e6 * (100 / self.instance.sweeper.share_percent - 1) if has_more else TICK_S
            if self.server.evictor.is_behind:
                # Evictions are more urgent, and go on in each turn, as in the reference.
                pause_s = 0
            await trio.sleep(pause_s)

    def _finish_turn(self) -> None:
        if self._clients is not None:
            self._clients.finish_apart()

    def _close_idle(self) -> None:
        """Close clients that have been silent for longer than the `timeout` directive says. O(clients) a second."""
        timeout_ms = self.config.timeout * 1000
        now_ms = self.engine.now_ms
        # Further away than a second it is where the clock went back.
        if timeout_ms and not now_ms < self._idle_check_ms <= now_ms + 1000:
            self._idle_check_ms = now_ms + 1000
            since_ms = now_ms - timeout_ms
            for session in list(self.server.sessions.values()):
                if session.active_ms < since_ms and not may_be_silent(session):
                    session.kill()

    # Configuration

    async def _watch_signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                server_log.notice(logger, "received a signal, shutting down", signal=signal.Signals(number).name)
                config = self.config
                options = config.shutdown_on_sigint if number == signal.SIGINT else config.shutdown_on_sigterm
                save = True if "save" in options else False if "nosave" in options else None
                if not self.storage.shut_down(save=save, now="now" in options, force="force" in options):
                    server_log.warning(logger, "not shutting down: the data could not be made safe")

    def _end(self) -> None:
        """Everything that was done is logged and on disk, whoever waited for that is told, then connections end."""
        if self.engine.effects:
            self.durability.write()
        self.durability.sync_now()
        if isinstance(self._clients, Pump):
            self._clients.release()
            self._clients.close_all()
            self._clients.poller.close()
        if not self.storage.close():
            self.exit_code = 1
