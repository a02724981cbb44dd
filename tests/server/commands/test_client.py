"""CLIENT, on sessions in process."""

import re

import pytest
from beside_redis import both
from harness import Client, World
from real_redis import RealRedis

from respkv.scripting.scripts import digest_of

AS_REDIS = (
    "CLIENT", "CLIENT NOSUCH", "CLIENT GETNAME", "CLIENT SETNAME", 'CLIENT SETNAME "a b"', 'CLIENT SETNAME "a\\nb"',
    'CLIENT SETNAME "\\x7f"', 'CLIENT SETNAME ""', "CLIENT LIST TYPE foo", "CLIENT LIST TYPE", "CLIENT LIST FOO",
    "CLIENT LIST TYPE master", "CLIENT LIST TYPE REPLICA", "CLIENT LIST TYPE slave", "CLIENT LIST TYPE pubsub",
    "CLIENT LIST ID", "CLIENT LIST ID x", "CLIENT LIST ID 999999", "CLIENT LIST FOO bar", "CLIENT REPLY FOO",
    "CLIENT KILL 127.0.0.1:1", "CLIENT KILL ID x", "CLIENT KILL ID 0", "CLIENT KILL ID 999999", "CLIENT KILL TYPE foo",
    "CLIENT KILL SKIPME maybe ID 1", "CLIENT KILL USER nosuch", "CLIENT KILL a b c", "CLIENT KILL ID 1 TYPE",
    "CLIENT KILL FOO bar", "CLIENT KILL ADDR 1.2.3.4:5", "CLIENT KILL TYPE master", "CLIENT KILL SKIPME yes",
    "CLIENT UNBLOCK x", "CLIENT UNBLOCK 1 FOO", "CLIENT UNBLOCK 999999", "CLIENT UNBLOCK 999999 ERROR",
    "CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 100 FOO", "CLIENT PAUSE 99999999999999999999",
    "CLIENT UNPAUSE", "CLIENT NO-EVICT maybe", "CLIENT NO-EVICT on", "CLIENT CACHING yes", "CLIENT CACHING maybe",
    "CLIENT GETREDIR", "CLIENT TRACKINGINFO", "CLIENT ID x",
)  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(client: Client, real_redis: RealRedis, line: str) -> None:
    ours, theirs = both(client, real_redis, line)
    assert ours == theirs


def fields(line: bytes) -> dict[str, str]:
    return dict(word.split("=", 1) for word in line.decode().strip().split(" "))


def test_the_line_of_a_client_has_the_fields_of_7_4_in_order(client: Client) -> None:
    names = (
        "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp"
        " obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
    )
    assert " ".join(fields(client.run("CLIENT INFO"))) == names


def test_the_line_tells_the_truth(world: World, client: Client) -> None:
    client.run("HELLO 3 SETNAME me")
    client.run("SELECT 4")
    client.run("CLIENT SETINFO LIB-NAME redis-py")
    client.run("CLIENT SETINFO lib-ver 5.1")
    world.advance(3500)
    client.session.active_ms -= 2000
    other = world.connect()
    told = fields(other.run(f"CLIENT LIST ID {client.session.number}"))
    wanted = {
        "id": str(client.session.number), "addr": "127.0.0.1:40000", "laddr": "127.0.0.1:6379", "name": "me",
        "age": "3", "idle": "5", "flags": "N", "db": "4", "multi": "-1", "watch": "0", "events": "r",
        "cmd": "client|setinfo", "user": "default", "resp": "3", "lib-name": "redis-py", "lib-ver": "5.1",
    }  # fmt: skip
    assert {name: told[name] for name in wanted} == wanted


def test_the_line_names_the_command_that_runs(client: Client) -> None:
    assert fields(client.run("CLIENT INFO"))["cmd"] == "client|info"


def test_flags_of_the_line(client: Client) -> None:
    client.run("CLIENT NO-EVICT on")
    client.run("CLIENT NO-TOUCH on")
    assert fields(client.run("CLIENT INFO"))["flags"] == "eT"


def test_list_has_a_line_for_each(world: World, client: Client) -> None:
    other = world.connect()
    lines = client.run("CLIENT LIST").splitlines()
    assert [fields(line)["id"] for line in lines] == [str(client.session.number), str(other.session.number)]
    assert len(client.run("CLIENT LIST TYPE normal").splitlines()) == 2


def test_list_by_id_keeps_the_order_asked_for(world: World, client: Client) -> None:
    other = world.connect()
    reply = client.run("CLIENT", "LIST", "ID", other.session.number, 999, client.session.number)
    assert re.findall(rb"^id=(\d+)", reply, re.MULTILINE) == [
        b"%d" % other.session.number,
        b"%d" % client.session.number,
    ]


def test_setinfo_refuses_what_would_spoil_the_line(client: Client) -> None:
    assert client.error('CLIENT SETINFO LIB-NAME "a b"') == (
        "ERR LIB-NAME cannot contain spaces, newlines or special characters."
    )
    assert client.error("CLIENT SETINFO FOO x") == "ERR Unrecognized option 'FOO'"
    assert client.run('CLIENT SETINFO lib-ver ""') == "OK"


# KILL


def test_a_killed_client_is_ready_to_be_closed(world: World, client: Client) -> None:
    other = world.connect()
    client.session.receive(b"CLIENT KILL ID %d\r\n" % other.session.number)
    assert client.session.take_output() == b":1\r\n"
    assert other.session.killed
    assert other.session.closing
    assert world.server.ready == [other.session]
    other.session.receive(b"SET k v\r\n")
    assert other.session.take_output() == b""
    assert not world.engine.databases[0].holds(b"k")


def test_killing_oneself_ends_behind_the_reply(client: Client) -> None:
    assert client.run(f"CLIENT KILL ID {client.session.number}") == 0, "SKIPME is the default"
    assert client.run(f"CLIENT KILL ID {client.session.number} SKIPME no") == 1
    assert client.session.closing
    assert not client.session.killed


def test_the_old_form_kills_by_address(world: World, client: Client) -> None:
    other = world.server.open_session("127.0.0.1:5555", "127.0.0.1:6379")
    assert client.run("CLIENT KILL 127.0.0.1:5555") == "OK"
    assert other.killed
    assert client.error("CLIENT KILL 127.0.0.1:5555") == "ERR No such client"


def test_filters_must_all_fit(world: World, client: Client) -> None:
    one = world.server.open_session("127.0.0.1:5555", "127.0.0.1:6379")
    two = world.server.open_session("127.0.0.1:5556", "127.0.0.1:6379")
    assert client.run("CLIENT KILL TYPE normal ADDR 127.0.0.1:5555 USER default LADDR 127.0.0.1:6379") == 1
    assert one.killed
    assert not two.killed
    assert client.run(f"CLIENT KILL ADDR 127.0.0.1:5556 ID {one.number}") == 0
    assert client.run("CLIENT KILL TYPE normal") == 1


def test_kill_by_age(world: World, client: Client) -> None:
    old = world.connect()
    world.advance(10_000)
    young = world.connect()
    assert client.run("CLIENT KILL MAXAGE 5") == 1
    assert old.session.killed
    assert not young.session.killed
    assert client.error("CLIENT KILL MAXAGE x") == "ERR maxage is not an integer or out of range"
    assert client.error("CLIENT KILL MAXAGE 0") == "ERR maxage should be greater than 0"


# PAUSE


def drain(world: World) -> None:
    """As the owner of the connections does at the end of a turn."""
    while world.server.ready:
        session = world.server.ready.pop()
        if session.parked:
            session.resume()


def test_a_pause_of_writes_lets_reads_through(world: World, client: Client) -> None:
    other = world.connect()
    assert client.run("CLIENT PAUSE 100000 WRITE") == "OK"
    assert other.run("GET k") is None
    assert other.raw(b"SET k v\r\nGET k\r\n") == b""
    assert other.session.parked == "paused"
    assert fields(client.run(f"CLIENT LIST ID {other.session.number}"))["flags"] == "b"
    assert client.run("CLIENT UNPAUSE") == "OK"
    drain(world)
    assert other.session.take_output() == b"+OK\r\n$1\r\nv\r\n"


_ANY = "#!lua\nreturn 1"
_READS = "#!lua flags=no-writes\nreturn 1"
_LIBRARY = """#!lua name=lib
redis.register_function('writes', function() return 1 end)
redis.register_function{function_name='reads', callback=function() return 1 end, flags={'no-writes'}}"""


def is_held(client: Client, world: World, *argv: str) -> bool:
    """Whether a pause that is on holds `argv` back, from a client of its own."""
    other = world.connect()
    reply = other.raw(b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a.encode()) for a in argv))
    assert (reply == b"") == (other.session.parked == "paused")
    return reply == b""


@pytest.mark.parametrize(
    ("argv", "held"),
    [
        (("PUBLISH", "c", "m"), True),
        (("SPUBLISH", "c", "m"), True),
        (("PFCOUNT", "none"), True),
        (("EVAL", "return 1", "0"), True),
        (("EVAL", "retu rn", "0"), True),
        (("EVAL", _ANY, "0"), True),
        (("EVAL", _READS, "0"), False),
        (("EVAL", "#!lua flags=no-such\n", "0"), True),
        (("EVAL_RO", "return 1", "0"), False),
        (("EVAL_RO", _ANY, "0"), True),
        (("EVALSHA", digest_of(_ANY.encode()).decode(), "0"), True),
        (("EVALSHA", digest_of(_READS.encode()).decode(), "0"), False),
        (("EVALSHA", "f" * 40, "0"), True),
        (("EVALSHA_RO", "f" * 40, "0"), False),
        (("FCALL", "writes", "0"), True),
        (("FCALL", "reads", "0"), False),
        (("FCALL", "none", "0"), True),
        (("FCALL_RO", "writes", "0"), True),
        (("FCALL_RO", "none", "0"), False),
        (("SCRIPT", "LOAD", "return 1"), False),
    ],
)
def test_a_pause_of_writes_holds_what_may_have_an_effect(
    world: World, client: Client, argv: tuple[str, ...], held: bool
) -> None:
    for script in (_ANY, _READS):
        client.run("SCRIPT", "LOAD", script)
    client.run("FUNCTION", "LOAD", _LIBRARY)
    in_multi = world.connect()
    in_multi.run("MULTI")
    in_multi.run(*argv)
    client.run("CLIENT PAUSE 100000 WRITE")
    assert is_held(client, world, *argv) is held
    assert (in_multi.raw(b"EXEC\r\n") == b"") is held


def test_a_pause_of_all_ends_by_itself(world: World, client: Client) -> None:
    other = world.connect()
    client.run("CLIENT PAUSE 60 ALL")
    assert other.raw(b"PING\r\n") == b""
    assert other.raw(b"ECHO a\r\n") == b"", "what comes behind waits too"
    assert world.server.next_due_ms() == world.engine.now_ms + 60
    world.advance(59)
    world.server.tick()
    assert not world.server.ready
    world.advance(1)
    world.server.tick()
    drain(world)
    assert other.session.take_output() == b"+PONG\r\n$1\r\na\r\n"
    assert world.server.next_due_ms() == 0


def test_what_expires_while_writes_are_paused_is_not_seen_and_goes_behind_the_pause(
    world: World, client: Client, other: Client
) -> None:
    for command in ("SET k v PX 10", "HSET h f 1 g 2", "HPEXPIRE h 10 FIELDS 1 f", "HSET all f 1"):
        client.run(command)
    client.run("HPEXPIRE all 10 FIELDS 1 f")
    assert other.run("CLIENT PAUSE 100000 WRITE") == "OK"
    world.take_log()
    world.advance(20)
    assert [client.run(words) for words in ("GET k", "EXISTS k", "TTL k", "TYPE k")] == [None, 0, -2, "none"]
    assert client.run("HGETALL h") == [b"g", b"2"]
    assert client.run("HMGET h f g") == [None, b"2"]
    assert client.run("HGETALL all") == []
    assert client.run("SCAN 0")[1].count(b"k") == client.run("KEYS k").count(b"k") == 0
    assert client.run("DBSIZE") == 3
    assert world.take_log() == []
    other.run("CLIENT UNPAUSE")
    client.run("GET k")
    client.run("HGETALL h")
    client.run("HGETALL all")
    assert world.take_log() == [[b"DEL", b"k"], [b"HDEL", b"h", b"f"], [b"HDEL", b"all", b"f"]]


def test_what_has_expired_goes_before_the_transaction_that_pauses_writes_writes_itself(
    world: World, client: Client
) -> None:
    client.run("SET k old PX 10")
    client.run("SET gone old PX 10")
    client.run("MULTI")
    for command in ("CLIENT PAUSE 100000 WRITE", "SETRANGE k 2 x"):
        client.run(command)
    world.take_log()
    world.advance(20)
    assert client.run("EXEC") == ["OK", 3]
    assert world.take_log() == [[b"MULTI"], [b"DEL", b"k"], [b"SETRANGE", b"k", b"2", b"x"], [b"EXEC"]]
    assert client.run("GET k") == b"\0\0x"
    assert client.run("PTTL k") == -1
    # From here on the pause is one as any other.
    assert client.run("GET gone") is None
    assert world.take_log() == []


def test_where_all_has_expired_in_a_pause_there_is_no_random_key(world: World, client: Client) -> None:
    client.run("SET k v PX 10")
    client.run("CLIENT PAUSE 100000 WRITE")
    world.advance(20)
    assert client.run("RANDOMKEY") is None


def test_errors_are_told_during_a_pause(world: World, client: Client) -> None:
    client.run("CLIENT PAUSE 1000")
    other = world.connect()
    assert other.raw(b"NOSUCH\r\n").startswith(b"-ERR unknown command")
    assert other.raw(b"GET\r\n").startswith(b"-ERR wrong number")


def test_a_second_pause_can_only_make_it_stronger(world: World, client: Client) -> None:
    client.run("CLIENT PAUSE 100000 WRITE")
    until_ms = world.server.pause.until_ms
    assert client.run("CLIENT PAUSE 10 WRITE") == "OK"
    assert world.server.pause.until_ms == until_ms
    assert client.run("CLIENT PAUSE 10 ALL") == "OK"
    assert world.server.pause.until_ms == until_ms
    assert client.raw(b"GET k\r\n") == b""


def test_a_client_that_goes_while_paused_is_forgotten(world: World, client: Client) -> None:
    other = world.connect()
    client.run("CLIENT PAUSE 1000 WRITE")
    other.raw(b"SET k v\r\n")
    other.close()
    client.run("CLIENT UNPAUSE")
    drain(world)
    assert not world.engine.databases[0].holds(b"k")


# REPLY


def test_reply_off_is_silent_until_on(client: Client) -> None:
    assert client.raw(b"CLIENT REPLY OFF\r\nSET k v\r\nNOSUCH\r\nCLIENT REPLY SKIP\r\nGET k\r\n") == b""
    assert client.raw(b"CLIENT REPLY ON\r\nGET k\r\n") == b"+OK\r\n$1\r\nv\r\n"


def test_reply_skip_leaves_one_out(client: Client) -> None:
    assert client.raw(b"CLIENT REPLY SKIP\r\nPING\r\nECHO a\r\n") == b"$1\r\na\r\n"


def test_reply_skip_twice_leaves_the_next_out_too(client: Client) -> None:
    # The second SKIP is the one that the first leaves out; it has its effect all the same.
    assert client.raw(b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING\r\nECHO a\r\n") == b"$1\r\na\r\n"


def test_reply_on_answers_even_when_skipped(client: Client) -> None:
    assert client.raw(b"CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING\r\n") == b"+OK\r\n+PONG\r\n"


def test_a_skipped_command_that_waits_stays_silent(world: World, client: Client) -> None:
    assert client.raw(b"CLIENT REPLY SKIP\r\nWAIT 1 50\r\nPING\r\n") == b""
    world.advance(50)
    world.server.tick()
    drain(world)
    assert client.session.take_output() == b"+PONG\r\n"


# UNBLOCK


def test_unblock_ends_the_waiting_of_another(world: World, client: Client) -> None:
    other = world.connect()
    assert other.raw(b"WAIT 1 0\r\nPING\r\n") == b""
    assert client.run(f"CLIENT UNBLOCK {other.session.number}") == 1
    assert client.run(f"CLIENT UNBLOCK {other.session.number}") == 0
    drain(world)
    assert other.session.take_output() == b":0\r\n+PONG\r\n"
    other.raw(b"WAIT 1 0\r\n")
    assert client.run(f"CLIENT UNBLOCK {other.session.number} ERROR") == 1
    drain(world)
    assert other.session.take_output() == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"


def test_unblock_does_not_end_a_pause(world: World, client: Client) -> None:
    other = world.connect()
    client.run("CLIENT PAUSE 1000 WRITE")
    other.raw(b"SET k v\r\n")
    assert client.run(f"CLIENT UNBLOCK {other.session.number}") == 0


def test_no_touch_leaves_no_mark(world: World, client: Client) -> None:
    client.run("SET k v")
    client.run("OBJECT IDLETIME k")  # idle times are recorded from the first question on
    world.advance(100_000)
    client.run("CLIENT NO-TOUCH on")
    client.run("GET k")
    assert client.run("OBJECT IDLETIME k") == 100
    client.run("CLIENT NO-TOUCH off")
    client.run("GET k")
    assert client.run("OBJECT IDLETIME k") == 0


def test_help_names_every_subcommand(client: Client) -> None:
    lines = client.run("CLIENT HELP")
    assert lines[0] == "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert "SETNAME connection-name" in lines
    assert lines[-2:] == ["HELP", "    Print this help."]


def test_kill_takes_several_numbers(world: World, client: Client) -> None:
    one, two, three = world.connect(), world.connect(), world.connect()
    numbers = [str(other.session.number) for other in (one, two)]
    assert client.run("CLIENT", "KILL", "ID", *numbers, "SKIPME", "yes") == 2
    assert [other.session.killed for other in (one, two, three)] == [True, True, False]
    assert client.error("CLIENT", "KILL", "ID", numbers[0], "0") == "ERR client-id should be greater than 0"
