"""The grammar that sequences are generated from: one line a command form, argument kinds by name.

    WORD        itself              name        drawn from `ARGUMENTS[name]`
    [ a | b ]   nothing, a or b     < a | b >   a or b              { a }   a, one to four times

To add a type: lines and kinds of arguments in `families.py`. Times are chosen so that nothing expires while a sequence
runs, except what expires at once.
"""

import re

from hypothesis import strategies as st

from compat.differential.families import BLOCKING, FAMILIES, KEYS_OF, kinds

Argv = list[bytes]
ArgvStrategy = st.SearchStrategy[Argv]


def words(text: str) -> list[bytes]:
    """The words of the text; `""` is the empty one."""
    return [word.encode().replace(b'""', b"") for word in text.split()]


INTEGERS = words("0 1 -1 2 5 10 100 -100 9223372036854775807 -9223372036854775807 -9223372036854775808")
ODD_NUMBERS = [
    *words('9223372036854775808 18446744073709551616 +1 01 1.0 1e2 "" abc 0x10 -0'),
    *(b" 1", b"1 "),
]
KEYS = [b"k1", b"k2", b"k3", b"{t}4", b"", b"\x00\xff"]
ALL_KEYS = KEYS + [key for keys in KEYS_OF.values() for key in keys]
VALUES = [
    *words('"" a ohmytext mynewtext 12 -7 3.5 1e3 inf nan'),
    *(b"hello world", b"\r\n", b"\x00\x01\xfe", b"x" * 44, b"x" * 45, b"y" * 300),
    *INTEGERS,
    *ODD_NUMBERS,
]
FLOATS = [*words('0 1 0.1 -1.5 1e2 3.0e-3 inf -inf nan 1e400 abc "" 5e17 0x1p3'), b" 1"]

ARGUMENTS: dict[str, st.SearchStrategy[bytes]] = {
    "key": st.sampled_from(KEYS[:4] * 3 + KEYS),
    "value": st.sampled_from(VALUES) | st.binary(max_size=6),
    "int": st.sampled_from(INTEGERS * 2 + ODD_NUMBERS),
    "float": st.sampled_from(FLOATS),
} | {
    name: st.sampled_from(words(text))
    for name, text in {
        "index": "0 1 -1 2 -2 5 -100 100 9223372036854775807 x",
        "offset": "0 1 3 10 70 -1 536870912 x",
        "seconds": "100 1000 0 -1 1.5 x 9223372036854775807 9223372036854775 9223370400000000",
        "milliseconds": "100000 1000000 0 -1 x 9223372036854775807 9223372036854770000",
        "unix-time": "9999999999 33177117420 1 0 -1 x 9223372036854775807 9223372036854775",
        "unix-time-ms": "9999999999999 33177117420000 1 0 -1 x 9223372036854775807",
        "db": "0 1 0 1 15 16 -1 x",
        "pattern": 'k* * k[1-2] k[^1] ?1 \\* [ "" *4 k[2-1]',
        "count": "1000 1000 0 -1 x",
        "type": "string STRING list nosuch",
        "member": 'a b c d e 1 10 "" ab',
        "score": "0 1 1 2 3 -1 1.5 0.25 inf -inf -0 x",
        "rank": "0 0 1 -1 -1 2 -2 5 -100 100 x",
        "score-edge": "-inf inf 0 1 2 (1 (2 (-inf 1.5 x",
        "member-edge": "- + - + [a (a [c (c [b [ x",
        "limit": "0 1 2 -1 100 x",
        "longitude": "0 1 13.361389 15.087269 -180 180 13.5 x 200",
        "latitude": "0 1 38.115556 37.502669 -85 85 38 x 100",
        "length": "0 1 100 200 1000 10000 40000 -1 x",
        "unit": "m km km mi ft x",
        "junk": 'NX EX "" -5 foo GET KEEPTTL *',
    }.items()
}

ARGUMENTS |= kinds()
# Commands on keys of any type.
ANY_KEY: st.SearchStrategy[bytes] = st.sampled_from(KEYS[:4] + ALL_KEYS)

EXPIRE_CONDITIONS = "[ NX | XX | GT | LT | GT XX | NX GT | GT LT | LT XX ]"

WEIGHTS = "[ WEIGHTS score score ] [ AGGREGATE < SUM | MIN | MAX > ]"

GRAMMARS: dict[str, str] = {
    "strings": """
        SET key value [ EX seconds | PX milliseconds | EXAT unix-time | PXAT unix-time-ms | KEEPTTL ]
        SET key value [ NX | XX ] [ GET ] [ EX seconds | KEEPTTL ]
        SET key value { junk }
        GET key
        GET key
        MGET { key }
        MSET { key value }
        MSETNX { key value }
        SETNX key value
        SETEX key seconds value
        PSETEX key milliseconds value
        GETSET key value
        GETDEL key
        GETEX key [ EX seconds | PX milliseconds | EXAT unix-time | PXAT unix-time-ms ]
        GETEX key [ PERSIST | PERSIST EX seconds | NX ]
        APPEND key value
        STRLEN key
        SETRANGE key < index value | offset a | offset value >
        GETRANGE key index index
        SUBSTR key index index
        INCR key
        DECR key
        INCRBY key int
        DECRBY key int
        INCRBYFLOAT key float
        LCS key key [ LEN | IDX ] [ MINMATCHLEN int ] [ WITHMATCHLEN ]
    """,
    "keys": """
        DEL { key }
        UNLINK { key }
        EXISTS { key }
        TOUCH { key }
        TYPE key
        RENAME key key
        RENAMENX key key
        COPY key key [ DB db ] [ REPLACE ]
        MOVE key db
        SELECT < 0 | 1 | db >
        SWAPDB < 0 1 | db db >
        RANDOMKEY
        KEYS pattern
        SCAN < 0 | 0 | 0 | NOSUCH > [ MATCH pattern ] [ COUNT count ] [ TYPE type ]
        DBSIZE
        OBJECT ENCODING key
        FLUSHDB [ ASYNC | SYNC ]
    """,
    "expiry": f"""
        EXPIRE key seconds {EXPIRE_CONDITIONS}
        PEXPIRE key milliseconds {EXPIRE_CONDITIONS}
        EXPIREAT key unix-time {EXPIRE_CONDITIONS}
        PEXPIREAT key unix-time-ms {EXPIRE_CONDITIONS}
        TTL key
        PTTL key
        EXPIRETIME key
        PEXPIRETIME key
        PERSIST key
    """,
    "sorted sets": f"""
        ZADD key [ NX | XX ] [ GT | LT ] [ CH ] {{ score member }}
        ZADD key {{ score member }}
        ZADD key {{ score member }}
        ZADD key [ NX | XX | GT | LT ] INCR score member
        ZINCRBY key score member
        ZREM key {{ member }}
        ZCARD key
        ZSCORE key member
        ZMSCORE key {{ member }}
        < ZRANK | ZREVRANK > key member
        7.2: < ZRANK | ZREVRANK > key member WITHSCORE
        ZRANDMEMBER key
        ZRANDMEMBER key limit [ WITHSCORES ]
        ZSCAN key 0 [ MATCH pattern ] [ COUNT 1000 ]
        ZCOUNT key score-edge score-edge
        ZLEXCOUNT key member-edge member-edge
        ZRANGE key rank rank [ REV ] [ WITHSCORES ]
        ZRANGE key score-edge score-edge BYSCORE [ REV ] [ LIMIT limit limit ] [ WITHSCORES ]
        ZRANGE key member-edge member-edge BYLEX [ REV ] [ LIMIT limit limit ]
        ZREVRANGE key rank rank [ WITHSCORES ]
        ZRANGEBYSCORE key score-edge score-edge [ WITHSCORES ] [ LIMIT limit limit ]
        ZREVRANGEBYSCORE key score-edge score-edge [ WITHSCORES ] [ LIMIT limit limit ]
        ZRANGEBYLEX key member-edge member-edge [ LIMIT limit limit ]
        ZREVRANGEBYLEX key member-edge member-edge [ LIMIT limit limit ]
        ZRANGESTORE key key rank rank [ REV ]
        ZRANGESTORE key key score-edge score-edge BYSCORE [ REV ] [ LIMIT limit limit ]
        ZRANGESTORE key key member-edge member-edge BYLEX [ REV ] [ LIMIT limit limit ]
        ZREMRANGEBYRANK key rank rank
        ZREMRANGEBYSCORE key score-edge score-edge
        ZREMRANGEBYLEX key member-edge member-edge
        < ZPOPMIN | ZPOPMAX > key [ limit ]
        < ZMPOP 1 key | ZMPOP 2 key key > < MIN | MAX > [ COUNT limit ]
        < ZUNION | ZINTER > 2 key key {WEIGHTS} [ WITHSCORES ]
        < ZUNIONSTORE | ZINTERSTORE > key 2 key key {WEIGHTS}
        ZDIFF < 1 key | 2 key key > [ WITHSCORES ]
        ZDIFFSTORE key 2 key key
        ZINTERCARD < 1 key | 2 key key > [ LIMIT limit ]
    """,
    "geo": """
        GEOADD key [ NX | XX ] [ CH ] { longitude latitude member }
        GEOADD key { longitude latitude member }
        GEODIST key member member [ unit ]
        GEOHASH key { member }
        GEOPOS key { member }
        GEOSEARCH key < FROMMEMBER member | FROMLONLAT longitude latitude > BYRADIUS length unit [ ASC | DESC ]
        GEOSEARCH key FROMLONLAT longitude latitude BYBOX length length unit [ ASC | DESC ] [ COUNT limit [ ANY ] ]
        GEOSEARCHSTORE key key FROMMEMBER member BYRADIUS length unit [ ASC ]
        GEORADIUS key longitude latitude length unit [ WITHDIST ] [ WITHHASH ] [ COUNT limit ]
        GEOSEARCH key FROMMEMBER member BYRADIUS length unit ASC [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]
        GEOSEARCHSTORE key key FROMMEMBER member BYBOX length length unit [ STOREDIST ] [ DESC ] [ COUNT limit ]
        GEORADIUS key longitude latitude length unit [ COUNT limit ] < STORE key | STOREDIST key >
        GEORADIUSBYMEMBER key member length unit [ WITHDIST ] [ STORE key ]
    """,
    "transactions": """
        MULTI
        MULTI
        EXEC
        EXEC
        EXEC
        DISCARD
        WATCH { key }
        UNWATCH
        RESET
        PING [ value ]
        ECHO value
        NOSUCHCOMMAND { value }
    """,
}


GRAMMARS |= FAMILIES


def key_of(family: str) -> st.SearchStrategy[bytes]:
    """The keys that a line of the family names."""
    if family in KEYS_OF:
        return st.sampled_from(KEYS_OF[family] * 8 + ALL_KEYS)
    return ARGUMENTS["key"] if family == "strings" else ANY_KEY


def _strategy(
    words: list[str], at: int, closing: str, arguments: dict[str, st.SearchStrategy[bytes]]
) -> tuple[ArgvStrategy, int]:
    """What stands between `at` and the closing bracket: alternatives of sequences."""
    alternatives: list[ArgvStrategy] = []
    parts: list[ArgvStrategy] = []
    while True:
        word, at = words[at] if at < len(words) else "", at + 1
        if word in {"|", closing}:
            alternatives.append(st.tuples(*parts).map(lambda found: [w for argv in found for w in argv]))
            parts = []
            if word == closing:
                return st.one_of(alternatives), at
        elif word == "[":
            inner, at = _strategy(words, at, "]", arguments)
            parts.append(st.one_of(st.just([]), inner))
        elif word == "<":
            inner, at = _strategy(words, at, ">", arguments)
            parts.append(inner)
        elif word == "{":
            inner, at = _strategy(words, at, "}", arguments)
            parts.append(st.lists(inner, min_size=1, max_size=4).map(lambda found: [w for argv in found for w in argv]))
        elif word in arguments:
            parts.append(arguments[word].map(lambda value: [value]))
        else:
            parts.append(st.just([word.encode()]))


def form(line: str, family: str = "strings") -> ArgvStrategy:
    """The strategy for one line of the grammar."""
    arguments = {**ARGUMENTS, "key": key_of(family)}
    return _strategy([*re.findall(r"\S+", line), "\n"], 0, "\n", arguments)[0]


@st.composite
def _spoiled(draw: st.DrawFn, forms: ArgvStrategy) -> Argv:
    """A command, now and then with an argument too few, too many or wrong, or its name in small letters."""
    argv = list(draw(forms))
    spoil = draw(st.integers(0, 19))
    if spoil == 0 and len(argv) > 1:
        argv.pop()
    elif spoil == 1:
        argv.append(draw(ARGUMENTS["junk"]))
    elif spoil == 2 and len(argv) > 1:
        argv[draw(st.integers(1, len(argv) - 1))] = draw(ARGUMENTS["junk"])
    elif spoil == 3:
        argv[0] = argv[0].lower()
    return argv


_VERSION = re.compile(r"(\d+)\.(\d+): ")


def lines_of(text: str, version: tuple[int, int], known: frozenset[bytes] | None = None) -> list[str]:
    """The lines of a grammar for an oracle of that version that knows those commands (None: all)."""
    lines = []
    for line in map(str.strip, text.splitlines()):
        match = _VERSION.match(line)
        if not line or (match and (int(match[1]), int(match[2])) > version):
            continue
        body = line[match.end() :] if match else line
        first = body.split()[0]
        # Of `< ZMPOP 1 key | ZMPOP 2 key key > ...` one of the names has to be known.
        names = re.findall(r"[A-Z_]{2,}", body) if first == "<" else [first]
        if known is None or first == "NOSUCHCOMMAND" or any(name.encode() in known for name in names):
            lines.append(body)
    return lines


def commands(
    families: list[str],
    without: frozenset[bytes] = frozenset(),
    version: tuple[int, int] = (7, 0),
    known: frozenset[bytes] | None = None,
) -> ArgvStrategy:
    """Commands of the named families, leaving out those named in `without` and those that the oracle does not know."""
    forms: list[ArgvStrategy] = []
    for family in families:
        lines = lines_of(GRAMMARS[family], version, known)
        kept = [form(line, family) for line in lines if not without & set(re.findall(rb"[A-Z_]+", line.encode()))]
        if kept:
            forms.append(st.one_of(kept))
    return _spoiled(st.one_of(forms))


def blocking_commands(known: frozenset[bytes] | None = None, without: frozenset[bytes] = frozenset()) -> ArgvStrategy:
    """Commands whose clients may have to wait."""
    return st.one_of(
        [
            form(line, family)
            for family, text in BLOCKING.items()
            for line in lines_of(text, (99, 0), known)
            if line.split()[0].encode() not in without
        ]
    )
