"""The Dockerfile's steps, run as they stand in a clean folder: no Docker engine is needed.

Each stage is a folder that plays the root of a file system: a word of a step that begins with one of OWNED is
read as lying in it. What would change the machine itself (packages, users) is not run but looked at. The base
image's `python` and `pip` are those of a new virtual environment, made by the Python that runs the tests.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from net_servers import free_port

ROOT = Path(__file__).parents[1]
OWNED = ("/src", "/opt/respkv", "/data")
MACHINE_STEPS = ("apt-get ", "useradd ")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("cc") is None, reason="the step that installs a compiler needs Docker, and none is here"
    ),
    pytest.mark.skipif(
        os.environ.get("RESPKV_EXPECTED_BUILD") == "interpreted", reason="it compiles: the run of that build does it"
    ),
]


class Step(NamedTuple):
    """One instruction: its word in capitals, and all that follows."""

    word: str
    rest: str


def stages() -> list[list[Step]]:
    """The instructions of the Dockerfile, those behind each FROM together."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", "")
    steps = [Step(*line.split(maxsplit=1)) for line in text.splitlines() if line]
    found: list[list[Step]] = []
    for step in steps:
        if step.word == "FROM":
            found.append([])
        found[-1].append(step)
    return found


class Stage:
    """A folder in which the instructions of one stage take effect."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root = root
        self.folder = "/"
        self.user = "root"
        self.exposed: list[str] = []
        self.volumes: list[str] = []
        self.entrypoint: list[str] = []
        self.health: list[str] = []
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.environment = kept | {"PATH": f"{base / 'bin'}:/usr/bin:/bin", "HOME": str(root)}

    def path(self, name: str) -> Path:
        """The folder's own place for the path `name` of the image."""
        return self.root / os.path.join(self.folder, name).lstrip("/")

    def moved(self, text: str) -> str:
        """A command or value with the image's own paths read as lying in the folder."""
        owned = "|".join(OWNED)
        return re.sub(rf"(?<![^\s=:])(?={owned})", str(self.root), text)

    def run(self, step: Step, sources: dict[str, "Stage"]) -> None:
        match step:
            case Step("FROM", image):
                assert re.fullmatch(r"python:3\.\d+-slim( AS \w+)?", image)
            case Step("RUN", command) if command.startswith(MACHINE_STEPS):
                for name in (word for word in shlex.split(command) if word in OWNED):
                    self.path(name).mkdir(parents=True)
            case Step("RUN", command):
                self.shell(command)
            case Step("COPY", words):
                self.copy(shlex.split(words), sources)
            case Step("ENV", assignment):
                name, _, value = assignment.partition("=")
                self.environment[name] = self.moved(value).replace(f"${name}", self.environment.get(name, ""))
            case Step("WORKDIR", name):
                self.folder = name
                self.path(".").mkdir(parents=True, exist_ok=True)
            case Step("USER", name):
                self.user = name
            case Step("VOLUME", name):
                self.volumes.append(name)
            case Step("EXPOSE", port):
                self.exposed.append(port)
            case Step("HEALTHCHECK", words):
                self.health = json.loads(words[words.index("CMD") + 3 :])
            case Step("ENTRYPOINT", words):
                self.entrypoint = json.loads(words)
            case _:
                raise AssertionError(f"no rule for {step}")

    def shell(self, command: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", self.moved(command)],
            cwd=self.path("."),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def copy(self, words: list[str], sources: dict[str, "Stage"]) -> None:
        if words[0].startswith("--from="):
            source = sources[words.pop(0).removeprefix("--from=")]
            paths = [source.path(name) for name in words[:-1]]
        else:
            paths = [ROOT / name for name in words[:-1]]
        target = self.path(words[-1])
        for path in paths:
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.so")
                shutil.copytree(path, target, symlinks=True, ignore=ignored if path.parent == ROOT else None)
            else:
                shutil.copy(path, target / path.name)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The last stage, all its instructions run."""
    folder = tmp_path_factory.mktemp("docker")
    base = folder / "base"
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    done: dict[str, Stage] = {}
    for number, steps in enumerate(stages()):
        stage = Stage(folder / f"stage-{number}", base)
        stage.root.mkdir()
        for step in steps:
            stage.run(step, done)
        done[steps[0].rest.partition(" AS ")[2]] = stage
        # The next stage has what was copied to it, and under the paths for which it was made.
        if number < len(stages()) - 1:
            adopt(stage)
    return done[""]


def adopt(stage: Stage) -> None:
    """Make the scripts of the stage's environments find Python wherever they are copied to.

    In an image the environment lies at the same path in both stages; here the folders' names differ.
    """
    for script in (stage.root / "opt/respkv/bin").iterdir():
        if script.is_file() and not script.is_symlink():
            script.write_text(script.read_text().replace(f"#!{stage.root}", f"#!{stage.root.parent}/stage-1"))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(image: Stage, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The entry point, on a free port: words behind the image's name are added to it."""
    command = [image.moved(word) for word in image.entrypoint] + ["--port", str(port)]
    with subprocess.Popen(command, cwd=image.path("."), env=image.environment) as process:
        yield process
        if process.poll() is None:
            process.kill()


def is_healthy(image: Stage, port: int) -> bool:
    command = [word.replace("6379", str(port)) for word in image.health]
    done = subprocess.run(command, env=image.environment, capture_output=True, check=False)
    return done.returncode == 0


def wait_until_healthy(image: Stage, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while not is_healthy(image, port):
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "not healthy after 30 seconds"


def test_the_image_is_for_one_user_one_port_and_one_volume(image: Stage) -> None:
    assert image.user != "root"
    assert image.exposed == ["6379"]
    assert image.volumes == ["/data"]
    assert image.folder == "/data"


def test_the_image_runs_the_compiled_build(image: Stage) -> None:
    program = "from respkv.build import BUILD; print(BUILD)"
    command = ["python", "-c", program]
    done = subprocess.run(command, env=image.environment, cwd=image.root, capture_output=True, check=True)
    assert done.stdout == b"compiled\n"


def test_nothing_answers_is_not_healthy(image: Stage, port: int) -> None:
    assert not is_healthy(image, port)


def test_the_entry_point_serves_and_stops_on_sigterm(image: Stage, port: int, server: subprocess.Popen[bytes]) -> None:
    wait_until_healthy(image, port, server)
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=30) == 0
    assert list(image.path("/data").iterdir()), "the data lies in the volume"
