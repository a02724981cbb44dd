"""A data set of every type and size, for tests that let real servers write and read what we do."""

from typing import Any

LIMITS: dict[str, dict[str, str | int]] = {
    "default limits": {},
    "tiny limits": {
        "hash-max-listpack-entries": 3,
        "hash-max-listpack-value": 8,
        "list-max-listpack-size": 4,
        "set-max-intset-entries": 3,
        "zset-max-listpack-entries": 3,
        "zset-max-listpack-value": 8,
        "stream-node-max-entries": 3,
    },
    "large limits": {
        "hash-max-listpack-entries": 3000,
        "hash-max-listpack-value": 100_000,
        "list-max-listpack-size": -5,
        "set-max-intset-entries": 10_000,
        "zset-max-listpack-entries": 3000,
        "zset-max-listpack-value": 100_000,
    },
    "compressed": {"rdbcompression": "yes", "list-compress-depth": 1},
}
"""Configurations under which servers choose different encodings."""

COUNTS = (1, 3, 4, 5, 128, 129, 512, 513, 2000)
NUMBERS = [0, 12, 13, 127, 128, -1, -128, -129, 4095, 4096, 32767, 32768, -(1 << 23), 1 << 23, (1 << 31) - 1, 1 << 31]
NUMBERS += [-(1 << 31) - 1, (1 << 63) - 1, -(1 << 63)]
ELEMENTS = [b"%d" % number for number in NUMBERS]
ELEMENTS += [b"", b"-", b"-0", b"007", b"1_0", b"18446744073709551616", b"\x00\xff\r\n", "häuser".encode()]
ELEMENTS += [b"x" * length for length in (8, 9, 20, 21, 63, 64, 65, 127, 128, 253, 254, 4095, 4096, 16_384)]
SCORES = ("0", "1", "-1", "1.5", "0.1", "3.3e-10", "1e20", "1e-320", "inf", "-inf", "9007199254740993", "123456789.125")


def fill(client: Any) -> None:
    """Put the data set into a server."""
    pipe = client.pipeline(transaction=False)
    for index, element in enumerate(ELEMENTS):
        pipe.set(f"string:{index}", element)
    pipe.append("string:raw", "1")
    pipe.append("string:raw", "2")
    pipe.set("string:expiring", "x", pxat=4_102_444_800_123)
    for count in COUNTS:
        names = [b"name:%d" % number for number in range(count)]
        pipe.rpush(f"list:{count}", *names)
        pipe.lpush(f"list:numbers:{count}", *range(-count, count))
        pipe.sadd(f"set:{count}", *names)
        for power in (0, 14, 30, 62):
            pipe.sadd(f"set:numbers:{count}:{power}", *[(number << power) - 1 for number in range(count)])
        pipe.zadd(f"zset:{count}", {name: 0.25 * number for number, name in enumerate(names)})
        pipe.zadd(f"zset:same:{count}", dict.fromkeys(names, 7.0))
        pipe.hset(f"hash:{count}", mapping=dict.fromkeys(names, b"value"))
    pipe.rpush("list:odd", *ELEMENTS)
    pipe.sadd("set:odd", *ELEMENTS)
    pipe.zadd("zset:odd", {element: len(element) - 1.5 for element in ELEMENTS})
    pipe.hset("hash:odd", mapping=dict(zip(ELEMENTS, ELEMENTS, strict=True)))
    pipe.pexpireat("hash:odd", 4_102_444_800_456)
    for index, score in enumerate(SCORES):
        pipe.execute_command("ZADD", "zset:scores", score, f"m{index}")
        pipe.execute_command("ZADD", "zset:scores:long", score, f"m{index}" * 50)
    pipe.rpush("list:plain", "a", b"y" * 20_000, "b", b"z" * 70_000)
    pipe.rpush("list:shrunk", *range(3000))
    pipe.ltrim("list:shrunk", 2990, -1)
    for count in COUNTS:
        for number in range(1, count + 1):
            pipe.execute_command(
                "XADD", f"stream:{count}", f"{number // 3}-{number}", "field", number, "b", "x" * number
            )
        pipe.execute_command("XADD", f"stream:deleted:{count}", "*", "a", "b")
        pipe.execute_command("XTRIM", f"stream:deleted:{count}", "MAXLEN", "0")
        pipe.execute_command("XDEL", f"stream:{count}", f"{count // 6}-{count // 2}")
        pipe.execute_command("XGROUP", "CREATE", f"stream:{count}", "group", "0")
        pipe.execute_command("XREADGROUP", "GROUP", "group", "one", "COUNT", "7", "STREAMS", f"stream:{count}", ">")
        pipe.execute_command("XREADGROUP", "GROUP", "group", "two", "COUNT", "3", "STREAMS", f"stream:{count}", ">")
        pipe.execute_command("XACK", f"stream:{count}", "group", "0-1", "0-2")
        pipe.execute_command("XGROUP", "CREATECONSUMER", f"stream:{count}", "group", "three")
    pipe.execute_command("SELECT", "3")
    pipe.hset("elsewhere", mapping={"a": "1"})
    pipe.execute_command("SELECT", "0")
    pipe.execute(raise_on_error=True)


def fill_field_expiries(client: Any) -> None:
    """Put hashes with fields that expire into a server that has them."""
    for count in COUNTS:
        key = f"hash:expiring:{count}"
        client.hset(key, mapping={f"f{number}": number for number in range(count)})
        for number in range(0, count, 2):
            client.execute_command("HPEXPIREAT", key, 4_102_444_800_000 - 7 * number, "FIELDS", 1, f"f{number}")
