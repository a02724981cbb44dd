"""Runs the commands of a log: the same handlers as for clients, without anything that is for clients.

Rule 1: time stands still at 0, so that nothing expires while it is loaded; a key whose time has passed is stored
  with its expiry, and goes as any other does once the clock runs.
Rule 2: a transaction is applied whole, when its EXEC comes, or never.
Rule 3: what was accepted once is accepted again: the bound on the length of strings does not hold.
Rule 4: nothing that is replayed is propagated, counted as a change, or seen by watchers.
"""

from collections.abc import Iterable
from typing import Final

from respkv.commands.spec import COMMANDS, Spec, exact_names
from respkv.engine.engine import Engine
from respkv.errors import BadDatabaseIndex, ExecWithoutMulti, NestedMulti, ReplyError, WrongArity

_NO_BOUND: Final = 1 << 62


class Replayer:
    """Applies logged commands to `engine`, which must not log meanwhile.

    The table of commands must be filled when it is made. One Replayer reads one log from its beginning: SELECT and
    an open MULTI last from one call to the next.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.db = engine.database(0)
        # The command that `apply_all` came to last; the one that failed, if it raised.
        self.argv: list[bytes] = []
        self._names: dict[bytes, Spec] = exact_names()
        self._queue: list[list[bytes]] | None = None

    def in_transaction(self) -> bool:
        """Whether a MULTI came without its EXEC so far."""
        return self._queue is not None

    def apply(self, argv: list[bytes]) -> None:
        """Run one command, or keep it until the transaction that it is in ends. Raises ReplyError."""
        self.apply_all((argv,))

    def apply_all(self, commands: Iterable[list[bytes]]) -> None:
        """Run these commands in order. Raises ReplyError of the first that fails, which is then in `argv`."""
        engine = self.engine
        names = self._names
        db = self.db
        now_ms = engine.now_ms
        engine.now_ms = 0
        bulk_max_bytes = engine.bulk_max_bytes
        engine.bulk_max_bytes = _NO_BOUND
        argv: list[bytes] = []
        try:
            for argv in commands:
                spec = names.get(argv[0])
                if (
                    spec is None
                    or spec.handler is None  # a container
                    or spec.wants_session
                    or self._queue is not None
                    or not spec.least <= len(argv) <= spec.most
                ):
                    self._apply_unusual(argv)
                    db = self.db
                    continue
                spec.handler(db, argv)
                engine.dirty = 0
                if engine.replacement is not None:
                    engine.replacement = None
        except ReplyError:
            self.argv = argv
            raise
        finally:
            engine.now_ms = now_ms
            engine.bulk_max_bytes = bulk_max_bytes
            engine.dirty = 0
            engine.replacement = None

    def _apply_unusual(self, argv: list[bytes]) -> None:
        name = argv[0].lower()
        if name == b"exec":
            queue = self._queue
            if queue is None:
                raise ExecWithoutMulti
            self._queue = None
            for queued in queue:
                self._apply_unusual(queued)
        elif name == b"multi":
            if self._queue is not None:
                raise NestedMulti
            self._queue = []
        elif self._queue is not None:
            self._queue.append(argv)
        elif name == b"select":
            self._select(argv)
        else:
            self._apply_checked(name, argv)

    def _select(self, argv: list[bytes]) -> None:
        number = argv[1] if len(argv) == 2 else b""
        if not number.isdigit() or len(number) > 9 or int(number) >= self.engine.database_count:
            raise BadDatabaseIndex
        self.db = self.engine.database(int(number))

    def _apply_checked(self, name: bytes, argv: list[bytes]) -> None:
        spec = COMMANDS.get(name)
        if spec is not None and spec.subcommands and len(argv) > 1:
            spec = spec.subcommands.get(argv[1].lower())
        if spec is None or spec.handler is None or spec.wants_session:
            raise ReplyError(b"ERR unknown command '%b'" % argv[0][:128])
        if not spec.least <= len(argv) <= spec.most:
            raise WrongArity(spec.name)
        spec.handler(self.db, argv)
        self.engine.dirty = 0
        self.engine.replacement = None
