import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from compat.differential.families import BLOCKING, KEYS_OF
from compat.differential.grammar import ARGUMENTS, GRAMMARS, blocking_commands, commands, form, lines_of
from compat.differential.machine import looks_at


@given(form("SET key [ NX | XX ] < EX | PX > { value }"))
def test_a_form_yields_what_its_line_says(argv: list[bytes]) -> None:
    assert argv[0] == b"SET"
    rest = argv[2:]
    if rest[0] in {b"NX", b"XX"}:
        rest = rest[1:]
    assert rest[0] in {b"EX", b"PX"}
    assert 1 <= len(rest[1:]) <= 4


@given(st.data())
def test_commands_can_be_left_out(data: st.DataObject) -> None:
    argv = data.draw(commands(["transactions"], frozenset({b"MULTI", b"EXEC"})))
    assert argv[0].upper() not in {b"MULTI", b"EXEC"}


def test_commands_of_a_type_can_name_keys_of_that_type() -> None:
    key = KEYS_OF["hyperloglogs"][0]
    assert key in find(commands(["hyperloglogs"]), lambda argv: key in argv)


def test_lines_are_for_oracles_that_know_them() -> None:
    text = """
        GET key
        8.2: BITOP DIFF key key
        < ZMPOP 1 key | ZPOPMIN key > MIN
        NOSUCHCOMMAND
    """
    assert len(lines_of(text, (8, 2))) == 4
    assert lines_of(text, (7, 0))[1].startswith("< ZMPOP")
    assert lines_of(text, (8, 2), frozenset((b"GET", b"ZPOPMIN"))) == [
        "GET key",
        "< ZMPOP 1 key | ZPOPMIN key > MIN",
        "NOSUCHCOMMAND",
    ]


@given(st.data())
def test_blocking_commands_of_what_is_known(data: st.DataObject) -> None:
    argv = data.draw(blocking_commands(frozenset((b"BLPOP", b"BZPOPMIN"))))
    assert argv[0] in (b"BLPOP", b"BZPOPMIN")
    assert argv[-1] == b"0"


def test_a_look_names_the_key_behind_the_command() -> None:
    assert looks_at(b"k", "list")[2:] == [[b"LRANGE", b"k", b"0", b"-1"]]
    assert looks_at(b"k", "stream")[3:] == [[b"XINFO", b"STREAM", b"k"], [b"XINFO", b"GROUPS", b"k"]]


@pytest.mark.parametrize("family", BLOCKING)
def test_waiting_is_grammar_too(family: str) -> None:
    words = {word for word in BLOCKING[family].split() if word[0].islower() and len(word) > 1}
    assert words <= set(ARGUMENTS)


@pytest.mark.parametrize("family", GRAMMARS)
def test_small_letters_in_the_grammar_name_arguments(family: str) -> None:
    words = {word for word in GRAMMARS[family].split() if word[0].islower() and len(word) > 1}
    assert words <= set(ARGUMENTS)
