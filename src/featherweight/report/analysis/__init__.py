"""What a finished run knows and where it fails, in numbers; `figures` draws them and `report` presents them.

```
answers.py      a run's probabilities over its test set: tables by class, confusions, mistakes, calibration
attribution.py  what it takes from an image: receptive fields, evidence for a class, kernels; images as it saw them
```
"""

from featherweight.report.analysis.answers import (
    Answers,
    Bin,
    Calibration,
    ClassRow,
    Mistake,
    answers_of,
    calibration,
    class_rows,
    confusion,
    mistakes,
    pooled,
)
from featherweight.report.analysis.attribution import (
    ClassEvidence,
    Field,
    Seen,
    contrast,
    evidence,
    fields,
    first_kernels,
    seen_in_training,
)

__all__ = [
    "Answers",
    "Bin",
    "Calibration",
    "ClassEvidence",
    "ClassRow",
    "Field",
    "Mistake",
    "Seen",
    "answers_of",
    "calibration",
    "class_rows",
    "confusion",
    "contrast",
    "evidence",
    "fields",
    "first_kernels",
    "mistakes",
    "pooled",
    "seen_in_training",
]
