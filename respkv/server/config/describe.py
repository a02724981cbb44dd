"""Facts of a row in words, for help texts and docs/config.md."""

from respkv.server.config.directive import Row


def default_text(row: Row) -> str:
    """The default of `row` for a help text."""
    if row.name == "dir":
        return "the platform's data directory"
    lines = row.kind.lines(row.default, row.default)
    text = (lines[0] if lines and not row.kind.several else row.kind.show(row.default)).decode()
    return text.strip('"') or '""'


def since_text(row: Row) -> str:
    """Which version brought `row`."""
    return row.since if row.since.startswith("respkv") else f"Redis {row.since}"


def how_mutable(row: Row) -> str:
    """Whether and how CONFIG SET changes `row`."""
    if not row.mutable:
        return "no: only at start"
    return "only with enable-protected-configs" if row.protected else "yes"
