"""The medians as a picture: a row a store, a dot an operation, time on a logarithmic axis.

A bar's length would mean nothing on such an axis; what differs by three orders of magnitude needs one.
"""

import math
from collections.abc import Callable

from compat.embedded_benchmark.figures import OPERATIONS, SECTIONS, Figures, Section
from compat.svg import AXIS, INK, WHITE, circle, document, line, text

WIDTH, LEFT, RIGHT = 900, 270, 170
ROW, HEAD = 20, 34
COLOURS = {True: "#d9822b", False: "#5b7fb5"}
LEAST_US = 0.5
TICKS_US = {1: "1 µs", 10: "10 µs", 100: "100 µs", 1000: "1 ms", 10_000: "10 ms"}


def draw(figures: Figures) -> str:
    """The whole picture."""
    sections = [section for section in SECTIONS.values() if section.name in figures.turns]
    most_us = max(
        figures.wall_us(section.name, store, operation)
        for section in sections
        for store in figures.turns[section.name]
        for operation in OPERATIONS
    )
    scale = (WIDTH - LEFT - RIGHT) / math.log(most_us * 1.3 / LEAST_US)

    def x_of(us: float) -> float:
        return LEFT + math.log(max(us, LEAST_US) / LEAST_US) * scale

    parts = [text(20, 30, "Time of one operation in a Python process (medians; less is better)", size=17)]
    parts += _legend(52)
    top = y = 74.0
    body: list[str] = []
    for section in sections:
        rows, y = _section(figures, section, y, x_of)
        body += rows
    for us, label in TICKS_US.items():
        if us <= most_us * 1.3:
            parts.append(line(x_of(us), top, x_of(us), y, AXIS))
            parts.append(text(x_of(us), y + 16, label, size=11, anchor="middle"))
    return document(WIDTH, y + 30, [*parts, *body])


def _legend(y: float) -> list[str]:
    parts = [circle(26, y - 4, 5, WHITE, INK), text(38, y, "get"), circle(76, y - 4, 5, INK, INK), text(88, y, "put")]
    x = 130.0
    for is_ours, label in ((True, "respkv"), (False, "others")):
        parts += [circle(x, y - 4, 5, COLOURS[is_ours], COLOURS[is_ours]), text(x + 12, y, label)]
        x += 74
    return [*parts, text(WIDTH - 100, y, "get, µs", size=11, anchor="end"), _right(y, "put, µs", size=11)]


def _right(y: float, label: str, *, size: int = 12, style: str = "") -> str:
    return text(WIDTH - 30, y, label, size=size, anchor="end", style=style)


def _section(figures: Figures, section: Section, y: float, x_of: Callable[[float], float]) -> tuple[list[str], float]:
    """The rows of one section from `y` on, and where they end."""
    parts = [text(20, y + 20, section.title, style="font-style='italic'")]
    y += HEAD
    for store in figures.turns[section.name]:
        is_ours = store.startswith("respkv")
        colour, weight = COLOURS[is_ours], "font-weight='600'" if is_ours else ""
        parts.append(text(LEFT - 10, y + 4, figures.labels[section.name][store], anchor="end", style=weight))
        get_us, put_us = (figures.wall_us(section.name, store, operation) for operation in OPERATIONS)
        parts.append(line(x_of(get_us), y, x_of(put_us), y, colour))
        parts.append(circle(x_of(get_us), y, 5, WHITE, colour))
        parts.append(circle(x_of(put_us), y, 5, colour, colour))
        parts.append(text(WIDTH - 100, y + 4, _figure(get_us), anchor="end", style=weight))
        parts.append(_right(y + 4, _figure(put_us), style=weight))
        y += ROW
    return parts, y


def _figure(us: float) -> str:
    return f"{us:,.0f}" if us >= 100 else f"{us:.1f}"
