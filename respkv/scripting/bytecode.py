"""What functions with `...` ask of Lua's stack, read from the bytecode that string.dump gives.

A call of `function(a, b, ...)` first gives each named parameter that got no argument a place on the stack, and then its
frame as many as the code says. Lua 5.1 makes sure of the frame alone (CVE-2014-5461; redis-server's copy is mended):
with many parameters, what lies behind the stack is overwritten. Behind it are some places to spare; a metamethod takes
up to four before it looks, which leaves three.
"""

from typing import Final, Literal

SAFE_PARAMETERS: Final = 3
"""How many parameters before `...` the places to spare are enough for."""

_SIGNATURE: Final = b"\x1bLua\x51\x00"
_IS_VARARG: Final = 2
# Types of constants.
_BOOLEAN: Final = 1
_NUMBER: Final = 3
_STRING: Final = 4


def parameters_before_dots(code: bytes) -> int:
    """The most that any function in `code` has. Raises ValueError if that is no bytecode of Lua 5.1. O(bytes).

    Its form is described in "A No-Frills Introduction to Lua 5.1 VM Instructions".
    """
    if not code.startswith(_SIGNATURE):
        raise ValueError("no bytecode of Lua 5.1")
    return _Reader(code).most_in_function()


class _Reader:
    """A place in bytecode, and how long its items are."""

    def __init__(self, code: bytes) -> None:
        self._code = code
        is_little, self._int_bytes, self._size_bytes, self._instruction_bytes, self._number_bytes, _ = code[6:12]
        self._order: Literal["little", "big"] = "little" if is_little else "big"
        self._at = 12

    def most_in_function(self) -> int:
        """Pass over the function here; the most parameters before `...` of it and of those within."""
        self._pass_string()
        self._at += 2 * self._int_bytes + 1
        parameters, is_vararg = self._code[self._at : self._at + 2]
        self._at += 3
        most = parameters if is_vararg & _IS_VARARG else 0
        self._pass_items(self._instruction_bytes)
        for _ in range(self._number(self._int_bytes)):
            self._pass_constant()
        for _ in range(self._number(self._int_bytes)):
            most = max(most, self.most_in_function())
        self._pass_items(self._int_bytes)
        for _ in range(self._number(self._int_bytes)):
            self._pass_string()
            self._at += 2 * self._int_bytes
        for _ in range(self._number(self._int_bytes)):
            self._pass_string()
        return most

    def _number(self, size: int) -> int:
        self._at += size
        return int.from_bytes(self._code[self._at - size : self._at], self._order)

    def _pass_string(self) -> None:
        size = self._number(self._size_bytes)
        self._at += size

    def _pass_items(self, size: int) -> None:
        count = self._number(self._int_bytes)
        self._at += count * size

    def _pass_constant(self) -> None:
        kind = self._number(1)
        if kind == _STRING:
            self._pass_string()
        else:
            self._at += {_BOOLEAN: 1, _NUMBER: self._number_bytes}.get(kind, 0)
