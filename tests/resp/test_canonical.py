"""Requests in the form that client libraries send: what is taken, where it stops, and why."""

import pytest
from harness import encode
from hypothesis import given
from hypothesis import strategies as st

from respkv.resp.canonical import CUT, OTHER, WHOLE, read_arguments, read_canonical

MANY = 1_000_000
SET = encode([b"SET", b"k", b"v"])


def read(data: bytes, start: int = 0, stop: int = -1, most: int = MANY) -> tuple[list[list[bytes]], int, int]:
    requests: list[list[bytes]] = []
    at, why = read_canonical(data, start, len(data) if stop < 0 else stop, most, requests)
    return requests, at, why


requests_strategy = st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=30), max_size=6)


@given(requests_strategy, st.integers(0, 50))
def test_every_request_is_taken_and_what_is_cut_is_left(requests: list[list[bytes]], missing: int) -> None:
    pieces = [encode(argv) for argv in requests]
    data = b"".join(pieces)
    assert read(data) == (requests, len(data), WHOLE)
    stop = max(0, len(data) - missing)
    found, at, why = read(data, 0, stop)
    assert found == requests[: len(found)]
    assert at == len(b"".join(pieces[: len(found)]))
    assert why == (WHOLE if at == stop else CUT)


@given(st.lists(st.sampled_from([b"", b"a", b"\0a", b"GET", b"SET", b"EXPIRES", b"EXPIREAT", b"\xff" * 7])))
def test_first_words_are_what_they_are_alike_or_not(names: list[bytes]) -> None:
    requests = [[name, b"%d" % number] for number, name in enumerate(names)]
    data = b"".join(encode(argv) for argv in requests)
    assert read(data) == (requests, len(data), WHOLE)


def test_it_begins_and_ends_where_it_is_told() -> None:
    argv = [b"SET", b"k", b"v"]
    assert read(SET * 3, len(SET), 2 * len(SET)) == ([argv], 2 * len(SET), WHOLE)
    assert read(SET * 3, most=2) == ([argv] * 2, 2 * len(SET), WHOLE)
    assert read(SET * 3, most=0) == ([], 0, WHOLE)


@pytest.mark.parametrize(
    "data",
    [
        b"PING\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*01\r\n$1\r\na\r\n",
        b"*x\r\n",
        b"*\r\n",
        b"*1\r\n$\r\n",
        b"*1x\r\n",
        b"*1\rx$1\r\na\r\n",
        b"*1000000001\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$x\r\nabc",
        b"*1\r\n$01\r\na\r\n",
        b"*1\r\n$00\r\n\r\n",
        b"*1\r\n$1x\r\na\r\n",
        b"*1\r\n$1\rxa\r\n",
        b"*1\r\n$1\r\nab\n",
        b"*1\r\n$1\r\na\rx",
        b"*1\r\n$1000000000\r\na",
        # Whole it might be what a client sends; but so much is missing that it is not to be read twice.
        b"*1\r\n$100000\r\na",
    ],
)
def test_anything_else_is_left_to_others(data: bytes) -> None:
    assert read(data) == ([], 0, OTHER)
    assert read(SET + data) == ([[b"SET", b"k", b"v"]], len(SET), OTHER)


@given(st.lists(st.binary(max_size=120), max_size=30), st.integers(0, 150), st.integers(0, 40))
def test_arguments_of_a_long_request_are_taken_as_far_as_they_are_there(
    arguments: list[bytes], missing: int, most: int
) -> None:
    wires = [b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments]
    data = b"xx" + b"".join(wires)
    data = data[: max(2, len(data) - missing)]
    argv = [b"RPUSH"]
    at, size = read_arguments(data, 2, most, argv)
    taken = len(argv) - 1
    assert argv[1:] == arguments[:taken]
    assert at == 2 + sum(map(len, wires[:taken]))
    assert size == sum(map(len, arguments[:taken]))
    assert taken == min(most, len(arguments)) or len(data) < at + len(wires[taken])


@pytest.mark.parametrize(
    "data",
    [
        b":1\r\n",
        b"$01\r\na\r\n",
        b"$-1\r\n",
        b"$\r\n\r\n",
        b"$1x\r\na\r\n",
        b"$1\r\naxx",
        b"$1\rxa\r\n",
        b"$99999999999\r\n",
    ],
)
def test_arguments_in_any_other_form_are_left(data: bytes) -> None:
    argv: list[bytes] = []
    assert read_arguments(b"$1\r\na\r\n" + data, 0, 9, argv) == (7, 1)
    assert argv == [b"a"]
