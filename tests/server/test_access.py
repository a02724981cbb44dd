"""Permissions as sessions meet them: at the gate, in MULTI and EXEC, and when users change."""

import pytest
from harness import Client, World

from respkv.acl.users import User
from respkv.commands.flags import GATE_USER
from respkv.commands.spec import COMMANDS
from respkv.errors import ReplyError
from respkv.server.access import LUA


def put_user(world: World, name: str, rules: str) -> User:
    """Make or change a user, as ACL SETUSER does."""
    access = world.server.access
    user = access.users.put(access.users.staged(name.encode(), rules.encode().split()))
    access.follow(user)
    return user


def client_of(world: World, rules: str) -> Client:
    """A client of the user `u`, who has these rules."""
    put_user(world, "u", f"on >p {rules}")
    client = world.connect()
    assert client.run("AUTH u p") == "OK"
    return client


def test_the_default_user_costs_nothing(world: World, client: Client) -> None:
    assert not client.session.gate & GATE_USER
    assert client.session.names is world.server.names


def test_a_user_who_may_do_everything_costs_nothing(world: World) -> None:
    client = client_of(world, "+@all ~* &*")
    assert not client.session.gate & GATE_USER
    assert client.session.names is world.server.names


def test_commands_free_of_checks_are_known_by_name_and_the_others_are_not(world: World) -> None:
    names = client_of(world, "+get +ping +config|get +set ~* resetchannels").session.names
    assert names[b"GET"] is COMMANDS[b"get"]
    assert b"DEL" not in names
    assert b"CONFIG" not in names
    assert b"GET" not in client_of(world, "+@all resetkeys ~a*").session.names


def test_a_command_that_is_not_permitted_is_refused(world: World) -> None:
    client = client_of(world, "+get ~*")
    assert client.run("GET k") is None
    assert client.error("SET k v") == "NOPERM User u has no permissions to run the 'set' command"
    assert client.error("CONFIG GET save") == "NOPERM User u has no permissions to run the 'config|get' command"
    assert world.server.stats.denied_commands == 2


def test_the_command_that_ran_last_is_refused_once_it_is_not_permitted_any_more(world: World) -> None:
    client = client_of(world, "+get +set ~*")
    assert client.run("SET k v") == "OK"
    put_user(world, "u", "-set")
    assert client.error("SET k w").startswith("NOPERM")
    put_user(world, "u", "+set")
    assert client.run("SET k x") == "OK"
    assert client.run("GET k") == b"x"


def test_a_spelling_that_is_remembered_permits_nothing(world: World) -> None:
    assert world.connect().run("sEt k v") == "OK"
    client = client_of(world, "+get ~*")
    assert client.error("sEt k v").startswith("NOPERM")
    assert client.run("gEt k") == b"v"


def test_keys_need_a_pattern_for_what_is_done_with_them(world: World) -> None:
    client = client_of(world, "+@all %R~r:* %W~w:* ~rw:*")
    assert client.run("GET r:1") is None
    assert client.error("GET w:1") == "NOPERM No permissions to access a key"
    assert client.run("SET w:1 x") == "OK"
    assert client.error("SET w:1 x GET").startswith("NOPERM")
    assert client.run("SET rw:1 x GET") is None
    assert client.run("COPY r:1 w:2") == 0
    assert client.error("COPY w:2 r:1").startswith("NOPERM")
    assert client.error("MSET w:1 a other b").startswith("NOPERM")
    assert world.server.stats.denied_keys == 4


def test_a_command_queued_in_multi_is_checked_then_and_at_exec(world: World) -> None:
    client = client_of(world, "+@all ~a*")
    client.run("MULTI")
    assert client.error("SET b 1") == "NOPERM No permissions to access a key"
    assert client.error("EXEC").startswith("EXECABORT")
    client.run("MULTI")
    client.run("SET a 1")
    client.run("SET a2 2")
    put_user(world, "u", "resetkeys ~a2")
    refused, done = client.run("EXEC")
    assert isinstance(refused, ReplyError)
    assert refused.message.endswith(b"for the following reason: no permission to touch the specified keys")
    assert done == "OK"


def test_a_change_of_the_user_holds_for_the_next_command(world: World) -> None:
    client = client_of(world, "+get ~*")
    put_user(world, "u", "-get +set")
    assert client.error("GET k").startswith("NOPERM")
    assert client.run("SET k v") == "OK"
    put_user(world, "u", "+@all &*")
    assert not client.session.gate & GATE_USER


def test_auth_in_a_pipeline_changes_what_may_follow(world: World) -> None:
    put_user(world, "u", "on >p +get ~*")
    client = world.connect()
    assert client.raw(b"SET k v\r\nAUTH u p\r\nSET k w\r\nGET k\r\n").startswith(b"+OK\r\n+OK\r\n-NOPERM ")


def test_sort_may_look_at_other_keys_only_if_all_may_be_read(world: World) -> None:
    client = client_of(world, "+@all ~a*")
    denied = "ERR {} option of SORT denied due to insufficient ACL permissions."
    assert client.run("SORT a") == []
    assert client.error("SORT a BY w*") == denied.format("BY")
    assert client.error("SORT a LIMIT 0 1 GET w*") == denied.format("GET")
    assert client.run("SORT a BY nosort") == []
    assert client_of(world, "%R~* ~a*").run("SORT a BY w*") == []


def test_scripts_ask_with_a_context_of_their_own(world: World) -> None:
    client = client_of(world, "+get ~*")
    with pytest.raises(ReplyError, match="ACL failure in script: User u has no permissions"):
        world.server.access.check(client.session, COMMANDS[b"set"], [b"SET", b"k", b"v"], LUA)
    assert world.server.access.log.latest(1)[0].context == LUA


def test_the_session_of_a_deleted_user_is_nobody_and_ends(world: World) -> None:
    other = client_of(world, "+@all ~* &*")
    own = world.connect()
    own.run("AUTH u p")
    user = world.server.access.users.remove(b"u")
    assert user is not None
    world.server.access.end_sessions(user, own.session)
    assert other.session.killed
    assert own.session.closing
    assert not own.session.killed
    assert not own.session.is_authenticated()


def test_passwords_of_users(world: World) -> None:
    put_user(world, "u", "on >p")
    client = world.connect()
    wrong = "WRONGPASS invalid username-password pair or user is disabled."
    assert client.error("AUTH u q") == wrong
    assert client.error("AUTH nobody p") == wrong
    assert client.error("HELLO 3 AUTH u q") == wrong
    assert world.server.stats.denied_auths == 3
    put_user(world, "u", "off")
    assert client.error("AUTH u p") == wrong
    assert client.session.user.name == b"default"


def test_a_key_in_a_fixed_place_is_decided_without_the_gate(world: World) -> None:
    client = client_of(world, "+@all -getdel ~a:* %R~r:* (+getdel ~d)")
    guards = client.session.user.guards
    assert {b"GET", b"get", b"SET", b"INCR", b"GETDEL"} <= set(guards)
    assert not {b"MGET", b"SORT", b"PUBLISH", b"BLPOP", b"XREAD"} & set(guards)
    rejected = COMMANDS[b"get"].rejected_calls
    assert client.raw(
        b"SET a:1 x\r\nGET a:1\r\nGET b\r\nGET r:1\r\nSET r:1 x\r\nGETDEL a:1\r\nGETDEL d\r\nGET\r\n"
    ) == (
        b"+OK\r\n$1\r\nx\r\n-NOPERM No permissions to access a key\r\n$-1\r\n-NOPERM No permissions to access a key\r\n"
        b"-NOPERM No permissions to access a key\r\n$-1\r\n-ERR wrong number of arguments for 'get' command\r\n"
    )
    assert COMMANDS[b"get"].rejected_calls == rejected + 2


def test_patterns_that_are_prefixes_permit_what_they_do_as_patterns(world: World) -> None:
    client = client_of(world, r"+@all %R~* ~a* ~b[1]* ~c\d* ~e**")
    guard = client.session.user.guards[b"APPEND"]
    assert guard.prefixes == (b"a",)
    for key, is_permitted in (("a", 1), ("ab", 1), ("b1x", 1), ("b", 0), ("cd", 1), ("e", 1), ("", 0), ("x", 0)):
        reply = client.run("APPEND", key, "x")
        assert (reply == 1) == bool(is_permitted), key


def test_who_listens_to_what_it_no_longer_may_is_disconnected(world: World) -> None:
    clients = [client_of(world, "+@all &news.* &other") for _ in range(4)]
    requests = ("SUBSCRIBE news.1", "PSUBSCRIBE news.*", "SSUBSCRIBE other", "PING")
    for client, request in zip(clients, requests, strict=True):
        client.raw(f"{request}\r\n".encode())
    admin = world.connect()
    admin.run("ACL SETUSER u &more")
    assert not any(client.session.killed for client in clients)
    admin.run("ACL SETUSER u resetchannels &news.* &x")
    assert [client.session.killed for client in clients] == [False, False, True, False]
    admin.run("ACL SETUSER u resetchannels &news.1")
    assert [client.session.killed for client in clients] == [False, True, True, False]
    admin.run("ACL SETUSER u reset")
    assert [client.session.killed for client in clients] == [True, True, True, False]


def test_channels_need_a_permission(world: World) -> None:
    client = client_of(world, "+@all &news.*")
    assert client.run("PUBLISH news.1 x") == 0
    denied = "NOPERM No permissions to access a channel"
    for request in ("PUBLISH other x", "SUBSCRIBE news.1 other", "PSUBSCRIBE news.1*", "SPUBLISH o x", "SSUBSCRIBE o"):
        assert client.error(request) == denied
    assert world.server.stats.denied_channels == 5
    client.raw(b"PSUBSCRIBE news.*\r\n")
    client.raw(b"UNSUBSCRIBE other\r\nPUNSUBSCRIBE\r\n")
    assert client.run("PING") == "PONG"


def test_scripts_may_do_what_their_user_may(world: World) -> None:
    client = client_of(world, "+eval +get +set ~a*")
    assert client.run("EVAL", "return redis.call('set', 'a', '1')", 0) == "OK"
    assert client.run("EVAL", "return redis.call('get', 'a')", 0) == b"1"
    for call in ("'get', 'b'", "'del', 'a'"):
        assert "ACL failure in script: " in client.error("EVAL", f"return redis.call({call})", 0)
    assert [entry.context for entry in world.server.access.log.latest(9)] == [b"lua", b"lua"]
    check = "return {redis.acl_check_cmd('get', 'a'), redis.acl_check_cmd('get', 'b')}"
    assert client.run("EVAL", check, 0) == [1, None]
