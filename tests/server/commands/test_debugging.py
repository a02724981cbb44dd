"""DEBUG, beside a real server where that allows it."""

from collections.abc import Iterator

import pytest
from beside_redis import both, plain
from conftest import run_redis
from harness import Client, World
from real_redis import RealRedis

from respkv.server.config import Config
from respkv.server.persistence import Persistence
from respkv.server.server import Server

REFUSAL = (
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local'
    " connection, otherwise you need to set this option in the configuration file, and then restart the server."
)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    """A redis-server that lets one use DEBUG."""
    yield from run_redis(tmp_path_factory.mktemp("debug"), "--enable-debug-command", "yes")


@pytest.fixture
def debugger(world: World) -> Client:
    """A client of a server that lets one use DEBUG."""
    world.server = Server(world.engine, Config({"enable-debug-command": "yes"}))
    return world.connect()


AS_REDIS = (
    "DEBUG NOSUCH", "DEBUG NOSUCH a b", "DEBUG OBJECT", "DEBUG OBJECT missing", "DEBUG SLEEP 0", "DEBUG SLEEP x",
    "DEBUG SET-ACTIVE-EXPIRE 0", "DEBUG SET-ACTIVE-EXPIRE 1", 'DEBUG ERROR "FOO bar"', "DEBUG ERROR foo",
    "DEBUG LOG hello", "DEBUG CHANGE-REPL-ID", "DEBUG POPULATE -1", "DEBUG POPULATE x", "DEBUG HTSTATS 99",
    "DEBUG DIGEST-VALUE missing", "DEBUG RELOAD FOO", "DEBUG STRINGMATCH-LEN 10 *", "DEBUG PROTOCOL foo",
    "DEBUG PROTOCOL push", "DEBUG SET-DISABLE-DENY-SCRIPTS 1", "DEBUG QUICKLIST-PACKED-THRESHOLD 100b",
    *(f"DEBUG PROTOCOL {kind}" for kind in ("string", "integer", "double", "bignum", "null", "array", "set", "map")),
    *(f"DEBUG PROTOCOL {kind}" for kind in ("attrib", "verbatim", "true", "false")),
)  # fmt: skip


@pytest.mark.parametrize("line", AS_REDIS)
def test_replies_are_those_of_redis(debugger: Client, redis: RealRedis, line: str) -> None:
    ours, theirs = both(debugger, redis, line)
    assert ours == (str(theirs).encode() if isinstance(theirs, float) else theirs)


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        ("double", b",3.141\r\n"),
        ("null", b"_\r\n"),
        ("set", b"~3\r\n:0\r\n:1\r\n:2\r\n"),
        ("map", b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"),
        ("attrib", b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
                   b"$39\r\nSome real reply following the attribute\r\n"),
        ("push", b"$40\r\nSome real reply following the push reply\r\n>2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"),
        ("verbatim", b"=29\r\ntxt:This is a verbatim\nstring\r\n"),
        ("true", b"#t\r\n"),
        ("bignum", b"(1234567999999999999999999999999999999\r\n"),
    ],
)  # fmt: skip
def test_every_type_under_resp3(debugger: Client, kind: str, wire: bytes) -> None:
    debugger.session.protocol = 3
    assert debugger.raw(b"DEBUG PROTOCOL %b\r\n" % kind.encode()) == wire


def test_debug_is_refused_unless_allowed(world: World, client: Client) -> None:
    assert client.error("DEBUG SLEEP 0") == REFUSAL
    client.run("MULTI")
    assert client.error("DEBUG SLEEP 0") == REFUSAL
    assert client.error("EXEC").startswith("EXECABORT")


def test_debug_may_be_allowed_to_this_machine_alone(world: World) -> None:
    world.server = Server(world.engine, Config({"enable-debug-command": "local"}))
    assert world.connect().run("DEBUG SLEEP 0") == "OK"
    far = Client(world, world.server.open_session("10.0.0.9:1234", "10.0.0.1:6379"))
    assert far.error("DEBUG SLEEP 0") == REFUSAL
    by_socket = Client(world, world.server.open_session("/run/respkv.sock:0", "/run/respkv.sock:0"))
    assert by_socket.run("DEBUG SLEEP 0") == "OK"


DATA = ("SET a 1", "SET b hello", 'SET c "\\x00\\xff"', "SET ttl x PX 33177117420123", 'SET "" empty', "INCR a",
        "APPEND b x", "SELECT 5", "SET five 5", "SELECT 0")  # fmt: skip


def test_digests_are_those_of_redis(debugger: Client, redis: RealRedis) -> None:
    redis.call("FLUSHALL")
    assert debugger.run("DEBUG DIGEST") == "0" * 40
    for line in DATA:
        both(debugger, redis, line)
    for line in ("DEBUG DIGEST", "DEBUG DIGEST-VALUE a b c ttl missing"):
        ours, theirs = both(debugger, redis, line)
        assert ours == theirs


def test_a_digest_does_not_depend_on_the_order_of_writes(debugger: Client) -> None:
    debugger.run("MSET a 1 b 2 c 3")
    first = debugger.run("DEBUG DIGEST")
    debugger.run("FLUSHALL")
    debugger.run("MSET c 3 b 2 a 1")
    assert debugger.run("DEBUG DIGEST") == first
    debugger.run("SET a 2")
    assert debugger.run("DEBUG DIGEST") != first


def test_populate_makes_missing_keys_and_logs_them(debugger: Client) -> None:
    debugger.run("SET key:1 mine")
    assert debugger.run("DEBUG POPULATE 3") == "OK"
    assert debugger.run("MGET key:0 key:1 key:2") == [b"value:0", b"mine", b"value:2"]
    assert debugger.run("DEBUG POPULATE 2 x 10") == "OK"
    assert debugger.run("GET x:1") == b"value:1\0\0\0"
    assert debugger.run("DEBUG POPULATE 2 x 3") == "OK"
    assert debugger.run("DBSIZE") == 5


def test_object_tells_encoding_and_length(debugger: Client, redis: RealRedis) -> None:
    for line in ("SET n 12345", "SET s hello", "SET long " + "x" * 100):
        both(debugger, redis, line)
    for key in ("n", "s"):
        ours, theirs = (plain(reply).split(b" ") for reply in both(debugger, redis, f"DEBUG OBJECT {key}"))
        assert ours[3:4] == theirs[3:4], key
        assert [word.partition(b":")[0] for word in ours] == [word.partition(b":")[0] for word in theirs]
    both(debugger, redis, "CONFIG SET rdbcompression no")
    for reply in both(debugger, redis, "DEBUG OBJECT long"):
        assert b"encoding:raw serializedlength:102" in plain(reply)
    redis.call("CONFIG", "SET", "rdbcompression", "yes")


def test_error_is_not_counted(world: World, debugger: Client) -> None:
    debugger.run("DEBUG ERROR FOO")
    assert world.server.stats.error_replies == 0


def test_set_active_expire_is_a_switch(world: World, debugger: Client) -> None:
    debugger.run("DEBUG SET-ACTIVE-EXPIRE 0")
    assert not world.engine.active_expire
    debugger.run("DEBUG SET-ACTIVE-EXPIRE 1")
    assert world.engine.active_expire


class Reloading(Persistence):
    def __init__(self) -> None:
        super().__init__()
        self.asked = ""

    def reload(self, *, save: bool, flush: bool, merge: bool) -> bool:
        self.asked = f"{save} {flush} {merge}"
        return True


def test_reload_asks_whoever_owns_the_files(world: World, debugger: Client) -> None:
    assert debugger.error("DEBUG RELOAD") == "ERR Error trying to load the RDB dump, check server logs."
    assert debugger.error("DEBUG LOADAOF") == "ERR Error trying to load the AOF files, check server logs."
    disk = world.server.persistence = Reloading()
    assert debugger.run("DEBUG RELOAD") == "OK"
    assert disk.asked == "True True False"
    assert debugger.run("DEBUG RELOAD nosave NOFLUSH MERGE") == "OK"
    assert disk.asked == "False False True"


def test_htstats_and_help_say_something(debugger: Client) -> None:
    debugger.run("MSET a 1 b 2")
    text = debugger.run("DEBUG HTSTATS 0")
    assert b" number of elements: 2\n" in text
    assert text.endswith(b"[Expires HT]\n")
    assert "POPULATE <count> [<prefix>] [<size>]" in debugger.run("DEBUG HELP")
