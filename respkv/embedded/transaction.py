"""`Store.transaction`: several reads and writes over any time, all of which happen at once, or none.

The transaction is the engine's (`respkv.engine.transactions`): strict two-phase locking on keys, changes in a workspace
of its own until the commit, which is one MULTI/EXEC in the log. Here is what a thread needs for it: to wait.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from respkv.commands.keys import del_
from respkv.commands.strings import get, set_
from respkv.embedded.codecs import Codec, decode_value, encode_key, encode_value
from respkv.embedded.core import Core, LockWanted
from respkv.embedded.errors import DeadlockError, TransactionEndedError
from respkv.engine.locks import Wants
from respkv.errors import Deadlock, ReplyError
from respkv.server.transactions import Held

DATABASE: Final = 0


class StoreTransaction:
    """A transaction of a `Store`, as `with store.transaction() as transaction` gives it; for one thread at a time.

    It sees its own changes, nobody else does before the block is left. What it has read cannot change meanwhile: it
    holds a shared lock on each key that it read, an exclusive one on each that it changed, and others who want these
    keys wait. An exception that leaves the block rolls it back; so does `transaction_timeout` (60,000 ms) without a
    call.

    >>> import respkv
    >>> store = respkv.Store(codec="json")
    >>> store.multi_put({"ada": 100, "bob": 0})
    >>> with store.transaction() as transaction:
    ...     transaction["ada"] -= 30
    ...     transaction["bob"] += 30
    >>> dict(sorted(store.items()))
    {'ada': 70, 'bob': 30}

    Every method raises DeadlockError, LockTimeoutError or TransactionEndedError where the transaction, which is rolled
    back then, cannot go on; and what the method of `Store` of that name raises.
    """

    def __init__(self, core: Core, codec: Codec) -> None:
        self._core = core
        self._codec = codec
        self._held: Held = core.run(_begin, writes=False)
        self._transaction = self._held.transaction
        # By the program that has it, which knows: leaving the block then is no error.
        self._is_rolled_back = False

    def get(self, key: str | bytes, default: Any = None, *, for_update: bool = False) -> Any:
        """The value of `key`, or `default`; `for_update` locks it exclusively, as a change would later."""
        name = encode_key(key)
        value = self._run(name, for_update, get, [b"GET", name])
        return default if value is None else decode_value(self._codec, value)

    def __getitem__(self, key: str | bytes) -> Any:
        name = encode_key(key)
        value = self._run(name, False, get, [b"GET", name])
        if value is None:
            raise KeyError(key)
        return decode_value(self._codec, value)

    def contains(self, key: str | bytes) -> bool:
        """Whether there is `key`."""
        name = encode_key(key)
        return bool(self._run(name, False, lambda db, argv: db.look(argv[1]) is not None, [b"EXISTS", name]))

    __contains__ = contains

    def put(self, key: str | bytes, value: Any, ttl: float | None = None) -> None:
        """Give `key` a value, and a time to live in seconds."""
        name, data = encode_key(key), encode_value(self._codec, value)
        argv = [b"SET", name, data]
        if ttl is not None:
            argv += [b"PX", b"%d" % max(1, int(ttl * 1000))]
        self._run(name, True, set_, argv)

    def __setitem__(self, key: str | bytes, value: Any) -> None:
        self.put(key, value)

    def delete(self, key: str | bytes) -> Any:
        """Delete `key`; the value that it had, or None."""
        name = encode_key(key)
        value = self._run(name, True, _take, [b"DEL", name])
        return None if value is None else decode_value(self._codec, value)

    def __delitem__(self, key: str | bytes) -> None:
        name = encode_key(key)
        if not self._run(name, True, del_, [b"DEL", name]):
            raise KeyError(key)

    def rollback(self) -> None:
        """Let nothing have happened; the block may be left, and nothing else done."""
        self._is_rolled_back = True
        self._core.run(self._roll_back, writes=False)

    def _fail(self) -> None:
        """Let nothing have happened; leaving the block without an exception raises TransactionEndedError."""
        self._core.run(self._roll_back, writes=False)

    def _finish(self) -> None:
        """What leaving the block does. Raises as all methods."""
        # It frames its effects itself.
        self._core.run(self._commit, writes=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            if not self._core.closed:
                self.rollback()
        else:
            self._finish()

    # Within; the latch is held

    def _roll_back(self, core: Core) -> None:
        if self._transaction.ended is None:
            core.server.transactions.rollback(self._held, b"it was rolled back")

    def _commit(self, core: Core) -> None:
        ended = self._transaction.ended
        if ended is None:
            if core.durability.failed:
                self._roll_back(core)
                raise core.disk_error()
            core.server.transactions.commit(self._held)
        elif not self._is_rolled_back:
            raise _ended(ended)

    def _run(self, name: bytes, exclusive: bool, handler: Callable[[Any, list[bytes]], Any], argv: list[bytes]) -> Any:
        wants: Wants = {(DATABASE, name): exclusive}

        def work(core: Core) -> Any:
            transaction = self._transaction
            self._held.used_at_ms = core.engine.now_ms
            try:
                if not transaction.acquire(wants, core.release):
                    if core.defers:
                        raise LockWanted(transaction.owner, transaction.give_up_waiting)
                    core.wait_for_lock(transaction.owner)
                    self._held.used_at_ms = core.engine.now_ms
                    transaction.check_open()
                transaction.prepare(wants)
            except LockWanted:
                raise
            except ReplyError as error:
                if transaction.ended is not None:
                    raise _ended(transaction.ended) from None
                raise error from None
            except BaseException:
                self._roll_back(core)
                raise
            engine = transaction.engine
            db = transaction.database(DATABASE)
            try:
                reply = handler(db, argv)
                if engine.dirty:
                    engine.commit(db, argv)
                return reply
            finally:
                engine.dirty = 0
                engine.replacement = None
                transaction.finish(wants)

        return self._core.run(work, writes=False, grows=exclusive)


def _begin(core: Core) -> Held:
    return core.server.transactions.begin_without_session(core.release)


def _take(db: Any, argv: list[bytes]) -> bytes | None:
    value: bytes | None = db.find_string(argv[1])
    if value is not None:
        del_(db, argv)
    return value


def _ended(error: ReplyError) -> TransactionEndedError:
    text = error.message.partition(b" ")[2].decode(errors="replace")
    return DeadlockError(text) if isinstance(error, Deadlock) else TransactionEndedError(text)
