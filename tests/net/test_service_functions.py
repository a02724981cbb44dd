"""Functions survive: in the log, in a new base, in a snapshot."""

from net_servers import Serve, eventually

LIBRARY = "#!lua name=mylib\nredis.register_function('f', function(keys) return redis.call('incr', keys[1]) end)"
OTHER = "#!lua name=other\nredis.register_function('g', function() return 7 end)"


def test_functions_survive_a_crash_a_rewrite_and_another_crash(serve: Serve) -> None:
    server = serve()
    client = server.client(decode_responses=True)
    client.function_load(LIBRARY)
    server.restart()
    assert server.client().fcall("f", 1, "k") == 1
    client = server.client(decode_responses=True)
    client.function_load(OTHER)
    client.bgrewriteaof()
    eventually(lambda: client.info("persistence")["aof_rewrites"] >= 1 and not client.info()["aof_rewrite_in_progress"])
    client.function_delete("mylib")
    server.restart()
    client = server.client(decode_responses=True)
    assert client.fcall("g", 0) == 7
    assert [library[1] for library in client.function_list()] == ["other"]


def test_a_snapshot_has_functions(serve: Serve) -> None:
    server = serve("--appendonly", "no")
    client = server.client()
    client.function_load(LIBRARY)
    client.save()
    server.restart()
    assert server.client().fcall("f", 1, "k") == 1
