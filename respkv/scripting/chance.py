"""`math.random` and `math.randomseed` with Redis's own generator: the same numbers on each machine.

The generator is the drand48 of POSIX: 48 bits of state, x' = (25214903917 x + 11) mod 2**48, the upper 31 are given.
"""

from math import floor
from typing import Any, Final

from respkv.scripting.arguments import BadArgument, bad_argument, check_integer

_MAX: Final = 2**31 - 1
_STATE_MASK: Final = 2**48 - 1


class Chance:
    """One generator."""

    def __init__(self) -> None:
        self._state = 0x1234ABCD330E

    def random(self, *arguments: Any) -> Any:
        """As `math.random`. Raises BadArgument."""
        self._state = (self._state * 0x5DEECE66D + 0xB) & _STATE_MASK
        share = (self._state >> 17) % _MAX / _MAX
        if not arguments:
            return share
        if len(arguments) == 1:
            upper = check_integer(arguments, 1, b"random")
            if upper < 1:
                raise bad_argument(1, b"random", b"interval is empty")
            return floor(share * upper) + 1
        if len(arguments) == 2:
            lower = check_integer(arguments, 1, b"random")
            upper = check_integer(arguments, 2, b"random")
            if lower > upper:
                raise bad_argument(2, b"random", b"interval is empty")
            return floor(share * (upper - lower + 1)) + lower
        raise BadArgument(b"wrong number of arguments")

    def seed(self, *arguments: Any) -> Any:
        """As `math.randomseed`. Raises BadArgument."""
        number = check_integer(arguments, 1, b"randomseed") & 0xFFFFFFFF
        self._state = number << 16 | 0x330E
        return ()
