"""Requests from bytes: whole, in pieces, hostile, and wrong in each way that a real server has a word for."""

import random
import tracemalloc

import pytest
from harness import encode
from hypothesis import given
from hypothesis import strategies as st
from real_redis import RealRedis

from respkv.build import BUILD
from respkv.resp.reader import RequestReader

BULK_MAX = 512 * 1024 * 1024

Outcome = tuple[list[list[bytes]], bytes | None]

# (what arrives, the requests in it, the protocol error behind them)
TABLE: list[tuple[bytes, list[list[bytes]], bytes | None]] = [
    (b"*1\r\n$4\r\nPING\r\n", [[b"PING"]], None),
    (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", [[b"GET", b""]], None),
    (b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", [[b"PING"], [b"ECHO", b"hi"]], None),
    # The line end behind an argument is skipped unread.
    (b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", [[b"PING"], [b"PING"]], None),
    (b"*1\r\n$4\r\nPING\n\r", [[b"PING"]], None),
    # So is the second byte of the line end behind a header.
    (b"*1\rx$4\rxPING\r\n", [[b"PING"]], None),
    (b"*2\r\n$4\r\nECHO\r\n$6\r\n\r\n*1\r\n\r\n", [[b"ECHO", b"\r\n*1\r\n"]], None),
    (b"*2\r\n$4\r\nECHO\r\n$5\r\na\r\n+b\r\n", [[b"ECHO", b"a\r\n+b"]], None),
    (b"*2\r\n$4\r\nECHO\r\n$6\r\n*99999\r\n", [[b"ECHO", b"*99999"]], None),
    (b"*2\r\n$4\r\nECHO\r\n$4\r\n:0\r\n\r\n", [[b"ECHO", b":0\r\n"]], None),
    # hiredis would take these arguments.
    (b"*2\r\n$4\r\nECHO\r\n(12\r\n", [], b"Protocol error: expected '$', got '('"),
    (b"*2\r\n$4\r\nECHOxx+a\r\n", [], b"Protocol error: expected '$', got '+'"),
    (b"*2\r\n$4\r\nECHO\r\n#t\r\n", [], b"Protocol error: expected '$', got '#'"),
    # Empty and negative arrays are nothing.
    (b"*0\r\n*-1\r\n*-99\r\n*1\r\n$4\r\nPING\r\n", [[b"PING"]], None),
    # Inline.
    (b"PING\r\n", [[b"PING"]], None),
    (b"PING\n", [[b"PING"]], None),
    (b'  SET  k "a b"  \r\n', [[b"SET", b"k", b"a b"]], None),
    (b"\r\n\r\n \r\nPING\r\n", [[b"PING"]], None),
    (b"PING\r\n*1\r\n$4\r\nPING\r\nECHO x\r\n", [[b"PING"], [b"PING"], [b"ECHO", b"x"]], None),
    (b"*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$4\r\nPING\r\n", [[b"PING"]] * 3, None),
    # What RESP has for replies are inline words to a server.
    (b"+PING\r\n", [[b"+PING"]], None),
    *(
        (b"*1\r\n$4\r\nPING\r\n" + line + b"\r\nPING\r\n", [[b"PING"], line.split(), [b"PING"]], None)
        for line in (b":5", b":0", b"+OK", b"-ERR x", b"_", b"#f", b"#t", b",1.5", b"(12", b"$-1", b"$4", b"%0", b"~0")
    ),
    (b"*1\r\n$4\r\nPING\r\n_\r\n#f\r\n", [[b"PING"], [b"_"], [b"#f"]], None),
    (b"*1\r\n$4\r\nPING\r\n_\r\n_\r\n#f\r\nPING\r\n", [[b"PING"], [b"_"], [b"_"], [b"#f"], [b"PING"]], None),
    (b"*1\r\n$4\r\nPING\r\n>1\r\n$4\r\nPING\r\n", [[b"PING"], [b">1"], [b"$4"], [b"PING"]], None),
    (b"*1\r\n$4\r\nPING\r\n~1\r\n$4\r\nPING\r\n", [[b"PING"], [b"~1"], [b"$4"], [b"PING"]], None),
    (b"*1\r\n$4\r\nPING\r\n|1\r\n$1\r\na\r\n$1\r\nb\r\n", [[b"PING"], [b"|1"], [b"$1"], [b"a"], [b"$1"], [b"b"]], None),
    (b"*1\r\n$4\r\nPING\r\n=8\r\ntxt:PING\r\n", [[b"PING"], [b"=8"], [b"txt:PING"]], None),
    (b"*1\r\n$4\r\nPING\r\n!4\r\nPING\r\n", [[b"PING"], [b"!4"], [b"PING"]], None),
    # Errors.
    (b"*x\r\n", [], b"Protocol error: invalid multibulk length"),
    (b"*\r\n", [], b"Protocol error: invalid multibulk length"),
    (b"*+1\r\n", [], b"Protocol error: invalid multibulk length"),
    (b"*01\r\n", [], b"Protocol error: invalid multibulk length"),
    (b"* 1\r\n", [], b"Protocol error: invalid multibulk length"),
    (b"*2147483648\r\n", [], b"Protocol error: invalid multibulk length"),
    (b"*99999999999999999999\r\n", [], b"Protocol error: invalid multibulk length"),
    (b"*1\r\n$x\r\n", [], b"Protocol error: invalid bulk length"),
    (b"*1\r\n$\r\n", [], b"Protocol error: invalid bulk length"),
    (b"*1\r\n$-1\r\n", [], b"Protocol error: invalid bulk length"),
    (b"*1\r\n$01\r\n", [], b"Protocol error: invalid bulk length"),
    (b"*1\r\n$536870913\r\n", [], b"Protocol error: invalid bulk length"),
    (b"*1\r\n:5\r\n", [], b"Protocol error: expected '$', got ':'"),
    (b"*1\r\n*1\r\n$4\r\nPING\r\n", [], b"Protocol error: expected '$', got '*'"),
    (b"*2\r\n$4\r\nECHO\r\n+x\r\n", [], b"Protocol error: expected '$', got '+'"),
    (b"*2\r\n$4\r\nECHO\r\n=5\r\ntxt:x\r\n", [], b"Protocol error: expected '$', got '='"),
    (b"*1\r\n\r\n", [], b"Protocol error: expected '$', got ' '"),
    (b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\nX\r\nPING\r\n", [[b"PING"]] * 2, b"Protocol error: expected '$', got 'X'"),
    (b'ECHO "a\r\n', [], b"Protocol error: unbalanced quotes in request"),
    (b"PING\r\nECHO 'a'b\r\nPING\r\n", [[b"PING"]], b"Protocol error: unbalanced quotes in request"),
    (b"x" * 65537, [], b"Protocol error: too big inline request"),
    (b"*" + b"1" * 65537, [], b"Protocol error: too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 65537, [], b"Protocol error: too big bulk count string"),
    # Not yet errors, or not yet anything.
    (b"x" * 65536, [], None),
    (b"*" + b"1" * 65535, [], None),
    (b"*2147483647\r\n", [], None),
    (b"*1\r\n$536870912\r\n", [], None),
    (b"*1\r\n$4\r\nPIN", [], None),
    (b"*1\r\n$4\r\nPING\r", [], None),
    (b"*3\r\n$3\r\nSET\r\n", [], None),
]


def read(data: bytes, cuts: list[int], reader: RequestReader | None = None) -> Outcome:
    """What a reader makes of `data` that arrives in pieces."""
    if reader is None:
        reader = RequestReader(BULK_MAX)
    requests: list[list[bytes]] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if reader.error is None and start < end:
            requests += reader.feed(data[start:end])
            while reader.error is None and reader.has_more() and (more := reader.more()):
                requests += more
    return requests, reader.error


def short_id(data: bytes) -> str:
    return repr(data[:40])


@pytest.mark.parametrize(("data", "requests", "error"), TABLE, ids=[short_id(row[0]) for row in TABLE])
def test_the_table(data: bytes, requests: list[list[bytes]], error: bytes | None) -> None:
    assert read(data, []) == (requests, error), "whole"
    assert read(data, list(range(1, len(data), max(1, len(data) // 4000)))) == (requests, error), "byte by byte"
    if len(data) < 200:
        for cut in range(1, len(data)):
            assert read(data, [cut]) == (requests, error), f"cut at {cut}"
    if error is None and data.endswith(b"\r\n") and requests:
        assert read(data + b"*1\r\n$1\r\nx\r\n", [])[0][: len(requests)] == requests, "with trailing data"


def test_the_errors_are_those_of_a_real_server(reference: RealRedis) -> None:
    for data, _, error in TABLE:
        answer = reference.answer_to_the_end(data)
        found = answer[answer.rindex(b"-ERR Protocol") : -2] if b"-ERR Protocol" in answer else None
        assert found == (error and b"-ERR " + error), data[:60]


@pytest.mark.parametrize(
    "data",
    [
        b"*2147483647\r\n",
        b"*1000000000\r\n$4\r\nPING\r\n",
        b"*3\r\n$536870912\r\nx",
        b"*1\r\n$4\r\nPING\r\n*1000000000\r\n",
        b"*1\r\n*1000000000\r\n*1000000000\r\n",
        b"*1\r\n$4\r\nPING\r\n~1000000000\r\n",
        b"*1\r\n$4\r\nPING\r\n>1000000000\r\n",
        b"*1\r\n$4\r\nPING\r\n%1000000000\r\n",
        b"*1\r\n$4\r\nPING\r\n$536870912\r\n",
        b"*1\r\n$4\r\nPING\r\n|99999999\r\n",
        b"*1\r\n$4\r\nPINGxx~99999999\r\n",
        b"*9999\r\n" * 100,
        b"*9999\r\n$1\r\na\r\n" * 100,
        b"*1\r\n$1\r\na\r\n" + b"~9\r\n" * 100,
    ],
)
def test_a_header_that_announces_much_costs_nothing(data: bytes) -> None:
    reader = RequestReader(BULK_MAX)
    tracemalloc.start()
    try:
        reader.feed(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_large_argument_arrives_in_pieces() -> None:
    value = random.Random(1).randbytes(3_000_000)
    data = encode([b"SET", b"k", value]) + encode([b"PING"])
    assert read(data, list(range(1000, len(data), 65_536))) == ([[b"SET", b"k", value], [b"PING"]], None)


def test_long_requests_of_a_pipeline_are_read_whole() -> None:
    data = encode([b"MSET", *[b"k", b"v"] * 300]) * 5
    reader = RequestReader(BULK_MAX)
    assert len(reader.feed(data)) == 5
    assert reader.take_verbatim() == data


def test_what_a_client_library_sends_can_be_logged_as_it_came() -> None:
    reader = RequestReader(BULK_MAX)
    data = encode([b"SET", b"k", b"v"]) * 3
    assert len(reader.feed(data)) == 3
    assert reader.take_verbatim() == data
    for other in (
        b"PING\r\n",
        data + b"PING\r\n",
        data + b"_\r\n#f\r\n",
        b"*01\r\n$4\r\nPING\r\n",
        b"$4\r\nPING\r\n" + data,
    ):
        reader = RequestReader(BULK_MAX)
        reader.feed(other)
        assert reader.verbatim_end == 0, other


def test_a_request_that_is_cut_does_not_keep_those_before_it_from_the_log() -> None:
    data = encode([b"SET", b"k", b"v"]) * 3
    echo = encode([b"ECHO", b"x" * 20])
    for cut in range(1, len(echo)):
        reader = RequestReader(BULK_MAX)
        assert len(reader.feed(data + echo[:cut])) == 3
        assert reader.take_verbatim() == data
        assert reader.feed(echo[cut:] + data) == [[b"ECHO", b"x" * 20], *[[b"SET", b"k", b"v"]] * 3]
        assert reader.pending_bytes() == 0


@pytest.mark.skipif(BUILD == "interpreted", reason="there the strict reader has the rest at once")
def test_a_request_that_trickles_in_is_read_once() -> None:
    argv = [b"MSET", *[b"k%d" % number for number in range(1000)]]
    data = encode(argv)
    reader = RequestReader(BULK_MAX)
    assert reader.feed(data[:100]) == []
    assert reader.pending_arguments() == 0, "the fast reader may look again"
    assert reader.feed(data[100:200]) == []
    assert reader.pending_arguments() > 10, "what has been read is kept"
    assert reader.feed(data[200:]) == [argv]


def test_a_guarded_reader_takes_one_request_at_a_time() -> None:
    reader = RequestReader(BULK_MAX)
    reader.guarded = True
    data = encode([b"AUTH", b"x"]) + encode([b"SET", b"k", b"v" * 20_000]) + b"PING\r\n"
    assert reader.feed(data) == [[b"AUTH", b"x"]]
    assert reader.has_more()
    reader.guarded = False
    assert reader.more() == [[b"SET", b"k", b"v" * 20_000], [b"PING"]]
    assert not reader.has_more()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*11\r\n", b"Protocol error: unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", b"Protocol error: unauthenticated bulk length"),
        (b"*10\r\n$16384\r\n", None),
    ],
)
def test_who_has_not_authenticated_is_held_short(data: bytes, error: bytes | None) -> None:
    reader = RequestReader(BULK_MAX)
    reader.guarded = True
    assert read(data, [], reader) == ([], error)


arguments = st.binary(max_size=12) | st.sampled_from([b"PING", b"\r\n", b":0\r\n", b"*1\r\n$1\r\n", b"x" * 200])
frames = st.lists(arguments, min_size=1, max_size=4).map(encode) | st.sampled_from(
    [b"PING\r\n", b"\r\n", b"*0\r\n", b"*-1\r\n", b"_\r\n", b"#f\r\n", b":0\r\n", b"$-1\r\n", b"~1\r\n", b">1\r\n"]
)
streams = st.lists(frames, max_size=6).map(b"".join)


@st.composite
def damaged_streams(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(streams))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.sampled_from([*(bytes([c]) for c in b"\r\n*$:+-=_#~>%|,(!0129x\"' "), b"\r\n", b"99999"]))
        data[at : at + draw(st.integers(0, 2))] = piece
    return bytes(data)


@given(damaged_streams(), st.data())
def test_cuts_make_no_difference(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=4)))
    whole = read(data, [])
    assert read(data, cuts) == whole
    assert read(data, list(range(1, len(data)))) == whole


@given(st.binary(max_size=200), st.data())
def test_any_bytes_are_read_alike_in_any_pieces(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=4)))
    assert read(data, cuts) == read(data, [])


@given(st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=5), max_size=8), st.data())
def test_what_is_encoded_is_read_back(requests: list[list[bytes]], draw: st.DataObject) -> None:
    data = b"".join(map(encode, requests))
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    reader = RequestReader(BULK_MAX)
    assert read(data, cuts, reader) == (requests, None)
    assert reader.pending_bytes() == reader.pending_arguments() == 0


@pytest.mark.parametrize("odd", [b"", b"$4\r\nodd!xx", b"$4\rxodd!\r\n"])
def test_a_long_request_in_pieces(odd: bytes) -> None:
    arguments = [b"%d" % number * (number % 50) for number in range(3000)]
    wires = [b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments]
    if odd:
        arguments.insert(1500, b"odd!")
        wires.insert(1500, odd)
    data = b"*%d\r\n%b" % (len(arguments), b"".join(wires)) + encode([b"PING"])
    for step in (7, 1000, 4096, 100_000):
        reader = RequestReader(BULK_MAX)
        requests: list[list[bytes]] = []
        for at in range(0, len(data), step):
            requests += reader.feed(data[at : at + step])
            if not requests:
                # What an argument costs beyond its bytes is known in about.
                assert at <= reader.pending_bytes() + 8 * len(arguments)
        assert requests == [arguments, [b"PING"]]
        assert reader.error is None


def test_it_says_whether_it_awaits_one_large_argument() -> None:
    reader = RequestReader(BULK_MAX)
    assert reader.feed(b"*2\r\n$3\r\nGET\r\n$100000\r\n" + b"x" * 16_000) == []
    assert reader.awaits_large()
    assert reader.feed(b"x" * 83_000) == []
    assert not reader.awaits_large()
    assert reader.feed(b"x" * 1000 + b"\r\n") == [[b"GET", b"x" * 100_000]]
    reader = RequestReader(BULK_MAX)
    for _ in range(3):
        assert reader.feed((b"" if reader.pending_bytes() else b"*9000\r\n") + b"$5\r\nabcde\r\n" * 2000) == []
        assert not reader.awaits_large()
