"""What was measured: samples by metric and server, their medians and ratios, as JSON and as a table."""

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BASELINE = "redis7"


@dataclass
class Metric:
    """One line of the table.

    `wanted` bounds respkv's ratio to redis-server 7.0: from below if more is better, else from above.
    """

    section: str
    name: str
    unit: str
    more_is_better: bool
    wanted: float | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)

    def median(self, server: str) -> float | None:
        values = self.samples.get(server)
        return statistics.median(values) if values else None

    def ratio(self, server: str) -> float | None:
        """The server's median over the baseline's."""
        ours, base = self.median(server), self.median(BASELINE)
        return ours / base if ours is not None and base else None

    def verdict(self, server: str) -> str:
        """Whether the wanted ratio is reached."""
        ratio = self.ratio(server)
        if self.wanted is None or ratio is None:
            return ""
        # To the two digits that are shown.
        reached = round(ratio, 2) >= self.wanted if self.more_is_better else round(ratio, 2) <= self.wanted
        return "yes" if reached else "no"


@dataclass
class Results:
    """All that was measured, and where."""

    machine: dict[str, str] = field(default_factory=dict)
    servers: dict[str, str] = field(default_factory=dict)
    rounds: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)

    def add(
        self,
        section: str,
        name: str,
        unit: str,
        server: str,
        value: float,
        *,
        more_is_better: bool,
        wanted: float | None = None,
    ) -> None:
        """One sample of one metric."""
        for metric in self.metrics:
            if (metric.section, metric.name) == (section, name):
                break
        else:
            metric = Metric(section, name, unit, more_is_better, wanted)
            self.metrics.append(metric)
        metric.samples.setdefault(server, []).append(value)

    def sections(self) -> list[str]:
        return list(dict.fromkeys(metric.section for metric in self.metrics))

    def replace_sections(self, newer: "Results") -> None:
        """Take over the newer results; sections that were not measured anew stay."""
        order = list(dict.fromkeys([*self.sections(), *newer.sections()]))
        kept = [metric for metric in self.metrics if metric.section not in newer.sections()]
        self.metrics = sorted([*kept, *newer.metrics], key=lambda metric: order.index(metric.section))
        self.machine = newer.machine
        self.servers |= newer.servers
        self.rounds |= newer.rounds

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """Results that `save` wrote; empty ones if there is no such file."""
    if not path.exists():
        return Results()
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    metrics = [Metric(**metric) for metric in data.pop("metrics")]
    return Results(metrics=metrics, **data)


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def cell(metric: Metric, server: str) -> str:
    """Median (least-greatest) and ratio of one server."""
    median = metric.median(server)
    if median is None:
        return "-"
    values = metric.samples[server]
    text = number(median)
    if len(values) > 1:
        text += f" ({number(min(values))}-{number(max(values))})"
    ratio = metric.ratio(server)
    return f"{text} = {ratio:.2f}x" if server != BASELINE and ratio is not None else text


def _wanted(metric: Metric) -> str:
    if metric.wanted is None:
        return ""
    return f"{'at least' if metric.more_is_better else 'at most'} {metric.wanted:.1f}"


def markdown(results: Results, intro: str) -> str:
    """The page for docs/benchmarks."""
    servers = list(results.servers)
    lines = [intro.strip(), ""]
    lines += [f"- {name}: {text}" for name, text in results.machine.items()]
    lines += [f"- {name}: {text}" for name, text in results.servers.items()]
    for section in results.sections():
        metrics = [metric for metric in results.metrics if metric.section == section]
        lines += ["", f"## {section[0].upper()}{section[1:]}", "", results.rounds.get(section, ""), ""]
        lines.append("| | unit | " + " | ".join(servers) + " | wanted | reached |")
        lines.append("|---" * (len(servers) + 4) + "|")
        for metric in metrics:
            cells = " | ".join(cell(metric, server) for server in servers)
            verdict = metric.verdict("respkv")
            lines.append(f"| {metric.name} | {metric.unit} | {cells} | {_wanted(metric)} | {verdict} |")
    return "\n".join(lines) + "\n"


def plain(results: Results) -> str:
    """The same for a terminal."""
    servers = list(results.servers)
    rows = [["", *servers, "wanted", ""]]
    for metric in sorted(results.metrics, key=lambda metric: results.sections().index(metric.section)):
        cells = [cell(metric, server) for server in servers]
        rows.append(
            [f"{metric.section}: {metric.name}, {metric.unit}", *cells, _wanted(metric), metric.verdict("respkv")]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
