"""Everything that reads bytes which anybody may have written, as fuzz targets.

    python tests/fuzz_targets.py TARGET [options of libFuzzer, such as -runs=10000000 -seed=7]

runs one with atheris, guided by coverage, from the corpus in `tests/corpus/TARGET`. An input may be refused by the
errors that callers expect; anything else that is raised, a hang or an invariant that does not hold is a find, and its
bytes become a file of the corpus. `tests/reliability/test_fuzz.py` runs all of the corpus and random changes of it.
"""

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import respkv.commands.all  # noqa: F401  (fills the table of commands)
from respkv.acl.lines import BadFile, parse_file
from respkv.acl.users import Users
from respkv.engine.keyspace import open_engine
from respkv.errors import ReplyError, StartupError
from respkv.persistence.crc64 import crc64
from respkv.persistence.dump import decode_payload, encode_payload
from respkv.persistence.log_reader import AT_END, LogReader
from respkv.persistence.manifest import parse_manifest
from respkv.persistence.rdb_reader import RdbReader
from respkv.persistence.rdb_values import DECODERS
from respkv.persistence.tail import judge
from respkv.resp.reader import RequestReader
from respkv.server.config.load import load

CORPUS = Path(__file__).parent / "corpus"

INPUT_MAX_BYTES = 4096


def request(data: bytes) -> None:
    """The reader of requests: however the bytes are cut, the same requests and the same error come out."""
    whole = _requests(data, len(data) or 1)
    assert _requests(data, 1) == whole
    assert _requests(data, 7) == whole


def _requests(data: bytes, step: int) -> tuple[list[list[bytes]], bytes | None]:
    reader = RequestReader(1 << 20)
    found: list[list[bytes]] = []
    for at in range(0, len(data), step):
        found += reader.feed(data[at : at + step])
        while reader.has_more():
            more = reader.more()
            if not more:
                break
            found += more
        if reader.error is not None:
            break
    assert reader.pending_bytes() <= len(data) + 64, "more is kept than was sent"
    return found, reader.error


def payload(data: bytes) -> None:
    """RESTORE: what is taken is a sound value, and is dumped and taken again."""
    if len(data) < 3:
        return
    body = data[:-1] + bytes((data[-1] % 13, 0))
    engine = open_engine(1)
    try:
        value = decode_payload(body + crc64(body, 0).to_bytes(8, "little"), engine)
    except ReplyError:
        return
    engine.databases[0].load(b"k", value, None)
    engine.check()
    for compressing in (False, True):
        decode_payload(encode_payload(value, compressing=compressing), engine)


def snapshot(data: bytes) -> None:
    """An RDB file whose checksum fits whatever is in it."""
    body = b"REDIS0011" + data + b"\xff"
    whole = body + crc64(body, 0).to_bytes(8, "little")
    engine = open_engine(2)
    reader = RdbReader(lambda at, size: whole[at : at + size], len(whole), "fuzzed.rdb", engine, DECODERS)
    with suppress(StartupError):
        while reader.step(64):
            pass
    engine.check()


def log(data: bytes) -> None:
    """A log: the judgement is made within the file, and what is cut leaves a log that reads to its end."""
    reader, count = _read_log(data)
    ending = judge(reader)
    assert 0 <= ending.offset <= len(data)
    if ending.is_damage or reader.stop == AT_END:
        return
    again, kept = _read_log(data[: ending.offset])
    assert again.stop == AT_END, "what is left of a torn log is torn"
    assert kept <= count


def _read_log(data: bytes) -> tuple[LogReader, int]:
    reader = LogReader(lambda at, size: data[at : at + size], len(data))
    count = 0
    while commands := reader.next_commands():
        count += len(commands)
    return reader, count


def manifest(data: bytes) -> None:
    """A manifest: what is taken is written and taken again."""
    try:
        found = parse_manifest(data, "fuzzed.manifest")
    except StartupError:
        return
    assert parse_manifest(found.encode(), "fuzzed.manifest") == found


def configuration(data: bytes) -> None:
    """A configuration file, by standard input; includes are left out, since they are other files."""
    if b"include" in data.lower():
        return
    stdin = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    try:
        with suppress(StartupError):
            load("-")
    finally:
        sys.stdin = stdin


def access(data: bytes) -> None:
    """An ACL file: what is taken is described, and its description is taken for the same."""
    try:
        found = parse_file(data, b"fuzzed.acl", Users())
    except BadFile:
        return
    lines = {name: user.describe() for name, user in found.items()}
    text = b"".join(b"user %b %b\n" % (name, described) for name, described in lines.items())
    again = parse_file(text, b"described.acl", Users())
    assert {name: user.describe() for name, user in again.items()} == lines


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (request, payload, snapshot, log, manifest, configuration, access)
}


def corpus(name: str) -> list[bytes]:
    """The inputs in the tree for that target."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def mutated(seeds: list[bytes], rng: Random) -> bytes:
    """One of the seeds, changed in a few places, or crossed with another."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 13, 10, 42, 36))
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 3:
                del data[at : at + rng.randrange(1, 17)]
            case 4:
                data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.randrange(1, 65)]
            case _:
                other = rng.choice(seeds)
                data[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(data[:INPUT_MAX_BYTES])


def main(name: str, options: list[str]) -> None:
    """Fuzz one target for as long as the options say."""
    import atheris

    atheris.instrument_all()
    limits = [f"-max_len={INPUT_MAX_BYTES}", "-timeout=1", "-rss_limit_mb=1024"]
    atheris.Setup([sys.argv[0], *limits, *options, str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(TARGETS)} [options of libFuzzer]")
    main(sys.argv[1], sys.argv[2:])
