"""A point-in-time image of all databases while they go on changing, without fork.

When a snapshot begins, all shards are marked `unsaved`, in O(shards). Before the first change of such a shard the doors
let it be preserved: its dicts are copied, references only, some 10 ns a key. What is reached without having been
changed is copied then. A value that is edited in place is copied before its first edit (`preserve_value`). FLUSHALL
hands its dicts over as they are, and SWAPDB moves shards, which the snapshot knows by identity.

Rule 1: what `take` returns is the caller's, who may write it in another thread: values that can change are copied.
Rule 2: whoever begins a snapshot takes it to its end or calls `close`.
"""

from respkv.engine.engine import SNAPSHOT, Engine, Preserver
from respkv.engine.shards import Shard, Value, copy_of

Item = tuple[bytes, Value, int]
"""A key, its value, and when it expires: unix ms, or -1 for never."""


class Piece:
    """What a shard of database `index` held when the snapshot began."""

    def __init__(self, index: int, values: dict[bytes, Value], expires: dict[bytes, int]) -> None:
        self.index = index
        self.values = values
        self.expires = expires


class SnapshotRunning(Exception):
    """There is a snapshot already, and there can be only one."""


class Snapshot(Preserver):
    """The image of `engine` as it is now, which `take` hands out. Raises SnapshotRunning.

    `sizes` tells the number of keys, and of those with an expiry, of each database that has keys.
    """

    def __init__(self, engine: Engine) -> None:
        if engine.alert & SNAPSHOT:
            raise SnapshotRunning
        self.engine = engine
        self.sizes: dict[int, tuple[int, int]] = {}
        self.ended = False
        # The database of each shard that is not preserved yet, in order; the preserved ones by shard, until `take` has
        # come to their end. Shards compare by identity.
        self._unsaved: dict[Shard, int] = {}
        self._pieces: dict[Shard, Piece] = {}
        # The shard that is being handed out, and the keys that are left of it.
        self._current: Shard | None = None
        self._keys: list[bytes] = []
        for db in engine.databases:
            keys = expiring = 0
            for shard in db.shards:
                if shard.values:
                    shard.unsaved = True
                    self._unsaved[shard] = db.index
                    keys += len(shard.values)
                    expiring += len(shard.expires)
            if keys:
                self.sizes[db.index] = (keys, expiring)
        engine.preserver = self
        engine.set_alert(SNAPSHOT, True)

    # For the doors

    def preserve(self, shard: Shard) -> None:
        """Copy `shard`, which is `unsaved`, and clear that. O(keys of the shard)."""
        self._keep(shard, shard.values.copy(), shard.expires.copy())

    def preserve_value(self, shard: Shard, key: bytes, value: Value) -> None:
        """Copy `value` of `key` too, which may be about to change in place."""
        if shard.unsaved:
            self.preserve(shard)
        if isinstance(value, bytes | int):
            return
        piece = self._pieces.get(shard)
        if piece is not None and piece.values.get(key) is value:
            piece.values[key] = copy_of(value)

    def hand_over(self, shard: Shard) -> bool:
        """Keep the dicts of `shard`, which is `unsaved`, since it gets empty ones instead; whether they are kept."""
        self._keep(shard, shard.values, shard.expires)
        return True

    def _keep(self, shard: Shard, values: dict[bytes, Value], expires: dict[bytes, int]) -> None:
        shard.unsaved = False
        self._pieces[shard] = Piece(self._unsaved.pop(shard), values, expires)

    # For the writer

    def take(self, count: int) -> tuple[int, list[Item]] | None:
        """The number of a database and up to `count` of its keys, at least one; None at the end.

        Each key comes once, the databases one after the other. O(count), and O(keys of the shard) where one begins.
        """
        if not self._keys and not self._begin_shard():
            self.close()
            return None
        assert self._current is not None
        piece = self._pieces[self._current]
        keys = self._keys[-count:]
        del self._keys[-count:]
        values = piece.values
        expires = piece.expires
        items = [(key, copy_of(values[key]), expires.get(key, -1)) for key in keys]
        if not self._keys:
            self._end_shard(piece)
        return piece.index, items

    def close(self) -> None:
        """End it, complete or not: forget what is left and let the doors go on without looking."""
        if self.ended:
            return
        self.ended = True
        for shard in self._unsaved:
            shard.unsaved = False
        self._unsaved.clear()
        for piece in self._pieces.values():
            self.engine.discarded += [piece.values, piece.expires]
        self._pieces.clear()
        self._keys = []
        self.engine.preserver = Preserver()
        self.engine.set_alert(SNAPSHOT, False)

    def _begin_shard(self) -> bool:
        """Choose the next shard; False if there is none. Those preserved come first, since they take memory."""
        shard: Shard | None = None
        index = self.engine.database_count
        for preserved, piece in self._pieces.items():
            if piece.index < index:
                shard, index = preserved, piece.index
        for unsaved, unsaved_index in self._unsaved.items():
            # In order of the databases, so that the first is of the lowest.
            if unsaved_index < index:
                shard, index = unsaved, unsaved_index
            break
        if shard is None:
            return False
        if shard.unsaved:
            self.preserve(shard)
        self._current = shard
        self._keys = list(self._pieces[shard].values)
        return True

    def _end_shard(self, piece: Piece) -> None:
        assert self._current is not None
        del self._pieces[self._current]
        self._current = None
        # The sweeper frees them in slices: they may be the last to hold what was deleted meanwhile.
        self.engine.discarded += [piece.values, piece.expires]
