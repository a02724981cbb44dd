"""ACL LOG: what is the same again is counted, and the log stays small."""

from respkv.server.acl_log import GROUPING_MS, LOOKED_AT, TEXT_MAX_BYTES, AclLog


def add(log: AclLog, subject: bytes, now_ms: int = 0, client: bytes = b"") -> None:
    log.add(b"key", b"toplevel", subject, b"u", now_ms, client)


def log_of(most: int) -> AclLog:
    log = AclLog()
    log.resize(most)
    return log


def test_the_same_within_a_minute_is_counted_and_comes_first() -> None:
    log = log_of(128)
    add(log, b"a", 0, b"first")
    add(log, b"b", 1)
    add(log, b"a", GROUPING_MS, b"second")
    newest, other = log.latest(10)
    assert (newest.subject, newest.count, newest.created_ms, newest.updated_ms) == (b"a", 2, 0, GROUPING_MS)
    assert newest.client == b"second"
    assert other.count == 1
    add(log, b"a", 2 * GROUPING_MS + 1)
    assert log.latest(1)[0].count == 1


def test_only_the_newest_entries_are_compared() -> None:
    log = log_of(128)
    for number in range(LOOKED_AT + 1):
        add(log, b"%d" % number)
    add(log, b"0")
    assert len(log.latest(100)) == LOOKED_AT + 2


def test_guessing_passwords_does_not_make_it_grow() -> None:
    log = log_of(3)
    for number in range(1000):
        log.add(b"auth", b"toplevel", b"AUTH", b"user%d" % number, 0, b"")
    assert [entry.user for entry in log.latest(10)] == [b"user999", b"user998", b"user997"]
    log.resize(1)
    assert len(log.latest(10)) == 1
    log.clear()
    assert log.latest(10) == []


def test_of_a_huge_key_the_beginning_is_kept() -> None:
    log = log_of(1)
    add(log, b"x" * 10_000_000)
    assert len(log.latest(1)[0].subject) == TEXT_MAX_BYTES
