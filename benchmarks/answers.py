"""What a rung's run answers, for its page: right answers class by class, every mistake, and pictures of both.

python -m benchmarks.answers runs/d1-seed0    # writes results/answers/d1.json, docs/ladders/d1_samples.png and more

The run must be the one whose record is committed: its accuracies are compared epoch by epoch.
"""

import json
import sys
from pathlib import Path
from typing import Any

import featherweight as fw
from featherweight.io import write_text

ROOT = Path(__file__).parent.parent


def found_in(answers: Any) -> dict[str, Any]:
    """Of each class its images and how many are right; of each mistake where it stands, and what it was taken for."""
    names = answers.classes
    rows = fw.analysis.class_rows(answers)
    mistakes = [
        {
            "index": one.index,
            "label": names[one.truth],
            "answer": names[one.chosen],
            "confidence": round(one.confidence, 4),
        }
        for one in fw.analysis.mistakes(answers)
    ]
    return {"classes": [{"name": row.name, "images": row.images, "right": row.right} for row in rows],
            "mistakes": mistakes}  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    trained = fw.load(folder).trained
    record = trained.record
    kept = fw.read_record(ROOT / "results" / record.experiment / f"seed{record.seed}.json")
    assert [row.test_accuracy for row in record.rows] == [row.test_accuracy for row in kept.rows], "another run"
    data = fw.load_data("mnist")
    answers = fw.analysis.answers_of(trained, data)
    about = {"experiment": record.experiment, "seed": record.seed, **found_in(answers)}
    write_text(ROOT / "results" / "answers" / f"{record.experiment}.json", json.dumps(about, indent=1) + "\n")
    images = data.test.images.numpy()
    for name, figure in (("samples", fw.figures.samples(answers, images)),
                         ("mistakes", fw.figures.misclassified(answers, images)),
                         ("classes", fw.figures.class_errors(answers))):  # fmt: skip
        picture = ROOT / "docs" / "ladders" / f"{record.experiment}_{name}.png"
        picture.write_bytes(fw.figures.png(figure))
        print(f"{picture.name}: {picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
