"""DEBUG: what test suites need of a server that nobody else should ask for. See `enable-debug-command`.

To the table of COMMAND it is one command, so its subcommands are a table here.
"""

import logging
import os
from collections.abc import Callable

from respkv.commands.args import parse_count, parse_int
from respkv.commands.flags import ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE
from respkv.commands.objects import encoding_of
from respkv.commands.spec import CommandGroup
from respkv.engine.clock import stop_s
from respkv.errors import BadSubcommand, NoSuchKey, ReplyError
from respkv.persistence.rdb_values import encode_value
from respkv.reply import OK, Attribute, BigNumber, Members, Push, Reply, Status, Verbatim
from respkv.server.digest import data_digest, value_digest
from respkv.server.log import warning
from respkv.server.session import Session
from respkv.values.lists import List

logger = logging.getLogger(__name__)

command = CommandGroup("server", __name__, session=True)

Handler = Callable[[Session, list[bytes]], Reply]


class Part:
    """A subcommand: its usage, what it does, and how many words it takes with `DEBUG` and its name."""

    def __init__(self, usage: str, text: str, handler: Handler, least: int, most: int) -> None:
        self.usage = usage
        self.text = text
        self.handler = handler
        self.least = least
        self.most = most


PARTS: dict[bytes, Part] = {}

WITHOUT_EFFECT: dict[bytes, tuple[int, int]] = {
    b"AOF-FLUSH-SLEEP": (3, 3),
    b"DICT-RESIZING": (3, 3),
    b"DROP-CLUSTER-PACKET-FILTER": (3, 3),
    b"PAUSE-CRON": (3, 3),
    b"REPL-PAUSE": (3, 3),
    b"REPLYBUFFER": (4, 4),
    b"SET-DISABLE-DENY-SCRIPTS": (3, 3),
    b"SET-SKIP-CHECKSUM-VALIDATION": (3, 3),
    b"STRINGMATCH-TEST": (2, 2),
}
"""Switches of Redis's inner works that test suites turn, and that have nothing to turn here: how many words they take,
at least and at most, with `DEBUG` and the name."""

MANY = 1 << 20


def part(usage: str, text: str, *, least: int = 2, most: int = 2) -> Callable[[Handler], Handler]:
    """Declare a subcommand."""

    def register(handler: Handler) -> Handler:
        PARTS[usage.partition(" ")[0].encode()] = Part(usage, text, handler, least, most)
        return handler

    return register


@command(
    "DEBUG subcommand [arg [arg ...]]",
    ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED,
    since="1.0.0",
    cost="Depends on subcommand.",
)
def debug(session: Session, argv: list[bytes]) -> Reply:
    """Do what only tests may ask for."""
    name = argv[1].upper()
    found = PARTS.get(name)
    if found is not None and found.least <= len(argv) <= found.most:
        return found.handler(session, argv)
    least, most = WITHOUT_EFFECT.get(name, (0, 0))
    if least <= len(argv) <= most:
        return OK
    if name == b"HELP" and len(argv) == 2:
        return _help()
    raise BadSubcommand(b"DEBUG", argv[1])


def _help() -> Reply:
    lines = ["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for _, one in sorted(PARTS.items()):
        lines += [one.usage, "    " + one.text]
    lines += [f"{name.decode()} ..." for name in sorted(WITHOUT_EFFECT)]
    lines += ["    Accepted, and without effect.", "HELP", "    Print this help."]
    return [Status(line.encode()) for line in lines]


@part("SLEEP <seconds>", "Stop the whole server for that long.", least=3, most=3)
def sleep(session: Session, argv: list[bytes]) -> Reply:
    """Everyone waits."""
    try:
        duration_s = float(argv[2])
    except ValueError:
        duration_s = 0.0
    if duration_s > 0:
        stop_s(duration_s)
    return OK


@part("SET-ACTIVE-EXPIRE <0|1>", "Whether expired keys are removed before anybody asks for them.", least=3, most=3)
def set_active_expire(session: Session, argv: list[bytes]) -> Reply:
    """The sweeper looks at the switch."""
    session.engine.active_expire = argv[2] != b"0"
    return OK


@part("OBJECT <key>", "How the value of a key is kept.", least=3, most=3)
def object_(session: Session, argv: list[bytes]) -> Reply:
    """A line in the reference's form, which tests take apart."""
    db = session.db
    value = db.peek(argv[2])
    if value is None:
        raise NoSuchKey
    idle_s = session.engine.access.idle_ms(db.shard_of(argv[2]), argv[2]) // 1000
    used_s = session.engine.now_ms // 1000 - idle_s
    return Status(
        b"Value at:0x%x refcount:1 encoding:%b serializedlength:%d lru:%d lru_seconds_idle:%d%b"
        % (
            id(value),
            encoding_of(value),
            len(encode_value(value, session.engine.compresses_dumps)[1]),
            used_s & 0xFFFFFF,
            idle_s,
            _nodes_of(value) if isinstance(value, List) else b"",
        )
    )


def _nodes_of(value: List) -> bytes:
    """What there is to say of the nodes of a quicklist; nothing of a packed list."""
    nodes = value.nodes
    if nodes is None:
        return b""
    count = len(nodes.nodes)
    return b" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:0 ql_uncompressed_size:%d" % (
        count,
        len(value) / count,
        nodes.fill,
        sum(node.size for node in nodes.nodes),
    )


@part("DIGEST", "A digest of all data; zeros if there are none.")
def digest(session: Session, argv: list[bytes]) -> Reply:
    """The reference's number for the same data."""
    return Status(data_digest(session.engine).hex().encode())


@part("DIGEST-VALUE <key> [<key> ...]", "A digest of the value of each key.", least=2, most=MANY)
def digest_value(session: Session, argv: list[bytes]) -> Reply:
    """Zeros for a key that does not exist."""
    return [Status(value_digest(session.db, key).hex().encode()) for key in argv[2:]]


@part("ERROR <string>", "Answer with that error.", least=3, most=3)
def error(session: Session, argv: list[bytes]) -> Reply:
    """An error that is no failure, and is not counted as one."""
    return ReplyError(argv[2])


@part("LOG <message>", "Write a line into the server's log.", least=3, most=3)
def log(session: Session, argv: list[bytes]) -> Reply:
    """For tests that read the log."""
    warning(logger, "DEBUG LOG", text=argv[2])
    return OK


@part("CHANGE-REPL-ID", "Take another replication id.")
def change_repl_id(session: Session, argv: list[bytes]) -> Reply:
    """A new random one."""
    session.server.replication_id = os.urandom(20).hex()
    return OK


@part("POPULATE <count> [<prefix>] [<size>]", "Make that many string keys, where they are missing.", least=3, most=5)
def populate(session: Session, argv: list[bytes]) -> Reply:
    """Unlike in Redis the keys are in the log: what is acknowledged is durable."""
    count = parse_count(argv[2])
    prefix = argv[3] if len(argv) > 3 else b"key"
    size = parse_count(argv[4]) if len(argv) > 4 else 0
    db = session.db
    for number in range(count):
        key = b"%b:%d" % (prefix, number)
        if db.peek(key) is not None:
            continue
        value = b"value:%d" % number
        if size:
            value = value[:size].ljust(size, b"\0")
        db.set(key, value)
        db.propagate_as([b"SET", key, value])
    return OK


@part("RELOAD [NOSAVE] [NOFLUSH] [MERGE]", "Write a snapshot, and load it in place of the data.", least=2, most=5)
def reload(session: Session, argv: list[bytes]) -> Reply:
    """What is kept through it is what a snapshot keeps."""
    options = {word.upper() for word in argv[2:]}
    if not options <= {b"MERGE", b"NOFLUSH", b"NOSAVE"}:
        raise ReplyError(b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    persistence = session.server.persistence
    if not persistence.reload(
        save=b"NOSAVE" not in options, flush=b"NOFLUSH" not in options, merge=b"MERGE" in options
    ):
        raise ReplyError(b"ERR Error trying to load the RDB dump, check server logs.")
    return OK


@part("LOADAOF", "Write the log out, and load it in place of the data.")
def loadaof(session: Session, argv: list[bytes]) -> Reply:
    """What is kept through it is what the log keeps."""
    if not session.server.persistence.reload_log():
        raise ReplyError(b"ERR Error trying to load the AOF files, check server logs.")
    return OK


@part("HTSTATS <dbid> [full]", "How many keys a database has, and how evenly they are spread.", least=3, most=4)
def htstats(session: Session, argv: list[bytes]) -> Reply:
    """In the reference's form as far as there is something to tell."""
    index = parse_int(argv[2])
    if not 0 <= index < session.engine.database_count:
        raise ReplyError(b"ERR Out of range database")
    shards = session.engine.database(index).shards
    lines = []
    for title, tables in (
        ("Dictionary HT", [shard.values for shard in shards]),
        ("Expires HT", [shard.expires for shard in shards]),
    ):
        sizes = [len(table) for table in tables]
        lines.append(f"[{title}]")
        if sum(sizes):
            lines += [
                f"Hash table 0 stats ({len(sizes)} shards):",
                f" table size: {len(sizes)}",
                f" number of elements: {sum(sizes)}",
                f" different slots: {sum(size > 0 for size in sizes)}",
                f" max chain length: {max(sizes)}",
            ]
    return Verbatim("".join(f"{line}\n" for line in lines).encode())


@part("PROTOCOL <type>", "Answer with an example of a type of reply.", least=3, most=3)
def protocol(session: Session, argv: list[bytes]) -> Reply:
    """Every type that RESP has, for tests of clients."""
    kind = argv[2].lower().decode("latin-1")
    if kind == "push":
        if session.protocol == 2:
            raise ReplyError(b"ERR RESP2 is not supported by this command")
        session.write(b"Some real reply following the push reply")
        return Push([b"server-cpu-usage", 42])
    if kind not in EXAMPLES:
        raise ReplyError(
            b"ERR Wrong protocol type name. Please use one of the following:"
            b" string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
        )
    return EXAMPLES[kind]


EXAMPLES: dict[str, Reply] = {
    "string": b"Hello World",
    "integer": 12345,
    "double": 3.141,
    "bignum": BigNumber(b"1234567999999999999999999999999999999"),
    "null": None,
    "array": [0, 1, 2],
    "set": Members([0, 1, 2]),
    "map": {0: False, 1: True, 2: False},
    "attrib": Attribute(
        {b"key-popularity": [b"key:123", 90]},
        b"Some real reply following the attribute",
    ),
    "verbatim": Verbatim(b"This is a verbatim\nstring"),
    "true": True,
    "false": False,
}
