"""What the operating system knows of this process: memory and processor time."""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import resource

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def resident_bytes() -> int:
    """Memory that the process holds just now; where that is not told, the most that it ever held."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        if sys.platform == "win32":
            return 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def system_memory_bytes() -> int:
    """Memory of the machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES
    except (AttributeError, ValueError, OSError):
        return 0


def allocator() -> str:
    """Who hands out the memory of small objects."""
    return os.environ.get("PYTHONMALLOC", "pymalloc") or "pymalloc"


def cpu_times_s() -> dict[str, float]:
    """Processor time used, by the names of INFO cpu."""
    if sys.platform == "win32":
        times = os.times()
        return {"used_cpu_sys": times.system, "used_cpu_user": times.user}
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = {
        "used_cpu_sys": own.ru_stime,
        "used_cpu_user": own.ru_utime,
        "used_cpu_sys_children": children.ru_stime,
        "used_cpu_user_children": children.ru_utime,
    }
    if hasattr(resource, "RUSAGE_THREAD"):
        thread = resource.getrusage(resource.RUSAGE_THREAD)
        seconds["used_cpu_sys_main_thread"] = thread.ru_stime
        seconds["used_cpu_user_main_thread"] = thread.ru_utime
    return seconds


def give_back() -> None:
    """Let the C library return memory that it holds unused to the system, where it can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
