"""Scripts on the server's side: which commands they may run and how, and what becomes of their effects.

`run_script` runs one: nobody comes in between, time stands still, what it changes is one MULTI..EXEC in the log, who
waits for keys is served when it has ended, and commands that wait do not. A command in a script goes through the same
table and handler as a client's, behind the checks of `_checked`, in Redis's order.

Compiled: `call` is the way of each `redis.call`.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from respkv.acl.permissions import allowed
from respkv.commands.flags import (
    BLOCKING,
    DENYOOM,
    GATE_BUSY,
    GATE_DISK,
    GATE_LOCKS,
    GATE_MEMORY,
    GATE_MONITORED,
    GATE_TRACKING,
    GATE_TRANSACTION,
    GATE_USER,
    MAY_REPLICATE,
    NOSCRIPT,
    WRITE,
)
from respkv.commands.spec import COMMANDS, Spec
from respkv.engine.clock import steady_ns
from respkv.engine.engine import Engine
from respkv.errors import Busy, CountedError, NoCommandGiven, OutOfMemory, ReplyError
from respkv.persistence.batch import encode
from respkv.persistence.functions import BadLibraryName, is_name
from respkv.reply import OK, Block, Encoded
from respkv.scripting.host import Host
from respkv.scripting.interpreter import BOOLEAN, Interpreter, LoadedFunction, ScriptError
from respkv.scripting.scripts import Script, ScriptCache
from respkv.scripting.shebang import ALLOW_OOM, COMPATIBLE, NO_WRITES, script_flags
from respkv.server import log
from respkv.server.access import LUA
from respkv.server.functions import Function, Functions

if TYPE_CHECKING:
    from respkv.server.server import Server
    from respkv.server.session import Session

logger = logging.getLogger(__name__)

REDIS_VERSION: Final = b"7.4.0"
REDIS_VERSION_NUM: Final = 0x00070400

INT64_MIN: Final = -(2**63)
NEVER_NS: Final = 1 << 62
LOAD_NS: Final = 500_000_000
"""How long a library may take to register its functions."""
SERVE_EVERY_NS: Final = 1_000_000
"""How often others are served while a script runs for long."""


class Scripting(Host):
    """All scripts of a server, and the one that runs; the interpreter's Host."""

    def __init__(self, server: "Server") -> None:
        super().__init__(BadLibraryName().message.removeprefix(b"ERR "))
        self.server = server
        self.engine = server.engine
        self.cache = ScriptCache()
        self.interpreter: Interpreter | None = None
        self.functions = Functions(server.engine.libraries, self.load_library)
        # Commands that a script may run and that need no session, by the spellings that were used.
        self._plain: dict[bytes, Spec] = {}
        # Of the script that runs: its session, its flags' effect, and whether it wrote.
        self.session: Session | None = None
        self.is_function = False
        self.name = b""
        self.command: list[bytes] = []
        # When it began (ns), when others are served next, why it is to be ended, and whether they are told.
        self.started_ns = 0
        self._serve_at_ns = NEVER_NS
        self._why_ended = b""
        self.is_busy = False
        # When a library that is being loaded must be through.
        self._loads_until_ns = NEVER_NS
        # Set by SHUTDOWN: what becomes of the server when the script has ended.
        self._shutdown: Callable[[], bool] | None = None
        self.is_read_only = False
        self.is_oom = False
        self.wrote = False
        # Whether keys may be locked, of which the declared ones are its own.
        self.minds_locks = False
        # Flags of commands that have to be looked at before they run.
        self._minds = 0
        self._asks_access = False
        server.config.subscribe(("busy-reply-threshold",), self._follow_limit)
        self._limit_ns = 0
        self._follow_limit()

    def _follow_limit(self) -> None:
        self._limit_ns = self.server.config.busy_reply_threshold * 1_000_000 or NEVER_NS

    # Running

    def lua(self) -> Interpreter:
        """The interpreter, which is made when it is needed first."""
        if self.interpreter is None:
            self.interpreter = Interpreter(self, REDIS_VERSION, REDIS_VERSION_NUM, self.server.config.script_max_memory)
        return self.interpreter

    def memory_bytes(self) -> int:
        """What the interpreter takes."""
        return 0 if self.interpreter is None else self.interpreter.memory_bytes()

    def compile(self, script: Script) -> None:
        """Make the function of `script`. Raises ReplyError if it is no Lua."""
        try:
            script.function = self.lua().compile(script.code, b"@user_script")
        except ScriptError as error:
            raise ReplyError(b"ERR Error compiling script (new function): " + error.message) from None

    def flush(self) -> None:
        """Forget all scripts, and what they left in the interpreter."""
        self.cache.clear()
        self.interpreter = None
        self.functions.forget()

    def run_script(
        self,
        session: "Session",
        script: Script,
        keys: list[bytes],
        arguments: list[bytes],
        command: list[bytes],
        *,
        read_only: bool,
    ) -> Any:
        """Run `script` for `session`: its reply. Raises ReplyError."""
        self._begin(session, script.flags, read_only=read_only)
        if script.function is None:
            self.compile(script)
        return self._run(session, script.function, keys, arguments, script.sha, b"", command)

    def load_library(self, text: bytes) -> list[LoadedFunction]:
        """The functions that the library `text` registers. Raises ReplyError."""
        self._loads_until_ns = steady_ns() + LOAD_NS
        try:
            # The first line stays as an empty one, so that lines have their numbers.
            return self.lua().load_library(text[text.index(b"\n") :])
        finally:
            self._loads_until_ns = NEVER_NS

    def run_function(
        self,
        session: "Session",
        function: Function,
        keys: list[bytes],
        arguments: list[bytes],
        command: list[bytes],
        *,
        read_only: bool,
    ) -> Any:
        """Run `function` for `session`: its reply. Raises ReplyError."""
        self._begin(session, function.flags, read_only=read_only)
        return self._run(session, function.callback, keys, arguments, function.name, function.library, command)

    def _begin(self, session: "Session", flags: int, *, read_only: bool) -> None:
        """Take over what `flags` say of the script that is about to run. Raises ReplyError if it must not run now."""
        server = self.server
        gate = session.gate
        self.is_oom = bool(gate & GATE_MEMORY) and not server.make_room()
        if not flags & COMPATIBLE:
            if read_only and not flags & NO_WRITES:
                raise ReplyError(b"ERR Can not execute a script with write flag using *_ro command.")
            if not flags & (ALLOW_OOM | NO_WRITES) and self.is_oom:
                raise ReplyError(
                    b"OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
                )
            if not flags & NO_WRITES and gate & GATE_DISK:
                raise ReplyError(server.disk_error())
        if flags & ALLOW_OOM:
            self.is_oom = False
        self.is_read_only = read_only or bool(flags & NO_WRITES)
        self.wrote = False
        self.minds_locks = gate & (GATE_LOCKS | GATE_TRANSACTION) != 0
        self._minds = NOSCRIPT | BLOCKING
        self._asks_access = bool(gate & GATE_USER)
        if self.is_read_only or gate & GATE_DISK:
            self._minds |= WRITE | MAY_REPLICATE
        if self.is_oom:
            self._minds |= DENYOOM

    def _run(
        self,
        session: "Session",
        function: Any,
        keys: list[bytes],
        arguments: list[bytes],
        name: bytes,
        library: bytes,
        command: list[bytes],
    ) -> Any:
        engine = session.engine
        interpreter = self.lua()
        self.is_function = len(library) > 0
        self.name = name
        self.command = command
        self.started_ns = steady_ns()
        self._serve_at_ns = self.started_ns + self._limit_ns
        in_transaction = session.executing
        first_effect = len(engine.effects)
        db = session.db
        served_later = engine.serves_later
        session.executing = True
        engine.serves_later = engine.runs_script = True
        self.session = session
        try:
            result = interpreter.run(function, session.protocol, keys, arguments, is_function=self.is_function)
        except ScriptError as error:
            raise _error_reply(error, name) from None
        finally:
            self.session = None
            self._why_ended = b""
            session.executing = in_transaction
            session.db = db
            engine.serves_later = served_later
            engine.runs_script = False
            if self.is_busy:
                self.is_busy = False
                self.server.set_gate(GATE_BUSY, False)
            if self._shutdown is not None:
                self._shut_down(first_effect)
            if not in_transaction and len(engine.effects) - first_effect > 1:
                _seal(engine, first_effect)
            if engine.filled and not served_later:
                engine.waiters.serve()
            if not interpreter.runs & 127 and interpreter.is_worn():
                self._replace_interpreter()
        if type(result) is bytes or type(result) is int or result is None:
            return result
        if result is True:
            return OK
        if type(result) is tuple and len(result) > 2:
            self._count_errors(result[2].split(b"\n"), command)
        return _reply_of(result, interpreter.script_protocol)

    def _count_errors(self, errors: list[bytes], command: list[bytes]) -> None:
        """`command` is answered with something that has `errors` in it; those that are empty were counted."""
        for message in errors:
            if message:
                self.server.count_error(message)
        spec = _look_up(command)
        if spec is not None:
            spec.failed_calls += 1

    def _replace_interpreter(self) -> None:
        logger.warning("scripts have left too much in the Lua interpreter; it is replaced")
        self.interpreter = None
        self.cache.forget_functions()
        self.functions.forget()

    def may_write(self, spec: Spec, argv: list[bytes]) -> bool:
        """Whether `argv` may change data or be told to others, as far as can be said before it runs.

        Scripts and functions tell by their flags. One that has none, or is unknown, may do what its command may.
        """
        flags = COMPATIBLE
        if spec.name in _RUN_SCRIPTS:
            flags = self._flags_of(spec.name, argv[1])
        if flags & COMPATIBLE:
            return spec.flags & (WRITE | MAY_REPLICATE) != 0
        return not flags & NO_WRITES

    def _flags_of(self, command: bytes, named: bytes) -> int:
        """The flags of what `command` runs by its text, digest or name; COMPATIBLE if it is not known."""
        if command.startswith(b"fcall"):
            function = self.functions.find(named)
            return COMPATIBLE if function is None else function.flags
        if command.startswith(b"evalsha"):
            script = self.cache.find(named)
            return COMPATIBLE if script is None else script.flags
        try:
            return script_flags(named)[0]
        except ReplyError:
            return COMPATIBLE

    # What scripts call

    def call(self, argv: list[bytes]) -> Any:
        """As Host."""
        if not argv:
            raise NoCommandGiven
        try:
            return self._call(argv)
        except ReplyError as error:
            self.server.count_error(error.message)
            raise

    def _call(self, argv: list[bytes]) -> Any:
        spec = self._plain.get(argv[0])
        if spec is None or spec.flags & self._minds or self._asks_access or not spec.least <= len(argv) <= spec.most:
            spec = self._checked(argv)
        session = self.session
        assert session is not None
        if self.minds_locks:
            self.server.transactions.check_free(session, spec, argv)
        engine = session.engine
        db = session.db
        spec.calls += 1
        if session.gate & GATE_MONITORED:
            session.server.monitors.show_in_script(session, spec, argv)
        try:
            reply = spec.handler(session if spec.wants_session else db, argv)  # type: ignore[misc]
            if session.gate & GATE_TRACKING:
                session.server.tracking.remember(session, spec, argv)
        except ReplyError:
            spec.failed_calls += 1
            if engine.dirty:
                engine.commit(db, argv)
            raise
        if engine.dirty:
            self.wrote = True
            engine.commit(db, argv)
        if type(reply) is _BLOCK:
            return reply.at_once
        return reply

    def _checked(self, argv: list[bytes]) -> Spec:
        """The command that `argv` names, if the script may run it now. Raises ReplyError."""
        spec = _look_up(argv)
        if spec is None:
            raise ReplyError(b"ERR Unknown Redis command called from script")
        if not spec.least <= len(argv) <= spec.most or spec.handler is None:
            raise ReplyError(b"ERR Wrong number of args calling Redis command from script")
        if spec.flags & NOSCRIPT:
            raise ReplyError(b"ERR This Redis command is not allowed from script")
        if spec.flags & (WRITE | MAY_REPLICATE) and self.is_read_only:
            raise ReplyError(b"ERR Write commands are not allowed from read-only scripts.")
        session = self.session
        assert session is not None
        if spec.flags & WRITE and session.gate & GATE_DISK and not self.wrote:
            raise ReplyError(self.server.disk_error())
        if spec.flags & DENYOOM and self.is_oom and not self.wrote:
            raise OutOfMemory
        if session.gate & GATE_USER:
            self.server.access.check(session, spec, argv, LUA)
        if not spec.wants_session and b"|" not in spec.name and len(self._plain) < _SPELLINGS_MAX:
            self._plain[argv[0]] = spec
        return spec

    def is_function_name(self, name: bytes) -> bool:
        """As Host."""
        return is_name(name)

    # Scripts that run for long

    def interrupt(self) -> bytes:
        """As Host: serves others for a moment once the script has run for `busy-reply-threshold`."""
        if self._why_ended:
            return self._why_ended
        now_ns = steady_ns()
        if now_ns > self._loads_until_ns:
            return b"ERR FUNCTION LOAD timeout"
        session = self.session
        if now_ns < self._serve_at_ns or session is None:
            return b""
        if not self.is_busy:
            self.is_busy = True
            log.warning(logger, "a script runs for long", script=self.name.decode(), ms=self.running_ms())
            self.server.set_gate(GATE_BUSY, True)
        engine = self.engine
        # Those who are served now see the time and wait for the batch that they would without the script.
        waits_for = engine.waits_for
        try:
            self.server.serve_others(session)
        finally:
            engine.waits_for = waits_for
        self._serve_at_ns = steady_ns() + SERVE_EVERY_NS
        return self._why_ended

    def running_ms(self) -> int:
        """For how long the script runs."""
        return (steady_ns() - self.started_ns) // 1_000_000

    def busy_error(self) -> ReplyError:
        """What others are told while a script runs for long."""
        return Busy(b"FUNCTION KILL" if self.is_function else b"SCRIPT KILL")

    def kill(self, *, function: bool) -> None:
        """End the script, or `function`, that runs. Raises ReplyError."""
        if self.session is None:
            raise ReplyError(b"NOTBUSY No scripts in execution right now.")
        if self.wrote:
            raise ReplyError(
                b"UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait"
                b" the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
            )
        if function != self.is_function:
            raise self.busy_error()
        self._why_ended = b"ERR Script killed by user with %b KILL." % (b"FUNCTION" if function else b"SCRIPT")

    def end_for_shutdown(self, shut_down: Callable[[], bool]) -> None:
        """End the script that runs, whatever it did, forget what it did, and call `shut_down` then."""
        self._shutdown = shut_down
        self._why_ended = b"ERR The server is shutting down."

    def _shut_down(self, first_effect: int) -> None:
        """The server ends: of the script, which is not at its end, the log is to have nothing."""
        engine = self.engine
        del engine.effects[first_effect:]
        engine.effects_db = -1
        shut_down = self._shutdown
        self._shutdown = None
        if shut_down is not None:
            shut_down()

    def may_run(self, argv: list[bytes]) -> bool:
        """As Host."""
        spec = _look_up(argv)
        if spec is None or spec.handler is None:
            raise ReplyError(b"ERR Invalid command passed to redis.acl_check_cmd()")
        session = self.session
        assert session is not None
        return allowed(session.user, spec, argv)

    def log(self, level: int, message: bytes) -> None:
        """As Host."""
        text = message.decode("utf-8", "backslashreplace")
        if level <= 0:
            logger.debug(text)
        elif level == 1:
            log.verbose(logger, text)
        elif level == 2:
            log.notice(logger, text)
        else:
            logger.warning(text)


_SPELLINGS_MAX: Final = 1024
_RUN_SCRIPTS: Final = frozenset((b"eval", b"eval_ro", b"evalsha", b"evalsha_ro", b"fcall", b"fcall_ro"))
# Without these names each look at a reply looks them up in a dict.
_BLOCK: Final = Block


def _seal(engine: Engine, since: int) -> None:
    """Make what a script did, which are the effects from `since` on, one transaction in the log.

    Encoded at once, while it is all in the processor's caches: a turn runs many scripts, and an effect is some objects.
    """
    engine.frame(since)
    effects = engine.effects
    effects[since:] = [encode(effects[since:])]


def _look_up(argv: list[bytes]) -> Spec | None:
    spec = COMMANDS.get(argv[0].lower())
    if spec is not None and spec.subcommands and len(argv) > 1:
        return spec.subcommands.get(argv[1].lower())
    return spec


def _reply_of(result: Any, script_protocol: int) -> Any:
    """The reply that a number with a fraction, a table or a boolean stands for."""
    if type(result) is float:
        return int(result) if -(2.0**63) < result < 2.0**63 else INT64_MIN
    if result[0] != BOOLEAN:
        return Encoded([result[1]])
    if script_protocol == 3:
        return result[1]
    return 1 if result[1] else None


def _error_reply(error: ScriptError, name: bytes) -> ReplyError:
    """How a client sees an error of the script called `name`."""
    message = error.message
    if error.source:
        message = b"%b script: %b, on %b:%d." % (message, name, error.source, error.line)
    return CountedError(message) if error.is_counted else ReplyError(message)
