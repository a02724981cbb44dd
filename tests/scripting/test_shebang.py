"""The first line of a script."""

import pytest

from respkv.errors import ReplyError
from respkv.scripting.shebang import ALLOW_OOM, COMPATIBLE, NO_WRITES, script_flags


def test_a_script_without_such_a_line_may_do_anything() -> None:
    assert script_flags(b"return 1") == (COMPATIBLE, b"return 1")


def test_flags_are_named_and_the_line_stays_as_an_empty_one() -> None:
    assert script_flags(b"#!lua flags=no-writes,allow-oom\nreturn 1") == (NO_WRITES | ALLOW_OOM, b"\nreturn 1")
    assert script_flags(b"#!lua\n") == (0, b"\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"#!lua", b"ERR Invalid script shebang"),
        (b"#!perl\n", b"ERR Unexpected engine in script shebang: #!perl"),
        (b"#!lua name=x\n", b"ERR Unknown lua shebang option: name=x"),
        (b"#!lua flags=x\n", b"ERR Unexpected flag in script shebang: x"),
    ],
)
def test_what_it_does_not_know_it_refuses(body: bytes, message: bytes) -> None:
    with pytest.raises(ReplyError) as raised:
        script_flags(body)
    assert raised.value.message == message
