"""One Lua 5.1 interpreter: what it is given, how scripts run in it, and what it may take.

lupa is imported when the first script comes: a server without scripts does not pay for it.

Rule 1: a function that Lua calls raises one exception only, `_Failure`, and the same instance of it each time: what Lua
  sees of an exception is a wrapper around it, which sandbox.lua knows by its identity and keeps away from scripts.
Rule 2: nothing may run out of memory while lupa makes values for Lua: Lua would jump out of Python code with the
  interpreter lock held. So there is always room left (`_HEADROOM_BYTES`), or the script ends; between scripts too.
Rule 3: nothing that is not bytes, a number, a boolean, None or a table of such goes to Lua: it would be wrapped.
"""

import logging
import struct
from typing import Any, Final, NamedTuple

from respkv.doubles import format_float
from respkv.errors import InternalError, NoCommandGiven, ReplyError
from respkv.reply import OK
from respkv.scripting import bits, structs
from respkv.scripting.arguments import BadArgument, text_of
from respkv.scripting.boundary import open_boundary
from respkv.scripting.bytecode import SAFE_PARAMETERS, parameters_before_dots
from respkv.scripting.chance import Chance
from respkv.scripting.host import Host
from respkv.scripting.replies import PLAIN_BYTES, argv_of, size_of, to_lua
from respkv.scripting.shebang import FLAGS

logger = logging.getLogger(__name__)

TABLE: Final = b"table"
BOOLEAN: Final = b"boolean"
FAILED: Final = b"failed"
"""What stands before the value of a script that is no string or number."""

_HEADROOM_BYTES: Final = 1024 * 1024
_STACK_MAX: Final = 6000
"""So many arguments are put onto Lua's stack, which takes 8000 values; more go into tables."""

NULL_PROGRAM: Final = b"""(function()
    local null = newproxy(true)
    getmetatable(null).__tostring = function() return "userdata: (nil)" end
    return null
end)()"""
"""Makes what stands for null in JSON: a value of its own, with the looks of C's null pointer."""

_NO_REPLY: Final = object()
"""In place of a reply: an error, which `_pending` tells."""
_NO_ROOM: Final = object()
"""In place of a reply: the script ends, as there is no room."""

_OK_FIELDS: Final = {b"ok": b"OK"}

_WITHOUT_POSITION: Final = b"table index is "
"""How messages begin that Lua itself, and no library, has for what a C function did."""

OUT_OF_MEMORY: Final = b"ERR script takes too much memory"


class _Failure(Exception):
    """An error that Lua is to see."""


class ScriptError(Exception):
    """A script ended with an error: its text, and where that arose if that is known.

    It `is_counted` if it is that of a command, and nothing new.
    """

    def __init__(self, message: bytes, source: bytes, line: int, *, is_counted: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.line = line
        self.is_counted = is_counted


class LoadedFunction(NamedTuple):
    """A function that a library registered; `flags` are words with commas between them."""

    name: bytes
    callback: Any
    description: bytes | None
    flags: bytes


class Interpreter:
    """Lua with the sandbox and the libraries; scripts are compiled by `compile` and run by `run`.

    `script_protocol` is that in which the script that runs sees replies: what `redis.setresp` said.
    """

    def __init__(self, host: Host, version: bytes, version_number: int, memory_max_bytes: int) -> None:
        from lupa import lua51

        self.host = host
        self.script_protocol = 2
        self.memory_max_bytes = memory_max_bytes
        self._lua = lua51.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_handlers=(_deny, _deny),
            max_memory=memory_max_bytes,
        )
        self._error = lua51.LuaError
        self._table_from = self._lua.table_from
        self._memory_used = self._lua.get_memory_used
        self._failure = _Failure()
        # What the failure stands for: text, or a table.
        self._pending: Any = b""
        # What ended a command and is to end whoever runs the script.
        self._raised: BaseException | None = None
        # The script takes too much: it ends at its next line.
        self._doomed = False
        self._is_dooming = False
        # After the last script there were less than two megabytes left.
        self._is_tight = memory_max_bytes < 3 * _HEADROOM_BYTES
        self._chance = Chance()
        self._json_null = self._lua.eval(NULL_PROGRAM)
        # Held as long as Lua, whose functions point to it.
        self._boundary: Any = None
        started = self._load("sandbox.lua")(self._wire(version, version_number))
        self._run = started[b"run"]
        self._run_one = started[b"run_one"]
        self._run_with = started[b"run_with"]
        self._compile = started[b"compile"]
        self._load_library = started[b"load_library"]
        self._call_function = started[b"call_function"]
        self._hurry = started[b"hurry"]
        self._disarm = started[b"disarm"]
        self._where = started[b"where"]
        self._sweep = started[b"sweep"]
        self.runs = 0

    # For whoever runs scripts

    def compile(self, body: bytes, name: bytes) -> Any:
        """The function that `body` makes, in the scripts' environment. Raises ScriptError if it is no Lua."""
        self._make_room(3 * len(body))
        try:
            result = self._compile(body, name)
        except self._error as error:
            raise ScriptError(_text_of(error), b"", 0) from None
        if type(result) is tuple:
            raise ScriptError(result[1], b"", 0)
        return result

    def load_library(self, code: bytes) -> list[LoadedFunction]:
        """Run a library: the functions that it registers. Raises ReplyError if that is impossible."""
        try:
            self._make_room(3 * len(code))
            found = self._load_library(code)
        except (ScriptError, self._error) as error:
            message = error.message if isinstance(error, ScriptError) else _text_of(error)
            raise _not_registered(message) from None
        except _Failure:
            raise _not_registered(_message_of(self._pending)) from None
        if not found[0]:
            if found[1] == b"compile":
                raise ReplyError(b"ERR Error compiling function: " + found[2])
            raise _not_registered(found[2])
        functions = [
            LoadedFunction(one[b"name"], one[b"callback"], one[b"description"], one[b"flags"])
            for one in found[1].values()
        ]
        if not functions:
            raise ReplyError(b"ERR No functions registered")
        return functions

    def run(
        self,
        function: Any,
        protocol: int,
        keys: list[bytes],
        arguments: list[bytes],
        *,
        is_function: bool = False,
    ) -> Any:
        """Run what `compile`, or for a function `load_library`, gave: its value. Raises ScriptError.

        A table comes as a couple of `TABLE` and its form on the wire in the client's `protocol`, a boolean as a couple
        of `BOOLEAN` and itself. True stands for the commonest table, the status OK. Behind a table stand the errors in
        it, if there are such, each in a line, which is empty for one that was counted.
        """
        self._doomed = False
        self.script_protocol = 2
        self.runs += 1
        count = len(keys) + len(arguments)
        size = 64 * count
        for key in keys:
            size += len(key)
        for argument in arguments:
            size += len(argument)
        if self._is_tight or size > _HEADROOM_BYTES // 4:
            self._make_room(size)
        try:
            if is_function:
                keys_table, arguments_table = self._table_from(keys), self._table_from(arguments)
                result = self._call_function(function, protocol, keys_table, arguments_table)
            elif len(keys) == 1 and count < _STACK_MAX:
                result = self._run_one(function, protocol, keys[0], *arguments)
            elif count < _STACK_MAX:
                result = self._run(function, protocol, len(keys), *keys, *arguments)
            else:
                result = self._run_with(function, protocol, self._table_from(keys), self._table_from(arguments))
        except (self._error, _Failure) as error:
            # Only what ends a script whatever it does comes here.
            if isinstance(error, _Failure):
                raise ScriptError(_message_of(self._pending), b"", 0) from None
            raise ScriptError(_text_of(error) or b"ERR not enough memory", b"", 0) from None
        finally:
            if self._doomed:
                self._doomed = False
                self._disarm()
                self._lua.gccollect()
                self._lua.set_max_memory(self.memory_max_bytes)
            # Nor is there to be an end of memory between scripts: lupa ends the process then.
            used: int = self._memory_used()
            if used + 2 * _HEADROOM_BYTES > self.memory_max_bytes:
                self._lua.gccollect()
                used = self._memory_used()
                self._is_tight = used + 2 * _HEADROOM_BYTES > self.memory_max_bytes
        if self._raised is not None:
            raised = self._raised
            self._raised = None
            raise raised
        if type(result) is not tuple:
            return result
        if result[0] is False or result[0] == FAILED:
            source = result[2] if len(result) > 2 else None
            line = result[3] if len(result) > 3 else None
            is_counted = len(result) > 4 and bool(result[4])
            raise ScriptError(result[1], source or b"", int(line or 0), is_counted=is_counted)
        return result

    def memory_bytes(self) -> int:
        """What the interpreter takes."""
        return int(self._memory_used(True))

    def is_worn(self) -> bool:
        """Whether it holds so much memory, even after a collection, that a new one is better."""
        if self._memory_used() < self.memory_max_bytes // 2:
            return False
        self._lua.gccollect()
        self._sweep()
        return bool(self._memory_used() >= self.memory_max_bytes // 2)

    def _make_room(self, size: int) -> None:
        """Raises ScriptError if `size` bytes more do not fit."""
        used: int = self._memory_used()
        if used + 2 * size + _HEADROOM_BYTES > self.memory_max_bytes:
            self._lua.gccollect()
            used = self._memory_used()
            if used + 2 * size + _HEADROOM_BYTES > self.memory_max_bytes:
                raise ScriptError(OUT_OF_MEMORY, b"", 0)

    # What Lua calls

    def _wire(self, version: bytes, version_number: int) -> Any:
        """The functions and constants that sandbox.lua asks for."""
        table = self._table_from
        boundary, guard = self._open_boundary()
        redis = {
            b"call": self._call,
            b"pcall": self._pcall,
            b"sha1hex": self._as_c(self._sha1hex),
            b"log": self._log,
            b"setresp": self._setresp,
            b"set_repl": self._set_repl,
            b"acl_check_cmd": self._acl_check_cmd,
            b"replicate_commands": _true,
            b"breakpoint": _false,
            b"debug": _nothing,
            b"LOG_DEBUG": 0,
            b"LOG_VERBOSE": 1,
            b"LOG_NOTICE": 2,
            b"LOG_WARNING": 3,
            b"REPL_NONE": 0,
            b"REPL_AOF": 1,
            b"REPL_SLAVE": 2,
            b"REPL_REPLICA": 2,
            b"REPL_ALL": 3,
            b"REDIS_VERSION": version,
            b"REDIS_VERSION_NUM": version_number,
        }
        return table(
            {
                b"redis": table(redis),
                b"libraries": table(
                    {
                        b"cjson": self._json(),
                        b"cmsgpack": self._messagepack(),
                        b"bit": table({name.__name__.encode(): self._as_c(name) for name in bits.FUNCTIONS}),
                        b"struct": table({name.__name__.encode(): self._as_c(name) for name in structs.FUNCTIONS}),
                    }
                ),
                b"math": table(
                    {b"random": self._as_c(self._chance.random), b"randomseed": self._as_c(self._chance.seed)}
                ),
                b"take": self._take,
                b"raise": self._raise,
                b"open_boundary": boundary,
                b"boundary": self._boundary.handle() if boundary else None,
                b"guard": guard,
                b"wants_room": _wants_room,
                b"new_json": self._json,
                b"interrupt": self._interrupt,
                b"script_protocol": self._script_protocol,
                b"format_double": self._as_c(format_float),
                b"error_text": self._as_c(error_text),
                b"are_flags": _are_flags,
                b"is_name": self.host.is_function_name,
                b"bad_name": self.host.bad_function_name,
                b"TABLE": TABLE,
                b"BOOLEAN": BOOLEAN,
                b"FAILED": FAILED,
            }
        )

    def _open_boundary(self) -> tuple[Any, Any]:
        """What gives Lua its functions in C, if there are such."""
        from lupa import lua51

        callbacks = (
            self._call_argv,
            self._call_values,
            self._pcall_argv,
            self._pcall_values,
            self._pending_value,
            self._fill,
            self._expect_internal_error,
            OK,
            _NO_REPLY,
            _NO_ROOM,
        )
        base_bytes = self._memory_used(True) - self._memory_used()
        room_bytes = base_bytes + self.memory_max_bytes - _HEADROOM_BYTES
        found = open_boundary(self._lua, lua51.__file__, callbacks, room_bytes)
        if found is None:
            return None, None
        self._boundary = found[0]
        return found[1:]

    def _json(self) -> Any:
        """The library `cjson`; its `new` gives another one with options of its own."""
        make = self._load("cjson.lua")(self._json_null)
        library = self._c_functions(make())
        library[b"null"] = self._json_null
        library[b"_NAME"] = b"cjson"
        library[b"_VERSION"] = b"2.1.0"
        return self._table_from(library)

    def _messagepack(self) -> Any:
        """The library `cmsgpack`."""
        library = self._c_functions(self._load("cmsgpack.lua")(_pack_double, _unpack_double))
        library[b"_NAME"] = b"cmsgpack"
        library[b"_VERSION"] = b"lua-cmsgpack 0.4.0"
        library[b"_COPYRIGHT"] = b"Copyright (C) 2012, Salvatore Sanfilippo"
        library[b"_DESCRIPTION"] = b"MessagePack C implementation for Lua"
        return self._table_from(library)

    def _c_functions(self, library: Any) -> dict[bytes, Any]:
        return {name: self._as_c(function) for name, function in library.items()}

    def _as_c(self, function: Any) -> Any:
        """What Lua is to call as a C function: `function` of ours or of Lua, whose errors tell the script's line.

        A function of Lua would lose the line of a caller that returns its value at once.
        """

        def call(*arguments: Any) -> Any:
            self._admit(0)
            try:
                result = function(*arguments)
                if type(result) is bytes:
                    self._admit(len(result))
                return result
            except BadArgument as error:
                message = error.message
            except self._error as error:
                message = _text_of(error) or b"not enough memory"
                if message.startswith(_WITHOUT_POSITION):
                    self.fail(message)
            except _Failure:
                raise
            except Exception:
                logger.exception("a library function of a script failed unexpectedly")
                message = InternalError().message
            self.fail_here(message)

        return call

    def _load(self, name: str) -> Any:
        from importlib.resources import files  # here, as lupa: a server without scripts does without

        source = files("respkv.scripting").joinpath("lua", name).read_bytes()
        return self._lua.globals()[b"loadstring"](source, b"=respkv")

    def _raise(self) -> None:
        raise self._failure.with_traceback(None)

    def fail(self, what: Any) -> None:
        """Let Lua see an error: text, or a dict that becomes a table. Raises always."""
        self._pending = what
        raise self._failure.with_traceback(None)

    def fail_here(self, message: bytes) -> None:
        """As `fail`, with the position of the script in front, as luaL_error puts it there."""
        self.fail(self._where() + message)

    def _take(self) -> Any:
        if not self._has_room(size_of(self._pending)):
            self._end_for_memory()
        pending = self._pending
        return self._table_from(pending) if type(pending) is dict else pending

    def _pending_value(self) -> Any:
        return self._pending

    def _expect_internal_error(self) -> None:
        self._pending = {b"err": InternalError().message}

    def _call_argv(self, argv: list[bytes]) -> Any:
        """What a script sees of the reply of a command, or `_NO_REPLY` or `_NO_ROOM`.

        A number, a boolean, None; text or OK, for which there may be no room; a list or a dict, for which there is.
        """
        try:
            reply = self.host.call(argv)
            if type(reply) is int or type(reply) is bytes or reply is OK:
                return reply
            return self._to_lua(reply)
        except NoCommandGiven as error:
            self._pending = {b"err": error.message}
        except ReplyError as error:
            self._pending = {b"err": error.message, b"ignore_error_stats_update": True}
        except Exception:
            logger.exception("a command of a script failed unexpectedly")
            self._expect_internal_error()
        except BaseException as error:
            # An interrupt by the keyboard: whoever runs the script is to see it.
            self._raised = error
            self._expect_internal_error()
        return _NO_REPLY

    def _pcall_argv(self, argv: list[bytes]) -> Any:
        """The same, where an error is a value."""
        reply = self._call_argv(argv)
        return self._pending_as_value() if reply is _NO_REPLY else reply

    def _call_values(self, arguments: list[Any]) -> Any:
        """As `_call_argv`, for arguments of any type."""
        try:
            argv = argv_of(arguments)
        except ReplyError as error:
            self._pending = {b"err": error.message}
            return _NO_REPLY
        return self._call_argv(argv)

    def _pcall_values(self, arguments: list[Any]) -> Any:
        """The same, where an error is a value."""
        reply = self._call_values(arguments)
        return self._pending_as_value() if reply is _NO_REPLY else reply

    def _pending_as_value(self) -> Any:
        return self._with_room(dict(self._pending))

    def _to_lua(self, reply: Any) -> Any:
        value = to_lua(reply, self.script_protocol)
        return self._with_room(value) if type(value) is list or type(value) is dict else value

    def _with_room(self, value: Any) -> Any:
        """`value`, or `_NO_ROOM` if there is no room for a table of it."""
        if self._has_room(size_of(value)):
            return value
        self._fill()
        return _NO_ROOM

    def _has_room(self, size: int) -> bool:
        used: int = self._memory_used()
        return not self._doomed and used + 2 * size + _HEADROOM_BYTES <= self.memory_max_bytes

    def _fill(self) -> None:
        """The script is to end, as there is no room; whoever asks lets the hook be called at the next line."""
        # Room for what ends the script.
        self._lua.set_max_memory(self._memory_used() + 2 * _HEADROOM_BYTES)
        self._doomed = True
        self._pending = {b"err": OUT_OF_MEMORY}

    # The same by lupa

    def _call(self, *arguments: Any) -> Any:
        return self._pushed(self._call_values(list(arguments)))

    def _pcall(self, *arguments: Any) -> Any:
        return self._pushed(self._pcall_values(list(arguments)))

    def _pushed(self, value: Any) -> Any:
        """`value`, from `_call_argv` and its like, as lupa takes it."""
        if type(value) is bytes:
            if self._has_room(len(value) + PLAIN_BYTES):
                return value
            self._doomed = True
        elif value is OK:
            if self._has_room(4 * PLAIN_BYTES):
                # Without `recursive` it takes half the time.
                return self._table_from(_OK_FIELDS)
            self._doomed = True
        elif type(value) is list or type(value) is dict:
            return self._table_from(value, recursive=True)
        elif value is not _NO_REPLY and value is not _NO_ROOM:
            return value
        if self._doomed:
            self._end_for_memory()
        raise self._failure.with_traceback(None)

    def _end_for_memory(self) -> None:
        """Let the script end at its next line; called in Lua."""
        self._fill()
        # Not to be ended within that.
        self._is_dooming = True
        self._hurry()
        self._is_dooming = False

    def _admit(self, size: int) -> None:
        """End the script if a value of `size` bytes does not fit. Raises _Failure then."""
        if not self._has_room(size):
            self._end_for_memory()
            raise self._failure.with_traceback(None)

    def _interrupt(self) -> bool:
        if self._is_dooming:
            return False
        if self._doomed:
            self._pending = {b"err": OUT_OF_MEMORY}
            return True
        try:
            why = self.host.interrupt()
        except Exception:
            logger.exception("serving others while a script ran failed unexpectedly")
            why = InternalError().message
        if why:
            self._pending = {b"err": why}
        return bool(why)

    def _script_protocol(self) -> int:
        return self.script_protocol

    def _sha1hex(self, *arguments: Any) -> Any:
        import hashlib

        if len(arguments) != 1:
            self.fail({b"err": b"ERR wrong number of arguments"})
        return hashlib.sha1(text_of(arguments[0])).hexdigest().encode()

    def _log(self, *arguments: Any) -> None:
        if len(arguments) < 2:
            self.fail({b"err": b"ERR redis.log() requires two arguments or more."})
        level = arguments[0]
        if type(level) not in (int, float):
            self.fail({b"err": b"ERR First argument must be a number (log level)."})
        if not 0 <= level <= 3:
            self.fail({b"err": b"ERR Invalid log level."})
        self.host.log(int(level), b" ".join([text_of(argument) for argument in arguments[1:]]))

    def _setresp(self, *arguments: Any) -> None:
        if len(arguments) != 1:
            self.fail({b"err": b"ERR redis.setresp() requires one argument."})
        if arguments[0] not in (2, 3):
            self.fail({b"err": b"ERR RESP version must be 2 or 3."})
        self.script_protocol = int(arguments[0])

    def _set_repl(self, *arguments: Any) -> None:
        if len(arguments) != 1:
            self.fail({b"err": b"ERR redis.set_repl() requires one argument."})
        if arguments[0] not in (0, 1, 2, 3):
            self.fail({b"err": b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."})

    def _acl_check_cmd(self, *arguments: Any) -> bool:
        if not arguments:
            self.fail({b"err": NoCommandGiven().message})
        try:
            return self.host.may_run(argv_of(list(arguments)))
        except ReplyError as error:
            self.fail({b"err": error.message})
            raise


def _not_registered(message: bytes) -> ReplyError:
    return ReplyError(b"ERR Error registering functions: " + message)


def _wants_room(code: bytes) -> bool:
    return parameters_before_dots(code) > SAFE_PARAMETERS


def _are_flags(words: bytes) -> bool:
    return all(word in FLAGS for word in words.split(b","))


def _pack_double(number: float) -> bytes:
    """MessagePack's form: a float if that says the same."""
    try:
        short = struct.pack(">f", number)
    except OverflowError:
        return b"\xcb" + struct.pack(">d", number)
    return b"\xca" + short if struct.unpack(">f", short)[0] == number else b"\xcb" + struct.pack(">d", number)


def _unpack_double(packed: bytes) -> float:
    return float(struct.unpack(">f" if len(packed) == 4 else ">d", packed)[0])


def _true(*arguments: Any) -> bool:
    return True


def _false(*arguments: Any) -> bool:
    return False


def _nothing(*arguments: Any) -> Any:
    return ()  # no value, which is not nil


def _deny(*arguments: Any) -> Any:
    raise AttributeError("scripts do not see attributes")


def error_text(text: bytes) -> bytes:
    """What `redis.error_reply` makes of its argument: a dash in front goes, a code is put in front where none is."""
    text = text.removeprefix(b"-")
    return text if b" " in text else b"ERR " + text


def _text_of(error: Exception) -> bytes:
    return str(error).encode("latin-1", "replace")


def _message_of(pending: Any) -> bytes:
    return bytes(pending[b"err"]) if type(pending) is dict else bytes(pending)


__all__ = ["BOOLEAN", "TABLE", "Interpreter", "ScriptError"]
