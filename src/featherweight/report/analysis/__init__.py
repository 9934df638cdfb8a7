"""What a finished run knows and where it fails, in numbers; `figures` draws them and `report` presents them.

```
answers.py      a run's probabilities over its test set: tables by class, confusions, mistakes, calibration
fields.py       how far a unit looks: the window it can see, and the part that it actually uses
attribution.py  where in an image the evidence for a class lies, or for one class against another; first kernels
model_input.py  images as the network saw them in training
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
from featherweight.report.analysis.attribution import Evidence, contrast, evidence, first_kernels
from featherweight.report.analysis.fields import Field, fields
from featherweight.report.analysis.model_input import Seen, seen_in_training

__all__ = [
    "Answers",
    "Bin",
    "Calibration",
    "ClassRow",
    "Evidence",
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
