"""Arguments to values, by Redis's rules; and the cursor that walks over a command's options."""

from typing import Final

from respkv.errors import BadSyntax, NotACount, NotAFloat, NotAnInteger, ReplyError

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
UNBOXED_MAX: Final = 2**62 - 1
"""Integers up to this size are compared as machine words by compiled code."""
INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1


def parse_int(text: bytes) -> int:
    """A canonical decimal integer of 64 bits: no sign `+`, no leading zeros, no spaces.

    Raises NotAnInteger.
    """
    # Python takes more forms (`+1`, ` 1`, `1_0`) than Redis; writing the number again shows the difference.
    # Twenty characters hold each 64-bit number, and int() of a long text takes quadratic time.
    if len(text) > 20:
        raise NotAnInteger
    try:
        number = int(text)
    except ValueError:
        raise NotAnInteger from None
    if b"%d" % number != text or not INT64_MIN <= number <= INT64_MAX:
        raise NotAnInteger
    return number


def parse_count(text: bytes) -> int:
    """An integer from 0 on. Raises NotACount."""
    try:
        number = parse_int(text)
    except NotAnInteger:
        raise NotACount from None
    if number < 0:
        raise NotACount
    return number


REPETITIONS_MAX: Final = 1 << 22
"""How often elements chosen at random may repeat in one reply, which Redis does not bound: it fills its memory."""


def check_repetitions(count: int, what: bytes) -> None:
    """Raises ReplyError if `count`, which is negative where elements (`what`) may repeat, asks for too many."""
    if count < -REPETITIONS_MAX:
        raise ReplyError(b"ERR value is out of range, at most %d random %b at once" % (REPETITIONS_MAX, what))


def check_drawn(drawn: list[bytes], most_bytes: int) -> None:
    """Raises ReplyError if elements chosen at random, some perhaps often, take more than that in the reply. O(n)."""
    if sum(map(len, drawn)) > most_bytes:
        raise ReplyError(b"ERR value is out of range, what was drawn is longer than proto-max-bulk-len")


def parse_within(text: bytes, low: int, high: int) -> int:
    """An integer from `low` to `high`. Raises NotAnInteger, ReplyError."""
    number = parse_int(text)
    if not low <= number <= high:
        raise ReplyError(b"ERR value is out of range, value must between %d and %d" % (low, high))
    return number


def is_int(text: bytes) -> bool:
    """Whether `text` is a canonical 64-bit integer, which Redis keeps in its `int` encoding."""
    length = len(text)
    if length == 0 or length > 20:
        return False
    first = text[0]
    if not (48 <= first <= 57 or first == 45):
        return False
    try:
        number = int(text)
    except ValueError:
        return False
    return b"%d" % number == text and INT64_MIN <= number <= INT64_MAX


def parse_float(text: bytes) -> float:
    """A double as C's `strtod` reads it, the whole text, not NaN. Raises NotAFloat."""
    # Spaces are the only bytes up to 32 that float() takes, and 95 is the underscore.
    if not text or text[0] <= 32 or text[-1] <= 32 or text.find(95) >= 0:
        raise NotAFloat
    try:
        number = float(text)
    except ValueError:
        try:
            number = float.fromhex(text.decode("ascii")) if b"x" in text or b"X" in text else float("nan")
        except (ValueError, OverflowError):
            raise NotAFloat from None
    if number != number:
        raise NotAFloat
    return number


class Args:
    """A cursor over the options of a command, from position `at` of its argv.

    Each question consumes what it found; `finish` refuses what nobody asked for.
    """

    def __init__(self, argv: list[bytes], at: int) -> None:
        self.argv = argv
        self.at = at

    def more(self) -> bool:
        """Whether there are arguments left."""
        return self.at < len(self.argv)

    def remaining(self) -> int:
        """How many arguments are left."""
        return len(self.argv) - self.at

    def token(self, upper: bytes) -> bool:
        """Whether the next argument is the word `upper`, in any case."""
        if self.at < len(self.argv) and self.argv[self.at].upper() == upper:
            self.at += 1
            return True
        return False

    def token_with_value(self, upper: bytes) -> bool:
        """Whether the next argument is the word `upper` and another argument follows it.

        The word without its value is no match, which ends as a syntax error, as in Redis.
        """
        if self.at + 1 < len(self.argv) and self.argv[self.at].upper() == upper:
            self.at += 1
            return True
        return False

    def next(self) -> bytes:
        """The next argument as it is. Raises BadSyntax if there is none."""
        if self.at >= len(self.argv):
            raise BadSyntax
        self.at += 1
        return self.argv[self.at - 1]

    def integer(self) -> int:
        """The next argument as an integer. Raises BadSyntax, NotAnInteger."""
        return parse_int(self.next())

    def double(self) -> float:
        """The next argument as a float. Raises BadSyntax, NotAFloat."""
        return parse_float(self.next())

    def finish(self) -> None:
        """Raises BadSyntax if arguments are left."""
        if self.at < len(self.argv):
            raise BadSyntax
