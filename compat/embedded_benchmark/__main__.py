"""`python -m compat.embedded_benchmark`: measures, prints, and writes docs/benchmarks/embedded.* (unless --quick)."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from compat.benchmark.load import fill
from compat.embedded_benchmark import chart, page
from compat.embedded_benchmark.figures import OPERATIONS, SECTIONS, Figures, load
from compat.embedded_benchmark.resident import Resident
from compat.embedded_benchmark.stores import STORES, UNMEASURED
from compat.embedded_benchmark.turn import Rate, Turn
from compat.machine import BENCHMARKS, machine, version_of
from compat.servers import KINDS, REPOSITORY, end_with_signals, start

MEMORY_KEYS = 1_000_000
# `compat` is found last, so that the respkv that is measured is the installed one, which may be compiled.
PROGRAM = "import sys; sys.path.append({path!r}); from compat.embedded_benchmark.{module} import main; main()"


def in_own_process(module: str, *words: str) -> dict[str, Any]:
    """What `module` of this package says, as a process of its own."""
    # The disk is to be busy with this turn's writes alone.
    os.sync()
    argv = [sys.executable, "-P", "-c", PROGRAM.format(path=str(REPOSITORY), module=module), *words]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(figures: Figures, section_name: str, seconds: float) -> None:
    """One round of a section: a turn for each store."""
    section = SECTIONS[section_name]
    turns = figures.turns.setdefault(section_name, {})
    labels = figures.labels.setdefault(section_name, {})
    for name, store in STORES.items():
        if name in figures.absent or section.durability not in store.durabilities:
            continue
        with tempfile.TemporaryDirectory(prefix="compat-embedded-") as folder:
            data = in_own_process("turn", name, section.durability, folder, str(section.threads), str(seconds))
        turn = Turn(**{operation: Rate(**data[operation]) for operation in OPERATIONS})
        labels[name] = store.label(section.durability)
        turns.setdefault(name, []).append(turn)
        _say(f"{section_name} {labels[name]}: get {turn.get.wall_us:.2f} µs, put {turn.put.wall_us:.2f} µs")


def measure_memory(figures: Figures, keys: int) -> None:
    """One round: the library, and a server with the same keys."""
    with tempfile.TemporaryDirectory(prefix="compat-embedded-") as folder:
        library = Resident(**in_own_process("resident", str(keys), folder))
    with start(KINDS["respkv"], {"appendonly": "yes", "appendfsync": "everysec"}) as server:
        empty_bytes = server.rss_bytes()
        fill(server, keys)
        both = {"respkv.Store": library, "respkv serve": Resident(empty_bytes, server.rss_bytes())}
    figures.memory_keys = keys
    for name, resident in both.items():
        figures.memory.setdefault(name, []).append(resident)
        _say(f"memory {name}: {resident.full_bytes / 1e6:.1f} MB")


def _say(words: str) -> None:
    print(f"  {words}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m compat.embedded_benchmark", description=__doc__)
    parser.add_argument("--only", default=",".join([*SECTIONS, "resident"]), help="sections, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each operation is measured in a turn")
    parser.add_argument("--quick", action="store_true", help="one short round; writes no files")
    parser.add_argument("--out", type=Path, help="folder for embedded.json, embedded.md, embedded.svg")
    options = parser.parse_args()
    end_with_signals()
    names = options.only.split(",")
    unknown = set(names) - {*SECTIONS, "resident"}
    if unknown:
        parser.error(f"no such section: {', '.join(unknown)} (there are {', '.join(SECTIONS)}, resident)")
    rounds, seconds, keys = options.rounds, options.seconds, MEMORY_KEYS
    if options.quick:
        rounds, seconds, keys = 1, 0.1, MEMORY_KEYS // 20

    figures = Figures(machine(), absent=dict(UNMEASURED))
    figures.machine["respkv"] = version_of(KINDS["respkv"])
    for name, store in STORES.items():
        if store.is_there():
            figures.versions[name] = store.version()
        else:
            figures.absent[name] = "it is not installed here"
    loads = [os.getloadavg()[0]]
    for _ in range(rounds):
        for name in names:
            if name in SECTIONS:
                measure(figures, name, seconds)
        loads.append(os.getloadavg()[0])
    if "resident" in names:
        measure_memory(figures, keys)
    note = (
        f"{time.strftime('%Y-%m-%d')}, {rounds} rounds of {seconds:g} s an operation, load average {min(loads):.1f} to "
        f"{max(loads):.1f} on {os.cpu_count()} cores, of which this benchmark is about 1."
    )
    figures.notes = dict.fromkeys(figures.turns, note)
    print(page.markdown(figures))

    folder = options.out or (None if options.quick else BENCHMARKS)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        merged = load(folder / "embedded.json")
        merged.replace_sections(figures)
        merged.save(folder / "embedded.json")
        (folder / "embedded.md").write_text(page.markdown(merged), encoding="utf-8")
        if merged.turns:
            (folder / "embedded.svg").write_text(chart.draw(merged), encoding="utf-8")
        print(f"written to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
