"""The table of all directives, looked at from several sides."""

from typing import Final

from respkv.server.config.accepted import ACCEPTED
from respkv.server.config.directive import Directive, Group, Row
from respkv.server.config.directives import Directives


def _acting() -> list[Group]:
    return [
        (
            str(base.__doc__).rstrip("."),
            {row.name: row for row in vars(base).values() if isinstance(row, Directive)},
        )
        for base in Directives.__bases__
    ]


GROUPS: Final[tuple[Group, ...]] = (*_acting(), *ACCEPTED)
"""By group, in the order of the documentation; what has no effect comes last."""

TABLE: Final[dict[str, Row]] = {name: row for _, rows in GROUPS for name, row in rows.items()}
"""By name."""

ENTRIES: Final[dict[bytes, Row]] = {name.encode(): row for row in TABLE.values() for name in row.names}
"""By name and by alias, as they come from the wire."""


def find(name: bytes) -> Row | None:
    """The directive called `name` (or having it as an alias), in any case, or None."""
    return ENTRIES.get(name.lower())


def is_sensitive(name: bytes) -> bool:
    """Whether logs (the slow log, MONITOR) must not show the value that is given for `name`."""
    row = find(name)
    return row is not None and row.sensitive
