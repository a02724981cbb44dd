"""docs/benchmarks/embedded.md, and the same for a terminal."""

import statistics

from compat.benchmark.results import number
from compat.embedded_benchmark.figures import OPERATIONS, OURS, SECTIONS, Figures, Section

INTRO = """
# The store as a library, side by side

Written by `python -m compat.embedded_benchmark` (`pip install "respkv[peers]"` brings the peers). Each store has a
process of its own and one thread, unless said otherwise, that gets or puts single keys: 10,000 keys of 16 characters,
values of 64 bytes, in random order. Stores take turns; times are medians of the rounds with the least and the greatest.
CPU is that of all threads, and of the server that a library starts. "Times ours" is the median of the ratios of each
round, by the clock. redis-py's clients are there with redis-py's own cost, which `respkv.connect` has too.

![microseconds an operation](embedded.svg)
"""


def markdown(figures: Figures) -> str:
    """The page."""
    lines = [INTRO.strip(), ""]
    lines += [f"- {name}: {text}" for name, text in figures.machine.items()]
    lines.append("- stores: " + ", ".join(f"{name} {version}" for name, version in figures.versions.items()))
    lines += [f"- not measured: {name}, {reason}" for name, reason in figures.absent.items()]
    for section in SECTIONS.values():
        if section.name in figures.turns:
            note = figures.notes.get(section.name, "")
            lines += ["", f"## {section.title}", "", section.about, note, "", *_table(figures, section)]
            lines += ["", _verdict(figures, section)]
    if figures.memory:
        lines += ["", *_memory(figures)]
    return "\n".join(lines) + "\n"


def _table(figures: Figures, section: Section) -> list[str]:
    lines = ["| | get, µs | CPU | times ours | put, µs | CPU | times ours |", "|---" * 7 + "|"]
    for store in figures.turns[section.name]:
        cells = [figures.labels[section.name][store]]
        for operation in OPERATIONS:
            walls = [rate.wall_us for rate in figures.rates(section.name, store, operation)]
            cells.append(f"{number(statistics.median(walls))} ({number(min(walls))}-{number(max(walls))})")
            cells.append(number(figures.cpu_us(section.name, store, operation)))
            cells.append("1" if store == OURS else f"{figures.ratio(section.name, store, operation):.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _verdict(figures: Figures, section: Section) -> str:
    """Whether ours is faster than each that is not ours."""
    faster = [
        f"{store} ({operation})"
        for store in figures.turns[section.name]
        if not store.startswith("respkv")
        for operation in OPERATIONS
        if figures.ratio(section.name, store, operation) < 1
    ]
    return f"Faster than ours: {', '.join(faster) or 'none'}."


def _memory(figures: Figures) -> list[str]:
    lines = [
        "## Memory",
        "",
        f"Resident bytes of the process with {figures.memory_keys:,} keys, the log on, in the library and in a server.",
        "Neither has OpenSSL, which comes with the first password, script or TLS connection.",
        "",
        "| | empty, MB | full, MB | a key, bytes |",
        "|---|---|---|---|",
    ]
    for name, residents in figures.memory.items():
        empty = statistics.median(one.empty_bytes for one in residents)
        full = statistics.median(one.full_bytes for one in residents)
        a_key = (full - empty) / figures.memory_keys
        lines.append(f"| {name} | {empty / 1e6:.1f} | {full / 1e6:.1f} | {a_key:.0f} |")
    return lines
