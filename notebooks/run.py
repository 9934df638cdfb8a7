"""Writes each notebook from the percent script of its name, which is where it is edited, and runs it.

python notebooks/run.py [NAME...]         # write the cells; outputs of cells that have not changed are kept
python notebooks/run.py --run [NAME...]   # and run them, so that the outputs are those of a real run
"""

import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import tomllib
from jupytext.combine import combine_inputs_with_outputs

HERE = Path(__file__).parent
GITHUB = "https://github.com/"


def repository(project: Path = HERE.parent / "pyproject.toml") -> str:
    """The address of the public repository, as pyproject.toml has it; empty while it has none."""
    return str(tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["featherweight"]["repository"])


def addressed(script: str, name: str, address: str) -> str:
    """The script with `address` in its first cell and, where Colab can open it, with the badge that does."""
    script = re.sub(r'^SOURCE = ".*?"', f'SOURCE = "{address and f"git+{address}"}"', script, flags=re.MULTILINE)
    script = re.sub(r"^# \[!\[Open in Colab\].*\n#\n", "", script, flags=re.MULTILINE)
    if not address.startswith(GITHUB):
        return script
    target = f"https://colab.research.google.com/github/{address.removeprefix(GITHUB)}/blob/main/notebooks/{name}.ipynb"
    badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({target})"
    return script.replace("# %% [markdown]\n", f"# %% [markdown]\n# {badge}\n#\n", 1)


def built(name: str, script: str) -> Any:
    """The notebook of a script, without outputs."""
    notebook = jupytext.reads(script, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    })  # fmt: skip
    for at, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"{name}-{at}", {}
    return notebook


def executed(notebook: Any, folder: Path) -> Any:
    """The notebook with the outputs of a run in `folder`, and nothing in it of the machine or the time."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=None, kernel_name="python3", record_timing=False, resources=resources).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> None:
    """Write every notebook, or those whose names are given."""
    names = [word for word in sys.argv[1:] if word != "--run"]
    for path in sorted(HERE.glob("*.py")):
        if path == Path(__file__) or (names and path.stem not in names):
            continue
        script = addressed(path.read_text(encoding="utf-8"), path.stem, repository())
        path.write_text(script, encoding="utf-8")
        notebook, goal = built(path.stem, script), path.with_suffix(".ipynb")
        if "--run" in sys.argv:
            notebook = executed(notebook, HERE)
        elif goal.is_file():
            notebook = combine_inputs_with_outputs(notebook, nbformat.read(goal, as_version=4), fmt="py:percent")
            notebook = nbformat.from_dict({**notebook, "metadata": built(path.stem, script).metadata})
        nbformat.write(notebook, goal)
        print(f"wrote {goal.name}, {goal.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
