import pytest

from compat.differential.comparators import comparator_for
from compat.differential.play import Judge
from compat.wire import Reply, parse


def reply(data: bytes) -> Reply:
    return parse(data)[0]


@pytest.mark.parametrize(
    ("name", "oracle", "subject", "same"),
    [
        ("exact", b"+OK\r\n", b"+OK\r\n", True),
        ("exact", b"$-1\r\n", b"*-1\r\n", False),
        ("exact", b"+OK\r\n", b"$2\r\nOK\r\n", False),
        ("any", b"+OK\r\n", b":1\r\n", True),
        ("kind", b"$1\r\na\r\n", b"$1\r\nb\r\n", True),
        ("kind", b"$1\r\na\r\n", b"$-1\r\n", False),
        ("kind", b"-ERR a\r\n", b"-ERR b\r\n", False),
        ("code", b"-ERR a\r\n", b"-ERR b\r\n", True),
        ("code", b"-ERR a\r\n", b"-OOM b\r\n", False),
        ("shape", b"*2\r\n:1\r\n+a\r\n", b"*2\r\n:2\r\n+b\r\n", True),
        ("shape", b"*2\r\n:1\r\n+a\r\n", b"*2\r\n:2\r\n:2\r\n", False),
        ("shape", b"*1\r\n:1\r\n", b"*2\r\n:1\r\n:2\r\n", True),
        ("unordered", b"*2\r\n:1\r\n:2\r\n", b"*2\r\n:2\r\n:1\r\n", True),
        ("unordered", b"*2\r\n:1\r\n:2\r\n", b"*2\r\n:2\r\n:2\r\n", False),
        ("unordered", b"%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", b"%2\r\n+b\r\n:2\r\n+a\r\n:1\r\n", True),
        ("unordered", b"%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", b"%2\r\n+b\r\n:1\r\n+a\r\n:2\r\n", False),
        ("pairs", b"*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n", b"*4\r\n+b\r\n:2\r\n+a\r\n:1\r\n", True),
        ("pairs", b"*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n", b"*4\r\n+b\r\n:1\r\n+a\r\n:2\r\n", False),
        ("near", b":100\r\n", b":99\r\n", True),
        ("near", b":100\r\n", b":90\r\n", False),
        ("near", b":-1\r\n", b":-2\r\n", False),
        ("near", b":1700000000000\r\n", b":1700000001999\r\n", True),
        ("near", b":1700000000000\r\n", b":1700000002001\r\n", False),
        ("scan", b"*2\r\n$1\r\n0\r\n*2\r\n+a\r\n+b\r\n", b"*2\r\n$1\r\n0\r\n*2\r\n+b\r\n+a\r\n", True),
        ("scan", b"*2\r\n$1\r\n0\r\n*1\r\n+a\r\n", b"*2\r\n$1\r\n0\r\n*0\r\n", False),
        ("client", b"$9\r\nid=1 db=0\r\n", b"$13\r\nid=2 x=1 db=5\r\n", True),
        ("client", b"$9\r\nid=1 db=0\r\n", b"$4\r\nid=2\r\n", False),
        ("has:a,b", b"$9\r\na:1\nb:2\nc\r\n", b"$8\r\nb:2\na:10\r\n", True),
        ("has:a,b", b"$9\r\na:1\nb:2\nc\r\n", b"$6\r\nb:\na:1\r\n", False),
    ],
)
def test_a_comparator_tells_same_from_different(name: str, oracle: bytes, subject: bytes, *, same: bool) -> None:
    assert comparator_for(name, [])(reply(oracle), reply(subject)) is same


def test_hello_may_differ_in_version_and_id_only() -> None:
    def hello(version: str, proto: int) -> Reply:
        names = [("server", "redis"), ("version", version), ("mode", "standalone")]
        parts = [Reply("$", text.encode()) for pair in names for text in pair]
        return Reply("*", (*parts, Reply("$", b"proto"), Reply(":", b"%d" % proto)))

    compare = comparator_for(None, [b"HELLO"])
    assert compare(hello("7.0.15", 3), hello("7.4.0", 3))
    assert not compare(hello("7.0.15", 3), hello("7.0.15", 2))


def test_a_command_brings_its_own_comparator_whatever_its_case() -> None:
    assert comparator_for(None, [b"ttl", b"k"])(Reply(":", b"100"), Reply(":", b"99"))
    assert not comparator_for(None, [b"get", b"k"])(Reply(":", b"100"), Reply(":", b"99"))
    assert comparator_for(None, [b"client", b"id"])(Reply(":", b"7"), Reply(":", b"9"))


def test_an_unknown_comparator_is_refused() -> None:
    with pytest.raises(ValueError, match="no such comparator"):
        comparator_for("nosuch", [])


def test_parts_of_exec_are_judged_by_their_own_commands() -> None:
    judge = Judge()
    queued = Reply("+", b"QUEUED")
    for argv in ([b"TTL", b"k"], [b"GET", b"k"]):
        assert judge.same("a", argv, None, queued, queued)
    ours = reply(b"*2\r\n:100\r\n$1\r\nv\r\n")
    assert judge.same("a", [b"EXEC"], None, ours, reply(b"*2\r\n:99\r\n$1\r\nv\r\n"))
    for argv in ([b"TTL", b"k"], [b"GET", b"k"]):
        judge.same("a", argv, None, queued, queued)
    assert not judge.same("a", [b"EXEC"], None, ours, reply(b"*2\r\n:100\r\n$1\r\nw\r\n"))
