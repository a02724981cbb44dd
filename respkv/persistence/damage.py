"""What recovery says when it will not load a file."""

from respkv.errors import StartupError


class DamagedFile(StartupError):
    """A file of the data directory is not what was written; the text is the operator's one line.

    `path` and `offset` say where the first wrong byte may lie, `reason` what is wrong there; `may_be_cut` tells that
    what precedes `offset` is a sound log by itself.
    """

    def __init__(self, path: str, offset: int, reason: str, remedy: str = "", may_be_cut: bool = False) -> None:
        self.path = path
        self.offset = offset
        self.reason = reason
        self.may_be_cut = may_be_cut
        super().__init__(f"{path} is damaged at offset {offset}: {reason}{'; ' + remedy if remedy else ''}")


class UnsupportedFile(StartupError):
    """A file is whole as far as one can see, but holds what this version cannot read.

    A flipped bit can look like that, before the checksum at the file's end is reached: hence the offset.
    """

    def __init__(self, path: str, offset: int, what: str, remedy: str = "") -> None:
        super().__init__(
            f"{path} has at offset {offset} what respkv cannot read: {what}{'; ' + remedy if remedy else ''}"
        )


class TooFewDatabases(UnsupportedFile):
    """A file has keys in a database that does not exist here; `needed` would be enough of them."""

    def __init__(self, path: str, offset: int, index: int) -> None:
        self.needed = index + 1
        super().__init__(path, offset, f"keys in database {index}", f"start with --databases {self.needed} or more")
