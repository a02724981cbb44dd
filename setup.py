"""Compile the hot modules with mypyc where a C compiler works; install plain Python where none does.

`[tool.respkv] compiled` in pyproject.toml names the modules. RESPKV_COMPILE=1 insists on compiling,
RESPKV_COMPILE=0 forbids it. Everything else about the package stands in pyproject.toml.
"""

import os
import platform
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

ROOT = Path(__file__).parent
COMMANDS_THAT_COMPILE = {"build", "build_ext", "bdist_wheel", "editable_wheel", "develop", "install"}

PROBE = """
#include <Python.h>
PyMODINIT_FUNC PyInit_probe(void) { return NULL; }
"""

FLAGS = ["-O2", "-std=c11", "-fvisibility=hidden"] if os.name == "posix" else []
"""Of the C written by hand."""

BOUNDARY = Extension(
    "respkv.scripting._boundary",
    [f"respkv/scripting/_{part}.c" for part in ("boundary", "guards", "json", "run")],
    depends=["respkv/scripting/_lua.h"],
    extra_compile_args=FLAGS,
    optional=True,
)
"""Written by hand, and optional: see docs/adr/0025-the-boundary-to-lua-in-c.md."""

KEYS_AT = Extension(
    "respkv.values._keys_at",
    ["respkv/values/_keys_at.c"],
    extra_compile_args=FLAGS,
    optional=True,
)
"""Written by hand, and optional: see respkv/values/keys_at.py."""

THAW = Extension(
    "respkv.values._thaw",
    ["respkv/values/_thaw.c"],
    extra_compile_args=FLAGS,
    optional=True,
)
"""Written by hand, and optional: see docs/adr/0031-long-strings-thaw.md."""

LZF = Extension(
    "respkv.persistence._lzf",
    ["respkv/persistence/_lzf.c"],
    extra_compile_args=FLAGS,
    optional=True,
)
"""Written by hand, and optional: see docs/adr/0030-lzf-in-c.md."""

SOCKETS = Extension(
    "respkv.net._sockets",
    ["respkv/net/_sockets.c"],
    extra_compile_args=FLAGS,
    optional=True,
)
"""Written by hand, and optional: see docs/adr/0028-the-calls-of-a-request-in-c.md."""


def compiler_works() -> bool:
    """Whether an extension module can be built here: a compiler, a linker and Python's headers."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(PROBE)
        command = build_ext(Distribution({"ext_modules": [Extension("probe", [str(source)])]}))
        command.build_lib = command.build_temp = folder
        try:
            command.ensure_finalized()
            command.run()
        except (BaseError, CCompilerError, OSError) as error:
            say(f"no working C compiler with Python's headers ({error})")
            return False
    return True


def wants_compiling() -> bool:
    """What RESPKV_COMPILE says; what the machine can do if it says nothing."""
    wish = os.environ.get("RESPKV_COMPILE", "")
    if wish not in ("", "0", "1"):
        raise SystemExit(f"RESPKV_COMPILE is {wish!r}: say 0, 1 or nothing")
    return wish == "1" or (wish == "" and compiler_works())


def extensions() -> list[Extension]:
    """The extension modules to build, none for a pure Python installation."""
    if not COMMANDS_THAT_COMPILE & set(sys.argv):
        return []  # metadata and sdist need no compiler, and translating to C takes its time
    modules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["respkv"]["compiled"]
    if not wants_compiling():
        say("installing pure Python: everything works, more slowly")
        remove_compiled(modules)
        return []
    from mypyc.build import mypycify

    # The build environment has neither our dependencies nor a need for our lint settings.
    options = ["--config-file=", "--ignore-missing-imports", *modules]
    compiled: list[Extension] = mypycify(
        options, opt_level="3", debug_level="0", group_name="respkv.compiled", multi_file=True
    )
    for extension in compiled:
        # Where mypyc puts the header that the files of a group with a dotted name share.
        extension.include_dirs.append(str(Path("build", "respkv")))
        if os.name == "posix":
            # Calls between our own functions need not go through the dynamic linker's table then.
            extension.extra_compile_args = [*extension.extra_compile_args, "-fvisibility=hidden"]
        if packs_relocations():
            extension.extra_link_args = [*extension.extra_link_args, "-Wl,-z,pack-relative-relocs"]
    compiled += [KEYS_AT, THAW, LZF]
    if os.name == "posix":
        compiled += [BOUNDARY, SOCKETS]
    return compiled


def packs_relocations() -> bool:
    """Whether the dynamic linker knows packed relocations: 8 KB where they take half a megabyte, resident once read.

    GNU's does from 2.36 on. A linker that cannot make them warns of the option, and makes the others.
    """
    library, release = platform.libc_ver()
    return library == "glibc" and tuple(map(int, release.split(".")[:2])) >= (2, 36)


class ParallelBuild(build_ext):
    """Compiles the C files of an extension side by side: all together they take one core some minutes."""

    def build_extensions(self) -> None:
        """Build as ever, but each source in a thread of its own."""
        compile_all = self.compiler.compile

        def compile_each(sources: list[str], **options: Any) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                done = threads.map(lambda source: compile_all([source], **options), sources)
                return [path for paths in done for path in paths]

        self.compiler.compile = compile_each
        super().build_extensions()


def remove_compiled(modules: list[str]) -> None:
    """Take away what an editable installation compiled earlier: it would shadow the source."""
    by_hand = [
        "respkv/scripting/_boundary.py",
        "respkv/values/_keys_at.py",
        "respkv/values/_thaw.py",
        "respkv/persistence/_lzf.py",
        "respkv/net/_sockets.py",
    ]
    for module in [*modules, "respkv/compiled__mypyc.py", *by_hand]:
        path = ROOT / module
        for pattern in (f"{path.stem}.*.so", f"{path.stem}.*.pyd"):
            for binary in path.parent.glob(pattern):
                binary.unlink()


def say(text: str) -> None:
    """A note among pip's output (shown with -v)."""
    print(f"respkv: {text}", file=sys.stderr)


setup(ext_modules=extensions(), cmdclass={"build_ext": ParallelBuild})
