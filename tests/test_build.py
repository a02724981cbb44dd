"""The build that runs is the one that was installed."""

import os
from pathlib import Path

import respkv.engine
from respkv.build import BUILD


def test_build_is_what_the_installer_made() -> None:
    """RESPKV_EXPECTED_BUILD is set by .ci/run, so that no run tests another build than it means to."""
    assert os.environ.get("RESPKV_EXPECTED_BUILD", BUILD) == BUILD


def test_build_tells_of_the_hot_modules() -> None:
    binaries = [*Path(respkv.engine.__path__[0]).glob("keyspace.*.so")]
    binaries += Path(respkv.engine.__path__[0]).glob("keyspace.*.pyd")
    assert (BUILD == "compiled") == bool(binaries)
