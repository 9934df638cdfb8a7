"""Figures of a run. Each function returns a matplotlib figure to show in a notebook, to save, or to put on a page.

```
style.py         the colours, fonts and axes of all figures; a figure as PNG, as SVG, and as SVG for a page
scales.py        axes that can be read: epochs up to the last, logarithms with labels, accuracies near 100 %
hover.py         values shown under the pointer on a page, without a script
compact_svg.py   fewer bytes for a page: compact images, no needless ids or digits
curves.py        of records: accuracy, loss, learning rate, a ladder's rungs side by side, spread over seeds
classes.py       of answers: errors by class, confusions, calibration
tiles.py         of images: mistakes, samples, images as the network saw them
weight_plots.py  of weights: receptive fields, kernels, class evidence
```

Fonts are readable in a figure 350 pixels wide, the colours are distinct in every common kind of colour blindness, bars
start at zero, and the axes of a run's curves hold every value.
"""

from featherweight.report.figures.classes import calibration_curve, class_errors, confusion_matrix
from featherweight.report.figures.curves import accuracy, ladder, learning_rate, loss, spread
from featherweight.report.figures.style import page_svg, png, svg
from featherweight.report.figures.tiles import misclassified, samples, seen
from featherweight.report.figures.weight_plots import class_evidence, kernels, receptive_fields

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
