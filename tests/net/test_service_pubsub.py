"""Messages over real sockets: to clients that ask nothing, that do not read, and that vanish."""

import socket
import threading

import redis
from net_servers import Raw, Serve, Served, eventually, pack
from redis.cache import CacheConfig

MEGABYTE = 1 << 20
VANISHING = 1000


def subscriber(server: Served, *channels: str) -> Raw:
    raw = server.connect()
    assert raw.call("SUBSCRIBE", *channels)[0] == b"subscribe"
    for _ in channels[1:]:
        raw.reply()
    return raw


def test_a_message_reaches_clients_that_ask_nothing(server: Served) -> None:
    listeners = [subscriber(server, "c") for _ in range(20)]
    speaker = server.connect()
    for number in range(50):
        assert speaker.call("PUBLISH", "c", f"message {number}") == 20
    for listener in listeners:
        for number in range(50):
            assert listener.reply() == [b"message", b"c", b"message %d" % number]


def test_messages_come_to_a_client_that_waits_for_a_key(server: Served) -> None:
    raw = server.connect()
    raw.call("HELLO", 3)
    raw.call("SUBSCRIBE", "waiting")
    raw.send(pack(("BLPOP", "l", 0)))
    speaker = server.connect()
    eventually(lambda: b"blocked_clients:1" in speaker.call("INFO", "clients"), "the wait")
    assert speaker.call("PUBLISH", "waiting", "x") == 1
    assert raw.reply() == [b"message", b"waiting", b"x"]
    speaker.call("RPUSH", "l", "y")
    assert raw.reply() == [b"l", b"y"]


def test_large_messages_and_requests_of_a_subscriber_do_not_mix(server: Served) -> None:
    raw = server.connect()
    raw.call("HELLO", 3)
    raw.call("SUBSCRIBE", "large")
    speaker = server.connect()
    text = "x" * (3 * MEGABYTE)
    # All together are less than a subscriber may leave unread.
    count = 5

    def publish() -> None:
        for _ in range(count):
            assert speaker.call("PUBLISH", "large", text) == 1

    threads = [
        threading.Thread(target=publish),
        threading.Thread(target=raw.send, args=(pack(("ECHO", text)) * count,)),
    ]
    for thread in threads:
        thread.start()
    heard = echoed = 0
    while heard < count or echoed < count:
        reply = raw.reply()
        if isinstance(reply, list):
            assert reply == [b"message", b"large", text.encode()]
            heard += 1
        else:
            assert reply == text.encode()
            echoed += 1
    for thread in threads:
        thread.join()


def test_a_subscriber_that_never_reads_is_cut_off(serve: Serve, is_portable: bool) -> None:
    server = serve("--client-output-buffer-limit", "pubsub 4mb 0 0", portable=is_portable)
    deaf = subscriber(server, "c")
    hearing = subscriber(server, "c")
    speaker = server.connect()
    before = server.memory_bytes()
    sent = 0
    while speaker.call("PUBLISH", "c", "x" * 100_000) == 2:
        assert len(hearing.reply()[2]) == 100_000
        sent += 1
        assert sent < 500
    hearing.reply()
    assert server.memory_bytes() - before < 60 * MEGABYTE
    assert b"client_output_buffer_limit_disconnections:1" in speaker.call("INFO", "stats")
    assert "closed for overcoming of output buffer limits" in server.log_text()
    eventually(deaf.is_closed, "its end")


def test_a_subscriber_that_never_reads_is_cut_off_by_the_soft_limit(serve: Serve, is_portable: bool) -> None:
    server = serve("--client-output-buffer-limit", "pubsub 0 1mb 1", portable=is_portable)
    subscriber(server, "c")
    speaker = server.connect()
    for _ in range(200):
        speaker.call("PUBLISH", "c", "x" * 100_000)
    eventually(lambda: speaker.call("PUBLISH", "c", "x") == 0, "the end")
    assert b"client_output_buffer_limit_disconnections:1" in speaker.call("INFO", "stats")


def test_many_subscribers_vanish_while_they_are_published_to(serve: Serve, is_portable: bool) -> None:
    server = serve(portable=is_portable)
    listeners = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(VANISHING)]
    for listener in listeners:
        listener.sendall(pack(("SUBSCRIBE", "c")) + pack(("PSUBSCRIBE", "c*")))
    speaker = server.connect()
    eventually(lambda: speaker.call("PUBSUB", "NUMSUB", "c") == [b"c", VANISHING], "all subscriptions")
    hearing = subscriber(server, "c")
    # They go by reset, their buffers unread, in the middle of it.
    for number in range(200):
        speaker.call("PUBLISH", "c", f"{number}" * 100)
        for listener in listeners[number * 5 : number * 5 + 5]:
            listener.close()
    for number in range(200):
        assert hearing.reply() == [b"message", b"c", b"%d" % number * 100]
    eventually(lambda: speaker.call("PUBSUB", "NUMSUB", "c") == [b"c", 1], "their end")
    assert speaker.call("PUBSUB", "NUMPAT") == 0
    assert speaker.call("PING") == b"PONG"


def test_an_idle_subscriber_is_not_closed_by_timeout(serve: Serve, is_portable: bool) -> None:
    server = serve("--timeout", "1", portable=is_portable)
    listener = subscriber(server, "c")
    idle = server.connect()
    idle.call("PING")
    eventually(idle.is_closed, "the end of the idle one")
    assert server.connect().call("PUBLISH", "c", "x") == 1
    assert listener.reply() == [b"message", b"c", b"x"]


def test_the_cache_of_redis_py(server: Served) -> None:
    cached = server.client(protocol=3, cache_config=CacheConfig())
    writer = server.client()
    assert cached.get("k") is None
    writer.set("k", "1")
    eventually(lambda: cached.get("k") == b"1", "the first invalidation")
    calls = command_calls(writer, "get")
    for _ in range(20):
        assert cached.get("k") == b"1"
    # From the cache; the first invalidation may have come behind the value.
    assert command_calls(writer, "get") <= calls + 1
    writer.set("k", "2")
    eventually(lambda: cached.get("k") == b"2", "the second invalidation")
    cached.hset("h", mapping={"f": "v"})
    assert cached.hgetall("h") == {b"f": b"v"}
    writer.hset("h", "f", "w")
    eventually(lambda: cached.hgetall("h") == {b"f": b"w"}, "the third invalidation")
    writer.flushall()
    eventually(lambda: cached.get("k") is None, "the invalidation of everything")


def command_calls(client: redis.Redis, name: str) -> int:
    stats = client.info("commandstats")
    assert isinstance(stats, dict)
    return int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"])


def test_a_tracking_client_that_never_reads_is_cut_off(serve: Serve, is_portable: bool) -> None:
    server = serve("--client-output-buffer-limit", "pubsub 2mb 0 0", "--appendonly", "no", portable=is_portable)
    deaf = server.connect()
    deaf.call("HELLO", 3)
    assert deaf.call("CLIENT", "TRACKING", "ON", "BCAST") == b"OK"
    writer = server.connect()
    key = "k" * 50_000
    for _ in range(2000):
        writer.call("SET", key, "v")
        if b"client_output_buffer_limit_disconnections:1" in writer.call("INFO", "stats"):
            break
    assert b"tracking_clients:0" in writer.call("INFO", "clients")
