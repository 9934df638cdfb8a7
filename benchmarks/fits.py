"""Keep what `featherweight fit` handed over: `python -m benchmarks.fits FOLDER NAME`, in results/fit and docs/fits.

All seeds are exported to C and judged, not only the first; `--only-c` adds that to what is kept already.
"""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featherweight.export import export
from featherweight.io import write_text
from featherweight.search.fit.final_training import RUNS
from featherweight.search.fit.package_result import RESULT
from featherweight.training.runs.trained import load_any

ROOT = Path(__file__).parents[1]


def in_c(folder: Path) -> dict[str, Any]:
    """Bytes of flash of the network's C program, and the percentage of the test images that each seed's gets right."""
    proofs = []
    for run in sorted((folder / RUNS).iterdir()):
        with TemporaryDirectory() as scratch:
            proofs.append(export(load_any(str(run)), "c", Path(scratch)).about["proof"])
    assert all(proof["same_bytes"] for proof in proofs)
    return {"flash": proofs[0]["flash_estimate"], "seeds": [proof["accuracy"] for proof in proofs]}


def keep(folder: Path, name: str) -> None:
    """Copy the figures, without where the pictures lay, and the picture of the front."""
    values = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    values["data"]["source"] = Path(values["data"]["source"]).name
    values |= {"in_c": in_c(folder)}
    for place in ("results/fit", "docs/fits"):
        (ROOT / place).mkdir(parents=True, exist_ok=True)
    write_text(ROOT / "results" / "fit" / f"{name}.json", json.dumps(values, indent=1) + "\n")
    shutil.copy(folder / "front.svg", ROOT / "docs" / "fits" / f"{name}.svg")


if __name__ == "__main__":
    if "--only-c" in sys.argv:
        path = ROOT / "results" / "fit" / f"{sys.argv[2]}.json"
        known = json.loads(path.read_text(encoding="utf-8")) | {"in_c": in_c(Path(sys.argv[1]))}
        write_text(path, json.dumps(known, indent=1) + "\n")
    else:
        keep(Path(sys.argv[1]), sys.argv[2])
