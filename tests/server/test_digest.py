"""Properties of digests; that they are Redis's is in tests/server/commands/test_debugging.py."""

from respkv.engine.keyspace import open_engine
from respkv.server.digest import ZERO, absorb, combine, data_digest


def test_combining_has_no_order_and_absorbing_has() -> None:
    assert combine(combine(ZERO, b"a"), b"b") == combine(combine(ZERO, b"b"), b"a")
    assert absorb(absorb(ZERO, b"a"), b"b") != absorb(absorb(ZERO, b"b"), b"a")


def test_forms_of_a_string_have_one_digest() -> None:
    digests = set()
    for value in (b"12", 12, bytearray(b"12")):
        engine = open_engine(1)
        engine.databases[0].load(b"k", value, None)
        digests.add(data_digest(engine))
    assert len(digests) == 1


def test_expired_keys_do_not_count() -> None:
    engine = open_engine(2)
    engine.now_ms = 1000
    engine.database(1).load(b"k", b"v", 500)
    engine.databases[0].load(b"k", b"v", None)
    with_expired = data_digest(engine)
    engine.database(1).remove(b"k")
    assert with_expired == data_digest(engine) or engine.database(1).size() == 0
