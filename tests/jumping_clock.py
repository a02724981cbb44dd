"""A faulty server whose time of day jumps on demand: `python jumping_clock.py CONTROL serve ...`.

It is off by as many ms as the file `clock` in the folder CONTROL says. The clock is put in the place of the true one
before respkv is imported, which binds it once, compiled or not. All else is as in `faulty_server`.
"""

import runpy
import sys
import time
from pathlib import Path

_true_ns = time.time_ns
_offset_file = Path(sys.argv[1]) / "clock"


def _time_ns() -> int:
    try:
        offset_ms = int(_offset_file.read_bytes())
    except FileNotFoundError:
        offset_ms = 0
    return _true_ns() + offset_ms * 1_000_000


def _time_s() -> float:
    return _time_ns() / 1e9


if __name__ == "__main__":
    time.time_ns = _time_ns
    time.time = _time_s
    runpy.run_path(str(Path(__file__).with_name("faulty_server.py")), run_name="__main__")
