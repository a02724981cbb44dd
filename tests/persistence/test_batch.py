import pytest

from respkv.persistence.batch import (
    INCOMPLETE,
    MALFORMED,
    WHOLE,
    encode,
    encode_pieces,
    make_header,
    parse_commands,
    parse_header,
)
from respkv.persistence.crc64 import crc64

SET = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"
LARGE = b"*2\r\n$3\r\nGET\r\n$9000\r\n" + b"x" * 9000 + b"\r\n"


def test_the_checksum_is_the_one_of_redis_and_runs_on() -> None:
    assert crc64(b"123456789", 0) == 0xE9C6D914C4B8D9CA
    assert crc64(b"6789", crc64(b"12345", 0)) == 0xE9C6D914C4B8D9CA


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([], b""),
        ([[b"SET", b"a", b"b"]], SET),
        ([SET, [b"DEL", b""]], SET + b"*2\r\n$3\r\nDEL\r\n$0\r\n\r\n"),
        ([[b"x" * 1023, b"y" * 1024]], b"*2\r\n$1023\r\n%b\r\n$1024\r\n%b\r\n" % (b"x" * 1023, b"y" * 1024)),
        (
            [SET, LARGE, [b"DEL", b""], [b"GET", b"x" * 9000], SET],
            SET + LARGE + b"*2\r\n$3\r\nDEL\r\n$0\r\n\r\n" + LARGE + SET,
        ),
        ([[b"a"] * 1024], b"*1024" + b"\r\n$1\r\na" * 1024 + b"\r\n"),
    ],
)
def test_effects_become_resp(effects: list[list[bytes] | bytes], expected: bytes) -> None:
    assert encode(effects) == expected
    commands: list[list[bytes]] = []
    assert parse_commands(expected, 0, commands, 10) == (len(expected), WHOLE)
    assert encode(list(commands)) == expected


def test_what_is_large_is_a_piece_of_its_own() -> None:
    large = b"x" * 9000
    pieces = encode_pieces([SET, [b"SET", b"k", large], SET])
    assert b"".join(pieces) == encode([SET, [b"SET", b"k", large], SET])
    assert [piece is large for piece in pieces] == [False, True, False]
    assert make_header(pieces, 5, 77) == make_header([b"".join(pieces)], 5, 77)
    assert encode_pieces([SET]) == [SET]


def test_a_header_tells_size_and_running_checksum() -> None:
    line, checksum = make_header([SET], 5, 77)
    assert line == b"#HDR:v1;len:%d;synced:77;checksum:%016x;\r\n" % (len(SET), checksum)
    assert checksum == crc64(SET, crc64(b"#HDR:v1;len:%d;synced:77;" % len(SET), 5))
    header = parse_header(line)
    assert header is not None
    assert (header.payload_size, header.synced_size, header.checksum) == (len(SET), 77, checksum)
    assert header.checksum_of(SET, 5) == checksum


def test_a_header_may_have_fields_that_are_not_known_yet() -> None:
    header = parse_header(b"#HDR:v1;len:7;lsn:12;checksum:00000000000000ff;\r\n")
    assert header is not None
    assert header.covered == b"#HDR:v1;len:7;lsn:12;"
    assert header.synced_size == -1


@pytest.mark.parametrize(
    "line",
    [
        b"#HDR:v1;len:7;checksum:00000000000000ff;\n",
        b"#HDR:v1;len:7;checksum:00000000000000ff\r\n",
        b"#HDR:v1;len:7;checksum:00000000000000fF;\r\n",
        b"#HDR:v1;len:7;checksum:0000000000000ff;\r\n",
        b"#HDR:v1;len:;checksum:00000000000000ff;\r\n",
        b"#HDR:v1;len:-7;checksum:00000000000000ff;\r\n",
        b"#HDR:v1;len:7000000000000000;checksum:00000000000000ff;\r\n",
        b"#HDR:v2;len:7;checksum:00000000000000ff;\r\n",
        b"#TS:1\r\n",
    ],
)
def test_anything_else_is_no_header(line: bytes) -> None:
    assert parse_header(line) is None


@pytest.mark.parametrize(
    "data",
    [
        b"*0\r\n",
        b"*-1\r\n",
        b"*x\r\n",
        b"*\r\n",
        b"*1\n$1\r\na\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$1\r\nab\r\n",
        b"*1\r\n$99999999999\r\n",
        b"*1\r\n$600000000\r\n",
        b"*2000000\r\n$1\r\na\r\n",
        b"PING\r\n",
        b"*1\r\r",
    ],
)
def test_what_is_no_command_is_malformed(data: bytes) -> None:
    commands: list[list[bytes]] = []
    assert parse_commands(SET + data, 0, commands, 10) == (len(SET), MALFORMED)
    assert commands == [[b"SET", b"a", b"b"]]


@pytest.mark.parametrize("size", range(1, len(SET)))
def test_a_command_cut_anywhere_is_incomplete(size: int) -> None:
    commands: list[list[bytes]] = []
    starts: list[int] = []
    assert parse_commands(SET + SET[:size], 0, commands, 10, starts) == (len(SET), INCOMPLETE)
    assert starts == [0]


def test_parsing_stops_at_annotations_zeros_and_after_as_many_as_wanted() -> None:
    assert parse_commands(SET + b"#TS:1\r\n", 0, [], 10) == (len(SET), WHOLE)
    assert parse_commands(SET + b"\0\0", 0, [], 10) == (len(SET), WHOLE)
    assert parse_commands(SET * 3, 0, [], 2) == (len(SET) * 2, WHOLE)
