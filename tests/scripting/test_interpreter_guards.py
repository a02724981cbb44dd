"""What can end a process that runs Lua 5.1 is an error of the script, by the C of `_guards.c` and without it."""

from typing import Any

import hiredis
import pytest

from respkv.scripting.host import Host
from respkv.scripting.interpreter import Interpreter, ScriptError


@pytest.fixture(params=["C", "Lua"])
def lua(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    if request.param == "C":
        pytest.importorskip("respkv.scripting._boundary")
    else:
        monkeypatch.setenv("RESPKV_SCRIPTS", "portable")
    return Interpreter(Host(), b"7.4.0", 0x070400, 64 * 1024 * 1024)


def run(lua: Interpreter, body: bytes) -> Any:
    found = lua.run(lua.compile(body, b"@user_script"), 2, [], [])
    if type(found) is not tuple:
        return found
    reader = hiredis.Reader()
    reader.feed(found[1])
    return reader.gets()


def error_of(lua: Interpreter, body: bytes) -> bytes:
    with pytest.raises(ScriptError) as caught:
        run(lua, body)
    return caught.value.message.removeprefix(b"ERR ")


@pytest.mark.parametrize(
    "ends",
    [
        b"-2, 2147483647",
        b"-2147483648, 2147483647",
        b"0, 2147483647",
        b"1, 8001",
        b"2 ^ 32 - 2, 2 ^ 31 - 1",
    ],
)
def test_unpack_refuses_more_results_than_there_is_room_for(lua: Interpreter, ends: bytes) -> None:
    message = error_of(lua, b"local t = {unpack({1, 2, 3}, " + ends + b")} return #t")
    assert message == b"user_script:1: too many results to unpack"


@pytest.mark.parametrize(
    "ends",
    [
        b"0/0, 1",
        b"1, 0/0",
        b"-1/0, 1/0",
        b"1, 1/0",
        b"1e300, 1",
        b"-2 ^ 31, 1e300",
        b"-2 ^ 31, 0/0",
        b"-2 ^ 31, -1e300",
    ],
)
def test_unpack_refuses_numbers_that_no_int_holds(lua: Interpreter, ends: bytes) -> None:
    body = b"local t = {unpack({1, 2, 3}, " + ends + b")} return #t"
    assert error_of(lua, body) == b"user_script:1: too many results to unpack"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{unpack({1, 2, 3})}", [1, 2, 3]),
        (b"{unpack({1, 2, 3}, '2', 3.9)}", [2, 3]),
        (b"{unpack({1, 2, 3}, 2, 2 ^ 32 + 3)}", [2, 3]),
        (b"{unpack({1, 2, 3}, -1.5, 1)}", []),
        (b"{unpack({1, 2, 3}, 3, 2)}", []),
        (b"{pcall(unpack)}", [None, b"bad argument #1 to '?' (table expected, got no value)"]),
        (b"{pcall(unpack, {}, {})}", [None, b"bad argument #2 to '?' (number expected, got table)"]),
    ],
)
def test_unpack_is_as_ever_otherwise(lua: Interpreter, body: bytes, value: list[Any]) -> None:
    found = run(lua, b"return " + body)
    assert [item.replace(b"'unpack'", b"'?'") if isinstance(item, bytes) else item for item in found] == value


@pytest.mark.parametrize("count", [7997, 7999])
def test_unpack_gives_as_many_results_as_lua_has_room_for(lua: Interpreter, count: int) -> None:
    assert run(lua, b"local t = {} for i = 1, %d do t[i] = i end return #{unpack(t)}" % count) == count


def test_unpack_of_the_whole_of_a_large_table_is_refused(lua: Interpreter) -> None:
    body = b"local t = {} for i = 1, 8000 do t[i] = i end local u = {unpack(t)} return #u"
    assert error_of(lua, body) == b"user_script:1: too many results to unpack"


@pytest.mark.parametrize("call", [b"find(s, p)", b"match(s, p)", b"gmatch(s, p)", b"gfind(s, p)", b"gsub(s, p, '')"])
@pytest.mark.parametrize("repeated", [b"a?", b"a-", b"a*", b"a+"])
def test_a_pattern_that_would_fill_the_stack_is_refused(lua: Interpreter, call: bytes, repeated: bytes) -> None:
    body = b"local s, p = ('a'):rep(300000), ('%b'):rep(300000) local found = string.%b return 1" % (repeated, call)
    assert error_of(lua, body) == b"user_script:1: pattern too complex"


def test_a_long_pattern_with_few_repetitions_is_none_of_them(lua: Interpreter) -> None:
    body = b"local s = ('x'):rep(100000) return {s:find(s .. '?'), (s:gsub(('x?'):rep(1000), 'y'))}"
    assert run(lua, body)[:1] == [1]


def test_a_long_text_that_is_no_pattern_may_have_any_number_of_their_marks(lua: Interpreter) -> None:
    assert run(lua, b"local s = ('a-'):rep(10000) return {string.find('b' .. s, s, 1, true)}") == [2, 20001]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"string.find('a', '%')", b"user_script:1: malformed pattern (ends with '%')"),
        (b"string.gsub('a', '[a', '')", b"user_script:1: malformed pattern (missing ']')"),
        (b"string.find(nil, 'a')", b"user_script:1: bad argument #1 to 'find' (string expected, got nil)"),
        (b"string.gsub('a', 'a')", b"user_script:1: bad argument #3 to 'gsub' (string/function/table expected)"),
        (b"string.gsub('a', 'a', function() error('own') end)", b"user_script:1: own"),
        (b"string.gsub('a', 'a', function() error('own', 0) end)", b"own"),
    ],
)
def test_errors_of_patterns_are_as_ever(lua: Interpreter, body: bytes, message: bytes) -> None:
    assert error_of(lua, b"local found = " + body + b" return 1") == message


def test_three_parameters_before_the_dots_have_room(lua: Interpreter) -> None:
    body = b"local function f(a, b, c, ...) return {select('#', ...), a, b, c, ...} end return f(1, 2, 3, 4, 5)"
    assert run(lua, body) == [2, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "body",
    [
        b"local function f(a, b, c, d, ...) return 1 end return f()",
        b"return assert(loadstring('return function(' .. ('p, '):rep(100) .. '...) return 1 end'))()()",
        b"local t, at = {'return function(a, b, c, d', ', ...) end'}, 0 "
        b"return assert(load(function() at = at + 1 return t[at] end))()()",
    ],
)
def test_more_of_them_would_be_written_behind_the_stack_and_are_refused(lua: Interpreter, body: bytes) -> None:
    assert b"function with too many parameters before '...'" in error_of(lua, body)


def test_the_name_of_a_chunk_ends_at_a_zero(lua: Interpreter) -> None:
    assert run(lua, b"local ok, err = pcall(loadstring('error(1 .. \"\")', '=a\\0b')) return err") == b"a:1: 1"
