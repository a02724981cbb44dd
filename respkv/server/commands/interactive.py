"""Interactive transactions: BEGIN, COMMIT and their kin, and the verbs of simple key-value servers, PUT and SHOWALL.

What they mean is in docs/transactions.md; no Redis has them.
"""

from respkv.commands.args import Args
from respkv.commands.flags import ADMIN, FAST, MAY_REPLICATE, NO_MULTI, NOSCRIPT, READONLY, TIMED, TRANSACTION
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.engine.shards import type_name_of
from respkv.engine.transactions import Transaction
from respkv.errors import BadSyntax, InvalidExpire, NoSuchTransaction, ReplyError
from respkv.reply import NO_REPLY, OK, Reply, Status
from respkv.server.session import Session
from respkv.server.transactions import Held, holders_of, parse_number

command = CommandGroup("transactions", __name__, session=True)
whole = CommandGroup("generic", __name__, session=True)

_CONTROL = NOSCRIPT | NO_MULTI | TRANSACTION
SINCE = "respkv 0.1"

IDLE_MAX_MS = (1 << 53) - 1


@command("BEGIN [TIMEOUT milliseconds:int] [READONLY]", _CONTROL | FAST, since=SINCE, cost="O(1)")
def begin(session: Session, argv: list[bytes]) -> Reply:
    """Open a transaction in which the commands that follow run; its id.

    > BEGIN
    (integer) 1
    > SET k v
    OK
    > COMMIT
    OK
    """
    args = Args(argv, 1)
    idle_ms = -1
    read_only = False
    while args.more():
        if args.token(b"READONLY"):
            read_only = True
        elif args.token_with_value(b"TIMEOUT"):
            idle_ms = args.integer()
            if not 0 < idle_ms <= IDLE_MAX_MS:
                raise InvalidExpire(b"begin")
        else:
            raise BadSyntax
    return session.server.transactions.begin(session, idle_ms, read_only=read_only)


@command("COMMIT [id:int]", _CONTROL | MAY_REPLICATE, since=SINCE, cost="O(n), n = keys changed")
def commit(session: Session, argv: list[bytes]) -> Reply:
    """Let all that the transaction has changed be so, at once, and end it."""
    transactions = session.server.transactions
    if len(argv) == 2 and not _is_own(session, argv[1]):
        transactions.commit(transactions.of(session, parse_number(argv[1])))
        return OK
    transaction = _own(session)
    if transaction.ended is not None:
        # Now the client knows.
        transactions.leave(session)
        transaction.check_open()
    transactions.commit(transactions.held[transaction.number])
    transactions.leave(session)
    return OK


@command("ROLLBACK [id:int | TO name]", _CONTROL, since=SINCE, cost="O(n), n = keys changed")
def rollback(session: Session, argv: list[bytes]) -> Reply:
    """Let nothing have happened and end the transaction; or go back to one of its savepoints."""
    transactions = session.server.transactions
    if len(argv) == 3:
        if argv[1].upper() != b"TO":
            raise BadSyntax
        _own(session).rollback_to(argv[2])
        return OK
    if len(argv) == 2 and not _is_own(session, argv[1]):
        transactions.rollback(transactions.of(session, parse_number(argv[1])), b"ROLLBACK came from another connection")
        return OK
    _own(session)
    transactions.leave(session)
    return OK


@command("SAVEPOINT name", _CONTROL | FAST, since=SINCE, cost="O(1)")
def savepoint(session: Session, argv: list[bytes]) -> Reply:
    """Remember how things are now in the transaction, under a name.

    > BEGIN
    (integer) 1
    > SET k 1
    OK
    > SAVEPOINT before
    OK
    > SET k 2
    OK
    > ROLLBACK TO before
    OK
    > GET k
    "1"
    """
    _own(session).savepoint(argv[1])
    return OK


@command("RELEASE name", _CONTROL, since=SINCE, cost="O(n), n = keys changed since")
def release(session: Session, argv: list[bytes]) -> Reply:
    """Forget a savepoint and those after it; what was changed since stays."""
    _own(session).release(argv[1])
    return OK


def _own(session: Session) -> Transaction:
    if session.transaction is None:
        raise ReplyError(b"ERR no transaction is open; BEGIN opens one")
    return session.transaction


def _is_own(session: Session, number: bytes) -> bool:
    return session.transaction is not None and session.transaction.number == parse_number(number)


# TXN


@command(
    "TXN id:int command [argument [argument ...]]",
    _CONTROL,
    since=SINCE,
    cost="That of the command.",
)
def txn(session: Session, argv: list[bytes]) -> Reply:
    """Run a command within an open transaction of the same user, from any connection.

    Whether the user may run it, and on these keys, is asked of that command.
    """
    session.server.transactions.run_within(session, argv)
    return NO_REPLY


@command("TXN LIST", _CONTROL, since=SINCE, cost="O(n), n = open transactions")
def txn_list(session: Session, argv: list[bytes]) -> Reply:
    """The ids of all open transactions, oldest first."""
    return [*session.server.transactions.held]


@command("TXN INFO id:int", _CONTROL, since=SINCE, cost="O(n), n = databases used")
def txn_info(session: Session, argv: list[bytes]) -> Reply:
    """What an open transaction is, holds and takes."""
    held = _any(session, argv[2])
    transaction = held.transaction
    now_ms = session.server.engine.now_ms
    return {
        b"id": transaction.number,
        b"client": 0 if held.session is None else held.session.number,
        b"user": b"" if held.user is None else held.user.name,
        b"state": b"waiting" if transaction.owner.waiting is not None else b"open",
        b"readonly": int(transaction.read_only),
        b"age-ms": now_ms - transaction.begun_ms,
        b"idle-ms": now_ms - held.used_at_ms,
        b"timeout-ms": held.idle_ms,
        b"commands": transaction.commands,
        b"locked-keys": sum(1 for _, key in transaction.owner.held if key is not None),
        b"changed-keys": transaction.changed_keys,
        b"savepoints": [each.name for each in transaction.savepoints],
        b"memory": transaction.used_bytes,
    }


@command("TXN KILL id:int", _CONTROL | ADMIN, since=SINCE, cost="O(n), n = keys changed")
def txn_kill(session: Session, argv: list[bytes]) -> Reply:
    """Roll back an open transaction, whose client is told at its next command."""
    session.server.transactions.rollback(_any(session, argv[2]), b"TXN KILL")
    return OK


@command("TXN HELP", _CONTROL, since=SINCE, cost="O(1)")
def txn_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"txn")


def _any(session: Session, text: bytes) -> Held:
    number = parse_number(text)
    held = session.server.transactions.held.get(number)
    if held is None:
        raise NoSuchTransaction(number)
    return held


@command("COMMITALL", _CONTROL | ADMIN | MAY_REPLICATE, since=SINCE, cost="O(n), n = keys changed")
def commitall(session: Session, argv: list[bytes]) -> Reply:
    """Commit all open transactions, oldest first, but those that wait for locks; how many."""
    transactions = session.server.transactions
    committed = 0
    for held in list(transactions.held.values()):
        if held.waiter is None and held.transaction.owner.waiting is None:
            transactions.commit(held)
            committed += 1
    return committed


@command("ROLLBACKALL", _CONTROL | ADMIN, since=SINCE, cost="O(n), n = keys changed")
def rollbackall(session: Session, argv: list[bytes]) -> Reply:
    """Roll back all open transactions; how many."""
    transactions = session.server.transactions
    every = list(transactions.held.values())
    for held in every:
        transactions.rollback(held, b"ROLLBACKALL")
    return len(every)


@whole(
    "SHOWALL",
    READONLY | TIMED,
    acl="+dangerous +transaction",
    since=SINCE,
    cost="O(n), n = keys of the database",
)
def showall(session: Session, argv: list[bytes]) -> Reply:
    """All keys with their values and the ids of the transactions that hold them; of what is no string, the type.

    > SET k v
    OK
    > SHOWALL
    1) 1) "k"
       2) "v"
       3) (empty array)
    """
    db = session.db
    db.engine.wait_for_all()
    locks = session.server.engine.locks
    found: list[Reply] = []
    for key in db.names(None):
        value = db.glance(key)
        kind = type_name_of(value)
        if kind != b"string":
            shown: Reply = Status(kind)
        else:
            shown = bytes(value) if not isinstance(value, int) else b"%d" % value
        found.append([key, shown, [*holders_of(locks, db.index, key)]])
    return found
