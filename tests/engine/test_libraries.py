"""Function libraries as data."""

import pytest

from respkv.engine.libraries import Libraries, Registrar
from respkv.errors import ReplyError


class Strict(Registrar):
    def admit(self, texts: dict[bytes, bytes], removed: set[bytes]) -> None:
        if b"bad" in texts.values():
            raise ReplyError(b"ERR bad")


def test_texts_are_put_exchanged_and_removed() -> None:
    libraries = Libraries()
    libraries.put({b"a": b"1"})
    libraries.put({b"b": b"22"})
    assert libraries.payload_bytes() == 5
    assert libraries.remove(b"a")
    assert not libraries.remove(b"a")
    libraries.exchange({b"c": b"3"})
    assert libraries.texts == {b"c": b"3"}


def test_what_the_registrar_refuses_changes_nothing() -> None:
    libraries = Libraries()
    libraries.registrar = Strict()
    libraries.put({b"a": b"1"})
    with pytest.raises(ReplyError):
        libraries.put({b"a": b"bad"})
    with pytest.raises(ReplyError):
        libraries.exchange({b"b": b"bad"})
    assert libraries.texts == {b"a": b"1"}
