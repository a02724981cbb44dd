"""Function libraries as data: the commands that change them, which logs have too, and FUNCTION DUMP's form.

    payload = (0xF5 | text of a library, a string as in an RDB file)* | RDB version (uint16) | CRC-64 of all before

They stand here since they need the RDB format, like DUMP and RESTORE; running functions is the server's business.
"""

from typing import Final

from respkv.commands.flags import DENYOOM, NOSCRIPT, WRITE
from respkv.commands.spec import CommandGroup
from respkv.engine.engine import Engine
from respkv.engine.keyspace import Keyspace
from respkv.errors import BadSubcommand, ReplyError, StartupError
from respkv.persistence import rdb_format as rdb
from respkv.persistence.crc64 import crc64
from respkv.persistence.dump import UnknownPayload
from respkv.persistence.rdb_reader import NEWEST_REDIS_VERSION, NEWEST_VALKEY_VERSION, RdbReader
from respkv.persistence.rdb_values import DECODERS
from respkv.persistence.rdb_writer import VERSION, encode_string
from respkv.reply import OK, Reply
from respkv.resp.inline import split_args

command = CommandGroup("scripting", __name__)

command.container("FUNCTION", since="7.0.0", summary="Keeps libraries of functions, and tells of them.")

_FOOTER_BYTES: Final = 10
_TIPS: Final = "request_policy:all_shards response_policy:all_succeeded"


class BadLibraryName(ReplyError):
    """The name of a library or function has other characters than those allowed."""

    def __init__(self) -> None:
        super().__init__(
            b"ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character"
            b" long"
        )


def library_name(text: bytes) -> bytes:
    """The name that the first line of a library gives: `#!lua name=mylib`. Raises ReplyError."""
    if text[:2] != b"#!":
        raise ReplyError(b"ERR Missing library metadata")
    end = text.find(b"\n")
    words = split_args(text[:end]) if end >= 0 and b"\0" not in text[:end] else None
    if not words:
        raise ReplyError(b"ERR Invalid library metadata")
    name: bytes | None = None
    for word in words[1:]:
        if word[:5].lower() != b"name=":
            raise ReplyError(b"ERR Invalid metadata value given: %b" % word)
        if name is not None:
            raise ReplyError(b"ERR Invalid metadata value, name argument was given multiple times")
        name = word[5:]
    if name is None:
        raise ReplyError(b"ERR Library name was not given")
    if not is_name(name):
        raise BadLibraryName
    if words[0].lower() != b"#!lua":
        raise ReplyError(b"ERR Engine '%b' not found" % words[0][2:])
    return name


def is_name(name: bytes) -> bool:
    """Whether a library or function may be called so."""
    return len(name) > 0 and name.replace(b"_", b"a").isalnum() and name.isascii()


@command(
    "FUNCTION LOAD [REPLACE] function-code",
    WRITE | DENYOOM | NOSCRIPT,
    since="7.0.0",
    cost="O(n), n = bytes of the library",
    tips=_TIPS,
)
def function_load(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add a library of functions; its name."""
    replaces = False
    for option in argv[2:-1]:
        if option.upper() != b"REPLACE":
            raise ReplyError(b"ERR Unknown option given: %b" % option)
        replaces = True
    text = argv[-1]
    name = library_name(text)
    libraries = db.engine.libraries
    if name in libraries.texts and not replaces:
        raise ReplyError(b"ERR Library '%b' already exists" % name)
    libraries.put({name: text})
    db.engine.dirty += 1
    return name


@command("FUNCTION DELETE library-name", WRITE | NOSCRIPT, since="7.0.0", cost="O(1)", tips=_TIPS)
def function_delete(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete a library and its functions."""
    if not db.engine.libraries.remove(argv[2]):
        raise ReplyError(b"ERR Library not found")
    db.engine.dirty += 1
    return OK


@command("FUNCTION FLUSH [ASYNC | SYNC]", WRITE | NOSCRIPT, since="7.0.0", cost="O(n), n = libraries", tips=_TIPS)
def function_flush(db: Keyspace, argv: list[bytes]) -> Reply:
    """Delete all libraries."""
    if len(argv) > 3:
        raise BadSubcommand(b"FUNCTION", argv[1])
    if len(argv) == 3 and argv[2].upper() not in (b"SYNC", b"ASYNC"):
        raise ReplyError(b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    db.engine.libraries.exchange({})
    db.engine.dirty += 1
    return OK


@command("FUNCTION DUMP", NOSCRIPT, since="7.0.0", cost="O(n), n = bytes of the libraries")
def function_dump(db: Keyspace, argv: list[bytes]) -> Reply:
    """All libraries in a form that FUNCTION RESTORE takes, here or on another server."""
    return encode_libraries(list(db.engine.libraries.texts.values()))


@command(
    "FUNCTION RESTORE serialized-value [FLUSH | APPEND | REPLACE]",
    WRITE | DENYOOM | NOSCRIPT,
    since="7.0.0",
    cost="O(n), n = bytes of the payload",
    tips=_TIPS,
)
def function_restore(db: Keyspace, argv: list[bytes]) -> Reply:
    """Add the libraries of which FUNCTION DUMP told: to none (FLUSH), to others (APPEND), or in their place."""
    if len(argv) > 4:
        raise BadSubcommand(b"FUNCTION", argv[1])
    policy = argv[3].upper() if len(argv) > 3 else b"APPEND"
    if policy not in (b"FLUSH", b"APPEND", b"REPLACE"):
        raise ReplyError(b"ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
    libraries = db.engine.libraries
    texts: dict[bytes, bytes] = {}
    for text in decode_libraries(argv[2], db.engine):
        name = library_name(text)
        if name in texts or (policy == b"APPEND" and name in libraries.texts):
            raise ReplyError(b"ERR Library %b already exists" % name)
        texts[name] = text
    if policy == b"FLUSH":
        libraries.exchange(texts)
    else:
        libraries.put(texts)
    db.engine.dirty += 1
    return OK


def encode_libraries(texts: list[bytes]) -> bytes:
    """The payload of FUNCTION DUMP. O(bytes)."""
    body = b"".join(b"\xf5" + encode_string(text) for text in texts) + VERSION.to_bytes(2, "little")
    return body + crc64(body, 0).to_bytes(8, "little")


def decode_libraries(payload: bytes, target: Engine) -> list[bytes]:
    """The texts in a payload. O(bytes). Raises ReplyError."""
    size = len(payload) - _FOOTER_BYTES
    if size < 0:
        raise UnknownPayload
    version = int.from_bytes(payload[size : size + 2], "little")
    if version > NEWEST_REDIS_VERSION and version != NEWEST_VALKEY_VERSION:
        raise UnknownPayload
    if int.from_bytes(payload[size + 2 :], "little") != crc64(payload[: size + 2], 0):
        raise UnknownPayload
    reader = RdbReader(lambda at, count: payload[at : at + count], size, "", target, DECODERS)
    texts: list[bytes] = []
    try:
        while reader.position < size:
            if reader.read_bytes(1)[0] != rdb.OP_FUNCTION:
                raise ReplyError(b"ERR given type is not a function")
            texts.append(reader.read_string())
    except StartupError:
        raise ReplyError(b"ERR Failed loading library data") from None
    return texts
