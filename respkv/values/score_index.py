"""The order of a large sorted set: members by score, then by their bytes, and what rank each has.

    scores    [-inf 0.5 1]      [1 1 2.5]      ...      blocks of up to 512
    members   [  c   a  b]      [f g  e ]      ...      beside them
    last_scores, last_members    of each block: where to look
    run_sizes                    how many members there are in each 64 blocks: where to count

To find a place is to bisect over the blocks and then within one; to insert is to move half a block. A rank is the sum
of the runs before, of the blocks before in the same run, and of what is before in the block.

Scores stand side by side as machine numbers, not as objects: to bisect over objects misses the processor's cache at
each step.
"""

from typing import TYPE_CHECKING, Any, Final

from librt.vecs import append, extend, pop, vec

if TYPE_CHECKING:
    from mypy_extensions import i64

BLOCK_MAX: Final = 512
_BLOCK_MIN: Final = 96
_RUN_BITS: Final = 6
_RUN_BLOCKS: Final = 1 << _RUN_BITS


def place_of(scores: vec[float], members: list[bytes], score: float, member: bytes) -> int:
    """How many of the couples are before (`score`, `member`). O(log n)."""
    low: i64 = 0
    high: i64 = len(scores)
    while low < high:
        middle: i64 = (low + high) >> 1
        here = scores[middle]
        if here < score or (here == score and members[middle] < member):
            low = middle + 1
        else:
            high = middle
    return low


def place_of_score(scores: vec[float], score: float, above: bool) -> int:
    """How many of the scores, which ascend, are below `score`; or `above` it is not. O(log n)."""
    low: i64 = 0
    high: i64 = len(scores)
    while low < high:
        middle: i64 = (low + high) >> 1
        here = scores[middle]
        if here < score or (above and here == score):
            low = middle + 1
        else:
            high = middle
    return low


def place_of_member(members: list[bytes], member: bytes, above: bool) -> int:
    """How many of the members, which ascend, are before `member`; or not behind it. O(log n)."""
    low: i64 = 0
    high: i64 = len(members)
    while low < high:
        middle: i64 = (low + high) >> 1
        here = members[middle]
        if here < member or (above and here == member):
            low = middle + 1
        else:
            high = middle
    return low


def backwards(scores: vec[float]) -> vec[float]:
    """The same in the opposite order. O(n)."""
    size: i64 = len(scores)
    turned = vec[float](capacity=size)
    while size > 0:
        size -= 1
        turned = append(turned, scores[size])
    return turned


def _with(numbers: vec[float], place: int, number: float) -> vec[float]:
    """`numbers`, which is not to be used any more, with one more of them at `place`. O(n)."""
    grown = append(numbers, number)
    low: i64 = place
    at: i64 = len(grown) - 1
    while at > low:
        grown[at] = grown[at - 1]
        at -= 1
    grown[low] = number
    return grown


class Sieve:
    """Somebody who looks at couples in order, block by block, and keeps what he wants of them."""

    def sift(self, scores: vec[float], members: list[bytes], start: int, stop: int) -> bool:
        """Look at what is from `start` on and before `stop`, and change none of it; whether there is to be more."""
        raise NotImplementedError


class ScoreIndex:
    """Couples of a score and a member in order, no member twice.

    n = members, b = blocks, between n / 512 and n / 96 of them. Complexities leave the move of half a block out.
    Invariants: no block is empty; `last_scores`, `last_members` and `run_sizes` are what they say.
    """

    def __init__(self) -> None:
        self.size = 0
        self.scores: list[vec[float]] = []
        self.members: list[list[bytes]] = []
        self.last_scores: vec[float] = vec[float]()
        self.last_members: list[bytes] = []
        self.run_sizes: list[int] = []

    def build(self, scores: list[float], members: list[bytes]) -> None:
        """Take over couples that are in order, in place of all there were. O(n)."""
        size = len(members)
        # A vec that grows has twice the room: so these will have what a block needs.
        step = BLOCK_MAX // 2
        self.size = size
        self.scores = [vec[float](scores[at : at + step]) for at in range(0, size, step)]
        self.members = [members[at : at + step] for at in range(0, size, step)]
        self.last_scores = vec[float]([block[len(block) - 1] for block in self.scores])
        self.last_members = [names[-1] for names in self.members]
        run = step * _RUN_BLOCKS
        self.run_sizes = [min(run, size - at) for at in range(0, size, run)]

    def copy(self) -> "ScoreIndex":
        """An index of the same couples that shares no list with this one. O(n)."""
        other = ScoreIndex()
        other.size = self.size
        other.scores = [block[0 : len(block)] for block in self.scores]
        other.members = [block.copy() for block in self.members]
        other.last_scores = self.last_scores[0 : len(self.last_scores)]
        other.last_members = self.last_members.copy()
        other.run_sizes = self.run_sizes.copy()
        return other

    # Changing

    def add(self, score: float, member: bytes) -> None:
        """Insert a member that is not there. O(log n)."""
        self.size += 1
        number = place_of(self.last_scores, self.last_members, score, member)
        if number == len(self.members):
            self._append(score, member)
            return
        scores = self.scores[number]
        members = self.members[number]
        place = place_of(scores, members, score, member)
        self.scores[number] = _with(scores, place, score)
        members.insert(place, member)
        self.run_sizes[number >> _RUN_BITS] += 1
        if len(members) > BLOCK_MAX:
            self._split(number)

    def _append(self, score: float, member: bytes) -> None:
        number = len(self.members) - 1
        if number >= 0 and len(self.members[number]) < BLOCK_MAX:
            self.scores[number] = append(self.scores[number], score)
            self.members[number].append(member)
            self.last_scores[number] = score
            self.last_members[number] = member
            self.run_sizes[number >> _RUN_BITS] += 1
        else:
            # Those who come in order fill their blocks.
            self._insert_block(number + 1, append(vec[float](capacity=BLOCK_MAX + 1), score), [member])

    def remove(self, score: float, member: bytes) -> bytes:
        """Take out `member`, which is there with this score; the object that was kept. O(log n)."""
        self.size -= 1
        number = place_of(self.last_scores, self.last_members, score, member)
        scores = self.scores[number]
        members = self.members[number]
        place = place_of(scores, members, score, member)
        self.scores[number], _ = pop(scores, place)
        kept = members.pop(place)
        self._shrunk(number, 1)
        return kept

    def remove_all(self, scores: list[Any], members: list[bytes], start: int) -> None:
        """Take out `members` from `start` on, in any order: `scores` has that of each, or None if it is not there.

        O(log n + blocks / members) a member: those of a block together, since it is in the processor's cache then.
        """
        wanted: list[list[int]] = [[] for _ in self.members]
        removed = 0
        for at in range(len(scores)):
            if scores[at] is not None:
                wanted[place_of(self.last_scores, self.last_members, scores[at], members[start + at])].append(at)
                removed += 1
        self.size -= removed
        # From the last one on, so that those before keep their numbers.
        for number in range(len(wanted) - 1, -1, -1):
            places = wanted[number]
            if not places:
                continue
            block = self.members[number]
            block_scores = self.scores[number]
            for at in places:
                place = place_of(block_scores, block, scores[at], members[start + at])
                block_scores, _ = pop(block_scores, place)
                del block[place]
            self.scores[number] = block_scores
            self._shrunk(number, len(places))

    def pop_first(self) -> tuple[bytes, float]:
        """Take out the first couple, which there is. O(1), and each few hundred times O(b / 64)."""
        self.size -= 1
        self.scores[0], score = pop(self.scores[0], 0)
        members = self.members[0]
        member = members.pop(0)
        if len(members) < _BLOCK_MIN:
            self._shrunk(0, 1)
        else:
            # Its last couple is the same.
            self.run_sizes[0] -= 1
        return member, score

    def pop_last(self) -> tuple[bytes, float]:
        """Take out the last couple, which there is. O(1)."""
        self.size -= 1
        number = len(self.members) - 1
        self.scores[number], score = pop(self.scores[number])
        member = self.members[number].pop()
        self._shrunk(number, 1)
        return member, score

    def remove_ranks(self, start: int, stop: int) -> list[list[bytes]]:
        """Take out all from rank `start` on and before `stop`, which are within the index; the members, in lists.

        O(b + members of the blocks at both ends).
        """
        gone: list[list[bytes]] = []
        if start >= stop:
            return gone
        number, place = self._seek(start)
        members = self.members[number]
        if stop - start < len(members) - place:
            # Within one block, of which some is left behind it.
            end = place + stop - start
            gone.append(members[place:end])
            self._cut(number, place, end)
            self.size -= stop - start
            self._shrunk(number, stop - start)
            return gone
        last, end = self._seek(stop) if stop < self.size else (len(self.members), 0)
        self.size -= stop - start
        first = number
        if place:
            gone.append(members[place:])
            self._cut(number, place, len(members))
            first += 1
        gone += self.members[first:last]
        if end:
            gone.append(self.members[last][:end])
            self._cut(last, 0, end)
        del self.members[first:last]
        del self.scores[first:last]
        del self.last_members[first:last]
        self.last_scores = extend(self.last_scores[0:first], self.last_scores[last : len(self.last_scores)])
        self._count_runs()
        # The one behind, then the one before: a join moves only what is behind it.
        if first < len(self.members):
            self._shrunk(first, 0)
        if place:
            self._shrunk(number, 0)
        return gone

    def _cut(self, number: int, start: int, stop: int) -> None:
        """Take the places from `start` on and before `stop` out of block `number`."""
        scores = self.scores[number]
        self.scores[number] = extend(scores[0:start], scores[stop : len(scores)])
        del self.members[number][start:stop]

    def _count_runs(self) -> None:
        sizes: list[int] = []
        total: i64 = 0
        blocks = self.members
        for number in range(len(blocks)):
            total += len(blocks[number])
            if number & (_RUN_BLOCKS - 1) == _RUN_BLOCKS - 1:
                sizes.append(total)
                total = 0
        if total:
            sizes.append(total)
        self.run_sizes = sizes

    def _shrunk(self, number: int, count: int) -> None:
        """Block `number` has lost `count` couples: keep the rest of the index true."""
        members = self.members[number]
        size = len(members)
        self.run_sizes[number >> _RUN_BITS] -= count
        if size == 0:
            self._remove_block(number)
            return
        self.last_scores[number] = self.scores[number][size - 1]
        self.last_members[number] = members[-1]
        if size < _BLOCK_MIN and len(self.members) > 1:
            left = number - 1 if number else 0
            if len(self.members[left]) + len(self.members[left + 1]) <= BLOCK_MAX // 2:
                self._join(left)

    def _split(self, number: int) -> None:
        half = BLOCK_MAX // 2
        scores = self.scores[number]
        members = self.members[number]
        upper_scores = scores[half : len(scores)]
        upper_members = members[half:]
        # New lists, which have no room to spare.
        self.scores[number] = scores[0:half]
        self.members[number] = members[:half]
        self.last_scores[number] = scores[half - 1]
        self.last_members[number] = members[half - 1]
        self.run_sizes[number >> _RUN_BITS] -= len(upper_members)
        self._insert_block(number + 1, upper_scores, upper_members)

    def _join(self, number: int) -> None:
        """Put block `number + 1` into block `number`."""
        scores = self.scores[number + 1]
        members = self.members[number + 1]
        size = len(members)
        self.run_sizes[(number + 1) >> _RUN_BITS] -= size
        self.run_sizes[number >> _RUN_BITS] += size
        self.scores[number] = extend(self.scores[number], scores)
        self.members[number] += members
        self.last_scores[number] = scores[size - 1]
        self.last_members[number] = members[-1]
        members.clear()
        self._remove_block(number + 1)

    def _insert_block(self, number: int, scores: vec[float], members: list[bytes]) -> None:
        """O(b): the move of a number is short."""
        self.scores.insert(number, scores)
        self.members.insert(number, members)
        self.last_scores = _with(self.last_scores, number, scores[len(scores) - 1])
        self.last_members.insert(number, members[-1])
        run_sizes = self.run_sizes
        run = number >> _RUN_BITS
        if len(self.members) > len(run_sizes) << _RUN_BITS:
            run_sizes.append(0)
        run_sizes[run] += len(members)
        # The last block of each full run behind it moves into the next one.
        while run + 1 < len(run_sizes):
            moved = len(self.members[(run + 1) << _RUN_BITS])
            run_sizes[run] -= moved
            run_sizes[run + 1] += moved
            run += 1

    def _remove_block(self, number: int) -> None:
        """Drop a block that has become empty. O(b / 64)."""
        run_sizes = self.run_sizes
        run = number >> _RUN_BITS
        while run + 1 < len(run_sizes):
            moved = len(self.members[(run + 1) << _RUN_BITS])
            run_sizes[run] += moved
            run_sizes[run + 1] -= moved
            run += 1
        del self.scores[number]
        del self.members[number]
        self.last_scores, _ = pop(self.last_scores, number)
        del self.last_members[number]
        if len(self.members) <= (len(run_sizes) - 1) << _RUN_BITS:
            run_sizes.pop()

    # Ranks

    def rank(self, score: float, member: bytes) -> int:
        """How many couples are before (`score`, `member`). O(log n + b / 64)."""
        number = place_of(self.last_scores, self.last_members, score, member)
        if number == len(self.members):
            return self.size
        return self._size_before(number) + place_of(self.scores[number], self.members[number], score, member)

    def rank_of_score(self, score: float, above: bool) -> int:
        """How many couples have a score below `score`; or `above` it not. O(log n + b / 64)."""
        number = place_of_score(self.last_scores, score, above)
        if number == len(self.members):
            return self.size
        return self._size_before(number) + place_of_score(self.scores[number], score, above)

    def rank_of_member(self, member: bytes, above: bool) -> int:
        """Where all have one score: how many members are before `member`; or not behind it. O(log n + b / 64)."""
        number = place_of_member(self.last_members, member, above)
        if number == len(self.members):
            return self.size
        return self._size_before(number) + place_of_member(self.members[number], member, above)

    def _size_before(self, number: int) -> int:
        run = number >> _RUN_BITS
        total: i64 = 0
        at: i64 = 0
        end: i64 = run
        while at < end:
            total += self.run_sizes[at]
            at += 1
        at = run << _RUN_BITS
        end = number
        while at < end:
            total += len(self.members[at])
            at += 1
        return total

    def _seek(self, rank: int) -> tuple[int, int]:
        """The block in which the couple of `rank` is, and its place there. O(b / 64)."""
        left: i64 = rank
        run: i64 = 0
        run_sizes = self.run_sizes
        while left >= run_sizes[run]:
            left -= run_sizes[run]
            run += 1
        number: i64 = run << _RUN_BITS
        size: i64 = len(self.members[number])
        while left >= size:
            left -= size
            number += 1
            size = len(self.members[number])
        return number, left

    def at(self, rank: int) -> tuple[bytes, float]:
        """Member and score of `rank`, which is below the size. O(b / 64)."""
        number, place = self._seek(rank)
        return self.members[number][place], self.scores[number][place]

    def members_between(self, start: int, stop: int) -> list[bytes]:
        """The members from rank `start` on and before `stop`, both within the index. O(b / 64 + their number)."""
        if start >= stop:
            return []
        number, place = self._seek(start)
        count = stop - start
        found = self.members[number][place : place + count]
        while len(found) < count:
            number += 1
            found += self.members[number][: count - len(found)]
        return found

    def scores_between(self, start: int, stop: int) -> vec[float]:
        """As `members_between`: their scores."""
        found = vec[float]()
        if start >= stop:
            return found
        number, place = self._seek(start)
        left = stop - start
        while left > 0:
            scores = self.scores[number]
            end = min(len(scores), place + left)
            found = extend(found, scores[place:end])
            left -= end - place
            place = 0
            number += 1
        return found

    def sift(self, start: int, stop: int, sieve: Sieve) -> None:
        """Let `sieve` look at the couples from rank `start` on and before `stop`. O(b / 64 + their number)."""
        if start >= stop:
            return
        number, place = self._seek(start)
        left = stop - start
        while left > 0:
            members = self.members[number]
            end = min(len(members), place + left)
            if not sieve.sift(self.scores[number], members, place, end):
                return
            left -= end - place
            place = 0
            number += 1

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken. O(n)."""
        couples = [
            couple
            for scores, members in zip(self.scores, self.members, strict=True)
            for couple in zip(scores, members, strict=True)
        ]
        assert couples == sorted(couples), "couples out of order"
        assert len(couples) == self.size, (len(couples), self.size)
        assert all(self.members), "an empty block"
        assert all(len(block) <= BLOCK_MAX for block in self.members), "a block that is too large"
        assert list(self.last_scores) == [list(block)[-1] for block in self.scores], "a wrong last score"
        assert self.last_members == [block[-1] for block in self.members], "a wrong last member"
        runs = range(0, len(self.members), _RUN_BLOCKS)
        sizes = [sum(map(len, self.members[at : at + _RUN_BLOCKS])) for at in runs]
        assert self.run_sizes == sizes, (self.run_sizes, sizes)
