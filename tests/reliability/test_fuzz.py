"""Hostile bytes: the corpus of each fuzz target, and random changes of it.

The long form is ten million of them, from a new seed each time; those of readers that are fast are more. Guided by
coverage are `python tests/fuzz_targets.py TARGET -runs=10000000` (`fuzz_targets`).
"""

import resource
import time
from random import Random

import pytest
from fuzz_targets import TARGETS, corpus, mutated

CHANGES = 1_000
CHANGES_IN_LONG = {
    "request": 1_500_000,
    "payload": 1_500_000,
    "snapshot": 600_000,
    "log": 2_500_000,
    "manifest": 2_400_000,
    "configuration": 500_000,
    "access": 1_500_000,
}
LONGEST_S = 1.0
MEMORY_MAX_KB = 300_000


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_fails_hangs_or_takes_memory(name: str, rng: Random, is_long: bool) -> None:
    target = TARGETS[name]
    seeds = corpus(name)
    assert seeds
    for data in seeds:
        target(data)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    longest_s = 0.0
    for _ in range(CHANGES_IN_LONG[name] if is_long else CHANGES):
        data = mutated(seeds, rng)
        started_s = time.thread_time()
        try:
            target(data)
        except Exception as error:
            raise AssertionError(f"{name}: {data!r}") from error
        taken_s = time.thread_time() - started_s
        # Of CPU, not of the clock: what others do on the machine is no hang.
        assert taken_s < LONGEST_S, data
        longest_s = max(longest_s, taken_s)
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    print(f"{name}: slowest {longest_s * 1000:.1f} ms, {memory_kb} kB more")
    assert memory_kb < MEMORY_MAX_KB
