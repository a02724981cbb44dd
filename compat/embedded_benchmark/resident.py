"""The memory of a program that has a store of ours and nothing else; what the process prints is a `Resident` as JSON.

It imports as little as it can: peers, and what measures them, are no part of what a store takes.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from compat.embedded_benchmark.data import key_name, value_of


@dataclass(frozen=True)
class Resident:
    """Memory of a process, empty and with a million keys."""

    empty_bytes: int
    full_bytes: int


def measure_memory(keys: int, folder: str) -> Resident:
    """Resident memory of this process, with a store that is empty, and with `keys` in it, put one by one."""
    import respkv

    with respkv.Store(folder, appendfsync="everysec") as store:
        empty_bytes = _resident_bytes()
        for number in range(keys):
            store.put(key_name(number), value_of(number))
        return Resident(empty_bytes, _resident_bytes())


def _resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def main() -> None:
    keys, folder = sys.argv[1:]
    print(json.dumps(asdict(measure_memory(int(keys), folder))))
