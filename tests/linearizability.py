"""Is a concurrent history linearizable? A checker after Wing and Gong, with the memory of Lowe.

A history is a list of operations, each with the moments of its call and its return, what was asked and what was
answered. It is linearizable if each operation can be given one moment between the two at which it took effect, so that
all answers are what a single thread would have got. An operation that was not answered (its server was killed) may have
taken effect at any moment behind its call, up to that of the server's death, or never.

Sources: Wing and Gong, "Testing and verifying concurrent objects" (1993); Lowe, "Testing for linearizability" (2017):
a set of what has been tried (operations done, state) keeps the search from trying it twice.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

Step = Callable[[Any, Any], tuple[Any, Any]]
"""What the object does: `(state, question)` to `(state, answer)`. States are hashable."""


class _Unknown:
    """The answer of an operation that was not answered."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Operation:
    """One operation of one client; moments are of any clock that all clients share.

    One that was not answered returns when it can no longer take effect.
    """

    called_at: float
    returned_at: float
    question: Any
    answer: Any = UNKNOWN


NEVER = float("inf")
"""When an operation returns that may take effect for ever."""


def find_order(history: list[Operation], step: Step, start: Hashable) -> list[Operation] | None:
    """An order that explains the history, or None if there is none.

    Exponential in the number of operations that overlap, linear in the rest.
    """
    operations = sorted(history, key=lambda operation: operation.called_at)
    must_return = sum(operation.answer is not UNKNOWN for operation in operations)
    order: list[int] = []
    done = 0
    state: Any = start
    tried: set[tuple[int, Hashable]] = {(0, start)}
    # For each operation in the order: the state and the latest call before, and the candidate to try after it.
    undo: list[tuple[Any, float, int]] = []
    latest_call = -NEVER
    returned = 0
    at = 0
    while returned < must_return:
        found = -1
        limit = _first_return(operations, done)
        for number in range(max(at, _first_undone(done)), len(operations)):
            operation = operations[number]
            if operation.called_at > limit:
                break
            if done >> number & 1 or operation.returned_at < latest_call:
                continue
            after, answer = step(state, operation.question)
            if operation.answer is not UNKNOWN and answer != operation.answer:
                continue
            if (done | 1 << number, after) in tried:
                continue
            tried.add((done | 1 << number, after))
            undo.append((state, latest_call, number + 1))
            order.append(number)
            done |= 1 << number
            returned += operation.answer is not UNKNOWN
            state = after
            latest_call = max(latest_call, operation.called_at)
            found = number
            break
        if found >= 0:
            at = 0
            continue
        if not order:
            return None
        number = order.pop()
        done &= ~(1 << number)
        returned -= operations[number].answer is not UNKNOWN
        state, latest_call, at = undo.pop()
    return [operations[number] for number in order]


def _first_return(operations: list[Operation], done: int) -> float:
    """Whatever is called behind the first return of what is yet to take effect cannot take effect before it.

    Those that were not answered stop nobody: they may never take effect.
    """
    limit = NEVER
    for number in range(_first_undone(done), len(operations)):
        operation = operations[number]
        if operation.called_at > limit:
            break
        if not done >> number & 1 and operation.answer is not UNKNOWN and operation.returned_at < limit:
            limit = operation.returned_at
    return limit


def _first_undone(done: int) -> int:
    return (~done & (done + 1)).bit_length() - 1


def is_linearizable(history: list[Operation], step: Step, start: Hashable) -> bool:
    """Whether some order explains the history."""
    return find_order(history, step, start) is not None
