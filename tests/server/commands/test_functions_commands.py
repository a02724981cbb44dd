"""FCALL and FUNCTION as clients see them; the differential cases compare replies with Redis's."""

from harness import Client, World

LIBRARY = """#!lua name=mylib
local function put(keys, args)
    redis.call('set', keys[1], args[1])
    redis.call('incr', 'n')
    return redis.call('get', keys[1])
end
redis.register_function('put', put)
redis.register_function{function_name='look', callback=function(keys) return redis.call('get', keys[1]) end,
    flags={'no-writes'}, description='looks'}
"""


def test_effects_of_a_function_are_one_transaction(world: World, client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    world.take_log()
    assert client.run("FCALL put 1 k v") == b"v"
    assert [argv[0].upper() for argv in world.take_log()] == [b"MULTI", b"SET", b"INCR", b"EXEC"]


def test_a_library_is_logged_as_it_came(world: World, client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    client.error("FUNCTION", "LOAD", "#!lua name=x\n(")
    assert [argv[:2] for argv in world.take_log()] == [[b"FUNCTION", b"LOAD"]]


def test_a_read_only_call_needs_a_function_that_writes_nothing(client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    assert client.run("FCALL_RO look 1 k") is None
    assert client.error("FCALL_RO put 1 k v") == "ERR Can not execute a script with write flag using *_ro command."


def test_list_in_both_protocols(client: Client, client3: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    (library,) = client3.run("FUNCTION LIST WITHCODE")
    assert library[b"library_name"] == b"mylib"
    assert library[b"library_code"] == LIBRARY.encode()
    assert library[b"functions"][1] == {b"name": b"look", b"description": b"looks", b"flags": {"no-writes"}}
    assert client.run("FUNCTION LIST LIBRARYNAME other*") == []


def test_info_counts(client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    client.run("EVAL", "return 1", 0)
    memory = client.run("INFO memory").decode()
    for line in ("number_of_cached_scripts:1", "number_of_functions:2", "number_of_libraries:1"):
        assert line in memory
    assert "used_memory_lua:0\r" not in memory
