"""The house rules: imports point one way, nothing heavy at import, tests lie in the rooms they test."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "featherweight"

FLOORS = [
    {"errors"},
    {"files"},
    {"experiments"},
    {"networks", "data"},
    {"engine"},
    {"training"},
    {"parallel"},
    {"ship"},
    {"explain"},
    {"search", "prove"},
    {"cli", "__init__"},
    {"__main__"},
]
"""From the ground up; a room imports from itself or a lower floor. Rungs and spaces import the front door alone."""
WITHOUT_TORCH = (
    "errors",
    "files",
    "experiments.budget",
    "experiments.bar",
    "experiments.claims",
    "experiments.recipe",
    "experiments.record",
    "experiments.statistics",
    "experiments.verdicts",
    "parallel.messages",
    "training.runs.events",
    "training.runs.signals",
    "cli",
)
"""What must answer at once."""
USERS = ("src/featherweight/experiments/ladders/*/*.py", "src/featherweight/search/spaces/*.py", "notebooks/*.ipynb",
         "docs/**/*.md", "README.md")  # fmt: skip
"""Written as a user would write: with the names of the front door alone."""


def _part(path: Path) -> str:
    """The first name under the package: `data/idx.py` belongs to `data`."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imports(tree: ast.AST) -> set[str]:
    """Parts of the package that a file imports; those only for type checking left out."""
    checking = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in checking:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "featherweight":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("featherweight."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("featherweight.")}
    return found


def test_imports_point_one_way() -> None:
    height = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
    assert {_part(path) for path in SOURCE.rglob("*.py")} == set(height)
    upward = []
    for path in sorted(set(SOURCE.rglob("*.py")) - set(_users())):
        room = _part(path)
        above = {other for other in _imports(ast.parse(path.read_text())) - {room} if height[other] >= height[room]}
        upward += [f"{path.relative_to(SOURCE)} imports {other}" for other in sorted(above)]
    assert upward == []


def _modules(path: Path, names: dict[str, Path]) -> set[str]:
    """The package's modules that a file imports, wherever in it, those only for type checking left out."""
    tree = ast.parse(path.read_text())
    checking = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) not in checking and isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif id(node) not in checking and isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & names.keys() - {"featherweight"}


def test_no_files_import_each_other_in_a_circle() -> None:
    names = {
        ".".join(("featherweight", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in SOURCE.rglob("*.py")
    }
    assert len(names) > 100
    graph = {  # a room's front door may offer what is in its files
        name: {other for other in _modules(path, names) if other != name and not name.startswith(f"{other}.")}
        for name, path in names.items()
    }
    assert [*TopologicalSorter(graph).static_order()][-1] in names  # CycleError names the circle


def _users() -> list[Path]:
    return [path for pattern in USERS for path in sorted(ROOT.glob(pattern))]


def test_what_users_read_imports_from_the_front_door_alone() -> None:
    users = _users()
    assert len(users) > 50
    inner = re.compile(r"(?:from|import)\s+(featherweight\.[\w.]+)")
    assert [f"{path.relative_to(ROOT)}: {name}" for path in users for name in inner.findall(path.read_text())] == []


def test_nothing_below_the_engine_s_door_is_imported_from_outside() -> None:
    outside = [path for path in sorted(SOURCE.rglob("*.py")) if _part(path) != "engine"]
    assert len(outside) > 20
    for path in outside:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("featherweight.engine."), path


def test_the_package_imports_nothing_heavy_until_asked() -> None:
    """One process imports the front door, then each part that has to answer at once."""
    program = (
        "import sys, featherweight\nfrom importlib import import_module\n"
        "heavy = {'torch', 'numpy', 'rich', 'typer'} & set(sys.modules)\n"
        "if heavy: sys.exit(f'featherweight imports {heavy}')\n"
        f"for name in {WITHOUT_TORCH}:\n"
        "    import_module(f'featherweight.{name}')\n"
        "    if 'torch' in sys.modules: sys.exit(f'{name} imports torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_tests_lie_in_the_rooms_of_the_package() -> None:
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    assert {path.relative_to(ROOT / "tests").parts[:-1] for path in files} == {(room,) for room in (*rooms, "whole")}
    assert len({path.name for path in files}) == len(files), "pytest tells files apart by their names alone"


def test_the_architecture_page_lists_every_room_and_what_it_imports() -> None:
    ground = {"errors", "files"}
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| \d+ \| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert set(rows) == rooms and len(rooms) == 11
    for room in rooms - {"cli"}:
        files = sorted(set((SOURCE / room).rglob("*.py")) - set(_users()))
        imports = set().union(*(_imports(ast.parse(path.read_text())) for path in files)) - ground - {room}
        told = rows[room].removeprefix("the ground floor")
        assert imports == (set(told.split(", ")) if told else set()), room


def test_no_test_imports_from_another() -> None:
    """Fixtures stand in conftest.py and helpers in files of their own, which no run collects."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    other = re.compile(r"^\s*(?:from|import) ((?:test_|conftest)\w*)", re.MULTILINE)
    assert [f"{path.name}: {name}" for path in files for name in other.findall(path.read_text())] == []
