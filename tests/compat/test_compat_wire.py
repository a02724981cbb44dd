import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.wire import Incomplete, Reply, encode, parse, quote, render

REPLIES = [
    (b"+OK\r\n", Reply("+", b"OK")),
    (b"-ERR no\r\n", Reply("-", b"ERR no")),
    (b":-5\r\n", Reply(":", b"-5")),
    (b"$-1\r\n", Reply("$", None)),
    (b"*-1\r\n", Reply("*", None)),
    (b"_\r\n", Reply("_", b"")),
    (b"$4\r\na\r\nb\r\n", Reply("$", b"a\r\nb")),
    (b"*2\r\n:1\r\n*0\r\n", Reply("*", (Reply(":", b"1"), Reply("*", ())))),
    (b"%1\r\n+k\r\n,1.5\r\n", Reply("%", (Reply("+", b"k"), Reply(",", b"1.5")))),
    (b"=7\r\ntxt:abc\r\n", Reply("=", b"txt:abc")),
]


@pytest.mark.parametrize(("data", "reply"), REPLIES)
def test_a_reply_is_parsed_whole_and_what_follows_is_left(data: bytes, reply: Reply) -> None:
    assert parse(data + b"+more\r\n") == (reply, len(data))


@pytest.mark.parametrize(("data", "reply"), REPLIES)
def test_a_reply_cut_anywhere_is_incomplete(data: bytes, reply: Reply) -> None:
    for end in range(len(data)):
        with pytest.raises(Incomplete):
            parse(data[:end])


def test_what_is_no_resp_is_refused() -> None:
    with pytest.raises(ValueError, match="not a RESP reply"):
        parse(b"hello\r\n")


@given(st.lists(st.binary()))
def test_a_request_is_an_array_of_bulk_strings(argv: list[bytes]) -> None:
    assert parse(encode(argv))[0] == Reply("*", tuple(Reply("$", arg) for arg in argv))


def test_null_bulk_and_null_array_look_different() -> None:
    assert render(Reply("$", None)) != render(Reply("*", None))


def test_quoted_bytes_are_bare_when_plain() -> None:
    assert quote(b"key:1") == "key:1"
    assert quote(b'a "b"\r\n\x00') == '"a \\"b\\"\\r\\n\\x00"'
    assert quote(b"") == '""'
