"""EVAL and its kin: scripts, and the cache of them. Compiled, for the sake of short scripts."""

from typing import Final

from respkv.commands.args import parse_int
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
from respkv.errors import NegativeKeys, ReplyError, TooManyKeys
from respkv.reply import OK, Reply
from respkv.scripting.scripts import NoScript, Script, digest_of
from respkv.server.session import Session

command = CommandGroup("scripting", __name__, session=True)

_RUNS: Final = NOSCRIPT | SKIP_MONITOR | STALE | NO_MANDATORY_KEYS


@command(
    "EVAL script numkeys:int [key [key ...]] [arg [arg ...]]",
    _RUNS | MAY_REPLICATE,
    keys="RW ACCESS UPDATE",
    since="2.6.0",
    cost="That of the script.",
)
def eval_(session: Session, argv: list[bytes]) -> Reply:
    """Run a script; its value.

    > EVAL "return {KEYS[1], ARGV[1]}" 1 k a
    1) "k"
    2) "a"
    """
    return _eval(session, argv, read_only=False)


@command(
    "EVAL_RO script numkeys:int [key [key ...]] [arg [arg ...]]",
    _RUNS | READONLY,
    since="7.0.0",
    cost="That of the script.",
)
def eval_ro(session: Session, argv: list[bytes]) -> Reply:
    """Run a script that changes nothing; its value."""
    return _eval(session, argv, read_only=True)


@command(
    "EVALSHA sha1 numkeys:int [key [key ...]] [arg [arg ...]]",
    _RUNS | MAY_REPLICATE,
    keys="RW ACCESS UPDATE",
    since="2.6.0",
    cost="That of the script.",
)
def evalsha(session: Session, argv: list[bytes]) -> Reply:
    """Run a script that the server knows by the digest of its text; its value.

    > SCRIPT LOAD "return 1"
    "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
    > EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
    (integer) 1
    """
    return _evalsha(session, argv, read_only=False)


@command(
    "EVALSHA_RO sha1 numkeys:int [key [key ...]] [arg [arg ...]]",
    _RUNS | READONLY,
    since="7.0.0",
    cost="That of the script.",
)
def evalsha_ro(session: Session, argv: list[bytes]) -> Reply:
    """Run a script that the server knows by the digest of its text and that changes nothing; its value."""
    return _evalsha(session, argv, read_only=True)


def _eval(session: Session, argv: list[bytes], *, read_only: bool) -> Reply:
    count = key_count_of(argv)
    scripting = session.server.scripting
    cache = scripting.cache
    script = cache.find_body(argv[1])
    if script is None:
        script = Script(argv[1], digest_of(argv[1]))
        scripting.compile(script)
        cache.add(script)
    else:
        cache.use(script)
    return scripting.run_script(session, script, argv[3 : 3 + count], argv[3 + count :], argv, read_only=read_only)


def _evalsha(session: Session, argv: list[bytes], *, read_only: bool) -> Reply:
    scripting = session.server.scripting
    script = scripting.cache.find(argv[1])
    if script is None:
        raise NoScript
    count = key_count_of(argv)
    scripting.cache.use(script)
    return scripting.run_script(session, script, argv[3 : 3 + count], argv[3 + count :], argv, read_only=read_only)


def key_count_of(argv: list[bytes]) -> int:
    """How many keys there are. Raises ReplyError."""
    count = 0 if argv[2] == b"0" else 1 if argv[2] == b"1" else parse_int(argv[2])
    if count > len(argv) - 3:
        raise TooManyKeys
    if count < 0:
        raise NegativeKeys
    return count


command.container("SCRIPT", since="2.6.0", summary="Keeps scripts for later use, and ends them.")


@command(
    "SCRIPT LOAD script",
    NOSCRIPT | STALE,
    since="2.6.0",
    cost="O(n), n = bytes of the script",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def script_load(session: Session, argv: list[bytes]) -> Reply:
    """Keep a script for EVALSHA; the SHA-1 digest of its text, by which it is called."""
    scripting = session.server.scripting
    script = scripting.cache.find_body(argv[2])
    if script is None:
        script = Script(argv[2], digest_of(argv[2]))
        scripting.compile(script)
        script.is_kept = True
        scripting.cache.add(script)
    else:
        scripting.cache.keep(script)
    return script.sha


@command(
    "SCRIPT EXISTS sha1 [sha1 ...]",
    NOSCRIPT,
    since="2.6.0",
    cost="O(n), n = digests given",
    tips="request_policy:all_shards response_policy:agg_logical_and",
)
def script_exists(session: Session, argv: list[bytes]) -> Reply:
    """Tell which scripts the server knows, by their digests: 1 or 0 for each."""
    cache = session.server.scripting.cache
    return [int(cache.find(sha) is not None) for sha in argv[2:]]


@command("SCRIPT SHOW sha1", NOSCRIPT, since="8.0.0", cost="O(1)")
def script_show(session: Session, argv: list[bytes]) -> Reply:
    """The text of a script by its digest."""
    script = session.server.scripting.cache.find(argv[2])
    if script is None:
        raise NoScript
    return script.body


@command(
    "SCRIPT FLUSH [ASYNC | SYNC]",
    NOSCRIPT,
    since="2.6.0",
    cost="O(n), n = scripts",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def script_flush(session: Session, argv: list[bytes]) -> Reply:
    """Forget all scripts."""
    if len(argv) > 3 or (len(argv) == 3 and argv[2].upper() not in (b"SYNC", b"ASYNC")):
        raise ReplyError(b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    session.server.scripting.flush()
    return OK


@command(
    "SCRIPT KILL",
    NOSCRIPT | ALLOW_BUSY,
    since="2.6.0",
    cost="O(1)",
    tips="request_policy:all_shards response_policy:one_succeeded",
)
def script_kill(session: Session, argv: list[bytes]) -> Reply:
    """End the script that runs, if it has not written anything yet."""
    session.server.scripting.kill(function=False)
    return OK


@command("SCRIPT DEBUG <YES | SYNC | NO>", NOSCRIPT, since="3.2.0", cost="O(1)")
def script_debug(session: Session, argv: list[bytes]) -> Reply:
    """Switch the debugger of scripts, which respkv does not have, off."""
    if argv[2].upper() == b"NO":
        return OK
    if argv[2].upper() in (b"YES", b"SYNC"):
        raise ReplyError(b"ERR the debugger of scripts is not supported")
    raise ReplyError(b"ERR Use SCRIPT DEBUG YES/SYNC/NO")


@command("SCRIPT HELP", LOADING | STALE, since="5.0.0", cost="O(1)")
def script_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"script")
