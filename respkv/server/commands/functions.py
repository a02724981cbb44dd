"""FCALL, and what is to be said of functions; the commands that change libraries are in `persistence.functions`."""

from typing import Any, Final

from respkv.commands.flags import (
    ALLOW_BUSY,
    LOADING,
    MAY_REPLICATE,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
)
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.engine import glob
from respkv.errors import NotAnInteger, ReplyError
from respkv.reply import OK, Members, Reply, Status
from respkv.server.commands.scripting import key_count_of
from respkv.server.functions import Function
from respkv.server.session import Session

command = CommandGroup("scripting", __name__, session=True)

_RUNS: Final = NOSCRIPT | SKIP_MONITOR | STALE | NO_MANDATORY_KEYS


@command(
    "FCALL function numkeys:int [key [key ...]] [arg [arg ...]]",
    _RUNS | MAY_REPLICATE,
    keys="RW ACCESS UPDATE",
    since="7.0.0",
    cost="That of the function.",
)
def fcall(session: Session, argv: list[bytes]) -> Reply:
    r"""Call a function of a library; its value.

    > FUNCTION LOAD "#!lua name=mylib\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)"
    "mylib"
    > FCALL twice 0 21
    (integer) 42
    """
    return _fcall(session, argv, read_only=False)


@command(
    "FCALL_RO function numkeys:int [key [key ...]] [arg [arg ...]]",
    _RUNS | READONLY,
    since="7.0.0",
    cost="That of the function.",
)
def fcall_ro(session: Session, argv: list[bytes]) -> Reply:
    """Call a function that changes nothing; its value."""
    return _fcall(session, argv, read_only=True)


def _fcall(session: Session, argv: list[bytes], *, read_only: bool) -> Reply:
    scripting = session.server.scripting
    function = scripting.functions.find(argv[1])
    if function is None:
        raise ReplyError(b"ERR Function not found")
    try:
        count = key_count_of(argv)
    except NotAnInteger:
        raise ReplyError(b"ERR Bad number of keys provided") from None
    return scripting.run_function(session, function, argv[3 : 3 + count], argv[3 + count :], argv, read_only=read_only)


@command(
    "FUNCTION LIST [LIBRARYNAME library-name-pattern:pattern] [WITHCODE]",
    NOSCRIPT,
    since="7.0.0",
    cost="O(n), n = functions",
    tips="nondeterministic_output_order",
)
def function_list(session: Session, argv: list[bytes]) -> Reply:
    """Tell of all libraries, or those whose name matches a pattern: their functions, and with WITHCODE their text."""
    pattern: bytes | None = None
    with_code = False
    at = 2
    while at < len(argv):
        word = argv[at].upper()
        if not with_code and word == b"WITHCODE":
            with_code = True
        elif pattern is None and word == b"LIBRARYNAME":
            at += 1
            if at >= len(argv):
                raise ReplyError(b"ERR library name argument was not given")
            pattern = argv[at]
        else:
            raise ReplyError(b"ERR Unknown argument %b" % argv[at])
        at += 1
    functions = session.server.scripting.functions
    told: list[Any] = []
    for name, text in session.engine.libraries.texts.items():
        if pattern is not None and not glob.match(pattern, name, nocase=True):
            continue
        library: dict[bytes, Any] = {
            b"library_name": name,
            b"engine": b"LUA",
            b"functions": [_describe(function) for function in functions.of_library(name)],
        }
        if with_code:
            library[b"library_code"] = text
        told.append(library)
    return told


def _describe(function: Function) -> dict[bytes, Any]:
    return {
        b"name": function.name,
        b"description": function.description,
        b"flags": Members([Status(name) for name in function.flag_names]),
    }


@command(
    "FUNCTION STATS",
    NOSCRIPT | ALLOW_BUSY,
    since="7.0.0",
    cost="O(1)",
    tips="nondeterministic_output request_policy:all_shards response_policy:special",
)
def function_stats(session: Session, argv: list[bytes]) -> Reply:
    """Tell of the function or script that runs, and how many libraries and functions there are."""
    scripting = session.server.scripting
    running: dict[bytes, Any] | None = None
    if scripting.session is not None:
        running = {
            b"name": scripting.name,
            b"command": scripting.command,
            b"duration_ms": scripting.running_ms(),
        }
    counts = {
        b"libraries_count": len(session.engine.libraries.texts),
        b"functions_count": scripting.functions.count(),
    }
    return {b"running_script": running, b"engines": {b"LUA": counts}}


@command(
    "FUNCTION KILL",
    NOSCRIPT | ALLOW_BUSY,
    since="7.0.0",
    cost="O(1)",
    tips="request_policy:all_shards response_policy:one_succeeded",
)
def function_kill(session: Session, argv: list[bytes]) -> Reply:
    """End the function that runs, if it has not written anything yet."""
    session.server.scripting.kill(function=True)
    return OK


@command("FUNCTION HELP", LOADING | STALE, since="7.0.0", cost="O(1)")
def function_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"function")
