"""The files of a store in memory, so that nothing that it does by mistake can leave a trace."""

from respkv.persistence.files import FileSystem


class NoFiles(FileSystem):
    """The files of a store in memory: there are none, and none can be made."""

    def _refuse(self, path: str) -> OSError:
        return OSError(0, "the store is in memory only", path)

    def open_append(self, path: str) -> int:
        """Refused."""
        raise self._refuse(path)

    def open_new(self, path: str) -> int:
        """Refused."""
        raise self._refuse(path)

    def open_read(self, path: str) -> int:
        """Refused."""
        raise self._refuse(path)

    def make_directory(self, path: str) -> None:
        """Refused."""
        raise self._refuse(path)

    def exists(self, path: str) -> bool:
        """Nothing does."""
        return False

    def is_directory(self, path: str) -> bool:
        """Nothing is."""
        return False
