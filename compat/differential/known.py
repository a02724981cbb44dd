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
            r"> (OBJECT ENCODING|object encoding) ",
            "after INCRBYFLOAT with a whole result Redis says embstr until the key is written again; respkv says int",
        ),
    ],
}


def reason(subject: str, title: str, text: str) -> str | None:
    """Why this difference is expected of this subject; None if it is not."""
    for pattern, why in KNOWN.get(subject, []):
        if re.search(pattern, f"{title} > {text}"):
            return why
    return None
