"""What lists, hashes, sets, sorted sets and streams have in common."""

from typing import Any, ClassVar, Final

OBJECT_BYTES: Final = 96
"""A collection without its elements: the object and an attribute or two of its own."""

ELEMENT_BYTES: Final = 45
"""A bytes object around its bytes: header, and what is lost of its last allocation step."""

NEVER_MS: Final = (1 << 62) - 1
"""Later than any time an element may expire; the largest integer that compiled code keeps unboxed."""


class Collection:
    """A value that can change in place. It is never empty while a key holds it.

    `nbytes` is an estimate of the resident bytes of the value, kept with each change in O(1): what `maxmemory` goes by.
    """

    type_name: ClassVar[bytes] = b""

    def __init__(self) -> None:
        self.nbytes = OBJECT_BYTES

    def __len__(self) -> int:
        """How many elements there are."""
        raise NotImplementedError

    @property
    def encoding(self) -> bytes:
        """What OBJECT ENCODING says."""
        raise NotImplementedError

    def copy(self) -> "Collection":
        """A value that shares nothing with this one that can change. O(n)."""
        raise NotImplementedError

    def digest(self) -> Any:
        """The contents in a form that is equal for equal values and does not change with this one. O(n)."""
        raise NotImplementedError

    def parts(self) -> list[Any]:
        """The containers (dict, set, list, deque) that hold the elements, to be emptied in slices.

        Only asked of a value that nobody needs any more.
        """
        raise NotImplementedError

    # Of those whose elements may expire. The engine plans when to look for expired ones, and the value keeps the plan.

    def next_expiry_ms(self) -> int:
        """When the first of its elements expires (unix ms), NEVER_MS if none does. O(1) on average."""
        return NEVER_MS

    def planned_expiry_ms(self) -> int:
        """When the engine means to look for expired elements."""
        return NEVER_MS

    def plan_expiry(self, at_ms: int) -> None:
        """The engine means to look for expired elements at `at_ms`."""

    def remove_due(self, now_ms: int, count: int) -> list[bytes]:
        """Take elements out that expired before `now_ms`, up to `count` of them, the oldest first; which."""
        return []

    def remove_due_among(self, now_ms: int, names: list[bytes]) -> list[bytes]:
        """Take those of `names` out that expired before `now_ms`; which."""
        return []

    def memory_usage(self, samples: int) -> int:
        """Resident bytes as MEMORY USAGE tells them; the running estimate is as good as samples."""
        return self.nbytes
