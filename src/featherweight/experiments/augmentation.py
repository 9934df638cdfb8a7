"""How training images are changed at random. Needs no torch; `data.augment` does it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from featherweight.errors import UsageError, nearest

Border = Literal["black", "reflect"]

LATER = {
    "flip": 0.0, "flip_vertical": 0.0, "pad_px": 0, "border": "black", "brightness": 0.0, "contrast": 0.0,
    "saturation": 0.0, "hue_deg": 0.0, "noise": 0.0, "cutout_px": 0,
}  # fmt: skip
"""What no record from before has a word of, and the values that say as much: records go on being alike."""


def require(holds: bool, sentence: str) -> None:
    """Raise UsageError with the sentence unless it holds."""
    if not holds:
        raise UsageError(sentence)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes to training images; each image has its own draw, and one interpolation does them all.

    Zero (the default) switches a transform off. Drawn uniformly from the stated range unless said otherwise.
    """

    rotate_deg: float = 0.0
    """Rotation about the middle in degrees, from -rotate_deg to +rotate_deg; 0 to 180."""
    shift_px: float = 0.0
    """Shift along each axis in pixels, from -shift_px to +shift_px, after all else; fractions are meant."""
    scale: float = 0.0
    """Size: a factor from 1 - scale to 1 + scale, the same along both axes; 0 to below 1."""
    shear: float = 0.0
    """Horizontal shear: x moves by up to ±shear pixels for each pixel that y is from the middle; 0 to 1."""
    perspective: float = 0.0
    """Each corner moves inwards along each axis by up to this fraction of half the side, as in torchvision;
    0 to 1."""
    crop: float = 0.0
    """Random crop and resize: a window of 1 - crop to 1 of each side, the same share of both, placed at
    random within the image, fills it; 0 to below 1."""
    elastic_px: float = 0.0
    """Elastic distortion: standard deviation in pixels of a smooth random displacement, along each axis and
    at every pixel (after Simard et al., 2003; here a cubic B-spline of normal draws is what is smooth)."""
    elastic_cells: int = 4
    """How many cells the elastic field's spline has along a side; fewer is smoother; 2 to 14."""
    erase: float = 0.0
    """Probability that a rectangle of the image is blanked (Zhong et al., 2017); 0 to 1."""
    erase_area: float = 0.1
    """The largest share of the image that an erased rectangle covers; the smallest is 0.02. Height over width
    is from 0.3 to 1 / 0.3, uniform in its logarithm, as far as the image has room; 0.02 to 1."""
    flip: float = 0.0
    """Probability that left and right are exchanged; 0 to 1."""
    flip_vertical: float = 0.0
    """Probability that top and bottom are exchanged; 0 to 1."""
    pad_px: int = 0
    """Random crop after padding: a shift along each axis by a whole number of pixels, from -pad_px to +pad_px, each
    equally likely, so that nothing is blurred; 0 to 1000."""
    border: Border = "black"
    """What lies outside an image where a transform looks there: `black`, or `reflect`, the image mirrored about its
    outermost pixels, which are not repeated."""
    brightness: float = 0.0
    """Every pixel times a factor from 1 - brightness to 1 + brightness; 0 to 1. After this and the next three, what is
    below black or above full brightness is cut off."""
    contrast: float = 0.0
    """Each pixel's distance from the image's mean grey, times a factor from 1 - contrast to 1 + contrast; 0 to 1."""
    saturation: float = 0.0
    """Each pixel's distance from its own grey, times a factor from 1 - saturation to 1 + saturation; 0 to 1. Of
    grey images nothing changes, here and with `hue_deg`."""
    hue_deg: float = 0.0
    """The colour circle is turned by -hue_deg to +hue_deg degrees, every pixel keeping its grey; 0 to 180."""
    noise: float = 0.0
    """Standard deviation of normal noise added to each value, as a share of full brightness; 0 to 1."""
    cutout_px: int = 0
    """Side in pixels of a square that each image loses, its middle at any of the pixels, so that part of it may lie
    outside (DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017); it is
    filled with the training set's mean, as there; 0 to 1000."""

    def __post_init__(self) -> None:
        limits = {
            "rotate_deg": (0, 180), "shift_px": (0, 1000), "scale": (0, 0.99), "shear": (0, 1),
            "perspective": (0, 1), "crop": (0, 0.99), "elastic_px": (0, 1000), "elastic_cells": (2, 14),
            "erase": (0, 1), "erase_area": (0.02, 1), "flip": (0, 1), "flip_vertical": (0, 1), "pad_px": (0, 1000),
            "brightness": (0, 1), "contrast": (0, 1), "saturation": (0, 1), "hue_deg": (0, 180), "noise": (0, 1),
            "cutout_px": (0, 1000),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            require(low <= value <= high, f"Augment.{name} is from {low} to {high}; given {value}.")
        for name in ("pad_px", "cutout_px"):
            value = getattr(self, name)
            require(value == int(value), f"Augment.{name} is a whole number of pixels; given {value}.")
        borders = get_args(Border)
        require(self.border in borders, f"Unknown border {self.border!r}; {nearest(self.border, borders)}")

    @property
    def warps(self) -> bool:
        """Whether any transform moves pixels."""
        moving = ("rotate_deg", "shift_px", "scale", "shear", "perspective", "crop", "elastic_px")
        return any(getattr(self, name) > 0 for name in (*moving, "flip", "flip_vertical", "pad_px"))

    @property
    def colours(self) -> bool:
        """Whether any transform changes brightness or colour."""
        return any(getattr(self, name) > 0 for name in ("brightness", "contrast", "saturation", "hue_deg"))

    def __bool__(self) -> bool:
        """Whether anything is changed at all."""
        return self.warps or self.colours or any(getattr(self, name) > 0 for name in ("erase", "noise", "cutout_px"))

    def to_json(self) -> dict[str, Any]:
        """Its fields; those that came after the first records are left out while they change nothing.

        >>> [name for name in Augment(flip=0.5).to_json() if name.startswith("flip")]
        ['flip']
        """
        values = asdict(self)
        return {name: value for name, value in values.items() if name not in LATER or value != LATER[name]}
