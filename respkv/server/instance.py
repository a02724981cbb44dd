"""One store, whoever uses it: engine, commands, configuration, data directory, and what is due now and then.

A running server (`respkv.net.service`) puts sockets on top of it, a library (`respkv.embedded`) calls. Both see to it
that one thread at a time is in here: the server by having one, the library by a latch.
"""

import respkv.commands.all
import respkv.server.commands.all  # noqa: F401  (both fill the table of commands)
from respkv.engine.clock import steady_ns, unix_ms
from respkv.engine.expiry import Sweeper
from respkv.engine.keyspace import open_engine
from respkv.persistence.files import FileSystem
from respkv.server.config import Config
from respkv.server.durability import Durability
from respkv.server.server import Server
from respkv.server.storage import Owner, Storage


class Instance:
    """The parts of a store as `config` says, put together; `owner` runs it. Nothing is locked or loaded yet."""

    def __init__(self, config: Config, owner: Owner, files: FileSystem | None = None) -> None:
        self.config = config
        self.engine = open_engine(config.databases)
        self.engine.now_ms = unix_ms()
        self.server = Server(self.engine, config)
        self.durability = Durability(self.server)
        self.storage = Storage(config, self.server, self.durability, owner, files)
        self.sweeper = Sweeper(self.engine)
        config.subscribe("active-expire-effort", self._follow_effort)
        self._follow_effort()

    def tick(self) -> None:
        """What is due ten times a second, or at `Server.next_due_ms`. `engine.now_ms` is current."""
        self.server.tick()
        self.storage.tick()

    def sweep(self, budget_us: int) -> bool:
        """Remove what has expired, and what is above `maxmemory`; whether there is more. `engine.now_ms` is current."""
        server = self.server
        if not server.may_remove_keys() or self.durability.failed:
            return False
        started_ns = steady_ns() if server.latency.threshold_ms else 0
        has_more = self.sweeper.run(budget_us)
        if started_ns:
            server.note_event(b"expire-cycle", started_ns)
        if server.evictor.is_behind:
            server.make_room()
            has_more = has_more or server.evictor.is_behind
        return has_more

    def _follow_effort(self) -> None:
        self.sweeper.effort = self.config.active_expire_effort
