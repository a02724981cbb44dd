"""Run applications on a server of their own each, and tell which did their work.

    python -m compat.applications [NAME ...] [--server redis7] [--environment FOLDER]

Each program in `programs/` uses a library as its users do and checks what comes out; it gets the server's host and port
and fails by its exit code. The libraries are installed in virtual environments and a folder for Node under
`--environment`, which is made where it is missing and kept, so that a second run starts at once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from compat.servers import KINDS, end_with_signals, start

HERE = Path(__file__).parent
PROGRAMS = sorted(path for path in (HERE / "programs").iterdir() if path.suffix in (".py", ".mjs"))
TIMEOUT_S = 180
TAIL_CHARACTERS = 3000


@dataclass(frozen=True)
class Environment:
    """Where the libraries are installed."""

    folder: Path

    def command(self, program: Path) -> list[str]:
        """How the program is run; what it needs is installed first, if it is not there."""
        if program.suffix == ".mjs":
            return ["node", str(self._node_folder() / program.name)]
        name = "arq" if program.stem == "arq_app" else "most"
        requirements = HERE / ("requirements-arq.txt" if name == "arq" else "requirements.txt")
        return [str(self._python(name, requirements)), str(program)]

    def _python(self, name: str, requirements: Path) -> Path:
        folder = self.folder / name
        python = folder / "bin" / "python"
        mark = folder / requirements.name
        if not mark.exists() or mark.read_text() != requirements.read_text():
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
            shutil.copy(requirements, mark)
        return python

    def _node_folder(self) -> Path:
        """A copy of the programs beside what they import: Node looks for modules from where a program lies."""
        folder = self.folder / "node"
        mark = folder / "package.json"
        wanted = (HERE / "package.json").read_text()
        if not mark.exists() or mark.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            mark.write_text(wanted)
            try:
                install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
                subprocess.run(install, cwd=folder, check=True)
            except BaseException:
                mark.unlink()
                raise
        for program in PROGRAMS:
            if program.suffix == ".mjs":
                shutil.copy(program, folder)
        return folder


def run(program: Path, environment: Environment, server_name: str) -> str:
    """What went wrong with the program, empty if nothing."""
    command = environment.command(program)
    with start(KINDS[server_name]) as server:
        words = [*command, "127.0.0.1", str(server.port)]
        with tempfile.TemporaryDirectory() as folder:
            try:
                done = subprocess.run(
                    words,
                    cwd=folder,
                    env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"},
                    capture_output=True,
                    text=True,
                    timeout=TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                output = error.stderr or b""
                text = output.decode(errors="replace") if isinstance(output, bytes) else output
                return f"it does not end within {TIMEOUT_S} s\n{text[-TAIL_CHARACTERS:]}"
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"[-TAIL_CHARACTERS:] or "it failed silently"


def main() -> int:
    """The exit code: 0 if all did their work."""
    end_with_signals()
    names = [program.stem.removesuffix("_app") for program in PROGRAMS]
    parser = argparse.ArgumentParser(prog="python -m compat.applications", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}; all if none is given")
    parser.add_argument("--server", default="respkv", choices=KINDS)
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "respkv-applications")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    environment = Environment(options.environment)
    failures = 0
    for name, program in zip(names, PROGRAMS, strict=True):
        if options.names and name not in options.names:
            continue
        begun_s = monotonic()
        problem = run(program, environment, options.server)
        failures += bool(problem)
        print(f"{'FAILED' if problem else 'ok':<8}{name:<12}{monotonic() - begun_s:6.1f} s", flush=True)
        if problem:
            print(problem, flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
