"""Arguments that ask for more than there is: no command takes memory for what it is not going to give."""

import tracemalloc
from collections.abc import Iterator

import pytest
from harness import Client

ALLOWED_BYTES = 256 * 1024
LAST = 2**63 - 1

DATA = (
    "SET text abc",
    "RPUSH list a b c",
    "SADD set a b c",
    "SADD numbers 1 2 3",
    "HSET hash f 1 g 2",
    "ZADD zset 1 a 2 b",
    "GEOADD places 13 38 a 15 37 b",
    "XADD stream 1-1 f v",
    "XADD stream 2-1 f v",
    "XGROUP CREATE stream group 0",
    "PFADD log a b c",
)

HOSTILE = (
    # Offsets and lengths.
    f"SETRANGE text {LAST} x",
    "SETRANGE text 536870912 x",
    f"SETRANGE none {LAST} x",
    f"SETRANGE none {LAST} ''",
    f"GETRANGE text 0 {LAST}",
    f"GETRANGE text -{LAST} {LAST}",
    f"SETBIT text {LAST} 1",
    "SETBIT text 4294967296 1",
    f"GETBIT text {LAST}",
    "GETBIT text 4294967295",
    f"BITCOUNT text -{LAST} {LAST} BIT",
    f"BITPOS text 1 -{LAST} {LAST}",
    f"BITFIELD text SET u8 {LAST} 1",
    f"BITFIELD text SET u8 #{LAST} 1",
    "BITFIELD text SET u8 #536870912 1",
    f"BITFIELD text GET u8 {LAST}",
    "BITFIELD text GET u8 4294967000",
    f"BITFIELD_RO text GET i64 #{LAST >> 6}",
    "BITOP AND none text none",
    # Counts.
    f"LPOS list b RANK {LAST} COUNT {LAST} MAXLEN {LAST}",
    f"LPOS list b RANK -{LAST} COUNT {LAST}",
    f"LPOS list b RANK -{LAST + 1}",
    f"LRANGE list -{LAST + 1} {LAST}",
    f"LINDEX list -{LAST + 1}",
    f"LREM list -{LAST + 1} none",
    f"LMPOP 1 none LEFT COUNT {LAST}",
    f"LMPOP {LAST} list LEFT",
    f"SORT list ALPHA LIMIT {LAST} {LAST}",
    f"SORT list ALPHA LIMIT -{LAST} {LAST}",
    "SRANDMEMBER set -1000000000",
    f"SRANDMEMBER set -{LAST}",
    f"SRANDMEMBER set {LAST}",
    "SRANDMEMBER numbers -1000000000",
    f"SPOP none {LAST}",
    f"SINTERCARD {LAST} set",
    f"SINTERCARD 1 set LIMIT {LAST}",
    f"SSCAN set 0 COUNT {LAST}",
    f"SSCAN set {2**64 - 1} COUNT {LAST}",
    "HRANDFIELD hash -1000000000 WITHVALUES",
    f"HRANDFIELD hash -{LAST}",
    f"HRANDFIELD hash {LAST} WITHVALUES",
    f"HSCAN hash 0 COUNT {LAST} NOVALUES",
    f"HEXPIRE hash {LAST} FIELDS {LAST} f",
    f"HPTTL hash FIELDS {2**31 - 1} f",
    "ZRANDMEMBER zset -1000000000 WITHSCORES",
    f"ZRANDMEMBER zset -{LAST}",
    f"ZRANDMEMBER zset {LAST} WITHSCORES",
    f"ZRANGE zset -{LAST + 1} {LAST} WITHSCORES",
    f"ZRANGE zset -inf +inf BYSCORE LIMIT {LAST} {LAST}",
    f"ZRANGE zset - + BYLEX LIMIT 0 -{LAST}",
    f"ZREMRANGEBYRANK zset {LAST} {LAST}",
    f"ZUNION {LAST} zset",
    f"ZINTERCARD 1 zset LIMIT {LAST}",
    f"ZMPOP {LAST} zset MIN",
    f"ZPOPMIN none {LAST}",
    f"ZSCAN zset 0 COUNT {LAST}",
    f"GEOSEARCH places FROMLONLAT 13 38 BYRADIUS 1e300 m COUNT {LAST}",
    "GEOSEARCH places FROMLONLAT 13 38 BYBOX 1e300 1e300 km ASC",
    f"GEORADIUS places 13 38 100 km COUNT {LAST} WITHDIST",
    f"XRANGE stream - + COUNT {LAST}",
    f"XREVRANGE stream + - COUNT {LAST}",
    f"XREAD COUNT {LAST} STREAMS stream 0",
    f"XPENDING stream group - + {LAST}",
    f"XAUTOCLAIM stream group alice 0 0 COUNT {LAST}",
    f"XTRIM stream MAXLEN {LAST}",
    f"XTRIM stream MAXLEN ~ 0 LIMIT {LAST}",
    f"XINFO STREAM stream FULL COUNT {LAST}",
    f"SCAN 0 COUNT {LAST}",
    f"SCAN {2**64 - 1} COUNT {LAST}",
    "OBJECT FREQ none",
    f"MEMORY USAGE list SAMPLES {LAST}",
    f"LCS text text IDX MINMATCHLEN {LAST}",
)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("line", HOSTILE)
def test_huge_arguments_take_no_memory(client: Client, line: str, traced: None) -> None:
    client.world.checks_each_command = False
    for command in DATA:
        client.run(command)
    # Once before, for what is made at the first use of a command.
    client.run(line.replace(" none ", " missing "))
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    client.run(line)
    assert tracemalloc.get_traced_memory()[1] - before < ALLOWED_BYTES
