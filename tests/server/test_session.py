"""A session without sockets: bytes in, in any pieces, and the replies of a real server out."""

import random

import pytest
from harness import Client, World, decode, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_redis import RealRedis

from respkv.commands.flags import GATE_TIMED
from respkv.engine.engine import NOTIFIED

STREAM = b"".join(
    [
        b"PING\r\n",
        encode([b"SET", b"k", b"v\r\n*1\r\n"]),
        encode([b"get", b"k"]),
        b"SET \"a b\" 'c d'\r\n",
        b"\r\n",
        encode([b"MGET", b"k", b"a b", b"none"]),
        encode([b"NOSUCH", b"x"]),
        encode([b"GET"]),
        b"*0\r\n",
        encode([b"MULTI"]),
        encode([b"INCR", b"n"]) * 3,
        encode([b"EXEC"]),
        encode([b"APPEND", b"big", b"x" * 3000]),
        encode([b"SETRANGE", b"big", b"1", b"yy"]),
        encode([b"GETRANGE", b"big", b"0", b"5"]),
        encode([b"SELECT", b"3"]),
        encode([b"SET", b"k", b"3"]),
        b"HELLO 3\r\nGET none\r\nLCS k k IDX\r\nSELECT 0\r\n"[9:],
        encode([b"GETDEL", b"k"]),
        b"*1\r\n$4\r\nPING\r\n*1\r\nX\r\nPING\r\n",
    ]
)


def send(client: Client, pieces: list[bytes]) -> bytes:
    """The replies to bytes that arrive in pieces, until the session ends."""
    client.world.checks_each_command = False
    answer = b""
    for piece in pieces:
        if piece and not client.session.closing:
            answer += client.raw(piece)
    return answer


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def test_a_stream_is_answered_as_by_a_real_server(client: Client, reference: RealRedis) -> None:
    assert send(client, [STREAM]) == reference.answer_to_the_end(STREAM)
    assert client.session.closing


def test_a_stream_byte_by_byte_gets_the_same_replies(client: Client, world: World) -> None:
    whole = send(client, [STREAM])
    log = world.log.copy()
    other = World()
    assert send(other.connect(), cut(STREAM, list(range(1, len(STREAM))))) == whole
    assert other.log == log
    other.close()


@pytest.mark.parametrize("seed", range(30))
def test_a_stream_in_random_pieces_gets_the_same_replies(client: Client, world: World, seed: int) -> None:
    rng = random.Random(seed)
    cuts = sorted(rng.sample(range(len(STREAM)), rng.randrange(1, 40)))
    other = World()
    whole = send(other.connect(), [STREAM])
    assert send(client, cut(STREAM, cuts)) == whole
    assert world.log == other.log
    other.close()


def test_whole_chunks_go_to_the_log_as_they_came(client: Client, world: World) -> None:
    data = encode([b"SET", b"k", b"v"]) * 2
    client.session.receive(data)
    assert world.engine.effects == [[b"SELECT", b"0"], data]
    client.session.take_output()
    world.collect()


@pytest.mark.parametrize(
    "data",
    [
        encode([b"SET", b"k", b"v"])[:-2] + b"xx",
        encode([b"SET", b"k", b"v"]) + b"_\r\n#f\r\n",
        encode([b"SET", b"k", b"v"]) + b"SET k w\r\n",
        encode([b"SET", b"k", b"v"]) + encode([b"GET", b"k"]),
        encode([b"SET", b"k", b"v", b"EX", b"100"]),
        encode([b"SET", b"k", b"v"]) + encode([b"SETNX", b"k", b"w"]),
    ],
)
def test_what_is_not_just_the_effects_is_logged_anew(client: Client, world: World, data: bytes) -> None:
    client.session.receive(data)
    assert all(isinstance(effect, list) for effect in world.engine.effects)
    client.session.take_output()
    world.collect()


def test_an_unfinished_request_waits(client: Client) -> None:
    data = encode([b"SET", b"k", b"v" * 100])
    assert client.raw(data[:-1]) == b""
    assert client.raw(data[-1:] + b"GET k\r\n") == b"+OK\r\n$100\r\n" + b"v" * 100 + b"\r\n"


def test_nothing_is_read_behind_a_protocol_error(client: Client, world: World) -> None:
    assert client.raw(b"SET k 1\r\n*x\r\nSET k 2\r\n") == b"+OK\r\n-ERR Protocol error: invalid multibulk length\r\n"
    assert client.session.closing
    assert client.raw(b"SET k 3\r\n") == b""
    assert world.connect().run("GET k") == b"1"


def test_one_client_s_mistake_is_no_other_s(client: Client, world: World) -> None:
    other = world.connect()
    client.raw(b"*x\r\n")
    assert other.run("PING") == "PONG"


# Against a real server

WORDS = [b"PING", b"GET", b"set", b"MULTI", b"EXEC", b"ECHO", b"NOSUCH", b"", b"k", b"v", b"MGET", b"INCR"]
NOISE = [*(bytes([c]) for c in b"\r\n*$:+-=_#~>%|,(!0129x\"' "), b"\r\n", b"$3\r\n", b"*2\r\n", b"99999", b"-1"]


def random_stream(rng: random.Random) -> bytes:
    frames = []
    for _ in range(rng.randrange(1, 6)):
        argv = [rng.choice(WORDS) for _ in range(rng.randrange(1, 4))]
        frames.append(encode(argv) if rng.random() < 0.7 else b" ".join(argv) + b"\r\n")
    data = bytearray(b"".join(frames))
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randrange(3)] = rng.choice(NOISE)
    return bytes(data)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_streams_are_answered_as_by_a_real_server(reference: RealRedis, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        data = random_stream(rng)
        cuts = sorted(rng.randrange(len(data)) for _ in range(rng.randrange(4)))
        reference.call("FLUSHALL")
        theirs = reference.answer_to_the_end(data)
        world = World(databases=1)
        assert send(world.connect(), cut(data, cuts)) == theirs, (data, cuts)
        world.close()


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_raise_or_hang(data: bytes, cuts: list[int]) -> None:
    cuts = sorted(min(cut, len(data)) for cut in cuts)
    world = World(databases=1)
    client = world.connect()
    send(client, cut(data, cuts))
    world.close()
    assert client.session.reader.pending_bytes() <= len(data)


@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=6), min_size=1, max_size=6))
def test_requests_of_any_bytes_are_answered_one_by_one(requests: list[list[bytes]]) -> None:
    world = World(databases=1)
    client = world.connect()
    replies = decode(client.raw(b"".join(encode([b"?" + name, *rest]) for name, *rest in requests)))
    assert len(replies) == len(requests)
    assert all(reply.message.startswith(b"ERR unknown command '?") for reply in replies)
    world.close()


def test_replies_beyond_all_memory_end_their_client_alone(client: Client, world: World) -> None:
    # Half a gigabyte of zeros takes no memory while nobody looks at it.
    world.engine.databases[0].set(b"large", bytes(1 << 29))
    world.engine.dirty = 0
    client.session.receive(encode([b"MGET", *[b"large"] * 300_000]))
    assert client.session.take_output() == b""
    assert client.session.killed
    other = world.connect()
    assert other.run("STRLEN large") == 1 << 29
    world.engine.databases[0].remove(b"large")
    world.engine.dirty = 0


def test_a_push_is_output_of_a_session_that_asked_nothing(client: Client, world: World) -> None:
    client.session.push(b">1\r\n+a\r\n")
    client.session.push(b">1\r\n+b\r\n")
    assert world.server.pushed == [client.session]
    assert client.session.take_output() == b">1\r\n+a\r\n>1\r\n+b\r\n"


def test_a_push_does_not_let_a_blocked_session_go_on(client: Client, world: World) -> None:
    client.start("BLPOP l 0")
    client.session.push(b"+push\r\n")
    world.resume_ready()
    assert client.session.is_blocked()
    assert client.session.take_output() == b"+push\r\n"
    world.connect().run("RPUSH l x")
    assert client.replies() == [[b"l", b"x"]]


def test_a_push_reaches_a_session_in_multi_and_one_that_wants_no_replies(client: Client) -> None:
    client.run("MULTI")
    client.session.push(b"+push\r\n")
    assert client.raw(encode([b"SET", b"k", b"v"])) == b"+push\r\n+QUEUED\r\n"
    client.run("EXEC")
    assert client.raw(encode([b"CLIENT", b"REPLY", b"OFF"])) == b""
    client.session.push(b"+push\r\n")
    assert client.raw(encode([b"GET", b"k"])) == b"+push\r\n"


def test_a_push_to_the_session_that_runs_a_command_follows_its_reply(client: Client, world: World) -> None:
    session = client.session

    def notify(database: int, kind: int, event: bytes, key: bytes) -> None:
        session.push(b"+%b\r\n" % event)

    world.engine.notifier = notify
    world.engine.set_alert(NOTIFIED, True)
    session.set_gate(GATE_TIMED, True)
    assert client.raw(encode([b"LPUSH", b"l", b"x"])) == b":1\r\n+new\r\n+lpush\r\n"
    assert client.raw(b"MULTI\r\nINCR n\r\nINCR n\r\nEXEC\r\n") == (
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n+new\r\n+incrby\r\n+incrby\r\n"
    )
    # A command that waited is answered first, too.
    client.start("BLPOP m 0")
    world.connect().run("RPUSH m y")
    assert client.session.take_output() == b"+new\r\n+rpush\r\n*2\r\n$1\r\nm\r\n$1\r\ny\r\n+lpop\r\n+del\r\n"


def test_a_session_that_ends_is_pushed_nothing(client: Client, world: World) -> None:
    client.session.hang_up()
    client.session.push(b"+late\r\n")
    assert client.session.take_output() == b""
    assert not world.server.pushed


def test_only_a_push_that_tells_of_new_data_waits_for_the_disk(client: Client, world: World) -> None:
    client.session.push(b"+a\r\n")
    assert client.session.wait_lsn <= world.engine.durable
    world.connect().run("SET k v")
    client.session.push(b"+b\r\n", world.engine.batch)
    batch = world.engine.batch
    assert client.session.wait_lsn == batch
    client.raw(b"GET k\r\n")
    assert client.session.wait_lsn == batch
