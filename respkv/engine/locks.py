"""Who holds which keys, and who waits for whom: the lock table of interactive transactions.

A lock is shared or exclusive, on one key of one database or on a whole database, and held by an *owner*: a
transaction, or a command that had to wait. The table is empty in ordinary life: a command is atomic by itself, and
needs locks only where others have some.

Whoever locks a key locks its database too, shared: so a lock of the whole database, exclusive, means all its keys.

Rule 1: nothing here waits. `acquire` answers at once: granted, or queued. Who is queued learns by `when_free`.
Rule 2: a request for several keys gets all or none, so that who holds nothing keeps nobody from going on.
Rule 3: each key's queue is first in, first out: a request is granted when no holder and nobody before it conflicts. A
  shared request behind a waiting exclusive one waits too, so that nobody starves. Two may overtake: an owner that holds
  the key shared and wants it exclusive (an upgrade), and one for whom a request before it is waiting anyway.
Rule 4: strict two-phase: an owner's locks are given back all at once, by `release_all`.
Rule 5: no deadlock lasts. Who queued a request asks `victim_of`, which finds the cycle of the wait-for graph that it
  may have closed and names the youngest owner in it. The caller aborts that one, by `release_all`, and asks again:
  one request may close several cycles.

Source: two-phase locking with FIFO queues and a wait-for graph, as in Bernstein, Hadzilacos and Goodman, Concurrency
Control and Recovery in Database Systems (1987), chapter 3.
"""

from collections.abc import Callable

from respkv.engine.locked_keys import LockedKeys

Lockable = tuple[int, bytes | None]
"""A database number and a key; with None the whole database."""

Wants = dict[Lockable, bool]
"""What a request is for, and which of it exclusively."""


def with_databases(wants: Wants) -> Wants:
    """`wants` with the databases of its keys, shared, in front. O(keys)."""
    whole: Wants = {}
    for index, _ in wants:
        whole[index, None] = False
    whole.update(wants)
    return whole


class Owner:
    """Who may hold locks; at most one of its requests waits. Of two owners the one of the greater number is younger."""

    def __init__(self, number: int) -> None:
        self.number = number
        # What it holds, and whether exclusively.
        self.held: dict[Lockable, bool] = {}
        self.waiting: Request | None = None


class Request:
    """The wish of `owner` for all of `wants`; `is_granted` once it has them."""

    def __init__(self, owner: Owner, wants: Wants, when_free: Callable[[], None]) -> None:
        self.owner = owner
        self.wants = wants
        self.when_free = when_free
        self.is_granted = False


class Entry:
    """One key or database: who holds it, and whether exclusively; who waits, in order."""

    def __init__(self) -> None:
        self.holders: dict[Owner, bool] = {}
        self.queue: list[Request] = []


class LockTable:
    """All locks of an engine. Falsy while nobody holds any."""

    def __init__(self) -> None:
        # By database, so that a look for one key of a database needs no more than the key.
        self._databases: dict[int, LockedKeys] = {}
        self._in_use: list[LockedKeys] = []
        self._count = 0
        self._last_number = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def keys_of(self, index: int) -> LockedKeys:
        """The locked keys of database `index`, always the same object."""
        locked = self._databases.get(index)
        if locked is None:
            locked = self._databases[index] = LockedKeys(self._in_use)
        return locked

    def are_free(self, wants: Wants) -> bool:
        """Whether a quick look says that nobody has locked any of these keys, nor waits for one. O(keys)."""
        for index, key in wants:  # not by `all`, whose generator takes longer than this loop
            if key is not None and not self.keys_of(index).has(key):
                continue
            return False
        return True

    def new_owner(self) -> Owner:
        """A new, hence the youngest, owner."""
        self._last_number += 1
        return Owner(self._last_number)

    def would_block(self, wants: Wants, owner: Owner | None = None) -> bool:
        """Whether a request would have to wait; `owner`'s own locks do not count. O(keys + holders and waiters)."""
        for item, exclusive in wants.items():
            entry = self._entry(item)
            if entry is None or (owner is not None and _has(owner, item, exclusive)):
                continue
            if _is_held_against(entry, exclusive, owner):
                return True
            for request in entry.queue:
                if request.owner is not owner and (exclusive or request.wants[item]):
                    return True
        return False

    def is_held_against(self, wants: Wants, owner: Owner | None = None) -> bool:
        """Whether somebody else holds what conflicts with `wants`, whoever waits. O(keys + holders)."""
        for item, exclusive in wants.items():
            entry = self._entry(item)
            if entry is not None and _is_held_against(entry, exclusive, owner):
                return True
        return False

    def holders_of(self, item: Lockable) -> dict[Owner, bool]:
        """Who holds `item`, and whether exclusively; live."""
        entry = self._entry(item)
        return {} if entry is None else entry.holders

    def acquire(self, owner: Owner, wants: Wants, when_free: Callable[[], None]) -> Request:
        """Let `owner` have all of `wants`, at once if possible; else `when_free` is called as soon as it has them.

        The caller asks `victim_of(owner)` if it was not granted. O(keys) where nobody else wants them, else O(waiting
        requests * their keys). Raises ValueError if another request of `owner` waits.
        """
        if owner.waiting is not None:
            raise ValueError("an owner waits with one request at a time")
        # What is held well enough needs nothing.
        wanted = {item: exclusive for item, exclusive in wants.items() if not _has(owner, item, exclusive)}
        request = Request(owner, wanted, when_free)
        # Who waits for this owner is overtaken; they are only looked for where anybody waits at all.
        dependents: set[Owner] | None = None
        for item, exclusive in wanted.items():
            entry = self._entry(item)
            if entry is None:
                entry = Entry()
                self.keys_of(item[0]).add(item[1], entry)
                self._count += 1
            if exclusive and item[1] is None:
                self._databases[item[0]].exclusives += 1
            if entry.queue:
                if dependents is None:
                    dependents = self._dependents_of(owner) if owner.held else set()
                entry.queue.insert(_place_of(entry, request, dependents), request)
            else:
                entry.queue.append(request)
        owner.waiting = request
        if self._blockers_of(request):
            return request
        self._grant(request)
        return request

    def withdraw(self, owner: Owner) -> None:
        """Forget what `owner` waits for; what it holds it keeps. O(requests waiting for those keys * their keys)."""
        request = owner.waiting
        if request is not None:
            self._grant_waiting(self._dequeue(request))

    def release_all(self, owner: Owner) -> None:
        """Give back all that `owner` holds, and forget what it waits for. Whoever can go on now is told.

        O(keys held + requests waiting for them * their keys).
        """
        freed = list(owner.held)
        for item, exclusive in owner.held.items():
            locked = self._databases[item[0]]
            del locked.entries[item[1]].holders[owner]
            if exclusive and item[1] is None:
                locked.exclusives -= 1
        owner.held = {}
        request = owner.waiting
        if request is not None:
            freed += self._dequeue(request)
        self._grant_waiting(freed)

    def victim_of(self, owner: Owner) -> Owner | None:
        """Whom to abort since `owner` waits in a deadlock: the youngest in it that holds locks; None if there is none.

        A request in the cycle whose owner holds nothing goes to the end of its queues instead: that breaks the cycle
        as well, and costs nobody's work. O(waiting requests * their keys).
        """
        while cycle := self._cycle_of(owner):
            yielding = next((member for member in cycle if not member.held), None)
            if yielding is None:
                return max(cycle, key=_number_of)
            self._send_back(yielding)
        return None

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken: holders that conflict, or a request that need not wait."""
        count = 0
        for index, locked in self._databases.items():
            count += len(locked.entries)
            exclusives = 0
            for key, entry in locked.entries.items():
                item = (index, key)
                assert entry.holders or entry.queue, "an entry that nobody needs"
                assert len(entry.holders) == 1 or not any(entry.holders.values()), "an exclusive lock that is shared"
                for holder, exclusive in entry.holders.items():
                    assert holder.held[item] == exclusive
                for request in entry.queue:
                    assert item in request.wants
                    assert request.owner.waiting is request
                    assert not request.is_granted
                    assert self._blockers_of(request), "a request waits for nobody"
                if key is not None:
                    assert locked.has(key), "a locked key is taken for a free one"
                else:
                    wishes = [request.wants[item] for request in entry.queue]
                    exclusives = [*entry.holders.values(), *wishes].count(True)
            assert locked.exclusives == exclusives
        assert count == self._count
        in_use = [locked for locked in self._databases.values() if locked.entries]
        assert len(self._in_use) == len(in_use)
        assert set(self._in_use) == set(in_use)

    # Within

    def _entry(self, item: Lockable) -> Entry | None:
        locked = self._databases.get(item[0])
        return None if locked is None else locked.entries.get(item[1])

    def _dequeue(self, request: Request) -> list[Lockable]:
        """Take `request` out of the queues; which those are."""
        request.owner.waiting = None
        for item, exclusive in request.wants.items():
            locked = self._databases[item[0]]
            locked.entries[item[1]].queue.remove(request)
            if exclusive and item[1] is None:
                locked.exclusives -= 1
        return list(request.wants)

    def _cycle_of(self, owner: Owner) -> list[Owner]:
        """A cycle of the wait-for graph that `owner` is in, or nothing."""
        # Depth first; `path` is the way from `owner` to where the search stands.
        path: list[Owner] = [owner]
        branches: list[list[Owner]] = [self._waited_for(owner)]
        seen = {owner}
        while branches:
            if not branches[-1]:
                branches.pop()
                path.pop()
                continue
            other = branches[-1].pop()
            if other is owner:
                return path
            if other not in seen:
                seen.add(other)
                path.append(other)
                branches.append(self._waited_for(other))
        return []

    def _send_back(self, owner: Owner) -> None:
        request = owner.waiting
        assert request is not None
        for item in request.wants:
            queue = self._databases[item[0]].entries[item[1]].queue
            queue.remove(request)
            queue.append(request)
        self._grant_waiting(list(request.wants))

    def _grant_waiting(self, items: list[Lockable]) -> None:
        """Grant what need not wait any longer in the queues of `items`, forget empty entries, tell who got locks."""
        granted: list[Request] = []
        for item in items:
            for waiting in list(self._databases[item[0]].entries[item[1]].queue):
                if not waiting.is_granted and not self._blockers_of(waiting):
                    self._grant(waiting)
                    granted.append(waiting)
        for item in items:
            locked = self._databases[item[0]]
            entry = locked.entries.get(item[1])
            if entry is not None and not entry.holders and not entry.queue:
                locked.remove(item[1])
                self._count -= 1
        for waiting in granted:
            waiting.when_free()

    def _grant(self, request: Request) -> None:
        owner = request.owner
        for item, exclusive in request.wants.items():
            entry = self._databases[item[0]].entries[item[1]]
            entry.queue.remove(request)
            entry.holders[owner] = owner.held[item] = exclusive
        owner.waiting = None
        request.is_granted = True

    def _blockers_of(self, request: Request) -> list[Owner]:
        """Whom `request`, which is in the queues, waits for: holders and requests before it that conflict."""
        owner = request.owner
        blockers: list[Owner] = []
        for item, exclusive in request.wants.items():
            entry = self._databases[item[0]].entries[item[1]]
            if _is_held_against(entry, exclusive, owner):
                blockers += [holder for holder in entry.holders if holder is not owner]
            for other in entry.queue:
                if other is request:
                    break
                if exclusive or other.wants[item]:
                    blockers.append(other.owner)
        return blockers

    def _waited_for(self, owner: Owner) -> list[Owner]:
        return [] if owner.waiting is None else self._blockers_of(owner.waiting)

    def _dependents_of(self, owner: Owner) -> set[Owner]:
        """The owners that wait for `owner`, themselves or by others."""
        dependents: set[Owner] = set()
        frontier = [owner]
        while frontier:
            target = frontier.pop()
            items = list(target.held)
            if target.waiting is not None:
                items += target.waiting.wants
            for item in items:
                for request in self._databases[item[0]].entries[item[1]].queue:
                    other = request.owner
                    if other not in dependents and other is not owner and target in self._blockers_of(request):
                        dependents.add(other)
                        frontier.append(other)
        return dependents


def _has(owner: Owner, item: Lockable, exclusive: bool) -> bool:
    """Whether `owner` holds `item` as it wants it."""
    held = owner.held.get(item)
    return held is not None and (held or not exclusive)


def _is_held_against(entry: Entry, exclusive: bool, owner: Owner | None) -> bool:
    """Whether anybody but `owner` holds the entry so that a lock of that kind has to wait."""
    holders = entry.holders
    if exclusive:
        return len(holders) > 1 or (len(holders) == 1 and owner not in holders)
    return len(holders) == 1 and owner not in holders and True in holders.values()


def _place_of(entry: Entry, request: Request, dependents: set[Owner]) -> int:
    """Where in the queue of `entry` a request belongs (Rule 3)."""
    is_upgrade = request.owner in entry.holders
    for at, other in enumerate(entry.queue):
        if other.owner in dependents or (is_upgrade and other.owner not in entry.holders):
            return at
    return len(entry.queue)


def _number_of(owner: Owner) -> int:
    return owner.number
