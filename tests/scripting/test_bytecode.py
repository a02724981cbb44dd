"""Parameters before `...`, as the bytecode that Lua gives tells them."""

from typing import Any

import pytest
from lupa import lua51

from respkv.scripting.bytecode import parameters_before_dots


def dumped(text: bytes) -> bytes:
    lua: Any = lua51.LuaRuntime(encoding=None)
    return bytes(lua.eval(b"function(text) return string.dump(assert(loadstring(text))) end")(text))


@pytest.mark.parametrize(
    ("text", "most"),
    [
        (b"", 0),
        (b"return ...", 0),
        (b"local function f(a, b) return a end", 0),
        (b"return function(...) return {...} end", 0),
        (b"return function(a, ...) return a end", 1),
        (b"local function f(a, b, c, ...) local x, y = a, nil return x, true, false, 1.5, 'z' end", 3),
        (b"return function(a, ...) return function(b, c, ...) return b end, function(x, y, z) return a end end", 2),
        (b"local u = 1 return function(a, --[[, b]] ...) u = u + a return function() return u end end", 1),
    ],
)
def test_the_most_that_any_function_has_is_told(text: bytes, most: int) -> None:
    assert parameters_before_dots(dumped(text)) == most


def test_other_bytes_are_no_bytecode() -> None:
    with pytest.raises(ValueError, match="no bytecode"):
        parameters_before_dots(b"\x1bLua\x52\0")
