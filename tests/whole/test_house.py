"""The house rules: imports point one way and never in a circle, nothing heavy at import, tests lie in the rooms they
test."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "featherweight"

FLOORS = [
    {"errors"},
    {"escape", "_version"},
    {"json_files"},
    {"io"},
    {"experiments"},
    {"networks", "data"},
    {"engine"},
    {"training"},
    {"parallel"},
    {"reading"},
    {"export"},
    {"report"},
    {"search", "protocol"},
    {"api"},
    {"cli", "__init__"},
    {"__main__"},
]
"""From the ground up; a room imports from itself or a lower floor. Rungs and spaces import the front door alone."""
SCHEMAS = {"augmentation", "budget", "experiment", "recipe", "record", "schema", "settings"}
"""What networks, data and engines may know of experiments: plain data, and how it is compared."""
WITHOUT_TORCH = (
    "errors",
    "escape",
    "io",
    "json_files",
    "experiments.budget",
    "experiments.bar",
    "experiments.claims",
    "experiments.experiment",
    "experiments.settings",
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
USERS = ("src/featherweight/experiments/ladders/*/*.py", "src/featherweight/experiments/records/*.py",
         "src/featherweight/search/spaces/*.py", "notebooks/*.ipynb",
         "docs/**/*.md", "README.md")  # fmt: skip
"""Written as a user would write: with the names of the front door alone."""


def _part(path: Path) -> str:
    """The first name under the package: `data/formats.py` belongs to `data`."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def _modules(path: Path) -> set[str]:
    """Names in the package that a file imports, as `data.formats`; those only for type checking left out."""
    tree = ast.parse(path.read_text())
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
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            if (node.module or "").split(".")[0] == "featherweight":
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("featherweight.")}
    return {name.removeprefix("featherweight.") for name in found}


def _imports(path: Path) -> set[str]:
    """Parts of the package that a file imports."""
    return {name.split(".")[0] for name in _modules(path)}


def _name(path: Path) -> str:
    """The module of a file: `data.formats`; a package is called by its folder."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def _graph() -> dict[str, set[str]]:
    """The modules that each module of the package imports; its own package, which lies above it, left out."""
    files = {_name(path): path for path in SOURCE.rglob("*.py")}

    def module(name: str) -> str | None:
        """The module that a name lies in, or that it is."""
        return name if name in files else name.rpartition(".")[0] if name.rpartition(".")[0] in files else None

    found = {here: {module(name) for name in _modules(path)} - {None, here} for here, path in files.items()}
    return {here: {other for other in others if not here.startswith(f"{other}.")} for here, others in found.items()}


def _circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The sets of modules that reach one another."""
    beyond: dict[str, set[str]] = {}
    for start in graph:
        reached, ahead = set(), [start]
        while ahead:
            new = graph.get(ahead.pop(), set()) - reached
            reached |= new
            ahead += new
        beyond[start] = reached
    together = {frozenset(two for two in reached if one in beyond[two]) for one, reached in beyond.items()}
    return [set(circle) for circle in together if circle]


def test_imports_point_one_way() -> None:
    height = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
    assert {_part(path) for path in SOURCE.rglob("*.py")} == set(height)
    upward = []
    for path in sorted(set(SOURCE.rglob("*.py")) - set(_users())):
        room = _part(path)
        above = {other for other in _imports(path) - {room} if height[other] >= height[room]}
        upward += [f"{path.relative_to(SOURCE)} imports {other}" for other in sorted(above)]
    assert upward == []


def test_no_files_import_one_another_in_a_circle() -> None:
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]
    graph = _graph()
    assert len(graph) > 100 and "errors" in graph["data.formats"]
    assert [sorted(circle) for circle in _circles(graph)] == []


def test_networks_data_and_engines_know_the_schemas_of_experiments_alone() -> None:
    graph = _graph()
    lower = [name for name in graph if name.split(".")[0] in ("networks", "data", "engine")]
    assert len(lower) > 20
    known = {other for name in lower for other in graph[name] if other.split(".")[0] == "experiments"}
    assert known <= {f"experiments.{name}" for name in SCHEMAS}


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
        assert not [name for name in _modules(path) if name.startswith("engine.") and name.count(".") > 1], path


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


def test_a_training_loads_neither_reports_nor_exports_nor_other_verbs(tmp_path: Path) -> None:
    """And no more than about a hundred of the package's modules."""
    program = (
        "import sys\nfrom featherweight.cli import main\n"
        f"sys.argv[1:] = 'train f3 --data digits --epochs 1 --threads 1 --out {tmp_path}'.split()\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*(name for name in sys.modules if name.startswith('featherweight')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    rooms = {name.split(".")[1] for name in loaded if "." in name}
    assert "featherweight.training.loop" in loaded and len(loaded) <= 105
    assert rooms & {"report", "export", "protocol", "search", "reading", "api"} == set()
    assert {"featherweight.cli.fit", "featherweight.cli.prove"} & set(loaded) == set()


def test_the_tests_lie_in_the_rooms_of_the_package() -> None:
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    folders = {path.relative_to(ROOT / "tests").parts[:-1] for path in files}
    assert folders == {(room,) for room in (*rooms, "whole", "walks", "faults")}
    assert len({path.name for path in files}) == len(files), "pytest tells files apart by their names alone"


def test_the_architecture_page_lists_every_room_and_what_it_imports() -> None:
    ground = {"errors", "escape", "io", "json_files", "_version"}
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| \d+ \| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert set(rows) == rooms and len(rooms) == 13
    for room in rooms - {"cli"}:
        files = sorted(set((SOURCE / room).rglob("*.py")) - set(_users()))
        imports = set().union(*(_imports(path) for path in files)) - ground - {room}
        told = rows[room].removeprefix("the ground floor")
        assert imports == (set(told.split(", ")) if told else set()), room


def test_no_test_imports_from_another() -> None:
    """Fixtures stand in conftest.py and helpers in files of their own, which no run collects."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    other = re.compile(r"^\s*(?:from|import) ((?:test_|conftest)\w*)", re.MULTILINE)
    assert [f"{path.name}: {name}" for path in files for name in other.findall(path.read_text())] == []
