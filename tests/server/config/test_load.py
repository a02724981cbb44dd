"""Configuration files and flags, and one clear line for each mistake in them."""

import io
from pathlib import Path

import pytest

from respkv.errors import StartupError
from respkv.server.config.load import Flag, load, nearest, read_flags


def write(folder: Path, text: str, name: str = "r.conf") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_file_sets_directives(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '# a comment\n\n  PORT 7000\r\nrequirepass "a\\tb\'"\nslave-priority 7\nbind 127.0.0.1 -::1\n'
        "save 900 1\nsave 60 10\nlua-replicate-commands yes\n"
        "client-output-buffer-limit normal 1mb 1mb 1\nclient-output-buffer-limit replica 1 2 3\n"
        "maxmemory 1gb\nmaxmemory 2gb\n",
    )
    config = load(path)
    assert config.port == 7000
    assert config.requirepass == b"a\tb'"
    assert config.get("replica-priority") == 7
    assert config.bind == ("127.0.0.1", "-::1")
    assert config.save == ((900, 1), (60, 10))
    assert config.client_output_buffer_limit.normal.soft_s == 1
    assert config.client_output_buffer_limit.replica == (1, 2, 3)
    assert config.client_output_buffer_limit.pubsub.soft_s == 60
    assert config.maxmemory == 2 << 30
    assert config.path == path


def test_an_empty_save_begins_anew(tmp_path: Path) -> None:
    assert load(write(tmp_path, 'save 900 1\nsave ""\nsave 60 10\n')).save == ((60, 10),)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "port 7000\nsave 900 1\ntimeout 3\n")
    config = load(path, read_flags(["--port", "7001", "--save", "60", "10", "--save", "5", "1"]))
    assert (config.port, config.save, config.timeout) == (7001, ((60, 10), (5, 1)), 3)


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"port 7002\nports 1")))
    with pytest.raises(StartupError, match=r"^standard input:2: ports: .* did you mean port\?$"):
        load("-")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"port 7002\n")))
    config = load("-")
    assert (config.port, config.path) == (7002, None)


def test_includes_are_read_in_place_and_from_the_files_folder(tmp_path: Path) -> None:
    write(tmp_path, "timeout 1\nport 1\n", "conf.d/a.conf")
    write(tmp_path, "timeout 2\n", "conf.d/b.conf")
    path = write(tmp_path, "port 7\ninclude conf.d/*.conf\ninclude nothing/*.conf\ndatabases 3\n")
    config = load(path)
    assert (config.timeout, config.port, config.databases) == (2, 1, 3)
    assert set(config.included) == {"timeout", "port"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nprot 1", "r.conf:2: prot: there is no such directive; did you mean port?"),
        ("xyzzyplugh 1", "r.conf:1: xyzzyplugh: there is no such directive"),
        ("port x", "r.conf:1: port x: argument couldn't be parsed into an integer"),
        ("port", "r.conf:1: port: wrong number of arguments"),
        ("port 1 2", "r.conf:1: port 1 2: wrong number of arguments"),
        ('port "1', "r.conf:1: unbalanced quotes"),
        ("maxmemory 12x", "r.conf:1: maxmemory 12x: argument must be a memory value"),
        ("requirepass a secret", "r.conf:1: requirepass: wrong number of arguments"),
        ("save 1", "r.conf:1: save 1: Invalid save parameters"),
        ("dir /nowhere", "r.conf:1: dir /nowhere: No such file or directory"),
        ("include r.conf", "r.conf:1: include: {}/r.conf includes itself"),
        ("include a b", "r.conf:1: include: wrong number of arguments"),
        (
            "include gone.conf",
            "cannot read the configuration file {}/gone.conf (included by {}/r.conf): No such file",
        ),
        ("rename-command FLUSHALL x", "r.conf:1: rename-command: commands keep their names"),
        ("user", "r.conf:1: user: wrong number of arguments"),
        ("user a on\nuser b on\nuser a off", "r.conf:3: user a: a user can be declared only once"),
        ("replicaof 10.0.0.1 6379", "respkv does not replicate"),
        ("activedefrag yes", "Active defragmentation cannot be enabled"),
        ("appendfilename a/b", "appendfilename can't be a path, just a filename"),
        ("appenddirname ''", "appenddirname can't be empty"),
        ("unixsocketperm 888", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm 1000", "argument must be between 0 and 777 inclusive"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(StartupError) as caught:
        load(path)
    line = str(caught.value)
    assert message.replace("{}", str(tmp_path)) in line
    assert "\n" not in line
    assert line.startswith((path, "cannot read"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"^cannot read the configuration file .*: No such file or directory$"):
        load(str(tmp_path / "x.conf"))


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ([], []),
        (["--port", "1"], [("port", [b"1"])]),
        (["--PORT=1"], [("port", [b"1"])]),
        (["--port 1"], [("port", [b"1"])]),
        (["--requirepass=a=b"], [("requirepass", [b"a=b"])]),
        (["--requirepass", "--secret", "--port", "1"], [("requirepass", [b"--secret"]), ("port", [b"1"])]),
        (["--bind", "a", "b", "--port", "1"], [("bind", [b"a", b"b"]), ("port", [b"1"])]),
        (["--slowlog-log-slower-than", "-1"], [("slowlog-log-slower-than", [b"-1"])]),
        (["--save", "--port", "1"], [("save", [b""]), ("port", [b"1"])]),
        (["--save"], [("save", [b""])]),
        (["--save", ""], [("save", [b""])]),
        (["--save", "60 1"], [("save", [b"60", b"1"])]),
        (["--port"], [("port", [])]),
    ],
)
def test_flags_fall_apart_as_for_redis_server(arguments: list[str], flags: list[tuple[str, list[bytes]]]) -> None:
    assert read_flags(arguments) == [Flag(*flag) for flag in flags]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "1"], "'-p' is no flag: flags begin with two dashes, as in --port 6379"),
        (["--"], "cannot read the flag '--'"),
        (["--prt", "1"], "--prt: there is no such directive; did you mean --port?"),
        (["--port"], "--port: wrong number of arguments"),
        (["--port", "1", "2"], "--port 1 2: wrong number of arguments"),
        (["--port", "70000"], "--port 70000: argument must be between 0 and 65535 inclusive"),
        (["--requirepass", "a", "b"], "--requirepass: wrong number of arguments"),
    ],
)
def test_a_mistake_in_a_flag_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(StartupError) as caught:
        load(None, read_flags(arguments))
    assert str(caught.value) == message


def test_the_nearest_directive_is_named() -> None:
    assert nearest("max-memory") == "maxmemory"
    assert nearest("APPENDFSNC") == "appendfsync"
    assert nearest("qqqq") is None
