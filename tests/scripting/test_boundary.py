"""The boundary in C: it answers as lupa's does, ends as it does, and keeps nothing."""

import gc
import sys
from random import Random
from typing import Any

import pytest

from respkv.errors import ReplyError
from respkv.reply import OK, Pairs, Status
from respkv.scripting.host import Host
from respkv.scripting.interpreter import Interpreter, ScriptError

pytest.importorskip("respkv.scripting._boundary")

LIMIT = 4 * 1024 * 1024
SCRIPTS = 300

REPLIES: dict[bytes, Any] = {
    b"none": None,
    b"int": 12,
    b"negative": -(2**63),
    b"true": True,
    b"ok": OK,
    b"status": Status(b"PONG"),
    b"empty": b"",
    b"short": b"a\0b",
    b"long": b"x" * 1024,
    b"longer": b"x" * 1025,
    b"list": [1, b"a", None, [b"b", [True, 1.5]], OK],
    b"double": 2.5,
    b"map": {b"a": 1, b"b": [b"c"]},
    b"set": {b"a", b"b"},
    b"pairs": Pairs([(b"a", 1.5)]),
    b"error in a list": [ReplyError(b"ERR within")],
}


class Replies(Host):
    """A host whose commands give a reply by its name, fail, or end unexpectedly; keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[bytes]] = []
        self.why = b""

    def call(self, argv: list[bytes]) -> Any:
        self.calls.append(argv)
        if not argv:
            raise ReplyError(b"ERR no command")
        if argv[0] == b"fail":
            raise ReplyError(b"ERR it failed")
        if argv[0] == b"bug":
            raise ZeroDivisionError
        if argv[0] == b"interrupt":
            raise KeyboardInterrupt
        return REPLIES.get(argv[0], argv)

    def may_run(self, argv: list[bytes]) -> bool:
        return True

    def is_function_name(self, name: bytes) -> bool:
        return True

    def log(self, level: int, message: bytes) -> None: ...

    def interrupt(self) -> bytes:
        return self.why


def make(monkeypatch: pytest.MonkeyPatch, how: str) -> tuple[Interpreter, Replies]:
    monkeypatch.setenv("RESPKV_SCRIPTS", how)
    host = Replies()
    return Interpreter(host, b"7.4.0", 0x070400, LIMIT), host


def outcome(lua: Interpreter, body: bytes) -> Any:
    try:
        return lua.run(lua.compile(body, b"@user_script"), 3, [b"k"], [b"v", b"1"])
    except ScriptError as error:
        return error.message, error.source, error.line


ARGUMENTS = (b"'a'", b"1", b"-7", b"2.5", b"1e15", b"-1e15", b"2^53", b"2^53+2", b"2^63", b"-2^63", b"1e300", b"0/0",
             b"1/0", b"''", b"'a\\0b'", b"KEYS[1]", b"ARGV[2]", b"true", b"nil", b"{}", b"print", b"-0")  # fmt: skip
WRAPPINGS = (
    b"%b",
    b"return %b",
    b"local a, e = pcall(function() return %b end) return { tostring(a), type(e), tostring(e):sub(1, 4) }",
    b"local co = coroutine.wrap(function() coroutine.yield(1) return %b end) co() return co()",
    b"local a, e = coroutine.resume(coroutine.create(function() return %b end)) return { tostring(a), type(e) }",
    b"return { %b, 5 }",
    b"local a, e = xpcall(function() return %b end, function(e) return type(e) end) return { tostring(a), type(e) }",
    b"local t = {} for i = 1, 30 do t[i] = %b end return t",
    b"local text = string.gsub('ab', 'a', function() return type(%b) end) return text",
    b"redis.setresp(3)\nreturn %b",
    b"local ok, e = pcall(pcall, function() return %b end) return type(e)",
    b"local t = { 3, 1, 2 } table.sort(t, function(x, y) local _ = %b return x < y end) return t",
    b"\n\nlocal r = %b\nreturn r and r.err or r and r.ok or r",
    b"return pcall(redis.pcall, %b)",
)


def random_script(rng: Random) -> bytes:
    name = rng.choice([*REPLIES, b"fail", b"bug", b"echo"])
    words = [b"'%b'" % name, *rng.choices(ARGUMENTS, k=rng.choice((0, 1, 2, 9)))]
    if not rng.randrange(20):
        words = rng.choice(([], [rng.choice(ARGUMENTS)]))
    body = b"redis.%b(%b)" % (rng.choice((b"call", b"pcall")), b", ".join(words))
    for _ in range(rng.randrange(3)):
        wrapping = rng.choice(WRAPPINGS)
        body = wrapping % body if wrapping.startswith(b"return {") else b"(function() %b end)()" % (wrapping % body)
    return rng.choice((b"return ", b"local r = ")) + body


def test_random_scripts_end_as_they_do_by_lupa(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(5)
    fast, fast_host = make(monkeypatch, "")
    slow, slow_host = make(monkeypatch, "portable")
    for _ in range(SCRIPTS):
        body = random_script(rng)
        assert outcome(fast, body) == outcome(slow, body), body
        assert fast_host.calls == slow_host.calls, body
        fast_host.calls.clear()
        slow_host.calls.clear()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"return",
        b"return 1, 2",
        b"return 1.5",
        b"return 'text'",
        b"return false",
        b"return true",
        b"return print or 1",
        b"return tostring",
        b"return {ok = 'OK'}",
        b"return {ok = 'OK', err = 'ERR both'}",
        b"return {ok = 'OK', err = 1}",
        b"return {ok = 'FINE'}",
        b"return {ok = 1}",
        b"return setmetatable({}, {__index = function() return 'OK' end})",
        b"return {1, {2, 'x'}, false, nil, 3}",
        b"return {double = 1.5}",
        b"return {KEYS, ARGV, #KEYS, #ARGV}",
        b"KEYS[1] = nil return {KEYS, ARGV}",
        b"KEYS = 1",
        b"error('wrong')",
        b"error({err = 'ERR wrong'})",
        b"error()",
        b"\n\nreturn nothing",
        b"for i = 1, 3 do redis.call('int') end return 7",
        b"local function f() return 1 + f() end return f()",
        b"coroutine.yield(1)",
        b"return coroutine.wrap(function() error('within') end)()",
        b"redis.setresp(3) return true",
    ],
)
@pytest.mark.parametrize(("key_count", "count"), [(0, 0), (0, 2), (1, 1), (1, 300), (3, 5), (2, 2)])
def test_a_script_is_entered_and_left_as_by_lupa(
    monkeypatch: pytest.MonkeyPatch, body: bytes, key_count: int, count: int
) -> None:
    given = [b"%d" % at for at in range(count)]
    outcomes = []
    for how in ("", "portable"):
        lua, host = make(monkeypatch, how)
        function = lua.compile(body, b"@user_script")
        for why in (b"", b"", b"ERR killed", b""):
            host.why = why
            for code in (function, lua.compile(b"while true do end", b"@user_script") if why else function):
                try:
                    outcomes.append(lua.run(code, 3, given[:key_count], given[key_count:]))
                except ScriptError as error:
                    outcomes.append((error.message, error.source, error.line))
    half = len(outcomes) // 2
    assert outcomes[:half] == outcomes[half:]


FILL = b"local t = {} pcall(function() for i = 1, 1e7 do t[#t + 1] = 'abcdefghijk' .. i end end) "


@pytest.mark.parametrize("how", ["", "portable"])
@pytest.mark.parametrize(
    "body",
    [
        b"for i = 1, 100 do pcall(redis.call, 'fail') end return 1",
        b"for i = 1, 2e4 do pcall(redis.call, 'bug', i, {}) end return 1",
        b"for i = 1, 2e4 do t[#t] = redis.call('ok') end return 1",
        b"for i = 1, 2e4 do t[i] = redis.call('list') end return 1",
        b"for i = 1, 2e4 do pcall(function() t[i] = redis.call('longer', i) .. i end) end return 1",
        b"for i = 1, 2e4 do pcall(function() t[i] = redis.sha1hex(i) end) end return 1",
        b"for i = 1, 2e4 do pcall(function() t[i] = struct.pack('>I4', i) end) end return 1",
        b"for i = 1, 2e4 do pcall(function() t[i] = redis.error_reply('a' .. i) end) end return 1",
        b"for i = 1, 100 do coroutine.wrap(function() redis.pcall('list') end)() end return 1",
    ],
)
def test_a_script_that_fills_the_memory_ends_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, body: bytes, how: str
) -> None:
    lua, _ = make(monkeypatch, how)
    for start in (FILL, b"local t = {} "):
        outcome(lua, start + body)
        lua.is_worn()
        assert outcome(lua, b"return redis.call('int')") == 12


@pytest.mark.parametrize("how", ["", "portable"])
def test_what_ends_a_script_ends_it_within_calls(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    lua, host = make(monkeypatch, how)
    host.why = b"ERR killed"
    for body in (
        b"while true do redis.call('int') end",
        b"while true do pcall(redis.call, 'fail') end",
        b"while true do coroutine.wrap(function() pcall(redis.call, 'fail') end)() end",
        b"while true do pcall(function() while true do redis.pcall('list') end end) end",
    ):
        assert outcome(lua, body)[0] == b"ERR killed"


def test_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    lua, host = make(monkeypatch, "")
    rng = Random(6)
    bodies = [random_script(rng) for _ in range(100)]
    text, items = REPLIES[b"longer"], REPLIES[b"list"]
    counts = []
    for _ in range(6):
        for body in bodies:
            outcome(lua, body)
            outcome(lua, FILL[:13] + b"return redis.call('longer', 'list'), redis.call('list')")
        host.calls.clear()
        gc.collect()
        counts.append((sys.getrefcount(text), sys.getrefcount(items), sys.getrefcount(None) // 100))
    assert counts[1][:2] == counts[-1][:2]
    blocks = sys.getallocatedblocks()
    for body in bodies * 3:
        outcome(lua, body)
    host.calls.clear()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 300


def test_a_command_takes_as_many_words_as_unpack_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    lua, host = make(monkeypatch, "")
    outcome(lua, b"local t = {} for i = 1, 7999 do t[i] = 'x' end redis.call(unpack(t))")
    assert [len(argv) for argv in host.calls] == [7999]


def test_an_interpreter_goes_when_nobody_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Noted:
        gone = 0

        def __del__(self) -> None:
            Noted.gone += 1

    lua, host = make(monkeypatch, "")
    host.noted = Noted()  # type: ignore[attr-defined]
    assert outcome(lua, b"return redis.call('int')") == 12
    del lua, host
    gc.collect()
    assert Noted.gone == 1


def test_an_interrupt_of_the_keyboard_comes_after_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    lua, _ = make(monkeypatch, "")
    with pytest.raises(KeyboardInterrupt):
        outcome(lua, b"redis.pcall('interrupt') return redis.call('int')")
    assert outcome(lua, b"return redis.call('int')") == 12
