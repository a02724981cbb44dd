"""What MONITOR shows, when, and to whom. The lines were compared with those of redis-server 7.0 and 8.2."""

import re

import pytest
from harness import Client, World, encode
from real_redis import RealRedis

from respkv.commands.flags import GATE_MONITORED
from respkv.server.monitors import quoted

TIME = re.compile(r"^\+\d+\.\d{6} ")


@pytest.fixture
def monitor(world: World) -> Client:
    client = world.connect()
    assert client.run("MONITOR") == "OK"
    return client


def lines(monitor: Client) -> list[str]:
    """What was shown since the last look, without the time; replies as they are."""
    told = monitor.session.take_output().decode("latin-1").split("\r\n")
    return [TIME.sub("", line) for line in told[:-1]]


def test_a_line_has_database_address_and_quoted_words(client: Client, monitor: Client) -> None:
    client.run("SELECT 3")
    client.run("SET", "k", b'x\x00"y\n\\\xff\x07\t')
    assert lines(monitor) == [
        '[3 127.0.0.1:40000] "SELECT" "3"',
        '[3 127.0.0.1:40000] "SET" "k" "x\\x00\\"y\\n\\\\\\xff\\a\\t"',
    ]


def test_the_time_is_in_microseconds(client: Client, monitor: Client) -> None:
    client.run("PING")
    assert re.fullmatch(rb'\+\d{10}\.\d{6} \[0 127\.0\.0\.1:40000\] "PING"\r\n', monitor.session.take_output())


@pytest.mark.parametrize("byte", range(256))
def test_quoting_is_that_of_redis(byte: int) -> None:
    text = quoted(bytes((byte,))).decode()
    if chr(byte) in '\\"':
        assert text == f'"\\{chr(byte)}"'
    elif chr(byte) in "\n\r\t\a\b":
        assert text == '"\\' + {"\n": "n", "\r": "r", "\t": "t", "\a": "a", "\b": "b"}[chr(byte)] + '"'
    elif 32 <= byte < 127:
        assert text == f'"{chr(byte)}"'
    else:
        assert text == f'"\\x{byte:02x}"'


def test_names_are_shown_as_they_were_spelled(client: Client, monitor: Client) -> None:
    client.run("gEt k")
    assert lines(monitor) == ['[0 127.0.0.1:40000] "gEt" "k"']


def test_passwords_are_not_shown(client: Client, monitor: Client) -> None:
    client.run("AUTH secret")
    client.run("AUTH default secret")
    client.run("HELLO 2 AUTH default secret SETNAME me")
    assert lines(monitor) == [
        '[0 127.0.0.1:40000] "AUTH" "(redacted)"',
        '[0 127.0.0.1:40000] "AUTH" "(redacted)" "(redacted)"',
        '[0 127.0.0.1:40000] "HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "me"',
    ]


@pytest.mark.parametrize("line", ["CONFIG GET port", "CLIENT LIST", "SLOWLOG LEN", "NOSUCH", "GET", "DEBUG SLEEP 0",
                                  "LATENCY LATEST", "SHUTDOWN ABORT"])  # fmt: skip
def test_administration_and_what_is_refused_are_not_shown(client: Client, monitor: Client, line: str) -> None:
    client.run(line)
    assert lines(monitor) == []


def test_a_transaction_is_shown_when_it_runs(client: Client, monitor: Client) -> None:
    client.run("MULTI")
    client.run("SET k v")
    client.run("INCR k")
    assert lines(monitor) == ['[0 127.0.0.1:40000] "MULTI"']
    client.run("EXEC")
    assert lines(monitor) == [
        '[0 127.0.0.1:40000] "SET" "k" "v"',
        '[0 127.0.0.1:40000] "INCR" "k"',
        '[0 127.0.0.1:40000] "EXEC"',
    ]


def test_a_script_is_shown_before_what_it_runs(client: Client, monitor: Client) -> None:
    client.run("EVAL", "redis.call('set','z',1) return redis.call('incr','z')", "0")
    assert lines(monitor) == [
        "[0 127.0.0.1:40000] \"EVAL\" \"redis.call('set','z',1) return redis.call('incr','z')\" \"0\"",
        '[0 lua] "set" "z" "1"',
        '[0 lua] "incr" "z"',
    ]


def test_a_command_that_waits_is_shown_once(world: World, client: Client, monitor: Client) -> None:
    client.start("BLPOP l 0")
    world.connect().run("LPUSH l 1")
    assert [line.split("] ")[1] for line in lines(monitor)] == ['"BLPOP" "l" "0"', '"LPUSH" "l" "1"']
    assert client.replies() == [[b"l", b"1"]]


def test_a_client_of_a_unix_socket(world: World, monitor: Client) -> None:
    other = Client(world, world.server.open_session("/run/r.sock:0", "/run/r.sock:0"))
    other.run("PING")
    assert lines(monitor) == ['[0 unix:/run/r.sock] "PING"']


def test_its_own_commands_come_behind_their_replies(monitor: Client) -> None:
    assert monitor.raw(encode([b"PING"])).startswith(b"+PONG\r\n+")
    assert monitor.raw(encode([b"MONITOR"])) == b""
    text = "ERR Replica can't interact with the keyspace"
    assert monitor.error("GET k") == text
    assert monitor.error("SET k v") == text


def test_it_is_marked_in_client_list(client: Client, monitor: Client) -> None:
    assert f"id={monitor.session.number} ".encode() in client.run("CLIENT LIST TYPE normal")
    assert client.run("CLIENT LIST").count(b" flags=O ") == 1


def test_it_is_refused_where_nobody_may_wait(client: Client) -> None:
    client.run("MULTI")
    client.run("MONITOR")
    (error,) = client.run("EXEC")
    assert error.message == b"ERR MONITOR isn't allowed for DENY BLOCKING client"


def test_the_gate_is_open_while_nobody_monitors(world: World, client: Client) -> None:
    assert client.session.gate & GATE_MONITORED == 0
    one, two = world.connect(), world.connect()
    one.run("MONITOR")
    two.run("MONITOR")
    assert client.session.gate & world.connect().session.gate & GATE_MONITORED
    one.close()
    assert client.session.gate & GATE_MONITORED
    two.run("RESET")
    assert client.session.gate & GATE_MONITORED == 0
    client.run("PING")
    assert two.session.take_output() == b""


def test_who_does_not_read_is_cut_off(world: World, client: Client, monitor: Client) -> None:
    world.checks_each_command = False
    client.run("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
    for _ in range(30):
        client.run("ECHO", b"x" * 50_000)
    assert monitor.session.killed
    assert world.server.stats.output_limit_disconnections == 1
    assert client.run("PING") == "PONG"


def test_the_lines_are_those_of_redis(client: Client, monitor: Client, reference: RealRedis) -> None:
    with reference._another() as watching:
        watching.sendall(b"MONITOR\r\n")
        assert watching.recv(100) == b"+OK\r\n"
        commands = ["SET a b", 'ECHO "a b\\n\\x00"', "select 2", "INCRBY n 5", "INFO cluster", "COMMAND COUNT", "MULTI",
                    "LPUSH l 1", "DISCARD", "MEMORY USAGE a", "CLIENT ID", "TIME", "PFADD h 1"]  # fmt: skip
        for line in commands:
            client.run(line)
            reference.inline(line.encode())
        theirs = b""
        while b"PFADD" not in theirs:
            theirs += watching.recv(1 << 16)
    shown = [re.sub(r" [^ ]*\] ", "] ", TIME.sub("", line)) for line in theirs.decode().split("\r\n")[:-1]]
    assert [line.replace(" 127.0.0.1:40000", "") for line in lines(monitor)] == shown
    reference.call("SELECT", "0")
