"""What the server says about itself when it is ready."""

import os
import platform
import sys
from collections.abc import Sequence
from typing import Final

from respkv import __version__
from respkv.server.config import Config

REDIS_VERSION: Final = "7.4.0"
"""What INFO and HELLO report, and whose behaviour decides where versions differ."""


def version(build: str) -> str:
    """One line for bug reports: versions and build."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"respkv {__version__} (Redis {REDIS_VERSION} compatible), {build} build, {python}, {sys.platform}"


def banner(config: Config, build: str, addresses: Sequence[str], loaded_key_count: int, loading_s: float) -> str:
    """Some lines, without a last line end: where the server listens, where its data is, how safe that is.

    Args:
        config: the configuration in force.
        build: `compiled` or `interpreted`.
        addresses: what it listens on, as a client would write it: `127.0.0.1:6379`, `/run/respkv.sock`.
        loaded_key_count: keys in memory now.
        loading_s: how long loading them took.
    """
    loaded = "no keys yet"
    if loaded_key_count:
        keys = "1 key" if loaded_key_count == 1 else f"{loaded_key_count:,} keys"
        loaded = f"{keys} loaded in {loading_s:.2f} s"
    rows = [
        ("listening", "  ".join(addresses) or "nowhere"),
        ("data", f"{config.dir} ({loaded})"),
        ("durability", durability(config)),
    ]
    ignored = config.without_effect()
    if ignored:
        rows.append(("no effect", ", ".join(ignored)))
    return "\n".join(
        [
            f"respkv {__version__} is ready ({build} build, pid {os.getpid()})",
            *(f"  {name:<11} {text}" for name, text in rows),
        ]
    )


def durability(config: Config) -> str:
    """In plain words, what a crash can take."""
    if config.appendonly:
        return {
            "always": "every write is on disk before its reply (appendfsync always)",
            "everysec": "a power cut can take the last second or two of writes (appendfsync everysec)",
            "no": "a power cut can take whatever the kernel has not written yet (appendfsync no)",
        }[config.appendfsync]
    if config.save:
        points = ", ".join(f"{seconds} s and {changes} changes" for seconds, changes in config.save)
        return f"a crash takes all writes since the last snapshot, due after {points} (appendonly no)"
    return "none: the data lives in memory only (appendonly no)"
