"""Replies to bytes: each type of reply in both protocols."""

from typing import Any

import pytest
from harness import decode
from hypothesis import given
from hypothesis import strategies as st
from librt.vecs import vec

from respkv.doubles import format_float
from respkv.errors import ReplyError, WrongType
from respkv.reply import (
    NO_REPLY,
    NULL_ARRAY,
    OK,
    PONG,
    QUEUED,
    Attribute,
    BigNumber,
    Encoded,
    Members,
    NamedReplies,
    Pairs,
    Push,
    Scored,
    Status,
    Verbatim,
)
from respkv.resp.writer import array_header, error_line, write2, write3


def written(write: Any, reply: Any) -> bytes:
    out: list[bytes] = []
    write(out, reply)
    return b"".join(out)


@pytest.mark.parametrize(
    ("reply", "resp2", "resp3"),
    [
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (NO_REPLY, b"", b""),
        (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
        (b"a\r\nb", b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
        (b"x" * 1024, b"$1024\r\n" + b"x" * 1024 + b"\r\n", b"$1024\r\n" + b"x" * 1024 + b"\r\n"),
        (bytearray(b"ab"), b"$2\r\nab\r\n", b"$2\r\nab\r\n"),
        ("é", b"$2\r\n\xc3\xa9\r\n", b"$2\r\n\xc3\xa9\r\n"),
        (0, b":0\r\n", b":0\r\n"),
        (1023, b":1023\r\n", b":1023\r\n"),
        (1024, b":1024\r\n", b":1024\r\n"),
        (-1, b":-1\r\n", b":-1\r\n"),
        (2**63 - 1, b":9223372036854775807\r\n", b":9223372036854775807\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (False, b":0\r\n", b"#f\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (float("inf"), b"$3\r\ninf\r\n", b",inf\r\n"),
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (PONG, b"+PONG\r\n", b"+PONG\r\n"),
        (QUEUED, b"+QUEUED\r\n", b"+QUEUED\r\n"),
        (Status(b"Background saving started"), *[b"+Background saving started\r\n"] * 2),
        (ReplyError(b"ERR no"), b"-ERR no\r\n", b"-ERR no\r\n"),
        (WrongType(), *[b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"] * 2),
        ([], b"*0\r\n", b"*0\r\n"),
        (
            [b"a", None, [1, OK]],
            b"*3\r\n$1\r\na\r\n$-1\r\n*2\r\n:1\r\n+OK\r\n",
            b"*3\r\n$1\r\na\r\n_\r\n*2\r\n:1\r\n+OK\r\n",
        ),
        ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        ({}, b"*0\r\n", b"%0\r\n"),
        ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
        (Members([b"b", b"a"]), b"*2\r\n$1\r\nb\r\n$1\r\na\r\n", b"~2\r\n$1\r\nb\r\n$1\r\na\r\n"),
        (Pairs([(b"a", 1.0)]), b"*2\r\n$1\r\na\r\n$1\r\n1\r\n", b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n"),
        (
            Scored([b"a", b"x" * 1024], vec[float]([-12345.0, 0.5])),
            b"*4\r\n$1\r\na\r\n$6\r\n-12345\r\n$1024\r\n" + b"x" * 1024 + b"\r\n$3\r\n0.5\r\n",
            b"*2\r\n*2\r\n$1\r\na\r\n,-12345\r\n*2\r\n$1024\r\n" + b"x" * 1024 + b"\r\n,0.5\r\n",
        ),
        (
            Scored([b"a"], vec[float]([1.0]), is_nested=True),
            b"*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
            b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n",
        ),
        (Push([b"x", 1]), b"*2\r\n$1\r\nx\r\n:1\r\n", b">2\r\n$1\r\nx\r\n:1\r\n"),
        (Verbatim(b"hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
        (Verbatim(b"hi", b"mkd"), b"$2\r\nhi\r\n", b"=6\r\nmkd:hi\r\n"),
        (BigNumber(b"1" * 30), b"$30\r\n" + b"1" * 30 + b"\r\n", b"(" + b"1" * 30 + b"\r\n"),
        (
            NamedReplies([(b"a", 1), (b"a", [b"x"])]),
            b"*2\r\n*2\r\n$1\r\na\r\n:1\r\n*2\r\n$1\r\na\r\n*1\r\n$1\r\nx\r\n",
            b"%2\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n*1\r\n$1\r\nx\r\n",
        ),
        (NamedReplies([]), b"*0\r\n", b"%0\r\n"),
        (Encoded([b"*1\r\n", b"$1\r\na\r\n"]), *[b"*1\r\n$1\r\na\r\n"] * 2),
        (Attribute({b"ttl": 1}, b"v"), b"$1\r\nv\r\n", b"|1\r\n$3\r\nttl\r\n:1\r\n$1\r\nv\r\n"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_reply_in_both_protocols(reply: Any, resp2: bytes, resp3: bytes) -> None:
    assert written(write2, reply) == resp2
    assert written(write3, reply) == resp3
    # The same within an array.
    assert written(write2, [reply]) == b"*1\r\n" + resp2
    assert written(write3, [reply]) == b"*1\r\n" + resp3


@pytest.mark.parametrize("write", [write2, write3])
@pytest.mark.parametrize("reply", [object(), (1, 2), [object()], {b"a": object()}])
def test_what_no_protocol_has_is_a_mistake_of_ours(write: Any, reply: Any) -> None:
    with pytest.raises(TypeError, match="no RESP form"):
        written(write, reply)


@given(st.floats(allow_nan=False) | st.integers(-(10**16), 10**16).map(float))
def test_a_double_has_one_form_wherever_it_stands(number: float) -> None:
    text = format_float(number)
    assert written(write2, [number]) == b"*1\r\n$%d\r\n%b\r\n" % (len(text), text)
    assert written(write3, [number]) == b"*1\r\n,%b\r\n" % text
    assert written(write2, Scored([b"a"], vec[float]([number]))).endswith(b"$%d\r\n%b\r\n" % (len(text), text))


def test_many_elements_of_all_kinds_keep_their_order() -> None:
    items = [
        item for number in range(2000) for item in (b"%d" % number, number, float(number), None, [number, b"x"], OK)
    ]
    assert written(write2, items) == b"*12000\r\n" + b"".join(written(write2, item) for item in items)
    assert written(write3, items) == b"*12000\r\n" + b"".join(written(write3, item) for item in items)


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    assert error_line(b"ERR a\r\n+OK\r\nb") == b"-ERR a  +OK  b\r\n"


@pytest.mark.parametrize("reply", [[1, 2], {b"a": 1}, {b"a"}, bytearray(b"ab")], ids=repr)
def test_what_is_written_does_not_change_with_the_value(reply: Any) -> None:
    out: list[bytes] = []
    write2(out, reply)
    before = b"".join(out)
    reply.clear()
    assert b"".join(out) == before


@pytest.mark.parametrize(
    "items",
    [
        [b"abc"] * 1000,
        [b"abc", b"de", b"f", b"abc", b"abc", b"abc"],
        [b"abc", b"abc", b"abc", None, b"abc", b"abc", b"abc", 5, b"a", b"b"],
        [b""] * 5,
        [b"x" * 255] * 20,
        [b"x" * 256] * 5,
        [b"x" * 1023, b"y" * 1024, b"z" * 1023, b"y" * 5000, b"z"],
        [0, 1023, 1024, -1, 2**62, True, b"1", 1.5, [1, [b"a"], b"b"], b"c"],
    ],
)
def test_elements_are_written_in_an_array_as_alone(items: list[Any]) -> None:
    for write, replies in ((write2, items), (write3, items), (write3, Members(items))):
        out: list[bytes] = []
        write(out, replies)
        header = b"~" if isinstance(replies, Members) else b"*"
        one_by_one: list[bytes] = [header + b"%d\r\n" % len(items)]
        for item in items:
            write(one_by_one, item)
        assert b"".join(out) == b"".join(one_by_one)
        # Short strings are put together, but not to parts of any size.
        assert max(map(len, out)) <= max(2048 + 1024 + 10, *(len(item) for item in items if isinstance(item, bytes)))


def test_an_array_may_be_written_piece_by_piece() -> None:
    out = [array_header(2)]
    write2(out, b"a")
    write2(out, None)
    assert b"".join(out) == written(write2, [b"a", None])


replies = st.recursive(
    st.none() | st.binary(max_size=9) | st.integers(-(2**63), 2**63 - 1) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(replies)
def test_what_is_written_in_resp3_reads_back(reply: Any) -> None:
    assert decode(written(write3, reply)) == [reply]


@pytest.mark.parametrize("count", [63, 64, 65, 1000])
@pytest.mark.parametrize("size", [0, 1, 20, 500, 600])
@pytest.mark.parametrize("odd", [None, b"odd", 7])
def test_long_lists_of_strings_alike_or_nearly(count: int, size: int, odd: bytes | int | None) -> None:
    items: list[bytes | int] = [b"%d" % (number % 10) * size for number in range(count)]
    if odd is not None:
        items[count // 2] = odd
    wire = b"".join(
        [b"$%d\r\n%b\r\n" % (len(item), item) if isinstance(item, bytes) else b":%d\r\n" % item for item in items]
    )
    assert written(write2, items) == written(write3, items) == b"*%d\r\n%b" % (count, wire)
