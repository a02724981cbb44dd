"""What the commands on streams share: IDs and options from arguments, streams and groups from keys."""

from typing import Any, Final

from respkv.commands.args import Args, parse_int
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSyntax, ReplyError, WrongType
from respkv.values.limits import Limits
from respkv.values.stream_groups import Group
from respkv.values.stream_ids import ID_MAX, SEQUENCE_BITS, SEQUENCE_MAX, format_id, parse_half, parse_id
from respkv.values.streams import NO_LIMIT, Stream


class InvalidId(ReplyError):
    """An argument is no stream ID."""

    def __init__(self) -> None:
        super().__init__(b"ERR Invalid stream ID specified as stream command argument")


class NoGroup(ReplyError):
    """There is no such key, or no such group of its stream; `where` ends the sentence."""

    def __init__(self, key: bytes, group: bytes, where: bytes = b"") -> None:
        super().__init__(b"NOGROUP No such key '%b' or consumer group '%b'%b" % (key, group, where))


class NoGroupOfKey(ReplyError):
    """The stream has no such group."""

    def __init__(self, key: bytes, group: bytes) -> None:
        super().__init__(b"NOGROUP No such consumer group '%b' for key name '%b'" % (group, key))


def stream_or_none(value: Any) -> Stream | None:
    """`value`, which came from a door, as a stream. Raises WrongType if it is something else."""
    if value is None or isinstance(value, Stream):
        return value
    raise WrongType


def group_of(key: bytes, stream: Stream | None, name: bytes) -> Group:
    """A group of the stream at `key`. Raises NoGroup."""
    group = stream.groups.get(name) if stream is not None else None
    if group is None:
        raise NoGroup(key, name)
    return group


def id_of(text: bytes) -> int:
    """A whole ID; the sequence number may be missing, for 0. Raises InvalidId."""
    number = parse_id(text, 0)
    if number < 0:
        raise InvalidId
    return number


def ids_of(argv: list[bytes], start: int) -> list[int]:
    """The IDs from argument `start` on. Raises InvalidId."""
    return [id_of(argv[at]) for at in range(start, len(argv))]


def start_of(text: bytes) -> int:
    """The first ID of a range: `-`, `+`, an ID, or `(` and an ID, which is not part of it. Raises ReplyError."""
    if text[:1] == b"(" and len(text) > 1:
        number = id_of(text[1:])
        if number == ID_MAX:
            raise ReplyError(b"ERR invalid start ID for the interval")
        return number + 1
    return bound_of(text, 0)


def end_of(text: bytes) -> int:
    """The last ID of a range, as `start_of`; a missing sequence number is the highest. Raises ReplyError."""
    if text[:1] == b"(" and len(text) > 1:
        number = parse_id(text[1:], SEQUENCE_MAX)
        if number < 0:
            raise InvalidId
        if number == 0:
            raise ReplyError(b"ERR invalid end ID for the interval")
        return number - 1
    return bound_of(text, SEQUENCE_MAX)


def bound_of(text: bytes, missing_sequence: int) -> int:
    """An ID, or `-` for the lowest or `+` for the highest there is. Raises InvalidId."""
    mark = text.partition(b"\0")[0]
    if mark == b"-":
        return 0
    if mark == b"+":
        return ID_MAX
    number = parse_id(text, missing_sequence)
    if number < 0:
        raise InvalidId
    return number


def most_of(text: bytes) -> int:
    """The argument of a COUNT that 0 and less make unlimited. Raises NotAnInteger."""
    count = parse_int(text)
    return count if count > 0 else NO_LIMIT


def changed_aside(db: Keyspace, key: bytes, stream: Stream, group: Group, group_bytes_before: int) -> None:
    """Tell the keyspace that `group` of the stream at `key` was changed."""
    growth = group.nbytes - group_bytes_before
    stream.nbytes += growth
    db.changed_aside(key, growth)


LIMIT_MAX: Final = 1_000_000
LIMIT_DEFAULT: Final = 10_000


class Trim:
    """What MAXLEN or MINID ask for."""

    def __init__(self) -> None:
        self.option = b""
        self.threshold = 0
        self.is_approximate = False
        self.limit = 0

    def apply(self, stream: Stream) -> int:
        """Delete what is to be deleted from `stream`; the number of entries."""
        if self.option == b"MAXLEN":
            return stream.trim_to(self.threshold, self.limit, whole_nodes=self.is_approximate)
        return stream.trim_below(self.threshold, self.limit, whole_nodes=self.is_approximate)

    def effect(self, stream: Stream) -> list[bytes]:
        """The options that trim as far as was trimmed now, wherever nodes end."""
        if self.option == b"MAXLEN":
            return [b"MAXLEN", b"=", b"%d" % len(stream)]
        return [b"MINID", b"=", format_id(stream.first_id if len(stream) else self.threshold)]


class TrimParser:
    """Reads the options of XADD and XTRIM from argument 2 on.

    Afterwards `at` is the position of XADD's ID, or behind the last option of XTRIM.
    """

    def __init__(self, argv: list[bytes], *, adds: bool) -> None:
        self.argv = argv
        self.at = 2
        self.adds = adds
        self.trim: Trim | None = None
        self.may_create = True
        # The halves of the ID; -1 for one of the server's choice.
        self.ms = -1
        self.sequence = -1
        self._limit = -1

    def parse(self, limits: Limits) -> None:
        """Raises ReplyError for whatever is wrong with the options."""
        args = Args(self.argv, 2)
        while args.more():
            if self.adds and self.argv[args.at] == b"*":
                break
            if args.token_with_value(b"MAXLEN"):
                self._read_threshold(args, b"MAXLEN")
            elif args.token_with_value(b"MINID"):
                self._read_threshold(args, b"MINID")
            elif args.token_with_value(b"LIMIT"):
                self._limit = args.integer()
                if self._limit < 0:
                    raise ReplyError(b"ERR The LIMIT argument must be >= 0.")
            elif self.adds and args.token(b"NOMKSTREAM"):
                self.may_create = False
            elif self.adds:
                self._read_id(self.argv[args.at])
                break
            else:
                raise BadSyntax
        self.at = args.at
        self._check(limits)

    def _read_threshold(self, args: Args, option: bytes) -> None:
        if self.trim is not None:
            raise ReplyError(b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
        trim = self.trim = Trim()
        trim.option = option
        if args.remaining() >= 2:
            if args.token(b"~"):
                trim.is_approximate = True
            else:
                args.token(b"=")
        if option == b"MINID":
            trim.threshold = id_of(args.next())
            return
        trim.threshold = args.integer()
        if trim.threshold < 0:
            raise ReplyError(b"ERR The MAXLEN argument must be >= 0.")

    def _read_id(self, text: bytes) -> None:
        half, _, rest = text.partition(b"-")
        if rest == b"*" and len(text) < 128:
            self.ms = parse_half(half)
            if self.ms < 0:
                raise InvalidId
        else:
            number = id_of(text)
            self.ms = number >> SEQUENCE_BITS
            self.sequence = number & SEQUENCE_MAX

    def _check(self, limits: Limits) -> None:
        trim = self.trim
        if trim is None:
            if self._limit > 0:
                raise ReplyError(b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
            if not self.adds:
                raise ReplyError(b"ERR syntax error, XTRIM must be called with a trimming strategy")
        if self._limit >= 0:
            if trim is None or not trim.is_approximate:
                raise ReplyError(b"ERR syntax error, LIMIT cannot be used without the special ~ option")
            trim.limit = self._limit
        elif trim is not None and trim.is_approximate:
            # A hundred nodes at a time, so that nobody waits for long.
            most = 100 * limits.stream_node_max_entries
            trim.limit = min(most, LIMIT_MAX) if most > 0 else LIMIT_DEFAULT
