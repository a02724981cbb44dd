"""The server's data directory: its lock, loading it, its log, compaction and snapshots."""

import logging
from collections.abc import Iterator

from respkv.commands.replay import Replayer
from respkv.net.durability import Durability
from respkv.persistence.aof import AppendLog
from respkv.persistence.files import FileSystem
from respkv.persistence.lock import DirectoryLock
from respkv.persistence.manifest import Layout
from respkv.persistence.recovery import Progress, Recovered, recover
from respkv.server.config import Config
from respkv.server.server import Server

logger = logging.getLogger(__name__)


class Storage:
    """All that a server does with files."""

    def __init__(self, config: Config, server: Server, durability: Durability) -> None:
        self.config = config
        self.server = server
        self.engine = server.engine
        self.durability = durability
        self.files = FileSystem()
        self.layout = Layout(config.dir, config.appenddirname, config.appendfilename, config.dbfilename)
        self._lock: DirectoryLock | None = None
        self._recovered = Recovered()
        self._log: AppendLog | None = None

    def lock(self) -> None:
        """Take the directory for this process. Raises StartupError, naming the holder."""
        self._lock = DirectoryLock(self.config.dir)

    def unlock(self) -> None:
        """Let the next server have the directory."""
        if self._lock is not None:
            self._lock.release()

    def load(self) -> Iterator[Progress]:
        """Load the data, a few milliseconds at a time. Raises StartupError."""
        engine = self.engine
        if self.config.appendonly:
            self._recovered = yield from recover(
                self.files,
                self.layout,
                engine,
                Replayer(engine),
                cut_torn_tail=self.config.aof_load_truncated,
            )

    def open_log(self) -> AppendLog | None:
        """The log to append to, or None under `appendonly no`."""
        if not self.config.appendonly:
            return None
        self._log = AppendLog(
            self.files,
            self.layout,
            self._recovered.manifest,
            self._recovered.position,
            self.config.appendfsync,
        )
        return self._log

    def tick(self) -> None:
        """What is due ten times a second."""
        self.durability.retry()

    def close(self) -> bool:
        """Make everything durable and end the log; whether it is."""
        return self._log is None or self._log.close()
