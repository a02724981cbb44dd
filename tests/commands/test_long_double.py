"""Extended precision: the digits of INCRBYFLOAT, against known ones and against a real server's."""

import random

import pytest
from harness import Client, assert_same, encode
from real_redis import RealRedis

from respkv.commands import long_double
from respkv.commands.long_double import NotFinite, add, parse, to_text
from respkv.errors import NotAFloat


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b"0", b"0"),
        (b"-0", b"0"),
        (b"3.0e3", b"3000"),
        (b"10.5", b"10.5"),
        (b".5", b"0.5"),
        (b"5.", b"5"),
        (b"+1.25", b"1.25"),
        (b"0x1p-3", b"0.125"),
        (b"-0X.8P1", b"-1"),
        (b"0.1", b"0.1"),
        (b"1e-17", b"0.00000000000000001"),
        (b"1e-18", b"0"),
        (b"-1e-18", b"0"),
        # Three ties of the last written place: to even.
        (b"0x1p-18", b"0.00000381469726562"),
        (b"18446744073709551615", b"18446744073709551615"),
        # A tie of the last of 64 bits: to even.
        (b"18446744073709551617", b"18446744073709551616"),
        (b"18446744073709551619", b"18446744073709551620"),
        (b"9223372036854775807.5", b"9223372036854775807.5"),
    ],
)
def test_a_number_is_written_with_17_places(text: bytes, written: bytes) -> None:
    assert to_text(parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b" 1",
            b"1 ",
            b"1_0",
            b"abc",
            b".",
            b"-",
            b"e5",
            b"1e",
            b"1e+",
            b"0x",
            b"0x.",
            b"0x1p",
            b"--1",
            b"1,5",
        ),
        *(b"nan", b"NaN", b"nan(1)", b"infi", b"1\x00", b"1e5000", b"-1e5000", b"1e-5000", b"0x1p16384"),
        *(b"1e999999999999999999999", b"1e-999999999999999999999", b"1" * 5120, b"\xff"),
    ],
)
def test_what_is_no_number(text: bytes) -> None:
    with pytest.raises(NotAFloat):
        parse(text)


@pytest.mark.parametrize("text", [b"0e999999999999", b"-0e-99999999999", b"0x0p99999"])
def test_zero_is_zero_whatever_its_exponent(text: bytes) -> None:
    assert parse(text) == (0, 0)


def test_the_largest_and_the_least_number_are_exact() -> None:
    largest = parse(b"0xFFFFFFFFFFFFFFFFp16320")
    assert largest == (2**64 - 1, 16320)
    assert to_text(largest) == b"%s" % _digits(((1 << 64) - 1) << 16320)
    assert parse(b"0x1p-16445") == (1, -16445)
    # Half of the least is a tie, which goes to zero; a little more does not.
    with pytest.raises(NotAFloat):
        parse(b"0x1p-16446")
    assert parse(b"0x1.8p-16446") == (1, -16445)


def _digits(number: int) -> bytes:
    digits = b""
    while number:
        number, digit = divmod(number, 10)
        digits = b"%d" % digit + digits
    return digits


@pytest.mark.parametrize(("one", "two"), [(b"inf", b"1"), (b"1", b"-INFINITY"), (b"inf", b"-inf"), (b"1e4932",) * 2])
def test_a_sum_that_is_not_finite(one: bytes, two: bytes) -> None:
    with pytest.raises(NotFinite):
        add(parse(one), parse(two))


def test_a_sum_is_rounded_to_64_bits() -> None:
    assert add(long_double.of_int(2**63), parse(b"0.25")) == (2**63, 0)
    assert add(long_double.of_int(-1), parse(b"1")) == (0, 0)


def random_text(rng: random.Random) -> bytes:
    kind = rng.randrange(8)
    if kind == 0:
        return b"%d" % rng.randrange(-(10**6), 10**6)
    if kind == 1:
        return b"%d" % rng.randrange(-(2**66), 2**66)
    if kind == 2:
        return repr(rng.uniform(-1000, 1000)).encode()
    if kind == 3:
        return b"%d.%0*d" % (rng.randrange(-(10**9), 10**9), rng.randrange(1, 30), rng.randrange(10**20))
    if kind == 4:
        return b"%s%d.%de%d" % (
            rng.choice([b"", b"-", b"+"]),
            rng.randrange(10),
            rng.randrange(10**18),
            rng.randrange(-30, 40),
        )
    if kind == 5:
        return b"%d.%dE%d" % (rng.randrange(10), rng.randrange(10**25), rng.randrange(-4970, 4940))
    if kind == 6:
        return b"0x%x.%xp%d" % (rng.randrange(2**40), rng.randrange(2**60), rng.randrange(-120, 80))
    return b"%d.%d" % (rng.randrange(100), rng.choice([5, 25, 125, 1, 2, 3, 99, 999999]))


def test_sums_are_those_of_a_real_server(client: Client, reference: RealRedis) -> None:
    rng = random.Random(20)
    commands = []
    for number in range(4000):
        key = b"k%d" % (number // 5)
        if number % 5 == 0:
            commands.append([b"SET", key, random_text(rng)])
        commands.append([b"INCRBYFLOAT", key, random_text(rng)])
    commands += [[b"INCRBYFLOAT", b"n", b"1" * 5119], [b"INCRBYFLOAT", b"n", b"0." + b"1" * 5117]]
    data = b"".join(map(encode, commands))
    ours = client.raw(data)
    theirs = reference.answer(data)
    assert ours.count(b"-ERR") < len(commands) // 2
    assert_same(commands, ours, theirs)
