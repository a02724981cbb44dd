"""XINFO: what a stream, its groups and their consumers are like."""

from typing import Any, Final

from respkv.commands.args import parse_int
from respkv.commands.flags import LOADING, READONLY, STALE
from respkv.commands.spec import CommandGroup
from respkv.commands.stream_args import NoGroupOfKey, stream_or_none
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSubcommand, NoSuchKey
from respkv.reply import Encoded, Reply, Status
from respkv.values.stream_groups import Consumer, Group, SortedIds
from respkv.values.stream_ids import ID_MAX, format_id
from respkv.values.streams import NO_LIMIT, Stream

command = CommandGroup("stream", __name__)

command.container("XINFO", since="5.0.0", summary="Tells about a stream, its groups and their consumers.")

_ENTRIES_SHOWN: Final = 10


def _stream(db: Keyspace, key: bytes) -> Stream:
    stream = stream_or_none(db.find(key))
    if stream is None:
        raise NoSuchKey
    return stream


@command(
    "XINFO STREAM key [FULL [COUNT count:int]]",
    READONLY,
    since="5.0.0",
    cost="O(n), n = nodes; with FULL, COUNT entries of the stream and of each list of pending ones",
)
def stream(db: Keyspace, argv: list[bytes]) -> Reply:
    """What is known of a stream; with FULL, also entries, groups, consumers and what is pending."""
    value = _stream(db, argv[2])
    is_full = len(argv) > 3
    most = _ENTRIES_SHOWN
    if is_full:
        if argv[3].upper() != b"FULL" or len(argv) not in (4, 6):
            raise BadSubcommand(b"XINFO", argv[1])
        if len(argv) == 6:
            if argv[4].upper() != b"COUNT":
                raise BadSubcommand(b"XINFO", argv[1])
            most = parse_int(argv[5])
            if most < 0:
                most = _ENTRIES_SHOWN
    facts: dict[bytes, Any] = {
        b"length": value.length,
        b"radix-tree-keys": len(value.nodes),
        b"radix-tree-nodes": value.radix_node_count(),
        b"last-generated-id": format_id(value.last_id),
        b"max-deleted-entry-id": format_id(value.max_deleted_id),
        b"entries-added": value.entries_added,
        b"recorded-first-entry-id": format_id(value.first_id),
    }
    if is_full:
        most = most or NO_LIMIT
        facts[b"entries"] = Encoded(value.read(0, ID_MAX, most))
        facts[b"groups"] = [_full_group(db, value, value.groups[name], most) for name in sorted(value.groups)]
    else:
        facts[b"groups"] = len(value.groups)
        facts[b"first-entry"] = _entry(value, value.first_id)
        facts[b"last-entry"] = _entry(value, value.last_entry_id())
    return facts


def _entry(value: Stream, number: int) -> Reply:
    wire = value.wire_of(number) if value.length else None
    return None if wire is None else Encoded([wire])


def _progress(value: Stream, group: Group) -> dict[bytes, Any]:
    lag = value.lag_of(group)
    return {
        b"last-delivered-id": format_id(group.last_id),
        b"entries-read": None if group.entries_read == -1 else group.entries_read,
        b"lag": None if lag == -1 else lag,
    }


def _full_group(db: Keyspace, value: Stream, group: Group, most: int) -> dict[bytes, Any]:
    pending = group.wires_of(group.ids.from_(0, most), None, names_consumer=True)
    return {
        b"name": group.name,
        **_progress(value, group),
        b"pel-count": len(group.pending),
        b"pending": Encoded(pending),
        b"consumers": [_full_consumer(db, group, group.consumers[name], most) for name in sorted(group.consumers)],
    }


def _full_consumer(db: Keyspace, group: Group, consumer: Consumer, most: int) -> dict[bytes, Any]:
    ids: SortedIds = consumer.ids
    pending = group.wires_of(ids.from_(0, most), None, names_consumer=False)
    note_seen(db, consumer)
    return {
        b"name": consumer.name,
        b"seen-time": consumer.seen_ms,
        b"active-time": consumer.active_ms,
        b"pel-count": ids.size,
        b"pending": Encoded(pending),
    }


def note_seen(db: Keyspace, consumer: Consumer) -> None:
    """When a consumer of a replayed log was there nobody knows: it counts from the first look on."""
    if consumer.seen_ms == 0:
        consumer.seen_ms = db.engine.now_ms
    if consumer.active_ms == 0:
        consumer.active_ms = consumer.seen_ms


@command("XINFO GROUPS key", READONLY, since="5.0.0", cost="O(n), n = groups")
def groups(db: Keyspace, argv: list[bytes]) -> Reply:
    """The groups of a stream: how far they have read, and what is pending."""
    value = _stream(db, argv[2])
    return [
        {
            b"name": name,
            b"consumers": len(value.groups[name].consumers),
            b"pending": len(value.groups[name].pending),
            **_progress(value, value.groups[name]),
        }
        for name in sorted(value.groups)
    ]


@command("XINFO CONSUMERS key groupname", READONLY, since="5.0.0", cost="O(n), n = consumers")
def consumers(db: Keyspace, argv: list[bytes]) -> Reply:
    """The consumers of a group: what is pending, when they last asked, and when they last got something."""
    value = _stream(db, argv[2])
    group = value.groups.get(argv[3])
    if group is None:
        raise NoGroupOfKey(argv[2], argv[3])
    now_ms = db.engine.now_ms
    facts: list[Reply] = []
    for name in sorted(group.consumers):
        consumer = group.consumers[name]
        note_seen(db, consumer)
        inactive_ms = max(now_ms - consumer.active_ms, 0) if consumer.active_ms >= 0 else -1
        facts.append(
            {
                b"name": name,
                b"pending": consumer.ids.size,
                b"idle": max(now_ms - consumer.seen_ms, 0),
                b"inactive": inactive_ms,
            }
        )
    return facts


@command("XINFO HELP", LOADING | STALE, since="5.0.0", cost="O(1)")
def help_(db: Keyspace, argv: list[bytes]) -> Reply:
    """What the subcommands of XINFO do."""
    return [Status(line.encode()) for line in _HELP.splitlines()]


_HELP: Final = """\
XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CONSUMERS <key> <groupname>
    Show consumers of <groupname>.
GROUPS <key>
    Show the stream consumer groups.
STREAM <key> [FULL [COUNT <count>]
    Show information about the stream.
HELP
    Print this help."""
