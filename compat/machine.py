"""Where something is measured: what pages say about the machine and the servers."""

import os
import platform
from pathlib import Path

from compat.servers import REPOSITORY, Kind, start

BENCHMARKS = REPOSITORY / "docs" / "benchmarks"


def version_of(kind: Kind) -> str:
    """What the server says it is."""
    with start(kind, {"appendonly": "no"}) as server:
        info = server.info("server")
    own = {"respkv": "respkv_version", "before": "respkv_version", "valkey9": "valkey_version"}.get(
        kind.name, "redis_version"
    )
    build = f", {info['respkv_build']}" if "respkv_build" in info else ""
    return f"{kind.label.split()[0]} {info.get(own, '?')}{build}"


def machine() -> dict[str, str]:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "machine": f"{model}, {os.cpu_count()} cores, Linux {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
