"""Every error that a client or an operator can see, once.

A `ReplyError` is what a client reads after the `-` of its reply: the first word is the code that clients
dispatch on, the rest is for people. Texts are Redis's own, since programs match on them.

`StartupError` and its kind end the process with one line and exit code 1.
"""


class ReplyError(Exception):
    """An error reply: `message` is the whole line without the leading `-` and the line end.

    Subclasses fix the message, so that a handler says `raise WrongType`. Instances are made anew at each
    raise: a shared instance would collect tracebacks.
    """

    message: bytes

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


class CountedError(ReplyError):
    """An error of a command in a script, which is in INFO errorstats already when the script ends with it."""


class WrongType(ReplyError):
    """The key holds another type than the command works on."""

    def __init__(self) -> None:
        super().__init__(b"WRONGTYPE Operation against a key holding the wrong kind of value")


class BadSyntax(ReplyError):
    """The arguments do not follow the command's syntax."""

    def __init__(self) -> None:
        super().__init__(b"ERR syntax error")


class NotAnInteger(ReplyError):
    """An argument or value is not a canonical decimal integer of 64 bits."""

    def __init__(self) -> None:
        super().__init__(b"ERR value is not an integer or out of range")


class NotACount(ReplyError):
    """An argument is not an integer of 64 bits from 0 on."""

    def __init__(self) -> None:
        super().__init__(b"ERR value is out of range, must be positive")


class OutOfRange(ReplyError):
    """A count of couples at random so large that twice as much is no 64-bit integer."""

    def __init__(self) -> None:
        super().__init__(b"ERR value is out of range")


class NotAFloat(ReplyError):
    """An argument or value is not a finite-precision float."""

    def __init__(self) -> None:
        super().__init__(b"ERR value is not a valid float")


class NoSuchKey(ReplyError):
    """The command needs a key that does not exist."""

    def __init__(self) -> None:
        super().__init__(b"ERR no such key")


class BadDatabaseIndex(ReplyError):
    """A database number at or above the `databases` directive, or below zero."""

    def __init__(self) -> None:
        super().__init__(b"ERR DB index is out of range")


class WrongArity(ReplyError):
    """The number of arguments is not one that the command `name` takes."""

    def __init__(self, name: bytes) -> None:
        super().__init__(b"ERR wrong number of arguments for '%b' command" % name)


class InvalidExpire(ReplyError):
    """A time to live that is not positive, or so far away that it overflows."""

    def __init__(self, name: bytes) -> None:
        super().__init__(b"ERR invalid expire time in '%b' command" % name)


class ExecWithoutMulti(ReplyError):
    """There is no transaction to run."""

    def __init__(self) -> None:
        super().__init__(b"ERR EXEC without MULTI")


class NestedMulti(ReplyError):
    """A transaction begins within another."""

    def __init__(self) -> None:
        super().__init__(b"ERR MULTI calls can not be nested")


class StringTooLong(ReplyError):
    """A string would become longer than `proto-max-bulk-len`."""

    def __init__(self) -> None:
        super().__init__(b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")


class IncrementOverflows(ReplyError):
    """A sum is no integer of 64 bits."""

    def __init__(self) -> None:
        super().__init__(b"ERR increment or decrement would overflow")


class IncrementNotFinite(ReplyError):
    """A sum of floats is infinite or not a number."""

    def __init__(self) -> None:
        super().__init__(b"ERR increment would produce NaN or Infinity")


class NumkeysTooSmall(ReplyError):
    """The number in front of keys is not an integer from 1 on."""

    def __init__(self) -> None:
        super().__init__(b"ERR numkeys should be greater than 0")


class PopCountTooSmall(ReplyError):
    """The COUNT of LMPOP or ZMPOP is not an integer from 1 on."""

    def __init__(self) -> None:
        super().__init__(b"ERR count should be greater than 0")


class NegativeLimit(ReplyError):
    """LIMIT of ZINTERCARD or SINTERCARD is not an integer from 0 on."""

    def __init__(self) -> None:
        super().__init__(b"ERR LIMIT can't be negative")


class CountTooSmall(ReplyError):
    """A COUNT that is not above zero."""

    def __init__(self) -> None:
        super().__init__(b"ERR COUNT must be > 0")


class Loading(ReplyError):
    """The data set is still being read from disk."""

    def __init__(self) -> None:
        super().__init__(b"LOADING Redis is loading the dataset in memory")


class UnknownDirective(ReplyError):
    """CONFIG SET of a name that is no directive."""

    def __init__(self, name: bytes) -> None:
        super().__init__(b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % name)


class CannotSet(ReplyError):
    """CONFIG SET changed nothing, because of the directive `name`."""

    def __init__(self, name: str, reason: str) -> None:
        text = f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"
        super().__init__(text.encode("utf-8", "surrogateescape"))


class NoConfigFile(ReplyError):
    """CONFIG REWRITE of a server that was started without a file."""

    def __init__(self) -> None:
        super().__init__(b"ERR The server is running without a config file")


class CannotRewrite(ReplyError):
    """CONFIG REWRITE could not read or replace the file."""

    def __init__(self, reason: str) -> None:
        super().__init__(b"ERR Rewriting config file: %b" % reason.encode())


class Deadlock(ReplyError):
    """Transactions wait for each other in a circle; this one is the youngest, and was rolled back."""

    def __init__(self, number: int) -> None:
        super().__init__(b"DEADLOCK transaction %d was rolled back: it and others waited for each other" % number)


class LockTimeout(ReplyError):
    """A command waited for locks longer than `lock-timeout`; it was not run."""

    def __init__(self) -> None:
        super().__init__(b"LOCKTIMEOUT a transaction holds a lock on a key of the command, which was not run")


class TransactionEnded(ReplyError):
    """The transaction has ended already, in the way that `reason` says."""

    def __init__(self, number: int, reason: bytes) -> None:
        super().__init__(b"NOTXN transaction %d has ended: %b" % (number, reason))


class TransactionBusy(ReplyError):
    """Another command of the transaction waits for locks."""

    def __init__(self, number: int) -> None:
        super().__init__(b"ERR transaction %d waits for locks with another command" % number)


class TransactionTooLarge(ReplyError):
    """What a transaction keeps until its commit is more than `transaction-max-memory`."""

    def __init__(self, number: int) -> None:
        super().__init__(b"OOM transaction %d takes more than transaction-max-memory" % number)


class TooManyLocks(ReplyError):
    """A transaction would hold locks on more keys than `transaction-max-keys`."""

    def __init__(self, number: int) -> None:
        super().__init__(b"ERR transaction %d would lock more keys than transaction-max-keys" % number)


class TooManySavepoints(ReplyError):
    """A transaction would have more savepoints than `transaction-max-savepoints`."""

    def __init__(self, number: int) -> None:
        super().__init__(b"ERR transaction %d has transaction-max-savepoints already" % number)


class TooManyTransactions(ReplyError):
    """As many transactions are open as `transaction-max-open` allows."""

    def __init__(self) -> None:
        super().__init__(b"ERR transaction-max-open transactions are open already")


class NoSuchTransaction(ReplyError):
    """No transaction of that number is open, or not for this user."""

    def __init__(self, number: int) -> None:
        super().__init__(b"ERR no such transaction: %d" % number)


class NoSuchSavepoint(ReplyError):
    """The transaction has no savepoint of that name."""

    def __init__(self, name: bytes) -> None:
        super().__init__(b"ERR no such savepoint: '%b'" % name[:128])


class TooManyKeys(ReplyError):
    """More keys are announced than arguments follow."""

    def __init__(self) -> None:
        super().__init__(b"ERR Number of keys can't be greater than number of args")


class NegativeKeys(ReplyError):
    """A number of keys below zero."""

    def __init__(self) -> None:
        super().__init__(b"ERR Number of keys can't be negative")


class OutOfMemory(ReplyError):
    """The command may need memory, and `maxmemory` leaves none."""

    def __init__(self) -> None:
        super().__init__(b"OOM command not allowed when used memory > 'maxmemory'.")


class Busy(ReplyError):
    """A script runs for long; `command` is what ends it."""

    def __init__(self, command: bytes) -> None:
        super().__init__(b"BUSY Redis is busy running a script. You can only call %b or SHUTDOWN NOSAVE." % command)


class NoCommandGiven(ReplyError):
    """A script calls a command and does not say which."""

    def __init__(self) -> None:
        super().__init__(b"ERR Please specify at least one argument for this redis lib call")


class BadSubcommand(ReplyError):
    """A subcommand of `container` with arguments that do not belong to it."""

    def __init__(self, container: bytes, subcommand: bytes) -> None:
        super().__init__(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
            % (subcommand[:128], container)
        )


class InternalError(ReplyError):
    """A fault of ours; the log has the details, and the client is disconnected."""

    def __init__(self) -> None:
        super().__init__(b"ERR internal error")


class StartupError(Exception):
    """Why the server (or a tool on its files) cannot start: one line for the operator."""
