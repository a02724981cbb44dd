"""Interactive transactions beside each other and others: what is seen, what waits, what others are told."""

from typing import Any

import pytest
from harness import Client, World, decode

from respkv.commands.flags import GATE_DISK
from respkv.reply import NULL_ARRAY, Push


@pytest.fixture(autouse=True)
def _world(world: World) -> None:
    # What a transaction changes is propagated by its COMMIT, not by each command.
    world.checks_each_command = False


# What is seen


def test_a_transaction_sees_its_own_writes_and_nobody_else_does(world: World, client: Client, other: Client) -> None:
    client.run("SET k old")
    client.run("BEGIN")
    client.run("SET k new")
    client.run("SADD s a")
    assert client.run("GET k") == b"new"
    assert other.run("EXISTS unrelated") == 0
    other.start("GET k")
    assert client.run("COMMIT") == "OK"
    assert world.replies_to(other) == [b"new"]


def test_after_a_rollback_others_find_what_was_there(world: World, client: Client, other: Client) -> None:
    client.run("SET k old")
    client.run("BEGIN")
    client.run("DEL k")
    other.start("GET k")
    client.run("ROLLBACK")
    assert world.replies_to(other) == [b"old"]
    assert world.take_log() == [[b"SET", b"k", b"old"]]


def test_what_a_transaction_reads_stays_as_it_is(world: World, client: Client, other: Client) -> None:
    client.run("BEGIN")
    assert client.run("GET k") is None
    assert other.run("GET k") is None, "readers go side by side"
    other.start("SET k v")
    assert client.run("GET k") is None
    client.run("COMMIT")
    assert world.replies_to(other) == ["OK"]


def test_those_who_wait_go_on_in_the_order_in_which_they_came(
    world: World, client: Client, other: Client, third: Client
) -> None:
    client.run("BEGIN")
    client.run("RPUSH l a")
    third.start("RPUSH l c")
    other.start("RPUSH l b")
    client.run("COMMIT")
    world.resume_ready()
    assert (third.replies(), other.replies()) == ([2], [3])
    assert client.run("LRANGE l 0 -1") == [b"a", b"c", b"b"]


def test_only_the_connection_that_waits_waits(client: Client, other: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    assert other.raw(b"SET a 1\r\nGET k\r\nSET a 2\r\n") == b"+OK\r\n"
    assert client.run("SET b 1") == "OK"


def test_multi_key_commands_and_exec_take_all_their_locks_together(
    world: World, client: Client, other: Client, third: Client
) -> None:
    client.run("BEGIN")
    client.run("SET b 1")
    other.run("MULTI")
    other.run("SET a 2")
    other.run("SELECT 1")
    other.run("SET b 3")
    assert other.run("EXEC") == ["OK", "OK", "OK"], "b of another database is another key"
    other.run("SELECT 0")
    other.start("MSET a 3 b 3")
    third.start("GET a")
    client.run("COMMIT")
    world.resume_ready()
    assert (other.replies(), third.replies()) == (["OK"], [b"3"])


def test_scripts_and_copies_wait_in_order_of_arrival_and_go_on_in_it(
    world: World, client: Client, other: Client, third: Client
) -> None:
    fourth = world.connect()
    client.run("BEGIN")
    client.run("RPUSH l a")
    other.start("EVAL", "return redis.call('RPUSH', KEYS[1], 'b')", 1, "l")
    third.start("COPY l copied DB 1")
    fourth.start("EVAL", "redis.call('RPUSH', KEYS[1], 'c') return redis.call('LRANGE', KEYS[1], 0, -1)", 1, "l")
    assert not world.engine.database(1).size()
    client.run("COMMIT")
    assert world.replies_to(other) == [2]
    assert third.replies() == [1]
    assert fourth.replies() == [[b"a", b"b", b"c"]]
    client.run("SELECT 1")
    assert client.run("LRANGE copied 0 -1") == [b"a", b"b"]
    assert not world.engine.locks


@pytest.mark.parametrize("copy", ["COPY a b", "COPY a b REPLACE", "COPY a b DB 0 REPLACE", "COPY a b REPLACE DB 9"])
def test_a_copy_waits_for_its_source_and_for_its_target_where_that_is(
    world: World, client: Client, other: Client, copy: str
) -> None:
    target = 9 if "9" in copy else 0
    client.run("MSET a 1 c 1")
    for key, index in (("a", 0), ("b", target)):
        client.run(f"SELECT {index}")
        client.run("BEGIN")
        client.run(f"SET {key} {index + 1}")
        other.start(copy)
        assert world.replies_to(other) == []
        client.run("ROLLBACK")
        assert world.replies_to(other) == [1]
        client.run("DEL b")
        client.run("SELECT 0")
        client.run("DEL b")
    for index in {0, 1, 9} - {target}:
        client.run(f"SELECT {index}")
        client.run("BEGIN")
        client.run("SET b 1")
        assert isinstance(other.run(copy), int), "the b of another database is another key"
        client.run("ROLLBACK")


COPY_IN_SCRIPT = "return redis.call('COPY', KEYS[1], KEYS[2], 'REPLACE')"


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        (("COPY", "a", "b", "REPLACE"), [b"2", b"3"]),
        (("COPY", "b", "a", "REPLACE"), [b"3", b"4"]),
        (("EVAL", COPY_IN_SCRIPT, 2, "a", "b"), [b"2", b"3"]),
        (("EVAL", COPY_IN_SCRIPT, 2, "b", "a"), [b"3", b"4"]),
    ],
)
def test_a_copy_or_script_that_waits_holds_nothing_hence_is_in_no_deadlock(
    world: World, client: Client, other: Client, third: Client, waits: tuple[str | int, ...], expected: list[bytes]
) -> None:
    client.run("MSET a 1 b 2")
    client.run("BEGIN")
    client.run("INCR a")
    other.start(*waits)
    third.run("BEGIN")
    third.start("INCR b")
    assert client.run("INCR b") == 3, "who waits for a transaction is overtaken by it"
    client.run("COMMIT")
    assert world.replies_to(other) == [1]
    assert len(third.replies()) == 1
    third.run("COMMIT")
    assert client.run("MGET a b") == expected
    assert not world.engine.locks


@pytest.mark.parametrize("as_script", [False, True])
def test_copies_and_scripts_in_transactions_that_wait_for_each_other_are_a_deadlock(
    world: World, client: Client, other: Client, as_script: bool
) -> None:
    def copy(source: str, target: str) -> tuple[str | int, ...]:
        return ("EVAL", COPY_IN_SCRIPT, 2, source, target) if as_script else ("COPY", source, target, "REPLACE")

    client.run("MSET a 1 b 2 c 3")
    client.run("BEGIN")
    other.run("BEGIN")
    assert client.run(*copy("a", "x")) == 1
    assert other.run(*copy("b", "y")) == 1
    client.start(*copy("c", "b"))
    assert world.replies_to(client) == []
    assert other.error(*copy("c", "a")).startswith("DEADLOCK")
    assert world.replies_to(client) == [1]
    client.run("COMMIT")
    other.run("ROLLBACK")
    assert client.run("MGET a b c x y") == [b"1", b"3", b"3", b"1", None]
    assert not world.engine.locks


# What nobody names


def test_keys_scan_dbsize_and_randomkey_beside_a_transaction_tell_what_is_committed(
    client: Client, other: Client
) -> None:
    client.run("SET a 1")
    client.run("BEGIN")
    client.run("DEL a")
    client.run("SET b 1")
    assert other.run("KEYS *") == [b"a"]
    assert other.run("SCAN 0") == [b"0", [b"a"]]
    assert other.run("DBSIZE") == 1
    assert other.run("RANDOMKEY") == b"a"
    assert other.run("SHOWALL") == [[b"a", b"1", [1]]]


def test_within_a_transaction_they_tell_what_is_committed_and_its_own_changes(client: Client, other: Client) -> None:
    client.run("SET a 1")
    client.run("BEGIN")
    client.run("DEL a")
    client.run("SET b 1")
    other.run("LPUSH c 1")
    assert sorted(client.run("KEYS *")) == [b"b", b"c"]
    assert sorted(client.run("SCAN 0")[1]) == [b"b", b"c"]
    assert client.run("SCAN 0 TYPE list") == [b"0", [b"c"]]
    assert client.run("DBSIZE") == 2
    assert client.run("RANDOMKEY") in (b"b", b"c")
    client.run("DEL b c")
    assert client.run("RANDOMKEY") is None


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1"])
def test_commands_on_whole_databases_wait_for_their_transactions(
    world: World, client: Client, other: Client, third: Client, command: str
) -> None:
    client.run("SET k v")
    client.run("BEGIN")
    client.run("GET k")
    other.start(command)
    third.start("SET late v")
    client.run("SET k w")
    client.run("COMMIT")
    assert world.replies_to(other) == ["OK"]
    assert third.replies() == ["OK"]
    assert client.run("EXISTS k late") == 1


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB"])
def test_a_transaction_may_delete_all_keys(world: World, client: Client, other: Client, command: str) -> None:
    client.run("MSET a 1 b 2")
    client.run("BEGIN")
    client.run("SET c 3")
    client.run("SAVEPOINT p")
    client.run(command)
    assert client.run("DBSIZE") == 0
    assert client.run("GET a") is None
    client.run("ROLLBACK TO p")
    assert client.run("DBSIZE") == 3
    client.run(command)
    client.run("SET d 4")
    other.start("GET a")
    assert other.session.engine.databases[0].size() == 2
    client.run("COMMIT")
    assert world.replies_to(other) == [None]
    assert client.run("KEYS *") == [b"d"]


def test_swapdb_watch_debug_and_patterns_of_sort_are_not_for_transactions(client: Client) -> None:
    client.run("BEGIN")
    assert client.error("SWAPDB 0 1").startswith("ERR SWAPDB is not allowed")
    assert client.error("WATCH k").startswith("ERR WATCH is not needed")
    assert client.error("DEBUG SLEEP 0").startswith(("ERR DEBUG", "ERR DEBUG command not allowed"))
    assert client.error("SORT l BY w_*").startswith("ERR BY and GET patterns")
    assert client.run("SORT l") == []


def test_a_transaction_works_on_several_databases(client: Client, other: Client) -> None:
    client.run("BEGIN")
    client.run("SET k 0")
    client.run("SELECT 1")
    client.run("SET k 1")
    client.run("COPY k k2 DB 2")
    client.run("MOVE k 3")
    client.run("COMMIT")
    assert client.run("KEYS *") == []
    for number, keys in ((0, [b"k"]), (2, [b"k2"]), (3, [b"k"])):
        other.run(f"SELECT {number}")
        assert other.run("KEYS *") == keys


# Commands that are more than data


def test_a_blocking_command_in_a_transaction_answers_at_once(client: Client) -> None:
    client.run("BEGIN")
    assert client.run("BLPOP l 0") is NULL_ARRAY
    client.run("RPUSH l a")
    assert client.run("BLPOP l 0") == [b"l", b"a"]
    assert client.run("XREAD BLOCK 0 STREAMS x $") is NULL_ARRAY


def test_who_is_blocked_is_served_by_the_commit(world: World, client: Client, other: Client) -> None:
    other.start("BLPOP l 0")
    client.run("BEGIN")
    client.run("RPUSH l a")
    client.run("LPOP l")
    client.run("RPUSH l b")
    assert world.replies_to(other) == []
    client.run("COMMIT")
    assert world.replies_to(other) == [[b"l", b"b"]]
    assert [argv[0] for argv in world.take_log()] == [b"MULTI", b"RPUSH", b"LPOP", b"RPUSH", b"EXEC", b"LPOP"]


def test_who_is_blocked_does_not_change_what_a_transaction_has_locked(
    world: World, client: Client, other: Client, third: Client
) -> None:
    other.start("BLMOVE source target LEFT LEFT 0")
    client.run("BEGIN")
    client.run("LPUSH target x")
    third.run("LPUSH source a")
    assert world.replies_to(other) == []
    third.run("LPUSH source b")
    client.run("COMMIT")
    assert world.replies_to(other) == [b"b"]
    assert client.run("LRANGE target 0 -1") == [b"b", b"x"]
    assert not world.engine.locks


def test_multi_in_a_transaction_is_a_part_of_it(world: World, client: Client, other: Client) -> None:
    client.run("BEGIN")
    client.run("MULTI")
    client.run("SET a 1")
    assert client.error("COMMIT") == "ERR Command not allowed inside a transaction"
    client.run("DISCARD")
    client.run("MULTI")
    client.run("INCR a")
    client.run("INCR b")
    assert client.run("EXEC") == [1, 1]
    assert other.run("EXISTS c") == 0
    assert world.take_log() == []
    client.run("COMMIT")
    assert world.take_log() == [[b"MULTI"], [b"INCR", b"a"], [b"INCR", b"b"], [b"EXEC"]]


def test_begin_is_not_for_multi(client: Client) -> None:
    client.run("MULTI")
    assert client.error("BEGIN") == "ERR Command not allowed inside a transaction"


def test_config_takes_effect_at_once(client: Client) -> None:
    client.run("BEGIN")
    client.run("CONFIG SET slowlog-max-len 5")
    client.run("ROLLBACK")
    assert client.run("CONFIG GET slowlog-max-len") == [b"slowlog-max-len", b"5"]


def test_a_transaction_that_only_reads_writes_nothing(client: Client, other: Client) -> None:
    client.run("SET k v")
    client.run("BEGIN READONLY")
    assert client.run("GET k") == b"v"
    assert client.error("SET k w") == "READONLY transaction 1 only reads"
    client.run("MULTI")
    client.run("SET k w")
    assert client.error("EXEC") == "READONLY transaction 1 only reads"
    assert client.run("GET k") == b"v"
    assert client.run("COMMIT") == "OK"


def test_errors_of_commands_leave_the_transaction_open(client: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    assert client.error("LPUSH k a").startswith("WRONGTYPE")
    assert client.error("NOSUCH").startswith("ERR unknown command")
    assert client.error("GET").startswith("ERR wrong number")
    client.run("COMMIT")
    assert client.run("GET k") == b"v"


# Scripts


def test_a_script_in_a_transaction_is_a_part_of_it(world: World, client: Client, other: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    assert client.run("EVAL", "return redis.call('GET', KEYS[1])", 1, "k") == b"v"
    client.run("EVAL", "redis.call('SET', 'undeclared', 'x'); return redis.call('INCR', KEYS[1])", 1, "n")
    assert other.run("DBSIZE") == 0
    other.start("GET undeclared")
    client.run("COMMIT")
    assert world.replies_to(other) == [b"x"]
    assert [argv[0] for argv in world.take_log()] == [b"MULTI", b"SET", b"SET", b"INCR", b"EXEC"]


def test_a_script_waits_for_the_keys_that_it_declares(world: World, client: Client, other: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    other.start("EVAL", "return redis.call('GET', KEYS[1])", 1, "k")
    client.run("COMMIT")
    assert world.replies_to(other) == [b"v"]


def test_a_script_is_refused_keys_that_are_locked_and_not_declared(client: Client, other: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    assert other.error("EVAL", "return redis.call('GET', 'k')", 0).startswith("LOCKTIMEOUT")
    assert other.run("EVAL", "return redis.call('SET', 'free', 1)", 0) == "OK"
    client.run("ROLLBACK")
    client.run("BEGIN READONLY")
    assert client.error("EVAL", "return redis.call('SET', 'k', 1)", 0).startswith("READONLY")


def test_a_script_of_several_calls_is_refused_in_the_middle_and_what_it_did_stays(
    world: World, client: Client, other: Client
) -> None:
    client.run("SELECT 3")
    client.run("BEGIN")
    client.run("SET k v")
    script = "redis.call('SET', 'free', 1) return redis.call('COPY', 'free', 'k', 'DB', ARGV[1])"
    assert other.error("EVAL", script, 0, "3").startswith("LOCKTIMEOUT")
    assert other.run("GET free") == b"1"
    assert other.run("EVAL", script, 0, "4") == 1
    assert other.run("EVAL", "redis.call('SELECT', 4) return redis.call('GET', 'k')", 0) == b"1"
    assert other.error("EVAL", "redis.call('SELECT', 3) return redis.call('GET', 'k')", 0).startswith("LOCKTIMEOUT")


def test_a_script_that_waited_has_its_keys_also_if_others_wait_behind_it(
    world: World, client: Client, other: Client, third: Client
) -> None:
    client.run("BEGIN")
    client.run("INCR n")
    other.run("MULTI")
    other.run("EVAL", "return redis.call('INCR', KEYS[1])", 1, "n")
    other.start("EXEC")
    third.start("INCR n")
    client.run("COMMIT")
    assert world.replies_to(other) == [[2]]
    assert third.replies() == [3]


def test_a_function_waits_for_the_keys_that_it_declares(world: World, client: Client, other: Client) -> None:
    library = "#!lua name=l\nredis.register_function('f', function(keys) return redis.call('INCR', keys[1]) end)"
    client.run("FUNCTION", "LOAD", library)
    client.run("BEGIN")
    client.run("INCR n")
    other.start("FCALL", "f", 1, "n")
    assert world.replies_to(other) == []
    client.run("COMMIT")
    assert world.replies_to(other) == [2]


# The server's state


def test_a_pause_of_writes_holds_commits_back(world: World, client: Client, other: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    other.run("CLIENT PAUSE 100 WRITE")
    client.start("COMMIT")
    assert not world.engine.databases[0].holds(b"k")
    other.run("CLIENT UNPAUSE")
    assert world.replies_to(client) == ["OK"]
    assert world.engine.databases[0].holds(b"k")


def test_while_the_disk_fails_only_what_changed_nothing_is_committed(world: World, client: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    world.server.persistence.write_error = "No space left on device"
    world.server.set_gate(GATE_DISK, True)
    assert client.error("COMMIT").startswith("MISCONF")
    assert client.run("GET k") == b"v", "it is open yet"
    world.server.set_gate(GATE_DISK, False)
    assert client.run("COMMIT") == "OK"


def test_who_is_let_go_on_too_soon_waits_again(world: World, client: Client, other: Client, third: Client) -> None:
    client.run("BEGIN")
    client.run("SET k v")
    other.run("BEGIN")
    other.start("GET k")
    third.start("GET k")
    world.server.ready += [other.session, third.session]
    assert world.replies_to(other) == []
    assert third.replies() == []
    client.run("COMMIT")
    assert world.replies_to(other) == [b"v"]
    assert third.replies() == [b"v"]


def test_notifications_come_with_the_commit(world: World, client: Client, other: Client, third: Client) -> None:
    client.run("CONFIG SET notify-keyspace-events KEA")
    other.run("SUBSCRIBE __keyspace@0__:k")
    client.run("BEGIN")
    client.run("SET k v")
    client.run("INCR n")
    assert other.replies() == []
    client.run("COMMIT")
    world.resume_ready()
    assert [each[2] for each in other.replies()] == [b"set"]


def told(world: World, client: Client) -> list[Any]:
    """The keys of the invalidations that came since, None for all."""
    return [push.items[1] for push in world.replies_to(client) if push.items[0] == b"invalidate"]


def pushed_with(client: Client, command: str) -> list[Any]:
    """What comes with the reply to `command`, which is OK."""
    reply, *pushes = decode(client.raw(command.encode() + b"\r\n"))
    assert reply == "OK"
    assert all(isinstance(push, Push) for push in pushes)
    return [push.items for push in pushes]


def tracking(world: World, options: str = "") -> Client:
    client = world.connect()
    client.session.protocol = 3
    client.run(f"CLIENT TRACKING ON {options}")
    return client


def test_who_tracks_a_key_is_told_of_a_commit_and_not_of_a_rollback(world: World, client: Client) -> None:
    reader, prefix = tracking(world), tracking(world, "BCAST PREFIX k")
    client.run("MSET k old l old")
    assert told(world, prefix) == [[b"k"]]
    assert reader.run("MGET k l") == [b"old", b"old"]
    for end in ("ROLLBACK", "COMMIT"):
        client.run("BEGIN")
        client.run("SET k new")
        client.run("SAVEPOINT p")
        client.run("DEL l")
        client.run("ROLLBACK TO p")
        assert (told(world, reader), told(world, prefix)) == ([], [])
        client.run(end)
        expected = [[b"k"]] if end == "COMMIT" else []
        assert (told(world, reader), told(world, prefix)) == (expected, expected)
    client.run("SET l other")
    assert told(world, reader) == [[b"l"]], "it was still tracked"


@pytest.mark.parametrize("options", ["", "BCAST", "NOLOOP"])
@pytest.mark.parametrize("end", ["ROLLBACK", "ROLLBACK TO p", "TXN KILL"])
def test_who_has_read_what_is_rolled_back_is_told(world: World, client: Client, end: str, options: str) -> None:
    reader, other = tracking(world, options), tracking(world, options)
    other.run("GET k")
    number = reader.run("BEGIN")
    reader.run("SAVEPOINT p")
    reader.run("SET k new")
    reader.run("GET k")
    reader.run("GET unchanged")
    assert told(world, reader) == []
    if end == "TXN KILL":
        client.run(f"TXN KILL {number}")
        assert told(world, reader) == [[b"k"]]
    else:
        assert pushed_with(reader, end) == [[b"invalidate", [b"k"]]]
    assert told(world, other) == []


def test_who_has_read_what_is_rolled_back_from_elsewhere_is_told(world: World, client: Client) -> None:
    reader = tracking(world)
    number = client.run("BEGIN")
    client.run("SET k new")
    assert reader.run(f"TXN {number} GET k") == b"new"
    client.run("ROLLBACK")
    assert told(world, reader) == [[b"k"]]


def test_who_has_found_all_keys_gone_is_told_when_they_are_back(world: World, client: Client) -> None:
    client.run("MSET k v l v")
    reader, other = tracking(world), tracking(world)
    other.run("GET k")
    reader.run("BEGIN")
    reader.run("FLUSHALL")
    assert reader.run("GET k") is None
    assert pushed_with(reader, "ROLLBACK") == [[b"invalidate", None]]
    assert told(world, other) == []
    assert reader.run("GET k") == b"v"
