"""Transactions: MULTI, EXEC, WATCH, and all that can be queued."""

import pytest
from harness import NULL_ARRAY, Client, World
from real_redis import RealRedis

from respkv.commands.flags import GATE_DISK, GATE_LOADING

# What the client sends, one line a command; the real server gives the expected replies.
CONVERSATIONS = """
MULTI|EXEC
MULTI|SET a 1|INCR a|GET a|EXEC|GET a
MULTI|SET a x|INCR a|SET b 1|EXEC|GET b
MULTI|DISCARD|GET a
MULTI|SET a 1|DISCARD|GET a|EXEC
MULTI|MULTI|SET a 1|EXEC|PING
MULTI|WATCH a|SET a 1|EXEC
EXEC
DISCARD
EXEC x
DISCARD x
MULTI x|PING
WATCH
UNWATCH x
MULTI|EXEC x|PING|EXEC
MULTI|DISCARD x|EXEC
MULTI|nosuch|SET a 1|EXEC|GET a
MULTI|GET|SET a 1|EXEC|GET a
MULTI|nosuch|DISCARD|MULTI|SET a 1|EXEC
MULTI|CONFIG NOSUCH|EXEC
MULTI|CLIENT ID x|EXEC
MULTI|unwatch|EXEC
MULTI|SELECT 3|SET a 1|SELECT 99|EXEC|GET a|SELECT 0|GET a
MULTI|RESET|PING|EXEC
MULTI|SET a 1|QUIT|PING
MULTI|SHUTDOWN|EXEC
MULTI|SAVE|EXEC
MULTI|AUTH x y|EXEC
MULTI|ECHO a|PING|PING b|EXEC
MULTI|CLIENT REPLY OFF|PING|CLIENT REPLY ON|PING|EXEC|PING
MULTI|PING|CLIENT REPLY OFF|PING|EXEC|PING|CLIENT REPLY ON
MULTI|PING|CLIENT REPLY SKIP|PING|EXEC|PING|PING
CLIENT REPLY OFF|MULTI|PING|CLIENT REPLY ON|PING|EXEC|PING
CLIENT REPLY OFF|MULTI|PING|EXEC|CLIENT REPLY ON|PING
CLIENT REPLY SKIP|MULTI|PING|EXEC
WATCH a|MULTI|GET a|EXEC
WATCH a|SET a 2|MULTI|GET a|EXEC|MULTI|GET a|EXEC
WATCH a|SET a 2|UNWATCH|MULTI|GET a|EXEC
WATCH a|SET a 2|MULTI|nosuch|EXEC
WATCH a|SET a 2|MULTI|DISCARD|MULTI|GET a|EXEC
WATCH a|SET a 2|MULTI|UNWATCH|GET a|EXEC
WATCH a|SET b 2|MULTI|GET a|EXEC
WATCH a a a|MULTI|SET a 1|EXEC
WATCH a|WATCH b|APPEND b x|MULTI|PING|EXEC
WATCH a|DEL a|MULTI|EXEC
SET a 1|WATCH a|SET a 1|MULTI|EXEC
SET a 1|WATCH a|DEL a|MULTI|EXEC
SET a 1|WATCH a|GETEX a EX 100|MULTI|EXEC
SET a 1|WATCH a|GETEX a PERSIST|MULTI|EXEC
SET a 1|WATCH a|PEXPIREAT a 1|MULTI|EXEC
SET a 1 PXAT 1|WATCH a|GET a|MULTI|PING|EXEC
SET a 1 PXAT 1|WATCH a|SET a 2|MULTI|PING|EXEC
WATCH a|SELECT 1|SET a 1|MULTI|PING|EXEC|DEL a
WATCH a|FLUSHALL|MULTI|PING|EXEC
SET a 1|WATCH a|FLUSHALL|MULTI|PING|EXEC
SET a 1|WATCH b|FLUSHDB|MULTI|PING|EXEC
SET a 1|SELECT 1|WATCH a|FLUSHALL|MULTI|PING|EXEC
SET a 1|WATCH b|SWAPDB 0 1|MULTI|PING|EXEC|FLUSHALL
SET a 1|WATCH a|SWAPDB 0 1|MULTI|PING|EXEC|FLUSHALL
SET a 1|SELECT 1|WATCH a|SWAPDB 0 1|MULTI|PING|EXEC|FLUSHALL
SET a 1|SWAPDB 0 1|WATCH a|SWAPDB 1 0|MULTI|PING|EXEC|FLUSHALL
WATCH a|RESET|SET a 1|MULTI|PING|EXEC
HELLO 3|WATCH a|SET a 3|MULTI|PING|EXEC
MULTI|HELLO 2|EXEC|PING
"""


@pytest.mark.parametrize("conversation", CONVERSATIONS.split("\n")[1:-1])
def test_conversations_go_as_with_a_real_server(client: Client, reference: RealRedis, conversation: str) -> None:
    data = conversation.replace("|", "\r\n").encode() + b"\r\n"
    theirs = reference.answer_to_the_end(data)
    if "HELLO" in conversation:
        theirs = theirs[theirs.index(b"modules\r\n*0") :]
        ours = client.raw(data)
        ours = ours[ours.index(b"modules\r\n*0") :]
    else:
        ours = client.raw(data)
    assert ours == theirs


def test_nobody_sees_a_transaction_half_done(client: Client, world: World) -> None:
    other = world.connect()
    client.run("MULTI")
    assert client.run("SET a 1") == "QUEUED"
    assert other.run("GET a") is None
    assert client.run("GET a") == "QUEUED"
    assert client.run("EXEC") == ["OK", b"1"]
    assert other.run("GET a") == b"1"


def test_a_key_that_another_client_changes_stops_the_transaction(client: Client, world: World) -> None:
    other = world.connect()
    client.run("SET a 1")
    client.run("WATCH a")
    client.run("MULTI")
    client.run("SET a 2")
    other.run("SET a 3")
    assert client.run("EXEC") is NULL_ARRAY
    assert client.run("GET a") == b"3"
    assert world.engine.databases[0].watched == {}


def test_the_absent_reply_is_null_in_resp3(client3: Client, world: World) -> None:
    client3.run("WATCH a")
    world.connect().run("SET a 1")
    client3.run("MULTI")
    assert client3.raw(b"EXEC\r\n") == b"_\r\n"


def test_a_watched_key_that_expires_stops_the_transaction(client: Client, world: World) -> None:
    client.run("SET a 1 PX 100")
    client.run("WATCH a")
    client.run("MULTI")
    world.advance(101)
    assert client.run("EXEC") is NULL_ARRAY


def test_a_key_that_had_expired_before_watch_does_not_count(client: Client, world: World) -> None:
    client.run("SET a 1 PX 100")
    world.advance(101)
    client.run("WATCH a")
    world.connect().run("GET a")
    client.run("MULTI")
    assert client.run("EXEC") == []


def test_what_comes_in_by_swapdb_expired_does_not_count(client: Client, world: World) -> None:
    other = world.connect()
    other.run("SELECT 1")
    other.run("SET a 1 PX 100")
    client.run("WATCH a")
    world.advance(101)
    other.run("SWAPDB 0 1")
    client.run("MULTI")
    assert client.run("EXEC") == []


def test_watches_end_with_the_connection(client: Client, world: World) -> None:
    client.run("WATCH a b a")
    assert set(world.engine.databases[0].watched) == {b"a", b"b"}
    client.close()
    assert world.engine.databases[0].watched == {}


def test_one_effect_stands_alone_in_the_log(client: Client, world: World) -> None:
    client.raw(b"MULTI\r\nGET a\r\nSET a 1\r\nINCR b\r\nDISCARD\r\nMULTI\r\nGET a\r\nSET a 1\r\nEXEC\r\n")
    assert world.log == [[b"SELECT", b"0"], [b"SET", b"a", b"1"]]


def test_several_effects_are_one_transaction_in_the_log(client: Client, world: World) -> None:
    client.run("SET z 1")
    world.log.clear()
    client.raw(b"MULTI\r\nSET a 1\r\nINCR z\r\nGETDEL nosuch\r\nINCR a\r\nEXEC\r\n")
    assert world.log == [[b"MULTI"], [b"SET", b"a", b"1"], [b"INCR", b"z"], [b"INCR", b"a"], [b"EXEC"]]
    world.log.insert(0, [b"SET", b"z", b"1"])


def test_select_stands_in_front_of_a_transaction_in_the_log(client: Client, world: World) -> None:
    client.raw(b"SELECT 2\r\nMULTI\r\nSET a 1\r\nSELECT 3\r\nSET b 2\r\nEXEC\r\nSET c 3\r\n")
    assert world.log == [
        *([b"SELECT", b"2"], [b"MULTI"], [b"SET", b"a", b"1"], [b"SELECT", b"3"], [b"SET", b"b", b"2"], [b"EXEC"]),
        [b"SET", b"c", b"3"],
    ]


def test_a_transaction_without_changes_leaves_nothing_in_the_log(client: Client, world: World) -> None:
    client.raw(b"MULTI\r\nGET a\r\nPING\r\nEXEC\r\n")
    assert world.log == []


def test_a_reply_in_a_transaction_is_the_value_of_its_moment(client: Client) -> None:
    client.raw(b"APPEND a x\r\nAPPEND a y\r\n")
    assert client.raw(b"MULTI\r\nGET a\r\nAPPEND a z\r\nGET a\r\nEXEC\r\n").endswith(
        b"*3\r\n$2\r\nxy\r\n:3\r\n$3\r\nxyz\r\n"
    )


def test_exec_refused_for_lack_of_memory_ends_the_transaction(client: Client, world: World) -> None:
    client.raw(b"MULTI\r\nSET a 1\r\n")
    other = world.connect()
    other.run("SET z 1")
    assert other.run("CONFIG SET maxmemory 1") == "OK"
    oom = "OOM command not allowed when used memory > 'maxmemory'."
    assert client.error("EXEC") == f"EXECABORT Transaction discarded because of: {oom}"
    assert client.error("EXEC") == "ERR EXEC without MULTI"
    assert client.run("GET a") is None


def test_nothing_is_queued_while_memory_is_short(client: Client, world: World) -> None:
    other = world.connect()
    other.run("SET z 1")
    assert other.run("CONFIG SET maxmemory 1") == "OK"
    assert client.run("MULTI") == "OK"
    assert client.error("GET a").startswith("OOM ")
    assert client.error("EXEC") == "EXECABORT Transaction discarded because of previous errors."
    assert client.run("MULTI") == "OK"
    assert client.run("EXEC") == []


def test_exec_of_writes_is_refused_while_the_disk_fails(client: Client) -> None:
    client.raw(b"MULTI\r\nSET a 1\r\n")
    client.session.set_gate(GATE_DISK, True)
    assert client.error("EXEC").startswith("EXECABORT Transaction discarded because of: MISCONF ")
    client.run("MULTI")
    assert client.error("SET a 1").startswith("MISCONF ")
    assert client.error("EXEC").startswith("EXECABORT Transaction discarded because of previous errors")
    client.raw(b"MULTI\r\nGET a\r\n")
    assert client.run("EXEC") == [None]


def test_exec_of_data_is_refused_while_loading(client: Client) -> None:
    client.raw(b"MULTI\r\nGET a\r\n")
    client.session.set_gate(GATE_LOADING, True)
    assert client.error("EXEC") == (
        "EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset in memory"
    )
    client.run("MULTI")
    client.run("ECHO x")
    assert client.run("EXEC") == [b"x"]


def test_the_queue_is_bounded(client: Client, world: World) -> None:
    """As with the reference, the client is cut off without a word."""
    world.server.query_max_bytes = 1000
    client.run("MULTI")
    for _ in range(9):
        assert client.run("SET", "k", "x" * 100) == "QUEUED"
    assert client.raw(b"SET k " + b"x" * 100 + b"\r\nPING\r\n") == b""
    assert client.session.closing
    assert client.session.queue == []


def test_each_queued_command_is_counted_when_it_runs(client: Client, world: World) -> None:
    spec = world.server.names[b"INCR"]
    calls, failed = spec.calls, spec.failed_calls
    client.raw(b"SET a x\r\nMULTI\r\nINCR a\r\nINCR b\r\n")
    assert (spec.calls, spec.failed_calls) == (calls, failed)
    client.raw(b"EXEC\r\n")
    assert (spec.calls, spec.failed_calls) == (calls + 2, failed + 1)
