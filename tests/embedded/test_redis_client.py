"""redis-py without a server."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import respkv


@pytest.fixture(params=[2, 3])
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with respkv.connect(protocol=request.param, decode_responses=True) as client:
        yield client


def test_it_is_a_redis_client(client: redis.Redis) -> None:
    assert isinstance(client, redis.Redis)
    assert client.ping()
    client.hset("h", mapping={"a": "1"})
    assert client.hgetall("h") == {"a": "1"}
    assert client.zadd("z", {"m": 1.5}) == 1
    assert client.zrange("z", 0, -1, withscores=True)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.get("h")


def test_a_pipeline_runs_as_one_transaction(client: redis.Redis) -> None:
    with client.pipeline(transaction=True) as pipeline:
        pipeline.set("k", 1)
        pipeline.incr("k")
        pipeline.get("k")
        assert pipeline.execute() == [True, 2, "2"]


def test_a_watched_key_that_changes_makes_the_transaction_fail(client: redis.Redis) -> None:
    pipeline: Any
    with client.pipeline() as pipeline:
        pipeline.watch("k")
        client.set("k", "other")
        pipeline.multi()
        pipeline.set("k", "mine")
        with pytest.raises(redis.WatchError):
            pipeline.execute()


def test_a_blocking_command_waits_for_another_thread(client: redis.Redis) -> None:
    popped: list[Any] = []
    thread = threading.Thread(target=lambda: popped.append(client.blpop(["q"], timeout=10)))
    thread.start()
    client.rpush("q", "job")
    thread.join(10)
    assert list(popped[0]) == ["q", "job"]
    assert client.blpop(["q"], timeout=0.01) is None


def test_a_hundred_thousand_replies_come_in_order(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for _ in range(20_000):
            pipeline.incr("n")
        assert pipeline.execute() == list(range(1, 20_001))


def test_threads_share_a_client(client: redis.Redis) -> None:
    def add() -> None:
        for _ in range(100):
            client.incr("n")

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == "600"


def test_messages_come_to_who_has_subscribed(client: Any) -> None:
    with client.pubsub() as subscriber:
        subscriber.subscribe("news")
        subscriber.psubscribe("n*")
        kinds = [message["type"] for message in (subscriber.get_message(timeout=5) for _ in range(2)) if message]
        assert kinds == ["subscribe", "psubscribe"]
        assert subscriber.get_message(timeout=0) is None
        assert subscriber.get_message(timeout=0.01) is None
        assert client.publish("news", "first") == 2
        messages = [subscriber.get_message(timeout=5), subscriber.get_message(timeout=5)]
        assert {message["type"]: message["data"] for message in messages if message} == {
            "message": "first",
            "pmessage": "first",
        }


def test_a_message_of_another_thread_ends_the_wait_for_one(client: Any) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe("news")
        thread = threading.Thread(target=client.publish, args=("news", "hello"))
        assert subscriber.get_message(timeout=0.01) is None
        thread.start()
        message = subscriber.get_message(timeout=10)
        thread.join()
    assert message is not None
    assert message["data"] == "hello"


def test_scripts_run(client: redis.Redis) -> None:
    script = client.register_script("redis.call('set', KEYS[1], ARGV[1]) return redis.call('incr', KEYS[1])")
    assert script(keys=["k"], args=[41]) == 42
    assert client.get("k") == "42"
    assert client.eval("return {1, ARGV[1]}", 0, "two") == [1, "two"]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.eval("redis.call('lpush', KEYS[1], 'a')", 1, "k")


def test_functions_are_loaded_and_called_and_stay_with_the_data(tmp_path: Path) -> None:
    code = """#!lua name=mine
        redis.register_function('add', function(keys, args) return redis.call('incrby', keys[1], args[1]) end)"""
    with respkv.connect(tmp_path, decode_responses=True) as client:
        assert client.function_load(code) == "mine"
        assert client.fcall("add", 1, "k", 2) == 2
    with respkv.connect(tmp_path, decode_responses=True) as client:
        assert client.fcall("add", 1, "k", 3) == 5
        assert client.function_list()


def test_databases_are_those_of_redis(client: redis.Redis) -> None:
    client.select(5)
    client.set("k", "v")
    client.select(0)


def test_a_closed_client_cannot_be_used(client: redis.Redis) -> None:
    client.close()
    with pytest.raises(redis.ConnectionError, match="closed"):
        client.get("k")


def test_data_of_a_path_are_there_again(tmp_path: Path) -> None:
    with respkv.connect(tmp_path) as client:
        client.rpush("l", "a", "b")
    with respkv.connect(tmp_path, directives={"appendfsync": "everysec"}) as client:
        assert client.lrange("l", 0, -1) == [b"a", b"b"]


def test_a_client_and_a_store_share_keys() -> None:
    with respkv.Store() as store:
        client = respkv.connect(store)
        client.set("a", "1")
        assert store["a"] == b"1"
        store.put("b", b"2", ttl=100)
        assert client.ttl("b") > 0
        client.close()
        assert store["a"] == b"1"


def test_a_client_waits_for_what_a_store_puts() -> None:
    pipeline: Any
    with respkv.Store() as store, respkv.connect(store) as client:
        store["k"] = b"v"
        with client.pipeline() as pipeline:
            pipeline.watch("k")
            store["k"] = b"w"
            pipeline.multi()
            pipeline.get("k")
            with pytest.raises(redis.WatchError):
                pipeline.execute()


def test_without_redis_py_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['redis'] = None\nimport respkv\nrespkv.connect()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'respkv[redis]'" in done.stderr


def test_it_names_its_library_and_its_version_as_any_client() -> None:
    with respkv.connect(decode_responses=True) as client:
        told = client.client_info()
        assert (told["lib-name"], told["lib-ver"]) == ("redis-py", redis.__version__)
