"""The types of a reply, as handlers return them; how they look on the wire is `respkv.resp.writer`'s business.

Handlers return plain Python values: `None`, `bytes`, `int`, `float`, `bool`, `list`, `dict`, `set`. The classes
here are for what Python has no value of its own for.

A value of the keyspace may be returned uncopied, because a reply is encoded before the next command runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from librt.vecs import vec

Reply: TypeAlias = Any
"""Whatever `respkv.resp.writer` can encode: a Python value as above, or an instance of a class of this module."""


class Status:
    """A simple string, such as `+OK`: short, without line ends. Constants are compared by identity."""

    def __init__(self, text: bytes) -> None:
        self.text = text


class NullArray:
    """The absent array: `*-1` in RESP2, `_` in RESP3. Its one instance is `NULL_ARRAY`."""


class NoReply:
    """Nothing is sent for this command. Its one instance is `NO_REPLY`."""


class FlatMap:
    """A map as keys and values in turn, in their order: an array in RESP2, a map in RESP3."""

    def __init__(self, items: list[Reply]) -> None:
        self.items = items


class Push:
    """An out-of-band message: an array in RESP2, a push in RESP3."""

    def __init__(self, items: list[Reply]) -> None:
        self.items = items


class Members:
    """A set whose order is kept for those who see it as an array: an array in RESP2, a set in RESP3."""

    def __init__(self, items: list[Reply]) -> None:
        self.items = items


class Block:
    """The session waits; whoever ends that sends the reply. Only for commands that are declared as BLOCKING.

    At `deadline_ms` (unix ms; 0 for never) the session answers with `at_deadline` and goes on. In a transaction, where
    nobody waits, the answer is `at_once`, which is the same unless it is set.

    Args:
        keys: for whose change it waits.
        type_name: as TYPE says it: a value of another type is none to it.
        retry: called with the key that was changed, in the step of the change: the reply, or a Block to wait on. It
            does what the command would have done, says by `Keyspace.propagate_as` what that is to the log, and may
            raise ReplyError.
    """

    def __init__(
        self,
        deadline_ms: int,
        at_deadline: Reply,
        keys: Sequence[bytes] = (),
        type_name: bytes = b"",
        retry: Callable[[bytes], Reply] | None = None,
    ) -> None:
        self.deadline_ms = deadline_ms
        self.at_deadline = at_deadline
        self.at_once = at_deadline
        self.keys = keys
        self.type_name = type_name
        self.retry = retry


class Verbatim:
    """A text with its format (`txt` or `mkd`): a bulk string in RESP2, a verbatim string in RESP3."""

    def __init__(self, text: bytes, form: bytes = b"txt") -> None:
        self.text = text
        self.form = form


class BigNumber:
    """A decimal integer of any size: a bulk string in RESP2, a big number in RESP3."""

    def __init__(self, digits: bytes) -> None:
        self.digits = digits


class Attribute:
    """Out-of-band information before a reply: left out in RESP2, an attribute in RESP3."""

    def __init__(self, attributes: dict[Reply, Reply], reply: Reply) -> None:
        self.attributes = attributes
        self.reply = reply


class Pairs:
    """Couples whose order counts (WITHSCORES): flat in RESP2, an array of arrays of two in RESP3."""

    def __init__(self, items: list[tuple[Reply, Reply]]) -> None:
        self.items = items


class Scored:
    """Members of a sorted set with their scores: flat in RESP2, an array of arrays of two in RESP3.

    `is_nested` ones are arrays of two in RESP2 as well.
    """

    def __init__(self, members: list[bytes], scores: vec[float], *, is_nested: bool = False) -> None:
        self.members = members
        self.scores = scores
        self.is_nested = is_nested


class NamedReplies:
    """A reply for each of several names, also for one name twice: an array of arrays of two in RESP2, or a map."""

    def __init__(self, items: list[tuple[bytes, Reply]]) -> None:
        self.items = items


class Encoded:
    """A whole reply that is the same in both protocols and in the form of the wire already, in pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces


OK: Final = Status(b"OK")
PONG: Final = Status(b"PONG")
QUEUED: Final = Status(b"QUEUED")
NULL_ARRAY: Final = NullArray()
NO_REPLY: Final = NoReply()
