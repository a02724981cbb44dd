"""Which differences in what a subscriber to keyspace events hears count."""

from compat.differential.events import Event, same


def both(key: str, event: str, database: int = 0) -> list[Event]:
    """The two messages that an event sends."""
    return [Event(f"__keyspace@{database}__:{key}", event), Event(f"__keyevent@{database}__:{event}", key)]


def test_what_time_brings_about_may_come_in_any_order_of_keys() -> None:
    assert same([*both("a", "expired"), *both("b", "hexpired")], [*both("b", "hexpired"), *both("a", "expired")])
    assert same([*both("a", "expired"), *both("b", "set")], [*both("b", "set"), *both("a", "expired")])


def test_a_key_sees_its_own_events_in_order() -> None:
    assert not same([*both("a", "expired"), *both("a", "set")], [*both("a", "set"), *both("a", "expired")])


def test_events_of_commands_keep_their_order_among_all_keys() -> None:
    assert not same([*both("a", "set"), *both("b", "set")], [*both("b", "set"), *both("a", "set")])


def test_an_event_that_only_one_side_heard_counts() -> None:
    assert not same([*both("a", "expired")], [])
    assert not same([*both("a", "set")], [*both("a", "set", database=1)])
    assert not same([*both("a", "set")], both("a", "set")[:1])
