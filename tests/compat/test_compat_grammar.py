import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.differential.grammar import ARGUMENTS, GRAMMARS, commands, form


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


@pytest.mark.parametrize("family", GRAMMARS)
def test_small_letters_in_the_grammar_name_arguments(family: str) -> None:
    words = {word for word in GRAMMARS[family].split() if word[0].islower() and len(word) > 1}
    assert words <= set(ARGUMENTS)
