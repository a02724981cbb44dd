"""Which keys are locked: exactly those, whatever their names look like."""

from hypothesis import given
from hypothesis import strategies as st

from respkv.engine.locked_keys import LockedKeys
from respkv.engine.locks import Entry, LockTable

# Alike at their ends, of all lengths around those of a machine word, and any.
names = st.one_of(
    st.integers(0, 30).map(lambda number: b"user:%06d:orders:open" % number),
    st.integers(0, 30).map(lambda number: b"a" * number),
    st.binary(max_size=20),
)


def locked(*keys: bytes) -> LockedKeys:
    found = LockedKeys([])
    for key in keys:
        found.add(key, Entry())
    return found


@given(st.sets(names, max_size=30), st.sets(names, max_size=30), st.lists(names, max_size=10))
def test_just_those_are_locked_that_were_added_and_not_removed(
    added: set[bytes], removed: set[bytes], asked: list[bytes]
) -> None:
    keys = locked(*added)
    for key in added & removed:
        keys.remove(key)
    left = added - removed
    for key in [*asked, *added]:
        assert keys.has(key) == (key in left)
    for step in (1, 2):
        assert keys.has_any([b"a longer name than any", *asked], step) == any(key in left for key in asked[::step])


@given(st.sets(names, max_size=30))
def test_what_was_removed_leaves_no_trace(added: set[bytes]) -> None:
    keys = locked(*added)
    for key in added:
        keys.remove(key)
    assert not keys.entries
    assert all(count == 0 for count in keys._counts)


def test_who_wants_the_whole_database_has_all_keys_looked_at_closely() -> None:
    keys = locked(b"k")
    assert not keys.has(b"other")
    keys.exclusives = 1
    assert keys.has(b"other")
    assert keys.has_any([b"MGET", b"other"], 1)


def test_words_may_be_looked_for_in_all_databases() -> None:
    table = LockTable()
    one, two = table.keys_of(0), table.keys_of(1)
    two.add(b"k", Entry())
    assert not one.has_any([b"MOVE", b"k", b"1"], 1)
    assert one.has_any_anywhere([b"MOVE", b"k", b"1"])
    assert not one.has_any_anywhere([b"MOVE", b"other", b"1"])
    one.add(b"other", Entry())
    assert two.has_any_anywhere([b"MOVE", b"other", b"1"])
    two.remove(b"k")
    assert not two.has_any_anywhere([b"MOVE", b"k", b"1"])
    one.remove(b"other")
    assert not two.has_any_anywhere([b"MOVE", b"other", b"1"])


def test_who_wants_one_whole_database_has_words_looked_at_closely_from_all() -> None:
    table = LockTable()
    one, two = table.keys_of(0), table.keys_of(1)
    two.add(None, Entry())
    assert not one.has_any_anywhere([b"MOVE", b"k", b"1"])
    two.exclusives = 1
    assert one.has_any_anywhere([b"MOVE", b"k", b"1"])


def test_databases_do_not_count_for_each_other() -> None:
    one, two = locked(b"k"), locked()
    assert one.has(b"k")
    assert not two.has(b"k")
