"""Deskewing in ONNX's operators, as `networks.layers.preprocessing.deskewed` defines it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from featherweight.networks.layers.preprocessing import FLATTEST, STEEPEST

Node = Callable[..., str]
"""(operator, names of its inputs, name of its output, settings) -> the name of its output."""
Constant = Callable[[str, Any], str]
"""(name, values) -> the name."""


def onnx_deskewed(images: str, shape: tuple[int, int, int], node: Node, constant: Constant) -> str:
    """The name of the result; `images` is the name of the pictures [N 1 H W], whose (1, H, W) is `shape`."""
    _, height, width = shape
    across, whole = (constant(f"deskew axes {axes}", np.array(axes, np.int64)) for axes in ((3,), (2, 3)))
    rows = constant("deskew rows", np.arange(height, dtype=np.float32).reshape(1, 1, -1, 1))
    columns = constant("deskew columns", np.arange(width, dtype=np.float32).reshape(1, 1, 1, -1))
    middle = constant("deskew middle", np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2))

    def number(name: str, value: float, kind: Any = np.float32) -> str:
        return constant(f"deskew {name}", np.array(value, kind))

    def total(of: str, name: str, axes: str = whole) -> str:
        return node("ReduceSum", [of, axes], name, keepdims=1)

    tiny = number("tiny", 1e-12)
    lowest = node("ReduceMin", [images, whole], "lowest", keepdims=1)
    ink = node("Sub", [images, lowest], "ink")
    mass = total(ink, "ink of rows", across)  # [N 1 H 1]
    moment = total(node("Mul", [ink, middle], "ink aside"), "moments of rows", across)
    all_ink = total(mass, "all ink")
    centre = node("Div", [total(node("Mul", [mass, rows], "ink down"), "ink down, all"),
                          node("Max", [all_ink, tiny], "all ink or more")], "centre")  # fmt: skip
    down = node("Sub", [rows, centre], "from the centre")
    covariance = total(node("Mul", [moment, down], "moments down"), "covariance")
    spread = node("Mul", [node("Mul", [mass, down], "ink from the centre"), down], "spread of rows")
    least = node("Mul", [all_ink, number("flattest", FLATTEST)], "least variance")
    variance = node("Max", [total(spread, "variance"), least, tiny], "variance or more")
    ends = number("steepest left", -STEEPEST), number("steepest right", STEEPEST)
    slant = node("Clip", [node("Div", [covariance, variance], "lean"), *ends], "slant")
    place = node("Add", [columns, node("Mul", [slant, down], "shifts")], "places")  # [N 1 H W]
    left = node("Floor", [place], "places on the left")
    sides = constant("deskew margin", np.array([0, 0, 0, 1, 0, 0, 0, 1], np.int64))
    padded = node("Pad", [ink, sides], "ink with a margin")
    near = []
    for n, side in ((1, "left"), (2, "right")):
        at = node("Add", [left, number(f"step {n}", n)], f"{side} of places")
        within = node("Clip", [at, number(f"{side} from", 0), number(f"{side} to", width + 1)], f"{side} within")
        near.append(node("GatherElements", [padded, node("Cast", [within], f"{side} at", to=7)], f"ink {side}", axis=3))
    part = node("Sub", [place, left], "parts")
    more = node("Mul", [part, node("Sub", near[::-1], "ink between")], "part between")
    return node("Add", [lowest, node("Add", [near[0], more], "ink upright")], "deskewed")
