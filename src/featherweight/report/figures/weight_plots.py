"""Figures of weights: receptive fields over an image, the first layer's kernels, evidence for a class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featherweight.errors import UsageError
from featherweight.report.analysis.attribution import Evidence
from featherweight.report.analysis.fields import Field
from featherweight.report.figures.style import INK, in_house_style
from featherweight.report.figures.tiles import evenly, head, rgb, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FIELDS = 16
MOST_KERNELS = 64


def shown_fields(fields: Sequence[Field]) -> list[Field]:
    """All fields, or if there are too many, an evenly spaced selection that includes the last."""
    if len(fields) <= MOST_FIELDS:
        return list(fields)
    return [fields[at] for at in evenly(len(fields) - 1, MOST_FIELDS - 1)] + [fields[-1]]


@in_house_style
def receptive_fields(fields: Sequence[Field], image: NDArray[Any]) -> "Figure":
    """The field of the unit in the middle, layer by layer: pairs of what it can depend on and what it does depend on.

    The left of each pair is the window over `image` (uint8 or 0 to 1, [C H W]); the right is the mean gradient, scaled
    to the layer's own maximum. If there are more than 16 layers, 16 are drawn. UsageError if there is no field.
    """
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    kept = shown_fields(fields)
    if not kept:
        raise UsageError("The network has no layer with a map, so there is no field to draw.")
    picture, shades = rgb(image[None])[0], colormaps["viridis"]
    pictures, captions = [], []
    for field in kept:
        pictures += [picture * 0.75, shades(field.heat)[..., :3]]
        wide = f"{field.height} px" if field.height == field.width else f"{field.height} x {field.width} px"
        captions += [f"{field.kind}\n{wide}", f"{_reach_text(field)}"]
    made = sheet(np.stack(pictures), captions, columns=4, head=0.24)
    for place, (left, top) in enumerate(made.places):
        field = kept[place // 2]
        (first, last), (start, end) = field.window
        pixel_y, pixel_x = made.height / picture.shape[0], 1 / picture.shape[1]
        y0, y1 = max(first, 0), min(last + 1, picture.shape[0])
        x0, x1 = max(start, 0), min(end + 1, picture.shape[1])
        box = Rectangle((left + x0 * pixel_x, top + y0 * pixel_y), (x1 - x0) * pixel_x, (y1 - y0) * pixel_y,
                        fill=False, edgecolor="#ff9d5c", linewidth=1.6)  # fmt: skip
        made.axes.add_patch(box)
    head(made, ("can see", "looks at"), columns=4)
    return made.figure


def reach(field: Field) -> float:
    """The side, in pixels, of a square with the same area as the pixels that hold 90 % of the gradient."""
    heat = np.sort(field.heat.ravel())[::-1]
    total = heat.sum()
    if total == 0:
        return 0.0
    return float(np.sqrt(1 + int(np.searchsorted(np.cumsum(heat), 0.9 * total))))


def _reach_text(field: Field) -> str:
    return f"90 % within\n{reach(field):.1f} px"


@in_house_style
def kernels(weights: NDArray[np.float64]) -> "Figure":
    """The first layer's kernels [O I height width]: red responds to bright pixels, blue to dark ones; white is zero.

    All kernels share one scale. If there are more than 64, the first 64 are drawn.
    """
    from matplotlib import colormaps

    outputs, inputs = weights.shape[:2]
    flat = weights.reshape(outputs * inputs, *weights.shape[2:])[:MOST_KERNELS]
    largest = float(np.abs(flat).max()) or 1.0
    colours = colormaps["RdBu_r"](0.5 + flat / (2 * largest))[..., :3]
    letters = "RGB" if inputs == 3 else None
    captions = [f"{at // inputs + 1}" + ("" if inputs == 1 else f" {letters[at % 3] if letters else at % inputs + 1}")
                for at in range(len(flat))]  # fmt: skip
    made = sheet(colours, captions, columns=9 if inputs == 3 else 8, head=0.26)
    made.axes.text(0.06, -0.02, f"blue −{largest:.2f}, white 0, red +{largest:.2f}", va="top", fontsize=9, color=INK)
    return made.figure


@in_house_style
def class_evidence(found: Evidence, images: NDArray[Any], names: Sequence[str]) -> "Figure":
    """Each image, its caption under it, with the evidence for its class in orange: the stronger, the more.

    In a contrast of two classes, what speaks for the second is blue.

    `images` are uint8 or 0 to 1, [N C H W], as many as the evidence has maps.
    """
    strength = 0.85 * np.abs(found.heat)[..., None]
    colours = np.where(found.heat[..., None] >= 0, np.array([1.0, 0.55, 0.0]), np.array([0.15, 0.5, 1.0]))
    mixed = rgb(images) * 0.9 * (1 - strength) + colours * strength
    return sheet(mixed, list(names), columns=5).figure
