"""The settings of random augmentation, which `data.augment` applies. Needs no torch."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from featherweight.errors import UsageError, nearest

Border = Literal["black", "reflect"]

LATER = {
    "flip": 0.0, "flip_vertical": 0.0, "pad_px": 0, "border": "black", "brightness": 0.0, "contrast": 0.0,
    "saturation": 0.0, "hue_deg": 0.0, "noise": 0.0, "cutout_px": 0, "mixup": 0.0,
}  # fmt: skip
"""Fields that older records lack, with the values that switch them off; left out of records so that they stay equal."""


def require(holds: bool, sentence: str) -> None:
    """Raise UsageError with the sentence unless it holds."""
    if not holds:
        raise UsageError(sentence)


def require_known(what: str, given: str, allowed: Collection[str], of: str = "") -> None:
    """Raise UsageError unless the name is one of the allowed; only then is the closest of them looked for."""
    if given not in allowed:
        raise UsageError(f"Unknown {what} {given!r}{of}; {nearest(given, allowed)}")


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random transforms of training images, drawn for each image and applied in a single interpolation.

    Zero (the default) switches a transform off. Values are drawn uniformly from the stated range unless noted.
    """

    rotate_deg: float = 0.0
    """Rotation about the centre in degrees, from -rotate_deg to +rotate_deg; 0 to 180."""
    shift_px: float = 0.0
    """Shift along each axis in pixels, from -shift_px to +shift_px, after all other transforms; may be fractional."""
    scale: float = 0.0
    """Scale factor from 1 - scale to 1 + scale, the same along both axes; 0 to 0.99."""
    shear: float = 0.0
    """Horizontal shear: x moves by up to ±shear pixels for each pixel of distance of y from the centre; 0 to 1."""
    perspective: float = 0.0
    """Each corner moves inwards along each axis by up to this fraction of half the side, as in torchvision;
    0 to 1."""
    crop: float = 0.0
    """Random crop and resize: a window at a random position, whose sides are 1 - crop to 1 times the image's (the same
    factor for both), is enlarged to the full image; 0 to 0.99."""
    elastic_px: float = 0.0
    """Elastic distortion: standard deviation in pixels of a smooth random displacement, along each axis and
    at every pixel (after Simard et al., 2003; here the smooth field is a cubic B-spline with normal coefficients)."""
    elastic_cells: int = 4
    """Number of cells of the elastic field's spline along a side; fewer cells are smoother; 2 to 14."""
    erase: float = 0.0
    """Probability that a rectangle of the image is blanked (Zhong et al., 2017); 0 to 1."""
    erase_area: float = 0.1
    """The largest fraction of the image that an erased rectangle covers; the smallest is 0.02. Height over width
    is log-uniform from 0.3 to 1 / 0.3, as far as the image has room; 0.02 to 1."""
    flip: float = 0.0
    """Probability of a horizontal flip; 0 to 1."""
    flip_vertical: float = 0.0
    """Probability of a vertical flip; 0 to 1."""
    pad_px: int = 0
    """Random crop after padding: a shift along each axis by a whole number of pixels, from -pad_px to +pad_px, each
    equally likely, so that nothing is blurred; 0 to 1000."""
    border: Border = "black"
    """The values beyond the edges of an image: `black`, or `reflect`, the image mirrored at its outermost pixels, which
    are not repeated."""
    brightness: float = 0.0
    """Every pixel is multiplied by a factor from 1 - brightness to 1 + brightness; 0 to 1. After this and the next
    three, values are clipped to the range from black to full brightness."""
    contrast: float = 0.0
    """Each pixel's difference from the image's mean grey is multiplied by a factor from 1 - contrast to 1 + contrast;
    0 to 1."""
    saturation: float = 0.0
    """Each pixel's difference from its own grey is multiplied by a factor from 1 - saturation to 1 + saturation; 0 to
    1. This and `hue_deg` leave grey images unchanged."""
    hue_deg: float = 0.0
    """The hue is rotated by -hue_deg to +hue_deg degrees, while the grey value of every pixel is kept; 0 to 180."""
    noise: float = 0.0
    """Standard deviation of normal noise added to each value, as a fraction of full brightness; 0 to 1."""
    cutout_px: int = 0
    """Side in pixels of a square that is cut out of each image, centred on any pixel, so that part of it may lie
    outside (DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017); it is
    filled with the training set's mean, as in the paper; 0 to 1000."""
    mixup: float = 0.0
    """Each image is blended with another of its batch after all other changes, and its target likewise, by shares from
    Beta(mixup, mixup) (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018); the training loss is that of
    the blends; 0 to 10."""

    def __post_init__(self) -> None:
        limits = {
            "rotate_deg": (0, 180), "shift_px": (0, 1000), "scale": (0, 0.99), "shear": (0, 1),
            "perspective": (0, 1), "crop": (0, 0.99), "elastic_px": (0, 1000), "elastic_cells": (2, 14),
            "erase": (0, 1), "erase_area": (0.02, 1), "flip": (0, 1), "flip_vertical": (0, 1), "pad_px": (0, 1000),
            "brightness": (0, 1), "contrast": (0, 1), "saturation": (0, 1), "hue_deg": (0, 180), "noise": (0, 1),
            "cutout_px": (0, 1000), "mixup": (0, 10),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            require(low <= value <= high, f"Augment.{name} must be from {low} to {high}; given {value}.")
        for name in ("pad_px", "cutout_px"):
            value = getattr(self, name)
            require(value == int(value), f"Augment.{name} must be a whole number of pixels; given {value}.")
        require_known("border", self.border, get_args(Border))

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
        """Whether any transform is on."""
        return (
            self.warps
            or self.colours
            or any(getattr(self, name) > 0 for name in ("erase", "noise", "cutout_px", "mixup"))
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values; those in `LATER` are left out if they are switched off.

        >>> [name for name in Augment(flip=0.5).to_json() if name.startswith("flip")]
        ['flip']
        """
        values = asdict(self)
        return {name: value for name, value in values.items() if name not in LATER or value != LATER[name]}
