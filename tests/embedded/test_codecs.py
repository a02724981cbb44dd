"""Values and keys as bytes, and back."""

import pickle
from typing import Any

import pytest

from respkv.embedded.codecs import decode_key, decode_value, encode_key, encode_value, find_codec
from respkv.embedded.errors import CodecError


@pytest.mark.parametrize(
    ("name", "value", "data"),
    [
        ("bytes", b"\x00\xff", b"\x00\xff"),
        ("str", "né", "né".encode()),
        ("json", {"a": [1, None, "né"]}, '{"a":[1,null,"né"]}'.encode()),
    ],
)
def test_a_value_becomes_bytes_and_comes_back(name: str, value: Any, data: bytes) -> None:
    codec = find_codec(name)
    assert encode_value(codec, value) == data
    assert decode_value(codec, data) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [("bytes", "text"), ("bytes", 1), ("str", b"bytes"), ("str", "\ud800"), ("json", {1, 2}), ("json", float("nan"))],
)
def test_what_a_codec_cannot_take_is_refused(name: str, value: Any) -> None:
    with pytest.raises(CodecError):
        encode_value(find_codec(name), value)


def test_json_that_refers_to_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CodecError):
        encode_value(find_codec("json"), value)


@pytest.mark.parametrize(("name", "data"), [("str", b"\xff"), ("json", b"{"), ("json", b"\xff")])
def test_bytes_that_are_not_of_the_codec_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(CodecError, match=f"not {name}"):
        decode_value(find_codec(name), data)


@pytest.mark.parametrize("codec", ["pickle", pickle])
def test_pickle_is_refused_with_the_reason(codec: Any) -> None:
    with pytest.raises(ValueError, match="could run code"):
        find_codec(codec)


def test_an_unknown_codec_is_refused_with_the_names_of_the_others() -> None:
    with pytest.raises(ValueError, match="bytes, str, json"):
        find_codec("yaml")


@pytest.mark.parametrize("data", [b"", b"plain", "né".encode(), b"\xff\x00"])
def test_any_key_is_a_str_and_becomes_the_same_bytes_again(data: bytes) -> None:
    assert encode_key(decode_key(data)) == data
    assert encode_key(data) == data


def test_a_key_is_a_str_or_bytes() -> None:
    with pytest.raises(TypeError):
        encode_key(1)  # type: ignore[arg-type]
