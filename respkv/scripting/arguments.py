"""Arguments of library functions as Lua's C functions take them, and the messages where they do not."""

from typing import Any


class BadArgument(Exception):
    """What Lua says of an argument, or of the call: the script's position is put in front."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


def bad_argument(position: int, name: bytes, what: bytes) -> BadArgument:
    """The message of luaL_argerror."""
    return BadArgument(b"bad argument #%d to '%b' (%b)" % (position, name, what))


def type_name(arguments: tuple[Any, ...], position: int) -> bytes:
    """What Lua calls the type of an argument, by its position from 1 on."""
    if position > len(arguments):
        return b"no value"
    value = arguments[position - 1]
    if value is None:
        return b"nil"
    if isinstance(value, bool):
        return b"boolean"
    if isinstance(value, int | float):
        return b"number"
    if isinstance(value, bytes):
        return b"string"
    name = type(value).__name__
    return b"table" if "Table" in name else b"function" if "Function" in name or callable(value) else b"userdata"


def number_of(text: bytes) -> float | None:
    """A string as a number, as Lua converts it; None if it is none."""
    stripped = text.strip(b" \t\n\v\f\r")
    if b"_" in stripped:
        return None
    try:
        return float(stripped)
    except ValueError:
        pass
    try:
        return float.fromhex(stripped.decode("ascii")) if b"x" in stripped.lower() else None
    except (ValueError, OverflowError):
        return None


def check_number(arguments: tuple[Any, ...], position: int, name: bytes) -> float:
    """An argument that is a number, or a string that looks like one. Raises BadArgument."""
    if position <= len(arguments):
        value = arguments[position - 1]
        if type(value) is int or type(value) is float:
            return value
        if type(value) is bytes:
            number = number_of(value)
            if number is not None:
                return number
    raise bad_argument(position, name, b"number expected, got " + type_name(arguments, position))


def check_integer(arguments: tuple[Any, ...], position: int, name: bytes) -> int:
    """A number cut towards zero. Raises BadArgument."""
    number = check_number(arguments, position, name)
    if number != number or number in (float("inf"), float("-inf")):
        return -(2**63)
    return int(number)


def check_text(arguments: tuple[Any, ...], position: int, name: bytes) -> bytes:
    """A string, or a number as text. Raises BadArgument."""
    if position <= len(arguments):
        value = arguments[position - 1]
        if type(value) is bytes:
            return value
        if type(value) is int or type(value) is float:
            return text_of(value)
    raise bad_argument(position, name, b"string expected, got " + type_name(arguments, position))


def text_of(value: Any) -> bytes:
    """What `tostring` makes of a string or number; nothing of anything else."""
    if type(value) is bytes:
        return value
    if type(value) is int:
        return b"%d" % value if -(10**14) < value < 10**14 else b"%.14g" % value
    if type(value) is float:
        return b"%.14g" % value
    return b""
