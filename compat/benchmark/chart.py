"""The ratios as a picture: one SVG, drawn by hand so that no drawing library is needed.

Two panels, "more is better" and "less is better"; in each a group of bars a metric, one bar a server, and
the line at 1.0 that is redis-server 7.0. A bar that is longer than the panel ends in its figure.
"""

from compat.benchmark.results import BASELINE, Metric, Results
from compat.svg import AXIS, INK, WHITE, document, line, rectangle, text

LABELS = {"redis8": "Redis 8.2", "valkey9": "Valkey 9.1", "before": "respkv before", "respkv": "respkv"}
COLOURS = {"redis8": "#9aa5b1", "valkey9": "#5b7fb5", "before": "#e8c9a0", "respkv": "#d9822b"}
SECTIONS = {
    True: ("throughput", "always", "load"),
    False: ("throughput CPU", "memory", "stall", "latency"),
}
TITLES = {
    "throughput": "Throughput, 50 clients, everysec",
    "throughput CPU": "Server CPU time a request, 50 clients, everysec",
    "always": "Throughput, appendfsync always",
    "load": "Start-up",
    "memory": "Memory",
    "stall": "Stalls seen by a probing client",
    "latency": "Latency of PING, 1,000 a second",
}
WIDTH, LEFT, RIGHT = 900, 330, 60
BAR, BAR_GAP, GROUP_GAP, TITLE = 9, 1, 8, 30
MAX_RATIO = 3.0
WANTED = "#b42318"


def _x(ratio: float) -> float:
    return LEFT + min(ratio, MAX_RATIO) / MAX_RATIO * (WIDTH - LEFT - RIGHT)


def _chosen(results: Results, section: str, *, more_is_better: bool) -> list[Metric]:
    """The section's metrics that go that way, those with a wanted ratio if there are any."""
    metrics = [
        metric for metric in results.metrics if metric.section == section and metric.more_is_better == more_is_better
    ]
    return [metric for metric in metrics if metric.wanted is not None] or metrics


def _group(metric: Metric, servers: list[str], y: float) -> list[str]:
    height = len(servers) * (BAR + BAR_GAP)
    parts = [text(LEFT - 10, y + height / 2 + 4, metric.name, anchor="end")]
    for index, server in enumerate(servers):
        ratio = metric.ratio(server)
        if ratio is None:
            continue
        top = y + index * (BAR + BAR_GAP)
        end = _x(ratio)
        parts.append(rectangle(LEFT, top, end - LEFT, BAR, COLOURS[server]))
        figure, weight = f"{ratio:.2f}", "font-weight='600'" if server == "respkv" else ""
        parts.append(rectangle(end + 2, top, 6.5 * len(figure), BAR, WHITE))
        parts.append(text(end + 4, top + BAR - 1, figure, size=10, style=weight))
    if metric.wanted is not None and metric.wanted != 1.0:
        x = _x(metric.wanted)
        parts.append(line(x, y - 2, x, y + height + 1, WANTED, width=1.5))
    return parts


def _axis(top: float, bottom: float) -> list[str]:
    parts = []
    for tick in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0):
        one = tick == 1.0
        parts.append(line(_x(tick), top, _x(tick), bottom, INK if one else AXIS, width=1.5 if one else 1))
        weight = "font-weight='600'" if one else ""
        parts.append(text(_x(tick), bottom + 14, f"{tick:g}", size=11, anchor="middle", style=weight))
    return parts


def _panel(results: Results, servers: list[str], y: float, *, more_is_better: bool) -> tuple[list[str], float]:
    """One panel from `y` on, and where it ends."""
    heading = "More is better" if more_is_better else "Less is better"
    parts = [text(20, y + 16, heading, size=15, style="font-weight='600'")]
    body: list[str] = []
    top = y = y + 26
    for section in SECTIONS[more_is_better]:
        metrics = _chosen(results, section, more_is_better=more_is_better)
        if not metrics:
            continue
        title = TITLES.get(section, section)
        body.append(text(20, y + 18, title, size=12, style="font-style='italic'"))
        y += TITLE
        for metric in metrics:
            body += _group(metric, servers, y)
            y += len(servers) * (BAR + BAR_GAP) + GROUP_GAP
    if not body:
        return [], top - 26
    return [*parts, *_axis(top, y), *body], y + 34


def draw(results: Results) -> str:
    """The whole picture."""
    servers = [name for name in results.servers if name != BASELINE]
    parts = [text(20, 30, "Ratio to redis-server 7.0 (medians; same core, same durability)", size=17)]
    x = 20.0
    for server in servers:
        parts.append(rectangle(x, 46, 12, 12, COLOURS[server]))
        label = f"{LABELS[server]} ({results.servers[server].split(' ', 1)[-1]})"
        parts.append(text(x + 18, 56, label))
        x += 40 + 7.2 * len(label)
    parts.append(line(x + 6, 45, x + 6, 59, WANTED, width=1.5))
    parts.append(text(x + 14, 56, "wanted of respkv, where not 1.0"))
    y = 74.0
    for more_is_better in (True, False):
        panel, y = _panel(results, servers, y, more_is_better=more_is_better)
        parts += panel
    return document(WIDTH, y, parts)
