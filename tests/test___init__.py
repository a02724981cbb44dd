"""The public names, and the examples in their docstrings."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import respkv
import respkv.embedded

PUBLIC = """
    AsyncStore Codec CodecError DataStore DeadlockError DiskError InMemoryStore InvalidValueError
    KeyExistsError KeyNotFoundError KeyTooLongError LockTimeoutError MemoryLimitError Store StoreClosedError
    StoreDamagedError StoreError StoreFullError StoreInUseError StoreStats StoreTransaction
    StoreUnreadableError TransactionEndedError ValueTooLargeError WrongTypeError __version__ connect
    running_server
"""

MODULES = [f"respkv.embedded.{module.name}" for module in pkgutil.iter_modules(respkv.embedded.__path__)]


def test_the_public_names_are_these() -> None:
    """A name that is added here is promised; one that goes is a change that users notice."""
    assert sorted(respkv.__all__) == sorted(PUBLIC.split())


@pytest.mark.parametrize("name", PUBLIC.split())
def test_every_public_name_says_what_it_is_with_an_example(name: str) -> None:
    value = getattr(respkv, name)
    assert name == "__version__" or ">>> " in value.__doc__
    assert name in dir(respkv)


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Stoer'"):
        respkv.Stoer  # noqa: B018


def test_to_import_respkv_imports_nothing_else_of_it() -> None:
    code = "import respkv, sys; print([name for name in sys.modules if name.startswith('respkv.')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize("name", ["respkv", *MODULES])
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0
