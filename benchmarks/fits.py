"""Keep what `featherweight fit` handed over: `python -m benchmarks.fits FOLDER NAME`, in results/fit and docs/fits."""

import json
import shutil
import sys
from pathlib import Path

from featherweight.files import write_text
from featherweight.search.fit.finish import RESULT, sentence

ROOT = Path(__file__).parents[1]


def keep(folder: Path, name: str) -> None:
    """Copy the figures, without where the pictures lay, and the picture of the front."""
    values = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    values["data"]["source"] = Path(values["data"]["source"]).name
    values["sentence"] = sentence(values)
    for place in ("results/fit", "docs/fits"):
        (ROOT / place).mkdir(parents=True, exist_ok=True)
    write_text(ROOT / "results" / "fit" / f"{name}.json", json.dumps(values, indent=1) + "\n")
    shutil.copy(folder / "front.svg", ROOT / "docs" / "fits" / f"{name}.svg")


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2])
