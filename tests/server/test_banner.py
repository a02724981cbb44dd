"""What the server says of itself when it is ready."""

import os
import re
from pathlib import Path

import pytest

from respkv.server.banner import banner, durability, version
from respkv.server.config import Config


def test_the_banner_tells_where_what_and_how_safe(tmp_path: Path) -> None:
    config = Config({"dir": str(tmp_path), "cluster-enabled": "yes"})
    lines = banner(config, "compiled", ["127.0.0.1:6379", "[::1]:6379"], 12345, 0.5).splitlines()
    assert re.fullmatch(rf"respkv \S+ is ready \(compiled build, pid {os.getpid()}\)", lines[0])
    assert lines[1:] == [
        "  listening   127.0.0.1:6379  [::1]:6379",
        f"  data        {tmp_path} (12,345 keys loaded in 0.50 s)",
        "  durability  every write is on disk before its reply (appendfsync always)",
        "  no effect   cluster-enabled",
    ]


def test_an_empty_server_loaded_nothing() -> None:
    assert "(no keys yet)" in banner(Config(), "interpreted", [], 0, 0.1)
    assert "(1 key loaded in 0.10 s)" in banner(Config(), "interpreted", [], 1, 0.1)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"appendfsync": "everysec"}, "last second"),
        ({"appendfsync": "no"}, "kernel"),
        ({"appendonly": "no"}, "memory only"),
        ({"appendonly": "no", "save": "60 10 5 1"}, "60 s and 10 changes, 5 s and 1 changes"),
    ],
)
def test_durability_is_told_in_plain_words(overrides: dict[str, str], words: str) -> None:
    assert words in durability(Config(overrides))


def test_the_version_names_all_that_a_bug_report_needs() -> None:
    assert re.fullmatch(
        r"respkv \S+ \(Redis 7\.4\.0 compatible\), compiled build, \w+ 3\.\S+, \w+", version("compiled")
    )
