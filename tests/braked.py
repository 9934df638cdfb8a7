"""Trainings that are sure to be under way for as long as a test wants them to be."""

from pathlib import Path

BRAKE = """

import time
from pathlib import Path

def _braked(forward):
    def slowly(self, images):
        if self.training and Path(BRAKE).exists():
            time.sleep(SECONDS)
        return forward(self, images)
    return slowly

if Path(BRAKE).exists():
    from torch.nn import LAYER
    LAYER.forward = _braked(LAYER.forward)
"""


def braked(text: str, brake: Path, seconds: float, layer: str = "MaxPool2d") -> str:
    """The Python file of an experiment or a space, whose steps in PyTorch take so much longer while `brake` exists.

    The network stays what it is, and so does each bit. Nothing is changed where the file is executed without a brake,
    as it is in a test's own process.
    """
    changes = {"(BRAKE)": f"({str(brake)!r})", "SECONDS": str(seconds), "LAYER": layer}
    added = BRAKE
    for name, value in changes.items():
        added = added.replace(name, value)
    return text + added
