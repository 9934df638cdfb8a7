"""What is done to pictures: the settings of random augmentation, which `data.augment` applies in training, and of the
preprocessing that a network's first layers carry out (`networks.layers.preprocessing`). Needs no torch."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from featherweight.experiments.schema import Later, Share, check_fields, documented, to_plain

Fraction = Annotated[float, Meta(ge=0, le=0.99)]
Degrees = Annotated[float, Meta(ge=0, le=180)]
Angle = Annotated[float, Meta(ge=-180, le=180)]
Pixels = Annotated[float, Meta(ge=0, le=1000)]
WholePixels = Annotated[int, Meta(ge=0, le=1000)]


@documented
@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random transforms of training images, drawn for each image and applied in a single interpolation.

    Zero (the default) switches a transform off. Values are drawn uniformly from the stated range unless noted.
    """

    rotate_deg: Degrees = 0.0
    """Rotation about the centre in degrees, from -rotate_deg to +rotate_deg."""
    shift_px: Pixels = 0.0
    """Shift along each axis in pixels, from -shift_px to +shift_px, after all other transforms; may be fractional."""
    scale: Fraction = 0.0
    """Scale factor from 1 - scale to 1 + scale, the same along both axes."""
    shear: Share = 0.0
    """Horizontal shear: x moves by up to ±shear pixels for each pixel of distance of y from the centre."""
    perspective: Share = 0.0
    """Each corner moves inwards along each axis by up to this fraction of half the side, as in torchvision."""
    crop: Fraction = 0.0
    """Random crop and resize: a window at a random position, whose sides are 1 - crop to 1 times the image's (the same
    factor for both), is enlarged to the full image."""
    elastic_px: Pixels = 0.0
    """Elastic distortion: standard deviation in pixels of a smooth random displacement, along each axis and
    at every pixel (after Simard et al., 2003; here the smooth field is a cubic B-spline with normal coefficients)."""
    elastic_cells: Annotated[int, Meta(ge=2, le=14)] = 4
    """Number of cells of the elastic field's spline along a side; fewer cells are smoother."""
    erase: Share = 0.0
    """Probability that a rectangle of the image is blanked (Zhong et al., 2017)."""
    erase_area: Annotated[float, Meta(ge=0.02, le=1)] = 0.1
    """The largest fraction of the image that an erased rectangle covers; the smallest is 0.02. Height over width
    is log-uniform from 0.3 to 1 / 0.3, as far as the image has room."""
    flip: Later[Share] = 0.0
    """Probability of a horizontal flip."""
    flip_vertical: Later[Share] = 0.0
    """Probability of a vertical flip."""
    pad_px: Later[WholePixels] = 0
    """Random crop after padding: a shift along each axis by a whole number of pixels, from -pad_px to +pad_px, each
    equally likely, so that nothing is blurred."""
    border: Later[Literal["black", "reflect"]] = "black"
    """The values beyond the edges of an image: `black`, or `reflect`, the image mirrored at its outermost pixels, which
    are not repeated."""
    brightness: Later[Share] = 0.0
    """Every pixel is multiplied by a factor from 1 - brightness to 1 + brightness. After this and the next
    three, values are clipped to the range from black to full brightness."""
    contrast: Later[Share] = 0.0
    """Each pixel's difference from the image's mean grey is multiplied by a factor from 1 - contrast to
    1 + contrast."""
    saturation: Later[Share] = 0.0
    """Each pixel's difference from its own grey is multiplied by a factor from 1 - saturation to
    1 + saturation. This and `hue_deg` leave grey images unchanged."""
    hue_deg: Later[Degrees] = 0.0
    """The hue is rotated by -hue_deg to +hue_deg degrees, while the grey value of every pixel is kept."""
    noise: Later[Share] = 0.0
    """Standard deviation of normal noise added to each value, as a fraction of full brightness."""
    cutout_px: Later[WholePixels] = 0
    """Side in pixels of a square that is cut out of each image, centred on any pixel, so that part of it may lie
    outside (DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017); it is
    filled with the training set's mean, as in the paper."""
    mixup: Later[Annotated[float, Meta(ge=0, le=10)]] = 0.0
    """Each image is blended with another of its batch after all other changes, and its target likewise, by shares from
    Beta(mixup, mixup) (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018); the training loss is that of
    the blends."""
    rotate_offset_deg: Later[Angle] = 0.0
    """Added to every rotation, whose range is then from rotate_offset_deg - rotate_deg to rotate_offset_deg +
    rotate_deg; positive is anticlockwise."""
    shift_x_px: Later[Pixels] = 0.0
    """Shift along the horizontal axis alone, from -shift_x_px to +shift_x_px pixels, added to that of `shift_px`."""
    centre_crop: Later[Fraction] = 0.0
    """The middle of the image, with sides of 1 - centre_crop times the image's, is enlarged to the full image."""
    centre_crop_probability: Later[Share] = 1.0
    """Probability of `centre_crop`."""
    perspective_probability: Later[Share] = 1.0
    """Probability of `perspective`."""
    whole_px: Later[bool] = False
    """Whether shifts are rounded to whole pixels after the draw, and the corners of `perspective` move by whole numbers
    of pixels, all equally likely, as in torchvision."""
    interpolation: Later[Literal["bilinear", "nearest"]] = "bilinear"
    """How values between pixels are found: `nearest` is what torchvision's rotations use unless told otherwise."""
    fill: Later[Share] = 0.0
    """Brightness, as a fraction of the full one, of what lies beyond an image's edges where `border` is black."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def warps(self) -> bool:
        """Whether any transform moves pixels."""
        moving = ("rotate_deg", "shift_px", "scale", "shear", "perspective", "crop", "elastic_px", "flip",
                  "flip_vertical", "pad_px", "shift_x_px", "centre_crop")  # fmt: skip
        return self.rotate_offset_deg != 0 or any(getattr(self, name) > 0 for name in moving)

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
        """The fields as plain values; those that older records lack are left out if they are switched off.

        >>> [name for name in Augment(flip=0.5).to_json() if name.startswith("flip")]
        ['flip']
        """
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What the first layers of a network do to every picture; by default nothing."""

    deskew: bool = False
    """Whether its slant is taken out first."""
    crop: int = 0
    """Pixels cut off each side, after that."""

    def __bool__(self) -> bool:
        return self != NOTHING

    @property
    def words(self) -> list[str]:
        """In words, as records, tables and JSON name it; empty if there is none.

        >>> Preprocessing(deskew=True, crop=1).words, Preprocessing().words
        (['deskewed', 'cropped by 1 px'], [])
        """
        return ["deskewed"] * self.deskew + [f"cropped by {self.crop} px"] * (self.crop > 0)

    def size(self, picture: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) of what the network's first weight gets of pictures of (C, H, W).

        >>> Preprocessing(crop=2).size((1, 28, 20))
        (1, 24, 16)
        """
        channels, height, width = picture
        return channels, height - 2 * self.crop, width - 2 * self.crop

    def macs(self, picture: tuple[int, int, int]) -> int:
        """Multiply-adds for a picture of (C, H, W); cropping has none."""
        _, height, width = picture
        return deskewing_macs(height, width) if self.deskew else 0


def deskewing_macs(height: int, width: int) -> int:
    """Multiply-adds of taking out a picture's slant: four for each pixel and four for each row.

    For a pixel, two sums of its row (its ink, and its ink times its column) and the two products of interpolation; for
    a row, three sums that make the moments, and its shift. The two divisions of a picture are not among them.

    >>> deskewing_macs(28, 28), 4 * 28 * 28 + 4 * 28
    (3248, 3248)
    """
    return 4 * height * width + 4 * height


NOTHING = Preprocessing()
"""Pictures as they are."""


def preprocessing_words(architecture: dict[str, Any] | None) -> list[str]:
    """The words of the preprocessing that a record's `architecture` names; empty if it names none.

    >>> preprocessing_words({"preprocessing": ["cropped by 1 px"]}), preprocessing_words(None)
    (['cropped by 1 px'], [])
    """
    found = (architecture or {}).get("preprocessing", [])
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
