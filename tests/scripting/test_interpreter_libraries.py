"""cjson and cmsgpack, beside Python's json and a round trip; the differential cases compare them with Redis's."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from respkv.errors import ReplyError
from respkv.scripting.host import Host
from respkv.scripting.interpreter import Interpreter, ScriptError


class Commands(Host):
    """A host without commands."""

    def call(self, argv: list[bytes]) -> Any:
        raise ReplyError(b"ERR no commands")

    def may_run(self, argv: list[bytes]) -> bool:
        return False

    def is_function_name(self, name: bytes) -> bool:
        return True

    def log(self, level: int, message: bytes) -> None:
        pass

    def interrupt(self) -> bytes:
        return b""


@pytest.fixture(scope="module")
def lua() -> Interpreter:
    return Interpreter(Commands(), b"7.4.0", 0x070400, 1 << 25)


def run(lua: Interpreter, body: bytes, *arguments: bytes) -> Any:
    return lua.run(lua.compile(body, b"@user_script"), 2, [], list(arguments))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**12), 10**12), texts),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4), st.dictionaries(texts.filter(bool), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values)
def test_json_that_is_decoded_and_encoded_says_the_same(lua: Interpreter, value: Any) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert json.loads(run(lua, b"return cjson.encode(cjson.decode(ARGV[1]))", text)) == value
        assert json.loads(
            run(lua, b"return cjson.encode(cmsgpack.unpack(cmsgpack.pack(cjson.decode(ARGV[1]))))", text)
        ) == (without_null(value))


def without_null(value: Any) -> Any:
    """What MessagePack leaves: null is nil, which ends no array but is no member of an object."""
    if isinstance(value, dict):
        kept = {key: without_null(item) for key, item in value.items() if item is not None}
        return kept or {}
    if isinstance(value, list):
        items = [without_null(item) for item in value]
        while items and items[-1] is None:
            items.pop()
        return items or {}
    return value


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=30))
def test_any_bytes_are_decoded_or_refused(lua: Interpreter, data: bytes) -> None:
    for body in (b"return type(cjson.decode(ARGV[1]))", b"return select('#', cmsgpack.unpack(ARGV[1]))"):
        guarded = b"local ok, value = pcall(function(...) " + body + b" end) return tostring(value)"
        assert b"internal error" not in run(lua, guarded, data)


def test_lengths_that_a_packed_text_claims_take_no_memory(lua: Interpreter) -> None:
    with pytest.raises(ScriptError, match="Missing bytes"):
        run(lua, b"return cmsgpack.unpack('\\221\\255\\255\\255\\255')")
    with pytest.raises(ScriptError):
        run(lua, b"return cmsgpack.unpack(string.rep('\\145', 100000) .. 'a')")
    with pytest.raises(ScriptError, match="nested"):
        run(lua, b"return cjson.decode(string.rep('[', 100000))")
