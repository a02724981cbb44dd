"""The differences that stay, each with its reason. Keep it short: a line here is a promise not kept."""

import re

# (pattern for "title of the case > command line", why the subject answers otherwise)
KNOWN: dict[str, list[tuple[str, str]]] = {
    "respkv": [
        (
            r"^A zero byte in a header",
            "Redis looks for the end of a line with strchr and waits forever behind a zero byte; respkv answers",
        ),
        (
            r"^OBJECT > (?i:OBJECT ENCODING) n$|(?i:OBJECT ENCODING) \S+\n +[Rr]edis[^\n]*embstr\n +respkv: \$ int$",
            "after INCRBYFLOAT with a whole result Redis says embstr until the key is written again; respkv says int",
        ),
        (
            r"@\w (?i:BITCOUNT|BITPOS) [^\n]*\n +redis-server 7\.0: (?::-?\d|-WRONGTYPE)[^\n]*\n +respkv: -ERR",
            "newer ones look at the range first, 7.0 at the key",
        ),
        (
            r": -NOGROUP No such key '' [^\n]*\n +respkv: -NOGROUP No such key '\0",
            "in an error's text Redis shows a name only up to a zero byte",
        ),
        (
            r"OBJECT ENCODING [^\n]*\n +Redis 8\.2: \$ (raw|embstr)\n +respkv: \$ (raw|embstr)$",
            "8.2 counts the name among what one allocation must hold, 7.4 and respkv only the value",
        ),
        (r'@\w SCAN ""\n', "7.4 refuses an empty cursor, which 7.0 takes for 0"),
        (r"> CONFIG GET appendfsync", "respkv syncs always by default"),
        (
            r"^COMMAND INFO of the (data commands > COMMAND INFO (get set|setrange)|commands on HyperLogLogs)",
            "the notes of SET, GETEX and PFCOUNT are prose, which respkv does not copy",
        ),
        (r"^events of HSETEX", "a key whose only fields expire at once is not made, and so is not new"),
    ],
}


def reason(subject: str, title: str, text: str) -> str | None:
    """Why this difference is expected of this subject; None if it is not."""
    for pattern, why in KNOWN.get(subject, []):
        if re.search(pattern, f"{title} > {text}"):
            return why
    return None
