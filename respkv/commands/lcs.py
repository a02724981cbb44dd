"""LCS, what two strings have in common; how it is found is in `subsequence`."""

from respkv.commands.args import Args
from respkv.commands.flags import READONLY
from respkv.commands.spec import CommandGroup
from respkv.commands.subsequence import Run, find_runs, length_of_lcs
from respkv.engine.keyspace import Keyspace, string_bytes
from respkv.errors import BadSyntax, ReplyError
from respkv.reply import Reply

command = CommandGroup("string", __name__)


@command(
    "LCS key1:key key2:key [LEN] [IDX] [MINMATCHLEN len:int] [WITHMATCHLEN]",
    READONLY,
    since="7.0.0",
    cost="O(n * m), n and m = lengths of the strings",
    joins_keys=True,
)
def lcs(db: Keyspace, argv: list[bytes]) -> Reply:
    """The longest common subsequence of two strings; or its length, or where the matches are.

    > MSET a ohmytext b mynewtext
    OK
    > LCS a b
    "mytext"
    > LCS a b LEN
    (integer) 6
    """
    a = _string_for_lcs(db.find(argv[1]))
    b = _string_for_lcs(db.find(argv[2]))
    if a is None or b is None:
        raise ReplyError(b"ERR The specified keys must contain string values")
    wants_length = False
    wants_matches = False
    with_lengths = False
    least_length = 0
    args = Args(argv, 3)
    while args.more():
        if args.token(b"IDX"):
            wants_matches = True
        elif args.token(b"LEN"):
            wants_length = True
        elif args.token(b"WITHMATCHLEN"):
            with_lengths = True
        elif args.token_with_value(b"MINMATCHLEN"):
            least_length = args.integer()
        else:
            raise BadSyntax
    if wants_length and wants_matches:
        raise ReplyError(b"ERR If you want both the length and indexes, please just use IDX.")
    # The reference's bound, by what its matrix of 32-bit numbers would take; ours is a thirtieth of that.
    if (len(a) + 1) * (len(b) + 1) * 4 > db.engine.bulk_max_bytes:
        raise ReplyError(b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    if wants_length:
        return length_of_lcs(a, b)
    runs = find_runs(a, b)
    if wants_matches:
        return _matches(runs, least_length, with_lengths)
    return b"".join([a[run.a_start : run.a_start + run.length] for run in reversed(runs)])


def _string_for_lcs(value: Reply) -> bytes | None:
    if value is None:
        return b""
    return string_bytes(value) if isinstance(value, bytes | int | bytearray) else None


def _matches(runs: list[Run], least_length: int, with_lengths: bool) -> Reply:
    matches: list[list[Reply]] = []
    total = 0
    for run in runs:
        total += run.length
        if run.length >= least_length:
            match: list[Reply] = [
                [run.a_start, run.a_start + run.length - 1],
                [run.b_start, run.b_start + run.length - 1],
            ]
            if with_lengths:
                match.append(run.length)
            matches.append(match)
    return {b"matches": matches, b"len": total}
