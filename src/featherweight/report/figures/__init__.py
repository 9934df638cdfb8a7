"""Figures of a run. Each function returns a matplotlib figure to show in a notebook, to save, or to put on a page.

```
style.py     colours, fonts, and axes that can be read
svg.py       a figure as PNG, as SVG, and as SVG for a page: compact, with values under the pointer
curves.py    of records: accuracy, loss, learning rate, a ladder's rungs side by side, spread over seeds
classes.py   of answers: errors by class, confusions, calibration
images.py    of images and weights: mistakes, samples, images as they were seen, fields, kernels, class evidence
```

Fonts are readable in a figure 350 pixels wide, the colours are distinct in every common kind of colour blindness, bars
start at zero, and the axes of a run's curves hold every value.
"""

from featherweight.report.figures.classes import calibration_curve, class_errors, confusion_matrix
from featherweight.report.figures.curves import accuracy, ladder, learning_rate, loss, spread
from featherweight.report.figures.images import (
    class_evidence,
    kernels,
    misclassified,
    receptive_fields,
    samples,
    seen,
)
from featherweight.report.figures.svg import page_svg, png, svg

__all__ = [
    "accuracy",
    "calibration_curve",
    "class_errors",
    "class_evidence",
    "confusion_matrix",
    "kernels",
    "ladder",
    "learning_rate",
    "loss",
    "misclassified",
    "page_svg",
    "png",
    "receptive_fields",
    "samples",
    "seen",
    "spread",
    "svg",
]
