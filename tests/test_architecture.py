"""The shape of the tree: imports go down only, and each concern stays in its room."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import respkv

PACKAGE = Path(respkv.__file__).parent
TESTS = Path(__file__).parent

# A room may import rooms of lower levels, itself, and the neighbours named in NEIGHBOURS.
LEVELS = {
    0: ["build", "doubles", "errors", "reply"],
    1: ["resp", "values"],
    2: ["engine"],
    3: ["commands"],
    4: ["persistence", "scripting", "acl"],
    5: ["server"],
    6: ["net", "embedded"],
    7: ["cli", "docs_pages", "testing", "__main__", "__init__"],
}
LEVEL_OF = {room: level for level, rooms in LEVELS.items() for room in rooms}
# A server in a thread of a program is both.
NEIGHBOURS = {("__main__", "cli"), ("embedded", "net")}
# A command never encodes: it returns values. This arrow would go down, and is still not drawn.
FORBIDDEN = {("commands", "resp")}

# Tests of what lies beside the package, or of the package as a whole.
TESTS_OF_THE_WHOLE = {"architecture", "dockerfile", "embedding", "readme", "setup", "tutorial"}

# Tests of what lies beside the package, and of promises that no module keeps alone.
BESIDE_THE_TREE = {Path("compat"), Path("reliability")}

# Clocks that measure how long something takes, and cannot tell what time it is.
DURATIONS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level_of(path: Path) -> int:
    return LEVEL_OF[room_of(path)]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """The dotted names that a module imports, wherever in it, and the lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def upward_imports(path: Path) -> Iterator[str]:
    """The imports of `path` that no arrow allows."""
    room = room_of(path)
    for name, line in imports(path):
        # The version is the one name that every room may take from the package itself.
        if not name.startswith("respkv.") or name == "respkv.__version__":
            continue
        other = name.split(".")[1]
        arrow = (room, other)
        is_down = LEVEL_OF.get(other, 7) < LEVEL_OF[room] and arrow not in FORBIDDEN
        if not (is_down or room == other or arrow in NEIGHBOURS):
            yield f"{name_of(path)}:{line}: {room} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    assert room_of(path) in LEVEL_OF, "a new room needs a level"
    assert list(upward_imports(path)) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_trio_is_only_at_the_top(path: Path) -> None:
    users = [line for name, line in imports(path) if name.split(".")[0] == "trio"]
    assert level_of(path) >= 6 or not users, users


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_time_and_chance_come_from_the_engine(path: Path) -> None:
    if level_of(path) >= 6 or name_of(path) == "engine/clock.py":
        return
    names = {name for name, _ in imports(path)}
    chance = {name for name in names if name.split(".")[0] in ("random", "secrets")}
    times = {name for name in names if name.split(".")[0] in ("time", "datetime")}
    if room_of(path) == "persistence":
        # It may measure durations, and tell a person a date; what it stores takes the engine's time.
        if "time" in times:
            times |= {f"time.{name}" for name in re.findall(r"\btime\.(\w+)", path.read_text())}
        times = {name for name in times if name.startswith("time.")} - {f"time.{name}" for name in DURATIONS}
    assert chance | times == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


ERROR_TEXT = re.compile(
    rb"(ERR|WRONGTYPE|NOAUTH|NOPERM|WRONGPASS|NOPROTO|NOSCRIPT|NOREPLICAS|MISCONF|OOM|LOADING|BUSY\w*|READONLY"
    rb"|EXECABORT|UNBLOCKED|IOERR|INVALIDOBJ|DENIED|MASTERDOWN|NOTBUSY|UNKILLABLE) ."
)


def error_texts(path: Path) -> Iterator[bytes]:
    """The bytes in the code of a module that read like an error reply."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and ERROR_TEXT.match(node.value):
            yield node.value


def test_an_error_text_stands_in_one_place() -> None:
    """A text that one command uses stands beside it; one that two use belongs in errors.py."""
    counts = Counter(text for path in MODULES for text in error_texts(path))
    assert [text for text, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.name)
def test_tests_mirror_the_tree(path: Path) -> None:
    """`tests/engine/test_expiry.py` tests `respkv/engine/expiry.py`; so may `test_expiry_of_hashes.py`."""
    folder = path.parent.relative_to(TESTS)
    subject = path.stem.removeprefix("test_")
    if (folder == Path() and subject in TESTS_OF_THE_WHOLE) or folder in BESIDE_THE_TREE:
        return
    modules = {module.stem for module in (PACKAGE / folder).glob("*.py")}
    modules |= {module.parent.name for module in (PACKAGE / folder).glob("*/__init__.py")}
    assert any(subject == module or subject.startswith(f"{module}_") for module in modules)


def test_the_checks_see_an_upward_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above can fail."""
    rooms = tmp_path / "respkv"
    (rooms / "engine").mkdir(parents=True)
    module = rooms / "engine" / "bad.py"
    module.write_text('"""Bad."""\nfrom respkv.server import session\n')
    monkeypatch.setitem(globals(), "PACKAGE", rooms)
    assert list(upward_imports(module)) == ["engine/bad.py:2: engine imports respkv.server.session"]
