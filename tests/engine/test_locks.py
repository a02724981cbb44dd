"""The lock table: who gets what in which order, against a naive model, and deadlocks."""

# mypy: disable-error-code="unreachable"
# A call on the table changes what another object says.

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from respkv.engine.locks import Lockable, LockTable, Owner, Request, Wants, with_databases

A, B, C = (0, b"a"), (0, b"b"), (1, b"a")


class Told:
    """Counts how often it was told."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def shared(table: LockTable, owner: Owner, *items: Lockable) -> Request:
    return table.acquire(owner, dict.fromkeys(items, False), Told())


def exclusive(table: LockTable, owner: Owner, *items: Lockable) -> Request:
    return table.acquire(owner, dict.fromkeys(items, True), Told())


def granted(request: Request) -> bool:
    return request.is_granted


def times_told(request: Request) -> int:
    assert isinstance(request.when_free, Told)
    return request.when_free.times


@pytest.fixture
def table() -> LockTable:
    return LockTable()


def owners(table: LockTable, count: int) -> list[Owner]:
    return [table.new_owner() for _ in range(count)]


def test_it_is_empty_until_somebody_locks_and_after_all_release(table: LockTable) -> None:
    one, two = owners(table, 2)
    assert not table
    exclusive(table, one, A, B)
    exclusive(table, two, B)
    assert table
    table.release_all(one)
    table.release_all(two)
    assert not table


def test_shared_locks_agree_and_exclusive_ones_do_not(table: LockTable) -> None:
    one, two, three = owners(table, 3)
    assert granted(shared(table, one, A))
    assert granted(shared(table, two, A))
    waiting = exclusive(table, three, A)
    assert not granted(waiting)
    table.release_all(one)
    assert not granted(waiting)
    table.release_all(two)
    assert granted(waiting)
    assert times_told(waiting) == 1


def test_the_same_name_in_another_database_is_another_key(table: LockTable) -> None:
    one, two = owners(table, 2)
    assert granted(exclusive(table, one, A))
    assert granted(exclusive(table, two, C))


def test_who_came_first_is_first(table: LockTable) -> None:
    one, two, three, four = owners(table, 4)
    exclusive(table, one, A)
    requests = [shared(table, two, A), exclusive(table, three, A), shared(table, four, A)]
    table.release_all(one)
    assert [granted(request) for request in requests] == [True, False, False]
    table.release_all(two)
    assert [granted(request) for request in requests] == [True, True, False]


def test_a_request_for_several_keys_gets_all_or_none(table: LockTable) -> None:
    one, two, three = owners(table, 3)
    exclusive(table, one, B)
    waiting = exclusive(table, two, A, B)
    assert two.held == {}
    # Who comes later waits behind it nevertheless.
    assert not granted(exclusive(table, three, A))
    table.release_all(one)
    assert granted(waiting)
    assert two.held == {A: True, B: True}


def test_what_is_held_can_be_asked_for_again(table: LockTable) -> None:
    one = table.new_owner()
    exclusive(table, one, A)
    assert granted(shared(table, one, A, A))
    assert one.held == {A: True}


def test_an_upgrade_goes_before_those_who_wait(table: LockTable) -> None:
    one, two, three = owners(table, 3)
    shared(table, one, A)
    shared(table, two, A)
    third = exclusive(table, three, A)
    upgrade = exclusive(table, one, A)
    assert not granted(upgrade)
    table.release_all(two)
    assert granted(upgrade)
    assert not granted(third)
    assert one.held == {A: True}


def test_two_upgrades_are_a_deadlock(table: LockTable) -> None:
    one, two = owners(table, 2)
    shared(table, one, A)
    shared(table, two, A)
    upgrade = exclusive(table, one, A)
    assert table.victim_of(one) is None
    exclusive(table, two, A)
    assert table.victim_of(two) is two
    table.release_all(two)
    assert granted(upgrade)


def test_the_youngest_of_a_deadlock_is_the_victim(table: LockTable) -> None:
    one, two, three = owners(table, 3)
    exclusive(table, one, A)
    exclusive(table, two, B)
    exclusive(table, three, C)
    exclusive(table, two, C)
    exclusive(table, three, A)
    assert table.victim_of(three) is None
    last = exclusive(table, one, B)
    assert table.victim_of(one) is three
    table.release_all(three)
    assert table.victim_of(one) is None
    table.release_all(two)
    assert granted(last)


def test_one_request_may_close_two_cycles(table: LockTable) -> None:
    one, two, three = owners(table, 3)
    exclusive(table, one, A)
    shared(table, two, B)
    shared(table, three, B)
    shared(table, two, A)
    shared(table, three, A)
    last = exclusive(table, one, B)
    victims = []
    while (victim := table.victim_of(one)) is not None:
        victims.append(victim)
        table.release_all(victim)
    assert victims == [three, two] or victims == [two, three]
    assert granted(last)


def test_who_holds_nothing_is_overtaken_rather_than_aborted(table: LockTable) -> None:
    """A command that waits for a transaction must not keep that transaction from its next key."""
    transaction, command = owners(table, 2)
    exclusive(table, transaction, A)
    waiting = exclusive(table, command, A, B)
    assert granted(exclusive(table, transaction, B))
    table.release_all(transaction)
    assert granted(waiting)


def test_who_holds_nothing_goes_to_the_end_of_a_cycle(table: LockTable) -> None:
    first, second, command = owners(table, 3)
    exclusive(table, first, A)
    exclusive(table, second, C)
    waiting = exclusive(table, command, A, B)
    behind = exclusive(table, second, B)
    assert not granted(behind)
    last = exclusive(table, first, C)
    assert table.victim_of(first) is None
    assert granted(behind)
    assert times_told(behind) == 1
    table.release_all(second)
    assert granted(last)
    table.release_all(first)
    assert granted(waiting)


def test_would_block(table: LockTable) -> None:
    one, two = owners(table, 2)
    assert not table.would_block({A: True})
    shared(table, one, A)
    assert not table.would_block({A: False})
    assert table.would_block({B: True, A: True})
    assert not table.would_block({A: True}, one)
    assert table.is_held_against({A: True})
    exclusive(table, two, A)
    assert table.would_block({A: False})
    assert not table.would_block({A: False}, one)
    assert not table.is_held_against({A: False})
    assert not table.is_held_against({A: True}, one)


def test_giving_up_lets_those_behind_go_on(table: LockTable) -> None:
    one, two, three = owners(table, 3)
    shared(table, one, A)
    exclusive(table, two, A)
    behind = shared(table, three, A)
    assert not granted(behind)
    table.release_all(two)
    assert granted(behind)


def test_an_owner_waits_with_one_request_at_a_time(table: LockTable) -> None:
    one, two = owners(table, 2)
    exclusive(table, one, A)
    exclusive(table, two, A)
    with pytest.raises(ValueError, match="one request"):
        exclusive(table, two, B)


def test_who_is_told_may_use_the_table(table: LockTable) -> None:
    one, two, three = owners(table, 3)
    exclusive(table, one, A)
    done: list[int] = []

    def finish() -> None:
        table.check()
        table.release_all(two)
        done.append(2)

    table.acquire(two, {A: True}, finish)
    last = exclusive(table, three, A)
    table.release_all(one)
    assert done == [2]
    assert granted(last)
    table.check()


def test_one_request_may_want_some_shared_and_some_exclusively(table: LockTable) -> None:
    one, two = owners(table, 2)
    table.acquire(one, {A: False, B: True}, Told())
    assert granted(shared(table, two, A))
    assert not granted(shared(table, two, B))


def test_a_whole_database_is_locked_against_all_its_keys(table: LockTable) -> None:
    one, two, three = owners(table, 3)
    table.acquire(one, with_databases({A: True}), Told())
    assert granted(table.acquire(three, with_databases({C: True}), Told()))
    assert table.keys_of(0).exclusives == 0
    whole = exclusive(table, two, (0, None))
    assert not granted(whole)
    assert table.keys_of(0).exclusives == 1
    table.release_all(one)
    assert granted(whole)
    assert table.would_block(with_databases({B: False}))
    assert not table.would_block(with_databases({(1, b"b"): False}))
    table.release_all(two)
    assert table.keys_of(0).exclusives == 0


def test_the_entries_of_a_database_are_there_to_look_at(table: LockTable) -> None:
    keys = table.keys_of(0)
    one = table.new_owner()
    exclusive(table, one, A, C)
    assert keys.entries.keys() == {b"a"}
    table.release_all(one)
    assert not keys.entries


class Model:
    """The same rules, by brute force: per key a list of holders and a list of who waits, everything computed anew."""

    def __init__(self) -> None:
        self.held: dict[int, dict[Lockable, bool]] = {}
        self.waiting: dict[int, Wants] = {}
        self.queues: dict[Lockable, list[int]] = {}

    def blockers(self, owner: int) -> set[int]:
        if owner not in self.waiting:
            return set()
        found = set()
        for item, exclusive in self.waiting[owner].items():
            for other, held in self.held.items():
                if other != owner and item in held and (exclusive or held[item]):
                    found.add(other)
            queue = self.queues[item]
            found |= {other for other in queue[: queue.index(owner)] if exclusive or self.waiting[other][item]}
        return found

    def all_blockers(self, owner: int) -> set[int]:
        """By others too: the closure of `blockers`."""
        found: set[int] = set()
        while True:
            more = self.blockers(owner).union(*(self.blockers(other) for other in found))
            if more <= found:
                return found
            found |= more

    def acquire(self, owner: int, wants: Wants) -> None:
        held = self.held.setdefault(owner, {})
        wants = {item: mode for item, mode in wants.items() if not (item in held and (held[item] or not mode))}
        dependents = {other for other in self.waiting if owner in self.all_blockers(other)} if held else set()
        self.waiting[owner] = wants
        for item in wants:
            queue = self.queues.setdefault(item, [])
            at = 0
            while at < len(queue) and not (
                queue[at] in dependents or (item in held and item not in self.held.get(queue[at], {}))
            ):
                at += 1
            queue.insert(at, owner)
        self.settle()

    def release(self, owner: int) -> None:
        self.held.pop(owner, None)
        if owner in self.waiting:
            for item in self.waiting.pop(owner):
                self.queues[item].remove(owner)
        self.settle()

    def settle(self) -> None:
        while free := [owner for owner in self.waiting if not self.blockers(owner)]:
            for item, exclusive in self.waiting.pop(free[0]).items():
                self.queues[item].remove(free[0])
                self.held.setdefault(free[0], {})[item] = exclusive


class Machine(RuleBasedStateMachine):
    OWNERS = 6
    wants = st.dictionaries(st.sampled_from([A, B, C, (2, b"d"), (0, None)]), st.booleans(), min_size=1, max_size=3)

    @initialize()
    def begin(self) -> None:
        self.table = LockTable()
        self.model = Model()
        self.owners = owners(self.table, self.OWNERS)
        self.requests: dict[int, list[Request]] = {}

    @rule(number=st.integers(0, OWNERS - 1), wants=wants)
    def acquire(self, number: int, wants: Wants) -> None:
        owner = self.owners[number]
        if owner.waiting is not None:
            return
        expected = self.table.would_block(wants, owner)
        request = self.table.acquire(owner, wants, Told())
        self.requests.setdefault(number, []).append(request)
        # Who holds something may overtake, so that would_block is the more cautious of the two.
        if not expected:
            assert granted(request)
        self.model.acquire(number, wants)
        while number in self.model.all_blockers(number):
            before = self.queues()
            victim = self.table.victim_of(owner)
            if victim is None:
                # Somebody who holds nothing went to the end.
                assert before != self.queues()
                self.follow()
                break
            cycle = [each for each in self.model.waiting if each in self.model.all_blockers(each)]
            assert self.owners.index(victim) in cycle
            self.follow()
            self.release(self.owners.index(victim))
        else:
            assert self.table.victim_of(owner) is None

    def queues(self) -> dict[Lockable, list[Request]]:
        return {
            (index, key): list(entry.queue)
            for index in range(3)
            for key, entry in self.table.keys_of(index).entries.items()
        }

    def follow(self) -> None:
        """Let the model's queues be as the table's, which sent somebody back."""
        for item in self.model.queues:
            entry = self.table.keys_of(item[0]).entries.get(item[1])
            order = [self.owners.index(request.owner) for request in entry.queue] if entry else []
            queue = self.model.queues[item]
            granted = [number for number in queue if number not in order]
            self.model.queues[item] = granted + order
        self.model.settle()

    @rule(number=st.integers(0, OWNERS - 1))
    def release(self, number: int) -> None:
        self.table.release_all(self.owners[number])
        self.model.release(number)
        self.requests.pop(number, None)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "table"):
            return
        self.table.check()
        for number, owner in enumerate(self.owners):
            assert owner.held == self.model.held.get(number, {})
            assert (owner.waiting is not None) == (number in self.model.waiting)
            assert number not in self.model.all_blockers(number), "a deadlock lasts"
            for request in self.requests.get(number, []):
                assert times_told(request) <= 1
                assert granted(request) or owner.waiting is request
        assert bool(self.table) == bool(any(self.model.held.values()) or any(self.model.waiting.values()))


Machine.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestMachine = Machine.TestCase
