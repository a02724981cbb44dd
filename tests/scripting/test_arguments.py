"""Arguments as Lua's C functions take them."""

import pytest

from respkv.scripting.arguments import BadArgument, check_integer, check_number, check_text, number_of, text_of


@pytest.mark.parametrize(
    ("text", "number"),
    [(b"1", 1), (b" 1.5 ", 1.5), (b"0x10", 16), (b"1e3", 1000), (b"x", None), (b"", None), (b"1_0", None)],
)
def test_a_string_that_looks_like_a_number_is_one(text: bytes, number: float | None) -> None:
    assert number_of(text) == number


def test_numbers_are_cut_towards_zero() -> None:
    assert check_integer((-1.9,), 1, b"f") == -1
    assert check_integer((float("nan"),), 1, b"f") == -(2**63)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [((), b"no value"), ((None,), b"nil"), ((True,), b"boolean"), ((b"x",), b"string"), ((print,), b"function")],
)
def test_what_is_no_number_is_named(arguments: tuple[object, ...], what: bytes) -> None:
    with pytest.raises(BadArgument) as raised:
        check_number(arguments, 1, b"f")
    assert raised.value.message == b"bad argument #1 to 'f' (number expected, got %b)" % what


def test_a_number_is_a_text() -> None:
    assert check_text((5,), 1, b"f") == b"5"
    assert check_text((1.5,), 1, b"f") == b"1.5"
    assert text_of(10**15) == b"1e+15"
    assert text_of(None) == b""
    with pytest.raises(BadArgument):
        check_text((None,), 1, b"f")
