"""`python -m compat.benchmark`: measures, prints, and writes docs/benchmarks (unless --quick or --cases)."""

import argparse
import os
import sys
import time
from pathlib import Path

from compat.benchmark import chart, results
from compat.benchmark.plan import Plan
from compat.benchmark.sections import SECTIONS
from compat.machine import BENCHMARKS, machine, version_of
from compat.servers import KINDS, available, earlier, end_with_signals

QUICK_SCALE = 0.05
INTRO = """
# Measured side by side

Written by `python -m compat.benchmark`. Each cell is the median of the rounds, then the least and greatest,
then the ratio to redis-server 7.0. All servers run on the same core, by turns; redis-benchmark and the
probe on another. "Wanted" is what respkv sets out to reach, as a ratio to redis-server 7.0 in the same run.

![ratios to redis-server 7.0](ratios.svg)
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m compat.benchmark", description=__doc__)
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument(
        "--cases",
        nargs="+",
        metavar="PATTERN",
        default=["*"],
        help="of the sections collections and blocking, only cases whose names match; writes no files by itself",
    )
    parser.add_argument("--servers", default="", help=f"of {', '.join(KINDS)} (default: all found)")
    parser.add_argument(
        "--before",
        metavar="PYTHON",
        help="the interpreter of an environment with an earlier respkv, which is measured beside: what a change costs",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the work; writes no files")
    parser.add_argument("--out", type=Path, help="folder for results.json, results.md, ratios.svg")
    options = parser.parse_args()
    end_with_signals()

    kinds = [KINDS[name] for name in options.servers.split(",")] if options.servers else available()
    if options.before:
        kinds.insert(len(kinds) - 1, earlier(options.before))
    unknown = set(options.only.split(",")) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(unknown)} (there are {', '.join(SECTIONS)})")
    cores = sorted(os.sched_getaffinity(0))
    plan = Plan(
        kinds,
        options.rounds,
        QUICK_SCALE if options.quick else 1.0,
        cores[0] if len(cores) > 1 else None,
        cores[1] if len(cores) > 1 else None,
        lambda text: print(f"  {text}", file=sys.stderr, flush=True),
        tuple(options.cases),
    )
    found = results.Results(machine(), {kind.name: version_of(kind) for kind in kinds})
    for name in options.only.split(","):
        SECTIONS[name](plan, found)
    when = time.strftime("%Y-%m-%d")
    found.rounds = dict.fromkeys(found.sections(), f"{options.rounds} rounds, {when}.")
    print(results.plain(found))

    is_whole = not options.quick and options.cases == ["*"]
    folder = options.out or (BENCHMARKS if is_whole else None)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        merged = results.load(folder / "results.json")
        merged.replace_sections(found)
        merged.save(folder / "results.json")
        (folder / "results.md").write_text(results.markdown(merged, INTRO), encoding="utf-8")
        (folder / "ratios.svg").write_text(chart.draw(merged), encoding="utf-8")
        print(f"written to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
