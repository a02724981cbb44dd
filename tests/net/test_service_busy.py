"""A script that runs for long: others are told, and may end it."""

import pytest
from net_servers import Raw, Serve, Served, eventually, pack

LOOP = "while true do end"
BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
KILLED = "ERR Script killed by user with SCRIPT KILL. script: "


@pytest.fixture
def served(serve: Serve, is_portable: bool) -> Served:
    """A server that tells others of a script after 20 ms."""
    return serve("--busy-reply-threshold", "20", portable=is_portable)


def start(served: Served, body: str) -> tuple[Raw, Raw]:
    """Let one client run `body`; that client, and another one that knows it to run."""
    one, other = served.connect(), served.connect()
    one.send(pack(("EVAL", body, "0")))
    eventually(lambda: other.call("GET", "k") == BUSY.encode(), "the script")
    return one, other


def test_others_are_told_and_may_end_it(served: Served) -> None:
    one, other = start(served, LOOP)
    fresh = served.connect()
    assert fresh.call("PING") == BUSY.encode()
    assert other.call("SCRIPT", "KILL") == b"OK"
    assert one.reply().startswith(KILLED.encode())
    assert other.call("SCRIPT", "KILL") == b"NOTBUSY No scripts in execution right now."
    assert fresh.call("PING") == b"PONG"
    assert one.call("EVAL", "return 1", 0) == 1


@pytest.mark.parametrize(
    "body",
    [
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(redis.call, 'get', 'k') end",
        "local function f() while true do pcall(f) end end f()",
        "while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
    ],
)
def test_no_script_survives_that(served: Served, body: str) -> None:
    one, other = start(served, body)
    assert other.call("SCRIPT", "KILL") == b"OK"
    assert one.reply().startswith(KILLED.encode())
    assert one.call("EVAL", "return 1", 0) == 1


def test_what_a_busy_client_sends_waits(served: Served) -> None:
    one, other = start(served, LOOP)
    one.send(pack(("SET", "k", "v")))
    assert other.call("SCRIPT", "KILL") == b"OK"
    one.reply()
    assert one.reply() == b"OK"


def test_a_script_that_wrote_is_not_ended_but_the_server_is_and_the_log_has_nothing_of_it(served: Served) -> None:
    client = served.connect()
    client.call("SET", "before", "1")
    one, other = start(served, "redis.call('set', 'a', 1) redis.call('set', 'b', 1) " + LOOP)
    assert other.call("SCRIPT", "KILL").startswith(b"UNKILLABLE ")
    assert other.call("SHUTDOWN") == BUSY.encode()
    other.send(pack(("SHUTDOWN", "NOSAVE")))
    assert served.exit_code() == 0
    served.start()
    assert served.connect().call("KEYS", "*") == [b"before"]
    one.close()


def test_transactions_are_not_queued_meanwhile(served: Served) -> None:
    one, other = start(served, LOOP)
    assert other.call("MULTI") == b"OK"
    assert other.call("SET", "k", "v") == BUSY.encode()
    assert other.call("DISCARD") == b"OK"
    assert other.call("SCRIPT", "KILL") == b"OK"
    one.reply()


def test_who_hangs_up_is_let_go(served: Served) -> None:
    one, other = start(served, LOOP)
    for _ in range(5):
        served.connect().close()
    one.close()
    assert other.call("SCRIPT", "KILL") == b"OK"
    assert eventually(lambda: other.call("PING") == b"PONG")


def test_who_quits_meanwhile_is_answered_and_its_connection_ends(served: Served) -> None:
    one, other = start(served, LOOP)
    leaving = served.connect()
    assert leaving.call("QUIT") == b"OK"
    assert other.call("SCRIPT", "KILL") == b"OK"
    one.reply()
    assert leaving.rest() == b""


def test_who_is_held_back_by_a_pause_meanwhile_goes_on_after_the_script(served: Served) -> None:
    one, other = start(served, LOOP)
    paused = served.connect()
    assert paused.call("PING") == BUSY.encode()
    assert other.call("CLIENT", "PAUSE", "200", "ALL") == BUSY.encode()
    assert other.call("SCRIPT", "KILL") == b"OK"
    one.reply()
    assert paused.call("SET", "k", "v") == b"OK"
