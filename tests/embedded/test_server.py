"""A server in a thread, and the same files under a server and a library."""

import threading
from pathlib import Path

import pytest
import redis
from persistence_fakes import respkv_server

import respkv
from respkv.embedded.server import running_server


def test_it_serves_and_ends_cleanly() -> None:
    with running_server() as url, redis.Redis.from_url(url) as client:
        client.set("k", "v")
        assert client.get("k") == b"v"
        port = int(url.rpartition(":")[2].partition("/")[0])
        assert client.config_get("port") == {"port": str(port)}
        assert any(thread.name == "respkv-server" for thread in threading.enumerate())
    assert not any(thread.name == "respkv-server" for thread in threading.enumerate())
    with pytest.raises(redis.ConnectionError), redis.Redis.from_url(url) as client:
        client.ping()


def test_several_run_at_once_and_share_nothing() -> None:
    with running_server() as one, running_server(maxmemory="10mb") as two:
        with redis.Redis.from_url(one) as client:
            client.set("k", "v")
        with redis.Redis.from_url(two) as client:
            assert client.get("k") is None
            assert client.config_get("maxmemory") == {"maxmemory": str(10 << 20)}


def test_shutdown_by_a_client_is_an_end_too() -> None:
    with running_server() as url, redis.Redis.from_url(url) as client:
        client.shutdown(nosave=True)


def test_what_a_store_wrote_a_server_in_a_thread_serves_and_the_other_way_round(tmp_path: Path) -> None:
    with respkv.Store(tmp_path, codec="str") as store:
        store.put("a", "1", ttl=1000)
    with running_server(tmp_path) as url, redis.Redis.from_url(url, decode_responses=True) as client:
        assert client.get("a") == "1"
        assert client.ttl("a") > 900
        client.set("b", "2")
        with pytest.raises(respkv.StoreInUseError):
            respkv.Store(tmp_path)
        with pytest.raises(respkv.StoreInUseError), running_server(tmp_path):
            pass
    with respkv.Store(tmp_path, codec="str") as store:
        assert dict(store) == {"a": "1", "b": "2"}


def test_respkv_serve_takes_a_stores_directory_and_gives_it_back(tmp_path: Path) -> None:
    with respkv.DataStore(tmp_path) as store:
        store.create("user", {"name": "Ada"})
    with respkv_server(tmp_path) as client:
        assert client.get("user") == b'{"name":"Ada"}'
        client.set("other", "{}")
        client.rpush("list", "a")
    with respkv.DataStore(tmp_path) as store:
        assert store.read("other") == {}
        assert len(store) == 3


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(respkv.StoreUnreadableError), running_server(tmp_path / "file"):
        pass
