"""The rates that the learning-rate finder suggests for recipes known to work, and how much they differ between seeds.

python -m benchmarks.find_lr     # on MNIST; writes results/bench/find_lr.json and the table in docs/find_lr.md
"""

import json
from pathlib import Path

from docs.build.rendering import with_part_between

from featherweight.data import load
from featherweight.experiments.experiment import find
from featherweight.io import write_text
from featherweight.search.learning_rate import sweep_of

ROOT = Path(__file__).parent.parent
IDS = ("f1", "f2", "f3", "c3", "e3", "a10", "b6", "d1")
SEEDS = range(3)
MARKS = ("<!-- begin: suggestions -->", "<!-- end: suggestions -->")


def measure() -> list[dict[str, object]]:
    data, found = load("mnist"), []
    for id in IDS:
        for seed in SEEDS:
            sweep, _ = sweep_of(find(id), data, seed=seed, device="cpu", engine="auto", steps=400)
            values = {name: value for name, value in sweep.to_json().items() if name not in ("rows", "rule")}
            found.append({"experiment": id, "seed": seed, "recipe_lr": find(id).recipe.lr, **values})
            print(found[-1], flush=True)
    return found


def table(found: list[dict[str, object]]) -> str:
    lines = ["| experiment | optimiser | the recipe's peak | suggested, seeds 0 to 2 | diverged at, seeds 0 to 2 |"]
    lines += ["|---|---|--:|--:|--:|"]
    for id in dict.fromkeys(one["experiment"] for one in found):
        of_it = [one for one in found if one["experiment"] == id]
        recipe = find(str(id)).recipe
        suggested, diverged = (", ".join(_short(one[name]) for one in of_it) for name in ("suggestion", "diverged"))
        lines.append(f"| `{id}` | {recipe.optimizer} | {recipe.lr:g} | {suggested} | {diverged} |")
    return "\n".join(lines)


def _short(value: object) -> str:
    return "–" if value is None else f"{value:.2g}"


def page(text: str, found: list[dict[str, object]]) -> str:
    """The text of the page with its table replaced by one of these figures."""
    return with_part_between(text, MARKS, table(found), "docs/find_lr.md")


if __name__ == "__main__":
    measured = measure()
    write_text(ROOT / "results" / "bench" / "find_lr.json", json.dumps(measured, indent=1) + "\n")
    path = ROOT / "docs" / "find_lr.md"
    write_text(path, page(path.read_text(encoding="utf-8"), measured))
