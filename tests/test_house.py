"""The house rules: imports point one way, nothing heavy at import, linter and types are clean."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "featherweight"

LAYERS = [
    {"errors", "budget", "bar", "recipe", "record", "claims", "intervals"},
    {"augment", "homographies", "layers", "anatomy", "schedule", "order", "data", "tensors"},
    {"engine"},
    {"train", "shifts", "checkpoint"},
    {"experiment", "ladders"},
    {
        "environment",
        "runs",
        "run_folders",
        "stop",
        "fetch",
        "progress",
        "verdicts",
        "side_by_side",
        "trained",
        "packaged",
        "teacher",
        "difference",
        "compare",
        "ledger",
        "record_pages",
        "pages",
        "insight",
    },
    {"plots", "figures", "predict"},
    {"report", "export", "bench", "publish", "find_lr", "track", "notebook", "search"},
    {"console", "prove", "cli", "__main__", "__init__"},
]
"""From the ground up; a module imports from its own layer or a lower one."""
WITHOUT_TORCH = {
    "stop",
    "errors",
    "budget",
    "bar",
    "intervals",
    "recipe",
    "record",
    "claims",
    "progress",
    "verdicts",
    "cli",
}


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
    height = {part: level for level, parts in enumerate(LAYERS) for part in parts}
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 20
    upward = []
    for path in files:
        part = _part(path)
        below = {imported for imported in _imports(ast.parse(path.read_text())) if height[imported] <= height[part]}
        above = _imports(ast.parse(path.read_text())) - below
        upward += [f"{path.relative_to(SOURCE)} imports {imported}" for imported in sorted(above)]
    assert upward == []


def test_nothing_below_the_engine_s_door_is_imported_from_outside() -> None:
    outside = [path for path in sorted(SOURCE.rglob("*.py")) if _part(path) != "engine"]
    assert len(outside) > 20
    for path in outside:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("featherweight.engine."), path


@pytest.mark.parametrize("module", sorted(WITHOUT_TORCH))
def test_modules_that_need_no_torch_do_not_import_it(module: str) -> None:
    program = f"import sys, featherweight.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_package_imports_nothing_heavy_until_asked() -> None:
    program = "import sys, featherweight; sys.exit(bool({'torch', 'numpy', 'rich', 'typer'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("words", [["ruff", "check", "."], ["ruff", "format", "--check", "."]])
def test_linter_and_format(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_are_strict_and_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
