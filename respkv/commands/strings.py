"""Commands on strings. Source of all behaviour: the reference's string commands."""

from respkv.commands.args import parse_int
from respkv.commands.flags import DENYOOM, FAST, READONLY, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace
from respkv.reply import OK, Reply

command = CommandGroup("string", __name__)


@command("GET key", READONLY | FAST, since="1.0.0", cost="O(1)")
def get(db: Keyspace, argv: list[bytes]) -> Reply:
    """The string at `key`, or nil."""
    return db.find_string(argv[1])


@command("SET key value [NX | XX]", WRITE | DENYOOM, keys="RW ACCESS UPDATE", since="1.0.0", cost="O(1)")
def set_(db: Keyspace, argv: list[bytes]) -> Reply:
    """Give `key` the string `value`, whatever it held."""
    db.set(argv[1], argv[2])
    return OK


@command("MSET key value [key value ...]", WRITE | DENYOOM, keys="OW UPDATE", since="1.0.1", cost="O(n)")
def mset(db: Keyspace, argv: list[bytes]) -> Reply:
    """Set several keys at once."""
    for at in range(1, len(argv), 2):
        db.set(argv[at], argv[at + 1])
    return OK


@command("INCR key", WRITE | DENYOOM | FAST, keys="RW ACCESS UPDATE", since="1.0.0", cost="O(1)")
def incr(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add one to the integer at `key`."""
    value = db.edit(argv[1])
    if type(value) is int:
        number = value
    elif value is None:
        number = 0
    else:
        number = parse_int(value)
    number += 1
    db.put(argv[1], number)
    return number
