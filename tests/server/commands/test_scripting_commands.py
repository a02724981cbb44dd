"""EVAL, EVALSHA and SCRIPT as clients see them; the differential cases compare replies with Redis's."""

import subprocess
import sys

import pytest
from harness import Client, World

from respkv.errors import ReplyError


def test_eval_runs_a_script(client: Client) -> None:
    assert client.run("EVAL", "return { KEYS[1], ARGV[1], 3.7 }", 1, "k", "a") == [b"k", b"a", 3]


def test_a_table_is_encoded_by_the_protocol_of_the_client(client: Client, client3: Client) -> None:
    body = "redis.setresp(3) return { map = { a = { double = 1.5 }, b = { set = { x = true } } } }"
    assert client3.run("EVAL", body, 0) == {b"a": 1.5, b"b": {b"x"}}
    assert sorted(map(repr, client.run("EVAL", body, 0))) == ["[b'x']", "b'1.5'", "b'a'", "b'b'"]


def test_effects_of_a_script_are_one_transaction(world: World, client: Client) -> None:
    client.run("EVAL", "redis.call('set', 'a', 1) redis.call('incr', 'b') return redis.call('get', 'a')", 0)
    assert [argv[0].upper() for argv in world.take_log()] == [b"MULTI", b"SET", b"INCR", b"EXEC"]


def test_one_effect_needs_no_transaction(world: World, client: Client) -> None:
    client.run("EVAL", "redis.call('get', 'a') return redis.call('set', 'a', 1)", 0)
    assert [argv[0].upper() for argv in world.take_log()] == [b"SET"]


def test_what_a_script_did_before_its_error_stays_and_is_logged(world: World, client: Client) -> None:
    world.checks_each_command = False
    client.error("EVAL", "redis.call('set', 'a', 1) redis.call('set', 'b', 1) error('x')", 0)
    assert [argv[0].upper() for argv in world.take_log()] == [b"MULTI", b"SET", b"SET", b"EXEC"]
    assert client.run("MGET a b") == [b"1", b"1"]


def test_a_script_in_a_transaction_is_part_of_it(world: World, client: Client) -> None:
    client.run("MULTI")
    client.run("SET x 1")
    client.run("EVAL", "redis.call('set', 'a', 1) redis.call('set', 'b', 1)", 0)
    client.run("EXEC")
    assert [argv[0].upper() for argv in world.take_log()] == [b"MULTI", b"SET", b"SET", b"SET", b"EXEC"]


def test_effects_are_logged_not_requests(world: World, client: Client) -> None:
    client.run("EVAL", "redis.call('set', 'a', 1, 'EX', 10) redis.call('incrbyfloat', 'f', 1.5)", 0)
    log = world.take_log()
    assert log[1][3] == b"PXAT"
    assert log[2][0] == b"SET"


def test_who_waits_is_served_when_the_script_has_ended(world: World, client: Client) -> None:
    waiter = world.connect()
    waiter.start("BLPOP l 0")
    assert client.run("EVAL", "redis.call('rpush', 'l', 1, 2) return redis.call('llen', 'l')", 0) == 2
    world.resume_ready()
    assert waiter.replies() == [[b"l", b"1"]]


def test_a_command_that_would_wait_does_not(client: Client) -> None:
    assert client.run("EVAL", "return redis.call('blpop', 'none', 0)", 0) is None


def test_select_in_a_script_ends_with_it(client: Client) -> None:
    client.run("EVAL", "redis.call('select', 5) redis.call('set', 'k', 1)", 0)
    assert client.run("DBSIZE") == 0
    client.error("EVAL", "redis.call('select', 5) error('x')", 0)
    assert client.run("DBSIZE") == 0
    client.run("SELECT 5")
    assert client.run("DBSIZE") == 1


def test_a_set_is_sorted_for_a_script_that_wants_it_in_no_order(client: Client) -> None:
    client.run("SADD s 9 10 1 -2")
    for command in ("sort", "sort_ro"):
        body = f"return redis.call('{command}', 's', 'by', 'nosort')"
        assert client.run("EVAL", body, 0) == [b"-2", b"1", b"10", b"9"]
        assert client.run(f"{command} s BY nosort") == [b"-2", b"1", b"9", b"10"]


def test_a_script_that_was_flushed_is_not_found(client: Client) -> None:
    sha = client.run("SCRIPT", "LOAD", "return 1")
    assert client.run("EVALSHA", sha, 0) == 1
    assert client.run("SCRIPT", "SHOW", sha) == b"return 1"
    client.run("SCRIPT FLUSH")
    assert client.error("EVALSHA", sha, 0) == "NOSCRIPT No matching script. Please use EVAL."
    assert client.run("SCRIPT", "EXISTS", sha) == [0]


def test_a_script_that_does_not_compile_is_not_kept(client: Client) -> None:
    client.error("EVAL", "return (", 0)
    assert len(client.session.server.scripting.cache) == 0


def test_a_script_without_memory_may_read_and_not_write(client: Client) -> None:
    client.run("SET k v")
    client.run("CONFIG SET maxmemory 1")
    assert client.run("EVAL", "return redis.call('get', 'k')", 0) in (b"v", None)
    assert client.error("EVAL", "return redis.call('set', 'k', 1)", 0).startswith("OOM command not allowed")
    assert client.error("EVAL", "#!lua\nreturn 1", 0).startswith("OOM allow-oom flag is not set on the script")
    assert client.run("EVAL", "#!lua flags=no-writes\nreturn 1", 0) == 1
    assert client.run("EVAL", "#!lua flags=allow-oom\nredis.call('set', 'k', 1) return 1", 0) == 1
    client.run("CONFIG SET maxmemory 0")


def test_a_server_without_scripts_does_not_import_lupa() -> None:
    program = (
        "import sys; from respkv.engine.keyspace import open_engine; from respkv.server.server import Server;"
        "import respkv.commands.all, respkv.server.commands.all; Server(open_engine());"
        "sys.exit(any(name.startswith('lupa') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_errors_name_the_script(client: Client) -> None:
    reply = client.run("EVAL", "return redis.call('nope')", 0)
    assert isinstance(reply, ReplyError)
    assert reply.message.endswith(
        b"script: 8a08f4b52efaa2014867874031e0f420f142f6b5, on @user_script:1.".replace(
            b"8a08f4b52efaa2014867874031e0f420f142f6b5", client.run("SCRIPT", "LOAD", "return redis.call('nope')")
        )
    )


def test_a_script_may_run_what_its_user_may(world: World, client: Client) -> None:
    client.run("ACL", "SETUSER", "lim", "on", "nopass", "~k*", "+eval", "+get", "+set")
    limited = world.connect()
    limited.run("AUTH lim x")
    assert limited.run("EVAL", "return redis.call('set', 'k1', 1)", 0) == "OK"
    error = limited.error("EVAL", "return redis.call('incr', 'k1')", 0)
    assert error.startswith("ERR ACL failure in script: User lim has no permissions to run the 'incr' command script: ")
    assert limited.run("EVAL", "return redis.pcall('get', 'z').err", 0) == (
        b"ERR ACL failure in script: No permissions to access a key"
    )
    assert limited.run("EVAL", "return redis.acl_check_cmd('get', 'k1')", 0) == 1
    assert limited.run("EVAL", "return redis.acl_check_cmd('get', 'z')", 0) is None


@pytest.mark.parametrize(
    ("body", "counted", "fails"),
    [
        ("redis.pcall('nosuch') return 1", "ERR", False),
        ("redis.pcall('subscribe', 'b') return 1", "ERR", False),
        ("redis.pcall('lpush', 's', 'x') return 1", "WRONGTYPE", False),
        ("pcall(redis.call, 'lpush', 's', 'x') return 1", "WRONGTYPE", False),
        ("redis.pcall() return 1", "", False),
        ("redis.pcall({}) return 1", "", False),
        ("redis.call()", "ERR", True),
        ("redis.call({})", "ERR", True),
        ("redis.call('nosuch')", "ERR", True),
        ("return redis.call('lpush', 's', 'x')", "WRONGTYPE", True),
        ("return redis.pcall('lpush', 's', 'x')", "WRONGTYPE", True),
        ("error(redis.pcall('lpush', 's', 'x'))", "WRONGTYPE", True),
        ("return {err = redis.pcall('lpush', 's', 'x').err}", "WRONGTYPE WRONGTYPE", True),
        ("return {redis.pcall('lpush', 's', 'x')}", "WRONGTYPE", True),
        ("return {1, {redis.error_reply('In array')}, {err = 'Out'}}", "In ERR", True),
        ("return redis.error_reply('My oops')", "My", True),
        ("return {err = 'X'}", "ERR", True),
        ("error({err = 'Boo hoo'})", "Boo", True),
        ("error('boo')", "ERR", True),
        ("return {err = string.rep('x', 31) .. ' y'}", "ERR", True),
    ],
)
def test_each_error_of_a_script_is_counted_once_whether_it_is_caught_or_not(
    client: Client, body: str, counted: str, fails: bool
) -> None:
    client.run("SET s x")
    client.run("CONFIG RESETSTAT")
    client.run("EVAL", body, 0)
    expected = {f"errorstat_{code}": f"count={counted.split().count(code)}" for code in counted.split()}
    told = client.run("INFO", "errorstats", "commandstats").decode().splitlines()
    fields = dict(line.split(":", 1) for line in told if ":" in line)
    assert {name: value for name, value in fields.items() if name.startswith("errorstat")} == expected
    assert fields["cmdstat_eval"].endswith(f"failed_calls={int(fails)}")
