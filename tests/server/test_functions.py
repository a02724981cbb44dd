"""Functions made of libraries, when they are needed."""

from harness import Client, World

LIBRARY = "#!lua name=mylib\nredis.register_function('f', function(keys, args) return redis.call('incr', keys[1]) end)"


def test_functions_are_loaded_when_one_is_needed(world: World, client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    functions = world.server.scripting.functions
    functions.forget()
    assert client.run("FCALL f 1 k") == 1
    assert functions.count() == 1


def test_a_library_that_cannot_be_loaded_leaves_the_others(world: World, client: Client) -> None:
    world.engine.libraries.texts[b"bad"] = b"#!lua name=bad\nx("
    client.run("FUNCTION", "LOAD", LIBRARY)
    assert client.run("FCALL f 1 k") == 1
    assert [library[5] for library in client.run("FUNCTION LIST LIBRARYNAME bad")] == [[]]
    del world.engine.libraries.texts[b"bad"]


def test_a_function_that_another_library_has_is_refused_and_the_old_one_stays(world: World, client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    other = "#!lua name=other\nredis.register_function('f', function() return 2 end)"
    assert client.error("FUNCTION", "LOAD", other) == "ERR Function f already exists"
    assert client.run("FCALL f 1 k") == 1
    assert list(world.engine.libraries.texts) == [b"mylib"]


def test_flushing_scripts_leaves_functions(client: Client) -> None:
    client.run("FUNCTION", "LOAD", LIBRARY)
    client.run("SCRIPT FLUSH")
    assert client.run("FCALL f 1 k") == 1
