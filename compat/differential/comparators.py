"""What counts as the same reply. Byte for byte, unless the table below or the case file names another rule.

Each rule takes the oracle's reply and the subject's and says whether the subject's will do.
"""

import re
from collections.abc import Callable

from compat.wire import Reply

Comparator = Callable[[Reply, Reply], bool]


def exact(oracle: Reply, subject: Reply) -> bool:
    return oracle == subject


def anything(oracle: Reply, subject: Reply) -> bool:
    """Both answered."""
    return True


def kind(oracle: Reply, subject: Reply) -> bool:
    """The same type byte, and null or not alike; errors the same."""
    if oracle.is_error:
        return oracle == subject
    return oracle.kind == subject.kind and (oracle.value is None) == (subject.value is None)


def code(oracle: Reply, subject: Reply) -> bool:
    """The same error code, or the same reply."""
    if oracle.is_error and subject.is_error:
        return oracle.text.split(" ")[0] == subject.text.split(" ")[0]
    return oracle == subject


def shape(oracle: Reply, subject: Reply) -> bool:
    """The same types all the way down; where lengths differ, the same types in use."""
    if not kind(oracle, subject):
        return False
    ours, theirs = oracle.parts, subject.parts
    if len(ours) == len(theirs):
        return all(map(shape, ours, theirs))
    return {part.kind for part in theirs} <= {part.kind for part in ours} or not theirs or not ours


def _sorted(reply: Reply) -> Reply:
    """The reply with the parts of every array and set in one order; maps by their pairs."""
    parts = tuple(map(_sorted, reply.parts))
    if not parts:
        return reply
    if reply.kind == "%":
        pairs = sorted(zip(parts[::2], parts[1::2], strict=True), key=repr)
        return Reply(reply.kind, tuple(part for pair in pairs for part in pair))
    return Reply(reply.kind, tuple(sorted(parts, key=repr)))


def unordered(oracle: Reply, subject: Reply) -> bool:
    """The same parts in any order, at every depth."""
    return _sorted(oracle) == _sorted(subject)


def pairs(oracle: Reply, subject: Reply) -> bool:
    """The same names and values in any order, as in CONFIG GET, which is a flat array in RESP2."""
    if oracle.kind != subject.kind or oracle.kind not in "*%":
        return oracle == subject
    ours, theirs = oracle.parts, subject.parts
    return sorted(map(repr, zip(ours[::2], ours[1::2], strict=False))) == sorted(
        map(repr, zip(theirs[::2], theirs[1::2], strict=False))
    )


def near(oracle: Reply, subject: Reply) -> bool:
    """Integers that differ by no more than the time between the two runs; at every depth."""
    if oracle.kind in "*~%" and oracle.kind == subject.kind and len(oracle.parts) == len(subject.parts):
        return all(map(near, oracle.parts, subject.parts))
    if oracle.kind != ":" or subject.kind != ":":
        return oracle == subject
    ours, theirs = int(oracle.text), int(subject.text)
    if ours < 0 or theirs < 0:
        return ours == theirs
    tolerance = 2000.0 if ours > 10**11 else 2.0 if ours > 10**9 else max(2.0, ours * 0.02)
    return abs(ours - theirs) <= tolerance


def scan(oracle: Reply, subject: Reply) -> bool:
    """A finished SCAN: the same keys in any order. An unfinished one: the same types."""
    if len(oracle.parts) != 2 or len(subject.parts) != 2:
        return oracle == subject
    if {oracle.parts[0].text, subject.parts[0].text} == {"0"}:
        return unordered(oracle.parts[1], subject.parts[1])
    return shape(oracle, subject)


def stream_info(oracle: Reply, subject: Reply) -> bool:
    """XINFO STREAM: as it is, but for how the nodes of the index are laid out."""
    ours, theirs = list(oracle.parts), list(subject.parts)
    names = [part.text for part in ours]
    for name in ("radix-tree-keys", "radix-tree-nodes"):
        if name in names and len(ours) == len(theirs):
            at = names.index(name) + 1
            theirs[at] = ours[at]
    return oracle.kind == subject.kind and (ours == theirs if ours else oracle == subject)


def hello(oracle: Reply, subject: Reply) -> bool:
    """HELLO's fields in their order; version, connection id and modules are each server's own."""
    own = {"version", "id", "modules"}

    def blanked(reply: Reply) -> list[object]:
        names = [part.text for part in reply.parts[::2]]
        return [
            (name, value.kind if name in own else value) for name, value in zip(names, reply.parts[1::2], strict=False)
        ]

    if oracle.is_error or oracle.kind != subject.kind:
        return oracle == subject
    return blanked(oracle) == blanked(subject)


def client_fields(oracle: Reply, subject: Reply) -> bool:
    """Lines of `name=value`: the subject has the oracle's names, in that order (newer ones between)."""
    if oracle.is_error or oracle.kind != subject.kind:
        return oracle == subject
    theirs = iter(re.findall(r"([\w-]+)=", subject.text.partition("\n")[0]))
    return all(name in theirs for name in re.findall(r"([\w-]+)=", oracle.text.partition("\n")[0]))


def command_info(oracle: Reply, subject: Reply) -> bool:
    """COMMAND INFO: names, arity, key positions in order; flags, categories, tips as sets; no subcommands."""
    if oracle.kind != "*" or len(oracle.parts) != len(subject.parts):
        return oracle == subject
    return all(
        len(ours.parts) == len(theirs.parts)
        and ours.parts[:2] == theirs.parts[:2]
        and ours.parts[3:6] == theirs.parts[3:6]
        and all(
            unordered(a, b)
            for a, b in zip(ours.parts[2:3] + ours.parts[6:9], theirs.parts[2:3] + theirs.parts[6:9], strict=True)
        )
        for ours, theirs in zip(oracle.parts, subject.parts, strict=True)
    )


def has_fields(names: str) -> Comparator:
    """INFO: each named field is there on both sides, with a value (`~has:used_memory,role INFO`)."""
    wanted = names.split(",")

    def compare(oracle: Reply, subject: Reply) -> bool:
        return oracle.kind == subject.kind and all(
            re.search(rf"^{re.escape(name)}:.", reply.text, re.MULTILINE)
            for name in wanted
            for reply in (oracle, subject)
        )

    return compare


def same_fields(names: str) -> Comparator:
    """INFO, CLIENT LIST: each named field has the same value wherever it stands (`~same:sub,psub CLIENT LIST`)."""
    wanted = [re.compile(rf"(?<!\S){re.escape(name)}[:=]\S*") for name in names.split(",")]

    def compare(oracle: Reply, subject: Reply) -> bool:
        return oracle.kind == subject.kind and all(
            field.findall(oracle.text) == field.findall(subject.text) != [] for field in wanted
        )

    return compare


BY_NAME: dict[str, Comparator] = {
    "exact": exact,
    "any": anything,
    "kind": kind,
    "code": code,
    "shape": shape,
    "unordered": unordered,
    "pairs": pairs,
    "near": near,
    "scan": scan,
    "hello": hello,
    "client": client_fields,
    "commandinfo": command_info,
}

# Commands whose reply hangs on time, chance, order or the server itself.
BY_COMMAND: dict[str, Comparator] = {
    "CLIENT ID": kind,
    "CLIENT INFO": client_fields,
    "CLIENT LIST": client_fields,
    "COMMAND": kind,
    "COMMAND COUNT": kind,
    "COMMAND INFO": command_info,
    "CONFIG GET": pairs,
    "DEBUG OBJECT": kind,
    "EXPIRETIME": near,
    "HELLO": hello,
    "HEXPIRETIME": near,
    "HGETALL": pairs,
    "HKEYS": unordered,
    "HPEXPIRETIME": near,
    "HPTTL": near,
    "HRANDFIELD": shape,
    "HSCAN": scan,
    "HTTL": near,
    "HVALS": unordered,
    "INFO": kind,
    "KEYS": unordered,
    "LASTSAVE": kind,
    "LATENCY DOCTOR": kind,
    "LOLWUT": kind,
    "MEMORY DOCTOR": kind,
    "MEMORY MALLOC-STATS": kind,
    "MEMORY STATS": kind,
    "MEMORY USAGE": kind,
    "OBJECT FREQ": near,
    "OBJECT IDLETIME": near,
    "PEXPIRETIME": near,
    "PTTL": near,
    "RANDOMKEY": kind,
    "ROLE": shape,
    "SCAN": scan,
    "SDIFF": unordered,
    "SINTER": unordered,
    "SLOWLOG GET": shape,
    "SMEMBERS": unordered,
    "SPOP": unordered,
    "SRANDMEMBER": shape,
    "SSCAN": scan,
    "SUNION": unordered,
    "TIME": shape,
    "TTL": near,
    "XINFO CONSUMERS": shape,
    "XINFO STREAM": stream_info,
    "XPENDING": shape,
    "ZRANDMEMBER": shape,
    "ZSCAN": scan,
}


def comparator_for(name: str | None, argv: list[bytes]) -> Comparator:
    """The rule a case names, else the command's own, else `exact`. Raises: ValueError for an unknown rule."""
    if name is not None:
        if name.startswith("has:"):
            return has_fields(name[4:])
        if name.startswith("same:"):
            return same_fields(name[5:])
        if name not in BY_NAME:
            there_are = ", ".join([*BY_NAME, "has:field,...", "same:field,..."])
            raise ValueError(f"no such comparator: ~{name} (there are {there_are})")
        return BY_NAME[name]
    words = [word.decode(errors="replace").upper() for word in argv[:2]]
    return BY_COMMAND.get(" ".join(words)) or BY_COMMAND.get(words[0] if words else "") or exact
