"""Writes the pages of docs/ that follow from tables: `python -m respkv.docs_pages` in a checkout.

Tests compare the committed pages with what this writes.
"""

from pathlib import Path

import respkv.commands.all
import respkv.server.commands.all  # noqa: F401  (both fill the table of commands)
from respkv.commands.spec import Spec, every_spec
from respkv.server.config.describe import default_text, how_mutable, since_text
from respkv.server.config.directive import Row
from respkv.server.config.table import GROUPS

HEAD = """\
<!-- Written by `python -m respkv.docs_pages` from respkv/server/config/. Edit the table there. -->

# Configuration

A directive is set in a file (`respkv my.conf`), by a flag (`respkv --maxmemory 1gb`, which wins over the
file), or at run time (`CONFIG SET maxmemory 1gb`, kept by `CONFIG REWRITE`). Names, values, bounds and
defaults are those of Redis 7.4, so a `redis.conf` works as it is. Four defaults differ: respkv logs
(`appendonly yes`), syncs before it replies (`appendfsync always`), takes no snapshots beside the log (`save
""`), and keeps its data in the platform's data directory instead of the current one (`dir`).

- Sizes take units: `1k` is 1000 bytes, `1kb` 1024; also `m`, `mb`, `g`, `gb`.
- Words with blanks are quoted: `"a\\tb"` with escapes, `'a b'` without.
- `save` given again adds a pair (`save ""` begins anew); any other directive given again replaces.
- `include PATH` reads another file there, `include conf.d/*.conf` all that match; relative to the including
  file.
- `respkv -` reads the file from standard input.
- A directive that does not exist, or a value that cannot be, stops the start: `respkv: my.conf:3: prot:
  there is no such directive; did you mean port?`
"""

ACCEPTED_HEAD = """\
# Accepted, without effect

So that files and tools made for Redis work, these are read, checked, kept and shown by `CONFIG GET`; the
banner names those that somebody set. The reason stands at each group. `user`, `rename-command` and
`loadmodule` lines stop the start instead, and so do `replicaof`, `aclfile` and `tls-port` with a value:
something would seem to be in force that is not.
"""


COMMANDS_HEAD = """\
<!-- Written by `python -m respkv.docs_pages` from the declarations of the commands. Edit them there. -->

# Commands

Every command that respkv has, with the options, replies and error texts of Redis 7.4. *Since* is the version of
Redis that first had the command, *n* what the cost column says it is.

Not there yet: lists, hashes, sets, sorted sets, streams, HyperLogLogs, bitmaps and geo; SORT, DUMP, RESTORE and
MIGRATE; publish/subscribe with CLIENT TRACKING and MONITOR; scripts and functions; ACL (there is one user,
`default`, with the password `requirepass`); replication and cluster; TLS. A command that is not in the tables below
is answered with `ERR unknown command`, or `ERR unknown subcommand`.

[tour.md](tour.md) tells how to add a command, [ADR 0011](adr/0011-what-differs-from-redis-on-purpose.md) what differs
from Redis on purpose. `COMMAND DOCS` and `COMMAND INFO` say the same as these tables, and more, to programs.
"""

GROUP_TITLES = {
    "string": "Strings",
    "bitmap": "Bits in strings",
    "hyperloglog": "HyperLogLogs",
    "list": "Lists",
    "hash": "Hashes",
    "set": "Sets",
    "sorted-set": "Sorted sets",
    "geo": "Geo",
    "stream": "Streams",
    "generic": "Keys of any type",
    "transactions": "Transactions",
    "connection": "Connections",
    "server": "The server",
}
"""Group of a declaration -> its heading, in the order of the page."""


def commands_page() -> str:
    """docs/commands.md."""
    groups: dict[str, list[Spec]] = {group: [] for group in GROUP_TITLES}
    for spec in every_spec():
        # A container by itself is nothing that one can send.
        if spec.handler is not None:
            groups[spec.group].append(spec)
    parts = [COMMANDS_HEAD]
    for group, specs in groups.items():
        if not specs:
            continue
        table = ["| Command | Since | Cost | What it does |", "|---|---|---|---|"]
        table += [_command_row(spec) for spec in sorted(specs, key=lambda spec: spec.name)]
        parts.append(f"## {GROUP_TITLES[group]}\n\n" + "\n".join(table) + "\n")
    return "\n".join(parts)


def _command_row(spec: Spec) -> str:
    cells = (f"`{spec.syntax.usage}`", spec.since, spec.cost, spec.summary)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def config_page() -> str:
    """docs/config.md."""
    parts = [HEAD]
    accepted = False
    for title, rows in GROUPS:
        reason = next(iter(rows.values())).no_effect
        if reason and not accepted:
            accepted = True
            parts.append(ACCEPTED_HEAD)
        parts.append(f"## {title}\n" + (f"\nWithout effect: {reason}.\n" if reason else ""))
        table = ["| Directive | Values | Default | CONFIG SET | Since | |", "|---|---|---|---|---|---|"]
        table += [_cells(row) for row in rows.values() if not row.hidden]
        parts.append("\n".join(table) + "\n")
    return "\n".join(parts)


def _cells(row: Row) -> str:
    names = "<br>".join(f"`{name}`" for name in row.names)
    usage = row.kind.usage.replace("|", "\\|")
    default = default_text(row)
    if row.name != "dir":
        default = f"`{default}`"
    return f"| {names} | {usage} | {default} | {how_mutable(row)} | {since_text(row)} | {row.doc} |"


PAGES = {"commands.md": commands_page, "config.md": config_page}
"""File name in docs/ -> what writes it."""


def main() -> None:
    """Write all pages into the docs/ beside the package."""
    folder = Path(__file__).resolve().parent.parent / "docs"
    folder.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
