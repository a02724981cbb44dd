"""What cjson does in C, beside cjson.lua, to which it leaves the rest: the same values, texts and errors."""

import json
from random import Random
from typing import Any

import pytest

from respkv.scripting.host import Host
from respkv.scripting.interpreter import Interpreter, ScriptError

pytest.importorskip("respkv.scripting._boundary")

TEXTS = 2000
LIMIT = 1 << 24

SHOW = b"""
local function show(value)
    if value == 0 then
        return '0' -- by way of Python a zero loses its sign
    elseif type(value) ~= 'table' then
        return type(value) == 'number' and string.format('%.17g', value) or type(value) .. ':' .. tostring(value)
    end
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b) return show(a) < show(b) end)
    local out = {}
    for at, key in ipairs(keys) do
        out[at] = show(key) .. '=' .. show(value[key])
    end
    return '{' .. table.concat(out, ',') .. '}'
end
"""

PIECES = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"0", b"1", b"-", b".", b"e", b"E+", b"x", b"\0"),
    *(b"true", b"false", b"null", b"nan", b"inf", b"\\u00e4", b"\\ud83d\\ude00", b"\\ud83d", b"\\n", b"\\q", b"\x7f"),
    *(b'"a"', b'"a":', b"1.5", b"01", b"0x1F", b"1e5", b"123456789012345678", b"-0", b"1e400", b"[[]]", b'{"a":1}'),
)
VALUES = (
    *(b"1", b"{-0}", b"0.1", b"1e14", b"99999999999999", b"-123456", b"1/3", b"1e300", b"0/0", b"1/0", b"2^53"),
    *(b"'a'", b"'/\"\\\\'", b"'\\0\\1\\31\\127\\8\\9\\10\\12\\13'", b"'\\195\\164'", b"''", b"true", b"false", b"nil"),
    *(
        b"cjson.null",
        b"{}",
        b"{1, 2, 3}",
        b"{[3] = 1}",
        b"{[20] = 1}",
        b"{[1.5] = 1}",
        b"{[0] = 1}",
        b"{a = 1, [2] = 3}",
    ),
    *(b"{[true] = 1}", b"print", b"tostring", b"redis", b"{cjson.null}", b"{{{{}}}}"),
)


FILL = b"local t = {} pcall(function() for i = 1, 1e7 do t[#t + 1] = 'abcdefghijk' .. i end end) "


class Nobody(Host):
    """A host without commands."""


def interpreters(monkeypatch: pytest.MonkeyPatch) -> list[Interpreter]:
    made = []
    for how in ("", "portable"):
        monkeypatch.setenv("RESPKV_SCRIPTS", how)
        made.append(Interpreter(Nobody(), b"7.4.0", 0x070400, LIMIT))
    return made


def outcome(lua: Interpreter, body: bytes, *arguments: bytes) -> Any:
    try:
        return lua.run(lua.compile(body, b"@user_script"), 3, [], list(arguments))
    except ScriptError as error:
        return error.message, error.source, error.line


def random_value(rng: Random, depth: int) -> Any:
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {random_text(rng): random_value(rng, depth + 1) for _ in range(rng.randrange(4))}
    number = rng.choice(
        (rng.randrange(10), rng.randrange(-(10**17), 10**17), rng.random() * 10 ** rng.randrange(-9, 30))
    )
    return (None, True, False, number, number, random_text(rng))[kind]


def random_text(rng: Random) -> str:
    return "".join(rng.choice('ab/"\\\n\t\0\x01\x7fäß€😀 ') for _ in range(rng.randrange(6)))


def random_json(rng: Random) -> bytes:
    """Mostly right; or right but for a byte; or pieces."""
    if not rng.randrange(3):
        return b"".join(rng.choices(PIECES, k=rng.randrange(1, 9)))
    indent = rng.choice((None, None, 1))
    text = json.dumps(random_value(rng, 0), ensure_ascii=rng.random() < 0.5, indent=indent).encode()
    if not rng.randrange(3):
        at = rng.randrange(len(text))
        return text[:at] + rng.choice(PIECES) + text[at + rng.randrange(2) :]
    return text


def random_lua(rng: Random, depth: int = 0) -> bytes:
    if depth > 3 or rng.randrange(3):
        return rng.choice(VALUES)
    items = [random_lua(rng, depth + 1) for _ in range(rng.randrange(5))]
    names = (b"", b"a = ", b"['b c'] = ", b"[7] = ", b"[2] = ", b"[1.5] = ")
    return b"{" + b", ".join(rng.choice(names) + item for item in items) + b"}"


def test_what_is_decoded_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(7)
    quick, slow = interpreters(monkeypatch)
    body = SHOW + b"return show(cjson.decode(ARGV[1]))"
    caught = SHOW + b"local ok, value = pcall(cjson.decode, ARGV[1]) return show({ok, value})"
    for _ in range(TEXTS):
        text = random_json(rng)
        assert outcome(quick, body, text) == outcome(slow, body, text), text
        assert outcome(quick, caught, text) == outcome(slow, caught, text), text


def test_what_is_encoded_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(8)
    quick, slow = interpreters(monkeypatch)
    for _ in range(TEXTS):
        value = random_lua(rng)
        body = rng.choice(
            (
                b"return cjson.encode(%b)",
                b"\n\nlocal x = cjson.encode(%b) return x",
                b"return {pcall(cjson.encode, %b)}",
            )
        )
        assert outcome(quick, body % value) == outcome(slow, body % value), value


def test_minus_zero_keeps_its_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    quick, _ = interpreters(monkeypatch)
    assert outcome(quick, b"return cjson.encode(0 * -1)") == b"-0"
    assert outcome(quick, b"return cjson.encode({0 * -1})") == b"[-0]"
    assert outcome(quick, b"return tostring(cjson.decode('-0'))") == b"-0"


@pytest.mark.parametrize(
    "body",
    [
        b"return cjson.decode()",
        b"return cjson.decode(1)",
        b"return cjson.decode({})",
        b"return {cjson.decode('[1]', 2)}",
        b"return cjson.encode()",
        b"return cjson.encode(1, 2)",
        b"return cjson.encode_max_depth(0)",
        b"return cjson.encode_keep_buffer('maybe')",
        b"cjson.encode_number_precision(3) return cjson.encode(1/3)",
        b"local c = cjson.new() c.encode_number_precision(5) return c.encode(1/3) .. cjson.encode(1/3)",
        b"local c = cjson.new() c.decode_max_depth(2) return pcall(c.decode, '[[[1]]]')",
        b"local c = cjson.new() c.decode = nil return cjson.encode(c.null)",
        b"local t = {} t[1] = t return cjson.encode(t)",
        b"return cjson.encode(cjson.decode(string.rep('[', 90) .. string.rep(']', 90)))",
        b"return cjson.encode(cjson.decode(string.rep('[', 900) .. string.rep(']', 900)))",
        b"return cjson.decode(string.rep('[', 1100) .. string.rep(']', 1100))",
        b"return #cjson.encode(string.rep('a/', 100000))",
        b"return #cjson.decode('\"' .. string.rep('a\\\\n', 100000) .. '\"')",
        b"return cjson.encode(setmetatable({1, 2}, {__index = function() return 3 end}))",
        b"return coroutine.wrap(function() return cjson.encode(cjson.decode('{\"a\":[1,{}]}')) end)()",
        b"return coroutine.wrap(function() return cjson.decode('{') end)()",
        b"return tostring(cjson.decode('null')) .. tostring(cjson.decode('[null]')[1] == cjson.null)",
        b"return type(cjson.decode) .. tostring(pcall(string.dump or tostring, cjson.decode))",
    ],
)
def test_what_is_left_to_lua_is_said_as_ever(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    quick, slow = interpreters(monkeypatch)
    results = [outcome(quick, body), outcome(slow, body)]
    if b"string.dump" not in body:
        assert results[0] == results[1]


@pytest.mark.parametrize(
    "body",
    [
        b"for i = 1, 2e4 do pcall(function() t[i] = cjson.decode('[[],[],{\"a\":\"b' .. i .. '\"}]') end) end return 1",
        b"for i = 1, 2e4 do pcall(function() t[i] = cjson.encode({i, 'abc', {i}}) end) end return 1",
        b"local s = string.rep('[],', 1e6) t[1] = cjson.decode('[' .. s .. '1]') return 1",
        b"t[1] = cjson.encode(string.rep('\\1', 5e6)) return 1",
        b"local s = string.rep('x', 1e5) for i = 1, 200 do t[i] = s end t = cjson.encode(t) return 1",
        b"local s = {1} for i = 1, 40 do s = {s, s} end t = cjson.encode(s) return 1",
    ],
)
def test_json_that_fills_the_memory_ends_a_script_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    for lua in interpreters(monkeypatch):
        outcome(lua, FILL + body)
        outcome(lua, b"local t = {} " + body)
        lua.is_worn()
        assert outcome(lua, b"return cjson.encode(cjson.decode('[1]'))") == b"[1]"
