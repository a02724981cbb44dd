"""The sandbox, the bounds, and how errors cross between Lua and Python."""

import contextlib
from typing import Any

import pytest

from respkv.errors import ReplyError
from respkv.scripting.host import Host
from respkv.scripting.interpreter import BOOLEAN, FAILED, TABLE, Interpreter, ScriptError, error_text

LIMIT = 16 * 1024 * 1024


class Commands(Host):
    """A host whose only commands say what they were given, fail, or end unexpectedly."""

    def __init__(self) -> None:
        super().__init__(b"bad name")
        self.calls: list[list[bytes]] = []
        self.logged: list[tuple[int, bytes]] = []
        self.why = b""

    def call(self, argv: list[bytes]) -> Any:
        self.calls.append(argv)
        if argv[0] == b"fail":
            raise ReplyError(b"ERR it failed")
        if argv[0] == b"bug":
            raise ZeroDivisionError
        if argv[0] == b"big":
            return [b"x" * 1000] * 1000
        return list(argv)

    def may_run(self, argv: list[bytes]) -> bool:
        return bool(argv[0] != b"denied")

    def is_function_name(self, name: bytes) -> bool:
        return name.isalnum()

    def log(self, level: int, message: bytes) -> None:
        self.logged.append((level, message))

    def interrupt(self) -> bytes:
        return self.why


@pytest.fixture
def host() -> Commands:
    return Commands()


@pytest.fixture
def lua(host: Commands) -> Interpreter:
    return Interpreter(host, b"7.4.0", 0x070400, LIMIT)


def run(lua: Interpreter, body: bytes, *arguments: bytes) -> Any:
    return lua.run(lua.compile(body, b"@user_script"), 2, [], list(arguments))


def error(lua: Interpreter, body: bytes) -> bytes:
    with pytest.raises(ScriptError) as raised:
        run(lua, body)
    return raised.value.message


def test_a_script_gets_arguments_and_gives_a_value(lua: Interpreter) -> None:
    assert run(lua, b"return ARGV[1]", b"a\0b") == b"a\0b"
    assert run(lua, b"return 3") == 3
    assert run(lua, b"return nil") is None
    assert run(lua, b"return { 1, 'a' }")[1] == b"*2\r\n:1\r\n$1\r\na\r\n"


def test_more_arguments_than_the_stack_takes(lua: Interpreter) -> None:
    assert run(lua, b"return #ARGV .. ARGV[20000]", *[b"%d" % number for number in range(20000)]) == b"2000019999"


def test_a_command_gets_what_the_script_gave(lua: Interpreter, host: Commands) -> None:
    run(lua, b"redis.call('a', 1, 2.5)")
    assert host.calls == [[b"a", b"1", b"2.5"]]


def test_an_error_of_a_command_tells_where_it_was_called(lua: Interpreter) -> None:
    with pytest.raises(ScriptError) as raised:
        run(lua, b"local x\n\nreturn redis.call('fail')")
    assert (raised.value.message, raised.value.source, raised.value.line) == (b"ERR it failed", b"@user_script", 3)


def test_a_fault_of_ours_is_an_error_to_the_script(lua: Interpreter) -> None:
    assert error(lua, b"return redis.call('bug')") == b"ERR internal error"
    assert run(lua, b"return redis.pcall('bug').err") == b"ERR internal error"


HOSTILE = [
    b"return type(python)",
    b"return type(debug)",
    b"return type(io)",
    b"return type(package)",
    b"return type(require)",
    b"return type(newproxy)",
    b"return type(getfenv)",
    b"return os.execute('true')",
    b"return redis.call.__self__",
    b"return redis.call.__class__",
    b"return getmetatable('').__index.dump(print)",
    b"return string.dump(function() end)",
    b"string.rep = nil",
    b"getmetatable('').__index = nil",
    b"return setmetatable(_G, nil)",
    b"rawset(string, 'x', 1)",
    b"return getmetatable(redis).__index",
    b"return loadstring(string.char(27) .. 'Lua')()",
    b"local done return load(function() if not done then done = true return string.char(27, 76, 117, 97) end end)()",
    b"return _G._G.python.eval('1')",
]


@pytest.mark.parametrize("body", HOSTILE)
def test_what_leads_out_of_the_sandbox_is_not_there(lua: Interpreter, body: bytes) -> None:
    error(lua, body)
    assert run(lua, b"return string.rep('x', 2)") == b"xx"


@pytest.mark.parametrize(
    "body",
    [
        b"local ok, e = pcall(redis.call, 'fail') return type(e)",
        b"local ok, e = pcall(redis.call, 'bug') return type(e)",
        b"local ok, e = pcall(pcall, redis.call, 'fail') return type(e)",
        b"local t xpcall(function() redis.call('fail') end, function(e) t = type(e) end) return t",
        b"local ok, e = coroutine.resume(coroutine.create(function() redis.call('fail') end)) return type(e)",
        b"local ok, e = pcall(coroutine.wrap(function() redis.call('fail') end)) return type(e)",
        b"local f, e = load(function() redis.call('fail') end) return type(e)",
        b"local ok, e = pcall(string.gsub, 'a', 'a', function() redis.call('fail') end) return type(e)",
        b"local ok, e = pcall(table.sort, { 1, 2, 3 }, function() redis.call('fail') end) return type(e)",
        b"local ok, e = pcall(table.foreach, { 1 }, function() redis.call('fail') end) return type(e)",
        b"local t = setmetatable({}, { __index = function() redis.call('fail') end })"
        b" local ok, e = pcall(function() return t.x end) return type(e)",
        b"local t = setmetatable({}, { __tostring = function() redis.call('fail') end })"
        b" local ok, e = pcall(tostring, t) return type(e)",
    ],
)
def test_however_an_error_is_caught_it_is_no_python_object(lua: Interpreter, body: bytes) -> None:
    assert run(lua, body) in (b"string", b"table", b"boolean")


def test_every_global_is_what_it_seems(lua: Interpreter) -> None:
    found = run(
        lua,
        b"""
        local seen, odd = {}, {}
        local function walk(t, path)
            if seen[t] then return end
            seen[t] = true
            for k, v in pairs(t) do
                local kind = type(v)
                if kind == 'userdata' or kind == 'thread' then odd[#odd + 1] = path .. tostring(k) end
                if kind == 'table' then walk(v, path .. tostring(k) .. '.') end
            end
        end
        walk(_G, '')
        return table.concat(odd, ' ')
        """,
    )
    assert found in (b"", b"cjson.null")


def test_memory_is_bounded(lua: Interpreter) -> None:
    for body in (
        b"local s = 'x' while true do s = s .. s end",
        b"return string.rep('x', 1e10)",
        b"local t = {} while true do t[#t + 1] = {} end",
        b"local t = {} while true do t[#t + 1] = redis.call('big') end",
        b"local t = {} while true do pcall(function() t[#t + 1] = redis.call('big') end) end",
        b"local t = {} while true do t[#t + 1] = redis.pcall('big') end",
        b"local function f() local t = {} while true do t[#t + 1] = redis.call('big') end end"
        b" while true do coroutine.wrap(function() pcall(f) end)() end",
    ):
        assert b"memory" in error(lua, body)
        assert run(lua, b"return 1") == 1
    with pytest.raises(ScriptError):
        run(lua, b"return 1", b"x" * LIMIT)
    with pytest.raises(ScriptError):
        lua.compile(b"return '" + b"x" * LIMIT + b"'", b"@user_script")


def test_recursion_is_bounded(lua: Interpreter) -> None:
    assert b"stack overflow" in error(lua, b"local function f() return 1 + f() end return f()")
    assert error(lua, b"local function f() return pcall(f) end f() local function g() string.gsub('a', 'a', g) end g()")
    assert run(lua, b"local t = {} for i = 1, 5000 do t = { t } end return t")[1].endswith(
        b"-ERR reached lua stack limit\r\n"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"while true do end",
        b"while true do pcall(function() while true do end end) end",
        b"local function f() while true do pcall(f) end end f()",
        b"while true do xpcall(function() while true do end end, function() while true do end end) end",
        b"local function f() while true do xpcall(f, function() while true do end end) end end f()",
        b"coroutine.wrap(function() while true do end end)()",
        b"while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        b"while true do pcall(redis.call, 'fail') end",
        b"local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })"
        b" while true do pcall(function() return t[1] end) end",
        b"load(function() while true do end end)",
        b"table.sort({ 1, 2, 3, 4 }, function() while true do end end)",
    ],
)
def test_nothing_keeps_a_script_from_being_ended(lua: Interpreter, host: Commands, body: bytes) -> None:
    host.why = b"ERR enough"
    assert error(lua, body) == b"ERR enough"
    host.why = b""
    assert run(lua, b"return 1") == 1
    assert run(lua, b"for i = 1, 1e6 do end return pcall(error)") is not None


@pytest.mark.parametrize(
    "body",
    [
        b"return 1",
        b"return { 1, 2 }",
        b"return redis.status_reply('OK')",
        b"error('it failed')",
        b"redis.call('fail')",
        b"local function f() return 1 + f() end return f()",
        b"local t = {} while true do t[#t + 1] = redis.call('big') end",
        b"coroutine.wrap(function() while true do end end)()",
        b"while true do end",
    ],
)
def test_whatever_ran_before_the_next_script_can_be_ended(lua: Interpreter, host: Commands, body: bytes) -> None:
    host.why = b"ERR enough" if b"while true do end" in body else b""
    with contextlib.suppress(ScriptError):
        run(lua, body)
    host.why = b"ERR ended"
    assert error(lua, b"while true do end") == b"ERR ended"
    with pytest.raises(ReplyError, match="ended"):
        lua.load_library(b"while true do end")
    assert error(lua, b"while true do end") == b"ERR ended"
    host.why = b""
    loaded = lua.load_library(b"redis.register_function('f', function() while true do end end)")
    host.why = b"ERR ended"
    with pytest.raises(ScriptError, match="ended"):
        lua.run(loaded[0].callback, 2, [], [], is_function=True)


def test_the_status_ok_needs_no_encoding_and_any_other_table_does(lua: Interpreter) -> None:
    assert run(lua, b"return redis.status_reply('OK')") is True
    assert run(lua, b"return true") == (BOOLEAN, True)
    assert run(lua, b"return { ok = 'A\\r\\nB' }") == (TABLE, b"+A  B\r\n")
    with pytest.raises(ScriptError, match="ERR it failed"):
        run(lua, b"return { ok = 'OK', err = 'ERR it failed' }")
    assert run(lua, b"return { ok = 'OK', err = 1 }") == (TABLE, b"+OK\r\n")


def test_ten_thousand_errors_leave_nothing(lua: Interpreter) -> None:
    run(lua, b"for i = 1, 1000 do pcall(redis.call, 'fail') end")
    lua.is_worn()
    before = lua.memory_bytes()
    run(lua, b"for i = 1, 10000 do pcall(redis.call, 'fail') end")
    run(lua, b"collectgarbage()")
    assert lua.memory_bytes() < before + 10_000


def test_a_table_that_was_put_into_a_library_is_taken_out_again(lua: Interpreter) -> None:
    run(lua, b"table.insert(redis, 5)")
    lua._sweep()
    assert run(lua, b"return rawget(redis, 1)") is None


def test_texts() -> None:
    assert error_text(b"x") == b"ERR x"
    assert error_text(b"-A b") == b"A b"
    assert FAILED
