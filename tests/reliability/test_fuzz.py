"""Hostile bytes: the corpus of each fuzz target, and random changes of it.

The long form is coverage-guided: `python tests/fuzz_targets.py TARGET -runs=10000000` (`fuzz_targets`).
"""

import resource
import time
from random import Random

import pytest
from fuzz_targets import TARGETS, corpus, mutated

CHANGES = {True: 1_500_000, False: 1_500}
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
    for _ in range(CHANGES[is_long]):
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
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < MEMORY_MAX_KB
