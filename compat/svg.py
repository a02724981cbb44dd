"""Charts are drawn by hand as SVG, so that no drawing library is needed: what they share."""

from collections.abc import Sequence
from html import escape

FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
INK = "#1f2933"
AXIS = "#d9dee4"
WHITE = "#ffffff"


def text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", style: str = "") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{INK}' {style}>"
        f"{escape(words)}</text>"
    )


def line(x: float, y: float, to_x: float, to_y: float, colour: str, *, width: float = 1) -> str:
    return f"<path d='M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}' stroke='{colour}' stroke-width='{width:g}'/>"


def circle(x: float, y: float, radius: float, fill: str, stroke: str) -> str:
    return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:g}' fill='{fill}' stroke='{stroke}' stroke-width='1.5'/>"


def rectangle(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' fill='{fill}'/>"


def document(width: float, height: float, parts: Sequence[str]) -> str:
    """The file."""
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' {FONT}>"
    return "\n".join([head, f"<rect width='100%' height='100%' fill='{WHITE}'/>", *parts, "</svg>", ""])
