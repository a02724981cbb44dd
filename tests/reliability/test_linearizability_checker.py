"""The checker, on histories that are known to be good or bad."""

from itertools import permutations
from random import Random
from typing import Any

from linearizability import NEVER, UNKNOWN, Operation, is_linearizable


def register(state: int, question: tuple[str, int]) -> tuple[int, Any]:
    kind, value = question
    return (value, "OK") if kind == "write" else (state, state)


def write(called_at: float, returned_at: float, value: int, answer: Any = "OK") -> Operation:
    return Operation(called_at, returned_at, ("write", value), answer)


def read(called_at: float, returned_at: float, value: Any) -> Operation:
    return Operation(called_at, returned_at, ("read", 0), value)


def test_reads_that_overlap_a_write_may_see_it_or_not() -> None:
    assert is_linearizable([write(1, 10, 7), read(2, 3, 0), read(4, 5, 7)], register, 0)


def test_a_read_that_goes_back_in_time_is_found() -> None:
    assert not is_linearizable([write(1, 10, 7), read(2, 3, 7), read(4, 5, 0)], register, 0)


def test_a_stale_read_is_found() -> None:
    assert not is_linearizable([write(1, 2, 7), read(3, 4, 0)], register, 0)


def test_a_lost_update_is_found() -> None:
    def counter(state: int, question: str) -> tuple[int, int]:
        return state + 1, state + 1

    assert is_linearizable([Operation(1, 3, "incr", 1), Operation(2, 4, "incr", 2)], counter, 0)
    assert not is_linearizable([Operation(1, 3, "incr", 1), Operation(2, 4, "incr", 1)], counter, 0)


def test_a_value_that_nobody_wrote_is_found() -> None:
    assert not is_linearizable([write(1, 2, 7), read(3, 4, 8)], register, 0)


def test_what_never_returned_may_have_happened_or_not_but_not_both() -> None:
    lost = write(1, NEVER, 7, UNKNOWN)
    assert is_linearizable([lost, read(2, 3, 0)], register, 0)
    assert is_linearizable([lost, read(2, 3, 0), read(4, 5, 7)], register, 0)
    assert not is_linearizable([lost, read(2, 3, 7), read(4, 5, 0)], register, 0)


def test_an_acknowledged_write_that_a_crash_took_back_is_found() -> None:
    assert not is_linearizable([write(1, 2, 7), read(3, 4, 7), read(6, 7, 0)], register, 0)


def brute(history: list[Operation], start: int) -> bool:
    """The definition: some order of all that returned and some of the rest, true to time and answers."""
    lost = [operation for operation in history if operation.answer is UNKNOWN]
    sure = [operation for operation in history if operation.answer is not UNKNOWN]
    for mask in range(1 << len(lost)):
        chosen = sure + [operation for number, operation in enumerate(lost) if mask >> number & 1]
        for order in permutations(chosen):
            if any(
                later.returned_at < earlier.called_at for at, earlier in enumerate(order) for later in order[at + 1 :]
            ):
                continue
            state = start
            for operation in order:
                state, answer = register(state, operation.question)
                if operation.answer is not UNKNOWN and operation.answer != answer:
                    break
            else:
                return True
    return False


def test_it_agrees_with_the_definition_on_random_histories(rng: Random) -> None:
    verdicts = set()
    for _ in range(400):
        history = []
        for _ in range(rng.randrange(1, 6)):
            called_at = rng.uniform(0, 10)
            returned_at = called_at + rng.uniform(0, 5)
            value = rng.randrange(2)
            if rng.random() < 0.5:
                is_lost = rng.random() < 0.3
                # One that is lost ends with its server, or not at all.
                ends_at = NEVER if is_lost and rng.random() < 0.5 else returned_at
                history.append(write(called_at, ends_at, value, UNKNOWN if is_lost else "OK"))
            else:
                history.append(read(called_at, returned_at, value))
        verdict = is_linearizable(history, register, 0)
        assert verdict == brute(history, 0), history
        verdicts.add(verdict)
    assert verdicts == {True, False}
