"""The grammar of commands on collections, for `grammar.py`: lines by family, and the kinds of arguments they name.

A line that begins with a version and a colon (`8.2: BITOP DIFF ...`) is only given to oracles from that version on.
"""

from hypothesis import strategies as st

WORDS: dict[str, str] = {
    "element": 'a b c a "" 1 -5 007 12345678901 long-element-of-more-than-a-few-letters '
    "element-that-is-longer-than-what-a-packed-hash-or-set-or-sorted-set-takes",
    "side": "LEFT RIGHT left",
    "place": "0 1 -1 2 -2 5 -100 100 x",
    "few": "0 1 2 3 -1 100 x",
    "many": "1 2 10 100",
    "number": "0 1 -1 5 1.5 -0.25 1e3 10 9223372036854775807 x",
    "field": 'f g h f g "" 1 field-with-a-name-that-is-longer-than-others',
    "future": "100 1000 100000 0 -1 x",
    "future-at": "9999999999 33177117420 1 x",
    "entry-id": "1-1 1-2 2-0 2-1 3-3 5 5-* 0-0 7-1 18446744073709551615-18446744073709551615 x",
    "id-edge": "- + - + 0 1 2 1-2 (1-1 (2-0 5 x",
    "after-id": "0 0 0-0 1-1 2 5 $ x",
    "unread": "> > 0 1-1",
    "group": "g1 g1 g2",
    "consumer": "alice bob",
    "sort-pattern": "w_* nosuch_* k* h1->f * # nosort",
    "bit-offset": "0 1 7 8 13 100 2000 -1 4294967296 x",
    "bit": "0 1 0 1 2 x",
    "bit-operation": "AND OR XOR NOT and xor NAND",
    "bit-encoding": "u8 i8 u1 i1 i64 u63 i5 u13 u64 i65 u0 x8",
    "bit-place": "0 1 7 #0 #1 #3 100 -1 #x 4294967296 #600000000",
    "overflow": "WRAP SAT FAIL wrap nosuch",
}

FAMILIES: dict[str, str] = {
    "bitmaps": """
        SETBIT key bit-offset bit
        SETBIT key bit-offset bit
        GETBIT key bit-offset
        BITCOUNT key
        BITCOUNT key index index [ BYTE | BIT ]
        BITPOS key bit
        BITPOS key bit index
        BITPOS key bit index index [ BYTE | BIT ]
        BITOP bit-operation key { key }
        8.2: BITOP < DIFF | DIFF1 | ANDOR | ONE > key { key }
        BITFIELD key { OVERFLOW overflow | GET bit-encoding bit-place | SET bit-encoding bit-place int }
        BITFIELD key { OVERFLOW overflow | INCRBY bit-encoding bit-place int | GET bit-encoding bit-place }
        BITFIELD_RO key { GET bit-encoding bit-place }
    """,
    "lists": """
        LPUSH key { element }
        RPUSH key { element }
        RPUSH key { element }
        LPUSHX key { element }
        RPUSHX key { element }
        LPOP key [ few ]
        RPOP key [ few ]
        LLEN key
        LINDEX key place
        LSET key place element
        LRANGE key place place
        LTRIM key place place
        LREM key place element
        LINSERT key < BEFORE | AFTER > element element
        < BLPOP | BRPOP > key key 0.001
        LPOS key element [ RANK place ] [ COUNT few ] [ MAXLEN few ]
        LMOVE key key side side
        RPOPLPUSH key key
        < LMPOP 1 key | LMPOP 2 key key > side [ COUNT few ]
    """,
    "hashes": """
        HSET key { field element }
        HSET key { field element }
        HSET key { field number }
        HMSET key { field element }
        HSETNX key field element
        HGET key field
        HMGET key { field }
        HGETALL key
        HKEYS key
        HVALS key
        HLEN key
        HEXISTS key field
        HSTRLEN key field
        HDEL key { field }
        HINCRBY key field int
        HINCRBYFLOAT key field float
        HRANDFIELD key
        HRANDFIELD key few [ WITHVALUES ]
        HSCAN key 0 [ MATCH pattern ] [ COUNT 1000 ]
        8.2: HSCAN key 0 NOVALUES
        HEXPIRE key future [ NX | XX | GT | LT ] FIELDS 1 field
        HPEXPIRE key future [ NX | XX | GT | LT ] FIELDS 2 field field
        HEXPIREAT key future-at [ NX | XX | GT | LT ] FIELDS 1 field
        HTTL key FIELDS 2 field field
        HPERSIST key FIELDS 1 field
        HEXPIRETIME key FIELDS 1 field
        HGETEX key [ EX future | PERSIST | EXAT future-at ] FIELDS 2 field field
        HSETEX key [ FNX | FXX ] [ EX future | KEEPTTL ] FIELDS 2 field element field element
        HGETDEL key FIELDS 2 field field
    """,
    "sets": """
        SADD key { element }
        SADD key { element }
        SADD key { int }
        SREM key { element }
        SCARD key
        SISMEMBER key element
        SMISMEMBER key { element }
        SMEMBERS key
        SMOVE key key element
        SPOP key < 1000 | 0 | x >
        SRANDMEMBER key
        SRANDMEMBER key few
        SMEMBERS key
        < SINTER | SUNION | SDIFF > { key }
        < SINTERSTORE | SUNIONSTORE | SDIFFSTORE > key { key }
        SINTERCARD < 1 key | 2 key key > [ LIMIT few ]
        SSCAN key 0 [ MATCH pattern ] [ COUNT 1000 ]
    """,
    "streams": """
        XADD key entry-id { field element }
        XADD key entry-id { field element }
        XADD key NOMKSTREAM entry-id field element
        XADD key [ MAXLEN few | MAXLEN = few | MINID entry-id ] entry-id field element
        XADD key < MAXLEN ~ few | MINID ~ entry-id | MAXLEN few > [ LIMIT few ] entry-id field element
        XLEN key
        XRANGE key id-edge id-edge [ COUNT few ]
        XREVRANGE key id-edge id-edge [ COUNT few ]
        XDEL key { entry-id }
        XTRIM key < MAXLEN few | MAXLEN = few | MINID entry-id >
        XTRIM key < MAXLEN ~ few | MINID ~ entry-id > [ LIMIT few ]
        XREAD [ COUNT few ] STREAMS < key after-id | key key after-id after-id >
        7.4: XREAD [ COUNT few ] STREAMS < key + | key key + after-id >
        XREAD BLOCK 1 STREAMS key < $ | 2-0 >
        XGROUP CREATE key group after-id [ MKSTREAM ] [ ENTRIESREAD few ]
        XGROUP CREATE key group after-id
        XGROUP SETID key group after-id
        XGROUP DESTROY key group
        XGROUP CREATECONSUMER key group consumer
        XGROUP DELCONSUMER key group consumer
        XREADGROUP GROUP group consumer [ COUNT few ] [ NOACK ] STREAMS key unread
        XREADGROUP GROUP group consumer [ COUNT few ] STREAMS key key unread unread
        XACK key group { entry-id }
        XPENDING key group
        XPENDING key group id-edge id-edge few [ consumer ]
        XPENDING key group IDLE few id-edge id-edge few [ consumer ]
        XSETID key entry-id
        XSETID key entry-id ENTRIESADDED many [ MAXDELETEDID entry-id ]
        XCLAIM key group consumer 0 { entry-id } [ JUSTID ] [ FORCE ]
        XCLAIM key group consumer 0 { entry-id } [ IDLE few ] [ RETRYCOUNT few ] [ FORCE ] [ LASTID entry-id ]
        XAUTOCLAIM key group consumer 0 after-id [ COUNT few ] [ JUSTID ]
        XINFO STREAM key
        XINFO GROUPS key
        XINFO CONSUMERS key group
    """,
    "hyperloglogs": """
        PFADD key { element }
        PFADD key { int }
        PFADD key
        PFDEBUG < ENCODING | DECODE | TODENSE > key
        PFCOUNT { key }
        PFMERGE key { key }
    """,
    "sort": """
        SORT key [ LIMIT few few ] [ ASC | DESC ] [ STORE key ]
        SORT key ALPHA [ LIMIT few few ] [ DESC ] [ GET sort-pattern ] [ STORE key ]
        SORT key BY sort-pattern STORE key
        SORT_RO key ALPHA [ GET # ] [ GET sort-pattern ]
    """,
}

KEYS_OF: dict[str, list[bytes]] = {
    family: [b"%c1" % letter, b"%c2" % letter]
    for family, letter in (
        ("bitmaps", b"b"),
        ("lists", b"l"),
        ("hashes", b"h"),
        ("sets", b"s"),
        ("sorted sets", b"z"),
        ("geo", b"g"),
        ("streams", b"x"),
        ("hyperloglogs", b"p"),
    )
}
"""Family -> the keys that its commands work on most of the time, so that most of them meet a value of their type."""

BLOCKING: dict[str, str] = {
    "lists": """
        BLPOP key [ key ] 0
        BRPOP key [ key ] 0
        BLMOVE key key side side 0
        BRPOPLPUSH key key 0
        BLMPOP 0 1 key side [ COUNT few ]
    """,
    "sorted sets": """
        BZPOPMIN key [ key ] 0
        BZPOPMAX key 0
        BZMPOP 0 1 key MIN [ COUNT few ]
    """,
    "streams": """
        XREAD BLOCK 0 STREAMS key $
        XREAD BLOCK 0 STREAMS key 2-0
        XREADGROUP GROUP group consumer BLOCK 0 STREAMS key >
    """,
}
"""Commands that may wait: their clients have nothing else to do meanwhile."""


def kinds() -> dict[str, st.SearchStrategy[bytes]]:
    """The kinds of arguments that are named above."""
    return {
        name: st.sampled_from([word.encode().replace(b'""', b"") for word in text.split()])
        for name, text in WORDS.items()
    }
