"""The command line: help that reads well, exit codes, one line for each mistake."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from respkv import __version__
from respkv.build import BUILD
from respkv.cli import directives_help, main, serve
from respkv.errors import StartupError
from respkv.server.config.table import TABLE


@pytest.fixture(autouse=True)
def _own_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test starts may touch the user's data."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("argument", ["--version", "-v"])
def test_version_names_version_and_build(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([argument]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"respkv {__version__} (Redis 7.4.0 compatible), {BUILD} build, ")
    assert out.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["check", "--help"], ["compact", "-h"]])
def test_help_names_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert all(f"respkv {command}" in out for command in ("[serve]", "check", "compact"))
    assert max(map(len, out.splitlines())) <= 110


def test_serve_help_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "1", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--appendfsync" in out
    assert "--lfu-decay-time" not in out
    assert len(out.splitlines()) < 70


def test_serve_help_all_names_every_directive() -> None:
    text = directives_help("all")
    assert [name for name, row in TABLE.items() if name not in text and not row.hidden] == []


def test_serve_help_of_one_directive() -> None:
    text = directives_help("--Slave-Priority")
    assert "--replica-priority" in text
    assert "no effect    respkv does not replicate" in text
    with pytest.raises(StartupError, match="did you mean maxmemory"):
        directives_help("maxmemry")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prot", "1"], "respkv: --prot: there is no such directive; did you mean --port?"),
        (["serve", "--port", "x"], "respkv: --port x: argument couldn't be parsed into an integer"),
        (["-p", "1"], "respkv: '-p' is no flag: flags begin with two dashes, as in --port 6379"),
        (["chek"], "respkv: there is no command or file 'chek'; did you mean check?"),
        (["no.conf"], "respkv: cannot read the configuration file no.conf: No such file or directory"),
        (["--dir", "/nowhere"], "respkv: --dir /nowhere: No such file or directory"),
        (["check", "--fxi"], "respkv: check does not know '--fxi'; see respkv --help"),
        (["check", "/nowhere"], "respkv: there is no /nowhere"),
        (["compact", "a", "b"], "respkv: compact does not know 'b'; see respkv --help"),
        (["serve", "--help", "prot"], "respkv: there is no directive prot; did you mean port?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err == message + "\n"
    assert captured.out == ""


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "share").write_text("in the way")
    with pytest.raises(StartupError, match=r"^cannot make the data directory .*; choose one with --dir$"):
        serve([])


def test_the_process_leaves_with_the_exit_code() -> None:
    done = subprocess.run([sys.executable, "-m", "respkv", "--prot", "1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "respkv: --prot: there is no such directive; did you mean --port?\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "respkv", "serve", "--help", "all"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.stderr == ""
