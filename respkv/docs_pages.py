"""Writes the pages of docs/ that follow from tables: `python -m respkv.docs_pages` in a checkout.

Tests compare the committed pages with what this writes.
"""

from fnmatch import fnmatchcase
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
banner names those that somebody set. The reason stands at each group. `rename-command` and
`loadmodule` lines stop the start instead, and so does `replicaof` with a value:
something would seem to be in force that is not.
"""


COMMANDS_HEAD = """\
<!-- Written by `python -m respkv.docs_pages` from the declarations of the commands. Edit them there. -->

# Commands

Every command that respkv has, with the options, replies and error texts of Redis 7.4. *Since* is the version of
Redis that first had the command, *n* what the cost column says it is.

A command that is not in the tables of the first part is answered with `ERR unknown command`, or `ERR unknown
subcommand`; the [second part](#not-there) names each that Redis 8.2 or Valkey 9.1 has, and says why it is missing.

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
    "scripting": "Scripts",
    "stream": "Streams",
    "generic": "Keys of any type",
    "transactions": "Transactions",
    "pubsub": "Publish/subscribe",
    "connection": "Connections",
    "server": "The server",
    "cluster": "Without a cluster",
}
"""Group of a declaration -> its heading, in the order of the page."""


MISSING_HEAD = """\
# Not there

Commands of Redis 8.2 and Valkey 9.1 that respkv does not have, by the reason. *Since* is the version that first had
the command, of Redis where both have it.
"""

REASONS = (
    (
        "Replication",
        "A respkv server stands alone; what keeps its data is the log.",
        ("client|import-source",),
    ),
    (
        "Cluster",
        "There is no cluster mode: one server has all keys.",
        ("cluster|*", "clusterscan", "migrate", "restore-asking"),
    ),
    (
        "Modules",
        "Modules are libraries for the process of Redis itself. The commands of vector sets are such a module's.",
        ("v*",),
    ),
    (
        "Newer than Redis 7.4",
        "respkv follows Redis 7.4, and has from later versions the commands on fields of hashes and the operations of"
        " BITOP.",
        ("client|capa", "commandlog", "commandlog|*", "delifeq", "msetex", "xackdel", "xdelex"),
    ),
    (
        "Types of data",
        "To come.",
        (*("[bh]*", "l*", "r*", "s*", "z*", "x*", "p*", "geo*", "dump"),),
    ),
)
"""Heading, why they are missing, and patterns of names: the first that fits a command tells why."""

REFERENCES = {"Redis 8.2": "redis-8.2.tsv", "Valkey 9.1": "valkey-9.1.tsv"}
"""Server -> the file in docs/reference/ that names its commands: compat/capture_commands.py writes it."""


def references(docs: Path) -> dict[str, dict[str, str]]:
    """Server -> each of its commands and the version since when it has it."""
    servers: dict[str, dict[str, str]] = {}
    for server, file in REFERENCES.items():
        lines = (docs / "reference" / file).read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines]
        servers[server] = {name: since for name, since, _group in rows}
    return servers


def reason_of(name: str) -> str:
    """The heading under which the missing command `name` stands. Raises LookupError if nobody gave a reason."""
    for title, _why, patterns in REASONS:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return title
    raise LookupError(f"{name}: respkv does not have it, and REASONS does not say why")


def missing_part(docs: Path) -> str:
    """The second part of docs/commands.md."""
    servers = references(docs)
    known = {spec.name.decode() for spec in every_spec()}
    rows: dict[str, list[str]] = {title: [] for title, _why, _patterns in REASONS}
    for name in sorted(set().union(*servers.values()) - known):
        since = next(names[name] for names in servers.values() if name in names)
        marks = ("yes" if name in names else "" for names in servers.values())
        rows[reason_of(name)].append(f"| {name.upper().replace('|', ' ')} | {since} | {' | '.join(marks)} |")
    parts = [MISSING_HEAD]
    for title, why, _patterns in REASONS:
        if rows[title]:
            table = [f"| Command | Since | {' | '.join(servers)} |", "|---|---|" + "---|" * len(servers), *rows[title]]
            parts.append(f"## {title}\n\n{why}\n\n" + "\n".join(table) + "\n")
    return "\n".join(parts)


def commands_page(docs: Path) -> str:
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
    parts.append(missing_part(docs))
    return "\n".join(parts)


def _command_row(spec: Spec) -> str:
    cells = (f"`{spec.syntax.usage}`", spec.since, spec.cost, spec.summary)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def config_page(docs: Path) -> str:
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
"""File name in docs/ -> what writes it, given that folder."""


def main() -> None:
    """Write all pages into the docs/ beside the package."""
    folder = Path(__file__).resolve().parent.parent / "docs"
    folder.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(folder), encoding="utf-8")


if __name__ == "__main__":
    main()
