"""How long the proofs run, and from which seed.

In the suite they are short. `RESPKV_PROOF=long pytest tests/reliability` is the long form, hours of it; `RESPKV_SEED`
repeats a run: the seed is printed when a test fails.
"""

import os
from random import Random, SystemRandom

import pytest

IS_LONG = os.environ.get("RESPKV_PROOF") == "long"


@pytest.fixture(scope="session")
def is_long() -> bool:
    """Whether this is the long form."""
    return IS_LONG


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test: given, or fixed in the short form, or new."""
    given = os.environ.get("RESPKV_SEED")
    number = int(given) if given else SystemRandom().randrange(1 << 32) if IS_LONG else 1
    request.node.add_report_section("setup", "seed", f"RESPKV_SEED={number}")
    return number


@pytest.fixture
def rng(seed: int) -> Random:
    """Chance, from the seed."""
    return Random(seed)
