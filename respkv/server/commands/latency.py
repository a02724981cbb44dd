"""LATENCY: spikes of events, and how long each command takes."""

from respkv.commands.flags import ADMIN, LOADING, NOSCRIPT, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import COMMANDS, CommandGroup, Spec, every_spec
from respkv.errors import ReplyError
from respkv.reply import Reply, Verbatim
from respkv.server.latency import Event
from respkv.server.session import Session

command = CommandGroup("server", __name__, session=True)

_FLAGS = ADMIN | NOSCRIPT | LOADING | STALE
_TIPS = "nondeterministic_output request_policy:all_nodes response_policy:special"

GRAPH_COLUMNS = 80
GRAPH_ROWS = 4
_MARKS = (b"_", b"o", b"#")

command.container("LATENCY", since="2.8.13", summary="Shows what took long, and how long commands take.")


@command("LATENCY LATEST", _FLAGS, since="2.8.13", cost="O(1)", tips=_TIPS)
def latency_latest(session: Session, argv: list[bytes]) -> Reply:
    """For each event: its name, the time and ms of the last spike, the ms of the worst."""
    events = session.server.latency.events
    return [[name, *event.samples[-1], event.max_ms] for name, event in events.items()]


@command("LATENCY HISTORY event", _FLAGS, since="2.8.13", cost="O(1)", tips=_TIPS)
def latency_history(session: Session, argv: list[bytes]) -> Reply:
    """The spikes of `event`, oldest first: time and ms of each."""
    event = session.server.latency.events.get(argv[2])
    return [] if event is None else [list(sample) for sample in event.samples]


@command(
    "LATENCY RESET [event [event ...]]",
    _FLAGS,
    since="2.8.13",
    cost="O(1)",
    tips="request_policy:all_nodes response_policy:agg_sum",
)
def latency_reset(session: Session, argv: list[bytes]) -> Reply:
    """Forget the spikes of these events, or of all; how many events there were."""
    return session.server.latency.reset(argv[2:])


@command("LATENCY GRAPH event", _FLAGS, since="2.8.13", cost="O(1)", tips=_TIPS)
def latency_graph(session: Session, argv: list[bytes]) -> Reply:
    """The spikes of `event` as a picture: a column each, below it how long ago it was."""
    event = session.server.latency.events.get(argv[2])
    if event is None:
        raise ReplyError(b"ERR No samples available for event '%b'" % argv[2])
    return Verbatim(graph(argv[2], event, session.engine.now_ms // 1000))


@command("LATENCY DOCTOR", _FLAGS, since="2.8.13", cost="O(1)", tips=_TIPS)
def latency_doctor(session: Session, argv: list[bytes]) -> Reply:
    """What the spikes look like, in words, and what may help."""
    server = session.server
    monitor = server.latency
    if monitor.threshold_ms == 0:
        return Verbatim(
            b"Nothing is being watched: latency-monitor-threshold is 0. Set it to the milliseconds that you think are"
            b" too long (CONFIG SET latency-monitor-threshold 100), wait for trouble, and ask again."
        )
    if not monitor.events:
        return Verbatim(b"Nothing took %d ms or longer since this was watched." % monitor.threshold_ms)
    lines = [diagnosis(name, event) for name, event in monitor.events.items()]
    advice = [b"SLOWLOG GET shows which commands were slow."]
    if server.config.slowlog_log_slower_than > monitor.threshold_ms * 1000:
        limit_us = monitor.threshold_ms * 1000
        advice.append(b"It knows more after CONFIG SET slowlog-log-slower-than %d." % limit_us)
    return Verbatim(b"\n".join([*lines, b"", *advice]))


@command(
    "LATENCY HISTOGRAM [command [command ...]]",
    _FLAGS,
    since="7.0.0",
    cost="O(n), n = commands shown",
    tips=_TIPS,
)
def latency_histogram(session: Session, argv: list[bytes]) -> Reply:
    """For each command that was timed: how many calls took at most so many µs."""
    specs = list(every_spec()) if len(argv) == 2 else [spec for name in argv[2:] for spec in _named(name)]
    return {
        spec.name: {b"calls": calls, b"histogram_usec": spec.histogram.cumulative_us()}
        for spec in specs
        if (calls := spec.histogram.count())
    }


@command("LATENCY HELP", LOADING | STALE, since="2.8.13", cost="O(1)")
def latency_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"latency")


def _named(name: bytes) -> list[Spec]:
    """The command `name` (`config|get` for a subcommand); a container stands for its subcommands too."""
    container, _, subcommand = name.lower().partition(b"|")
    spec = COMMANDS.get(container)
    if spec is None:
        return []
    if subcommand:
        return [spec.subcommands[subcommand]] if subcommand in spec.subcommands else []
    return [spec, *spec.subcommands.values()]


def diagnosis(name: bytes, event: Event) -> bytes:
    """The spikes of an event in a sentence."""
    times_ms = [ms for _, ms in event.samples]
    average_ms = sum(times_ms) / len(times_ms)
    deviation_ms = sum(abs(ms - average_ms) for ms in times_ms) / len(times_ms)
    period_s = (event.samples[-1][0] - event.samples[0][0]) / max(1, len(times_ms) - 1)
    text = (
        f": {len(times_ms)} spikes, {average_ms:.0f} ms on average (mean deviation {deviation_ms:.0f} ms),"
        f" one in {period_s:.1f} s; the worst ever took {event.max_ms} ms."
    )
    return name + text.encode()


def graph(name: bytes, event: Event, now_s: int) -> bytes:
    """Columns of the latest spikes, higher for longer ones, and their age written downwards."""
    samples = list(event.samples)[-GRAPH_COLUMNS:]
    times_ms = [ms for _, ms in samples]
    low, high = min(times_ms), max(times_ms)
    steps = GRAPH_ROWS * len(_MARKS)
    span = max(1, high - low)
    heights = [(ms - low) * (steps - 1) // span for ms in times_ms]
    title = b"%b - high %d ms, low %d ms (all time high %d ms)" % (name, high, low, event.max_ms)
    lines = [title, b"-" * GRAPH_COLUMNS]
    lines += [b"".join(_mark(height, row) for height in heights) for row in reversed(range(GRAPH_ROWS))]
    ages = [_age(now_s - at_s) for at_s, _ in samples]
    deepest = max(map(len, ages))
    lines.append(b"")
    lines += [bytes(age[depth] if depth < len(age) else 0x20 for age in ages) for depth in range(deepest)]
    return b"\n".join(lines) + b"\n"


def _mark(height: int, row: int) -> bytes:
    level = height // len(_MARKS)
    if level == row:
        return _MARKS[height % len(_MARKS)]
    return b"|" if level > row else b" "


def _age(seconds: int) -> bytes:
    for unit, name in ((86400, b"d"), (3600, b"h"), (60, b"m")):
        if seconds >= unit:
            return b"%d%b" % (seconds // unit, name)
    return b"%ds" % max(0, seconds)
