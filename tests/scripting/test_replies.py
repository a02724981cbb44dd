"""Replies of commands as scripts see them."""

from typing import Any

import pytest
from librt.vecs import vec

from respkv.errors import ReplyError
from respkv.reply import (
    NO_REPLY,
    NULL_ARRAY,
    OK,
    Attribute,
    BigNumber,
    Encoded,
    FlatMap,
    Members,
    NamedReplies,
    Pairs,
    Push,
    Scored,
    Verbatim,
)
from respkv.scripting.replies import size_of, to_lua


@pytest.mark.parametrize(
    ("reply", "two", "three"),
    [
        (b"x", b"x", b"x"),
        (7, 7, 7),
        (None, False, None),
        (NULL_ARRAY, False, None),
        (OK, {b"ok": b"OK"}, {b"ok": b"OK"}),
        (True, 1, True),
        (1.5, b"1.5", {b"double": 1.5}),
        (ReplyError(b"ERR x"), {b"err": b"ERR x"}, {b"err": b"ERR x"}),
        ([b"a", 1], [b"a", 1], [b"a", 1]),
        ([b"a", None, [OK]], [b"a", False, [{b"ok": b"OK"}]], [b"a", None, [{b"ok": b"OK"}]]),
        ({b"a": 1}, [b"a", 1], {b"map": {b"a": 1}}),
        (FlatMap([b"a", 1.0]), [b"a", b"1"], {b"map": {b"a": {b"double": 1.0}}}),
        ({b"a"}, [b"a"], {b"set": {b"a": True}}),
        (Members([b"a", b"b"]), [b"a", b"b"], {b"set": {b"a": True, b"b": True}}),
        (Pairs([(b"a", 1), (b"b", 2)]), [b"a", 1, b"b", 2], [[b"a", 1], [b"b", 2]]),
        (Scored([b"a"], vec[float]([1.5])), [b"a", b"1.5"], [[b"a", {b"double": 1.5}]]),
        (Scored([b"a"], vec[float]([1.5]), is_nested=True), [[b"a", b"1.5"]], [[b"a", {b"double": 1.5}]]),
        (NamedReplies([(b"a", 1)]), [[b"a", 1]], {b"map": {b"a": 1}}),
        (Push([b"a", None]), [b"a", False], [b"a", None]),
        (Verbatim(b"x"), b"x", {b"verbatim_string": {b"string": b"x", b"format": b"txt"}}),
        (BigNumber(b"12"), b"12", {b"big_number": b"12"}),
        (Attribute({b"a": 1}, b"x"), b"x", b"x"),
        (Encoded([b"*2\r\n$1\r\na", b"\r\n:5\r\n"]), [b"a", 5], [b"a", 5]),
        (bytearray(b"x"), b"x", b"x"),
        ("é", "é".encode(), "é".encode()),
        (NO_REPLY, False, False),
    ],
)
def test_each_kind_of_reply_has_a_form_in_both_protocols(reply: Any, two: Any, three: Any) -> None:
    assert to_lua(reply, 2) == two
    assert to_lua(reply, 3) == three


def test_nothing_else_has() -> None:
    with pytest.raises(TypeError):
        to_lua(object(), 2)


def test_size_grows_with_what_is_inside() -> None:
    assert size_of(b"x" * 1000) > 1000
    assert size_of([b"x" * 1000, [b"y" * 1000], {b"k": b"z" * 1000}, 5]) > 3000
