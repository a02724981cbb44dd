"""Function libraries: data of the server like its keys, but of no database: texts, by name.

What a text means only scripting knows: it is asked through the `Registrar` before a text is added. While a log is
replayed there is none, and texts are kept as they are: they were good once.
"""


class Registrar:
    """Whoever makes functions of texts; the base class takes any text."""

    def admit(self, texts: dict[bytes, bytes], removed: set[bytes]) -> None:
        """Take `texts` in, which replace those of the same names, and let `removed` go; all or nothing.

        Raises ReplyError if a text is no library, or two have functions of one name.
        """


class Libraries:
    """All libraries of an engine."""

    def __init__(self) -> None:
        self.texts: dict[bytes, bytes] = {}
        self.registrar = Registrar()

    def put(self, texts: dict[bytes, bytes]) -> None:
        """Add `texts`, or replace those of the same names. Raises ReplyError, and changes nothing then."""
        self.registrar.admit(texts, set())
        self.texts.update(texts)

    def exchange(self, texts: dict[bytes, bytes]) -> None:
        """Have `texts` and nothing else. Raises ReplyError, and changes nothing then."""
        self.registrar.admit(texts, set(self.texts))
        self.texts = dict(texts)

    def remove(self, name: bytes) -> bool:
        """Let a library go; whether there was one."""
        if name not in self.texts:
            return False
        self.registrar.admit({}, {name})
        del self.texts[name]
        return True

    def payload_bytes(self) -> int:
        """What the texts and names take."""
        return sum(len(name) + len(text) for name, text in self.texts.items())
