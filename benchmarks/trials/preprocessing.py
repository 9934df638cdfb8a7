"""Networks that read cropped or deskewed pictures, beside the same without, on six sixths each.

Pictures are deskewed after they have been augmented, as the first layer of the network does it. Networks are written as
in `separable`; recipes are those of `smallest` and `fastest`, and "turned" is that of `smallest` with pictures
that are changed more.
"""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from benchmarks.sixths import SIXTHS, Trial, itself
from benchmarks.trials.separable import SMALLEST, Block, halved, network, separable, whole
from featherweight import Crop, Deskew, Recipe, find

SEVEN = "10-P-13p-13p-13p-13-13-14"
WIDENING = "10-14-20-28-38-44"
NARROW = "8-12-16-24-32-36"


def behind(first: Callable[[], list[nn.Module]], made: Callable[[], nn.Module]) -> Callable[[], nn.Sequential]:
    """What makes a network that begins with these layers."""
    return lambda: nn.Sequential(*first(), *made().children())


def cropped() -> list[nn.Module]:
    """One pixel cut off each side."""
    return [Crop(1)]


def deskewed() -> list[nn.Module]:
    """Without its slant."""
    return [Deskew()]


def both() -> list[nn.Module]:
    """Deskewed, then cropped."""
    return [Deskew(), Crop(1)]


def _trial(
    title: str, record: str, recipe: Recipe, widths: str, first: Callable[[], list[nn.Module]], start: Block = whole
) -> Trial:
    made = behind(first, network(widths, separable, start))
    return Trial(title=title, record=record, network=made, recipe=recipe, seeds=SIXTHS)


def _leanest(title: str, widths: str, first: Callable[[], list[nn.Module]], recipe: Recipe = SMALLEST) -> Trial:
    return _trial(f"{title}, the first of stride 2", "leanest", recipe, widths, first, halved(3))


def _fastest(title: str, epochs: int) -> Trial:
    record = find("fastest")
    recipe = replace(record.recipe, epochs=epochs)
    return Trial(title=title, record="fastest", network=behind(cropped, record.build), recipe=recipe, seeds=SIXTHS)


TURNED = replace(SMALLEST, augment=replace(SMALLEST.augment, rotate_deg=12, scale=0.12, shear=0, elastic_px=0.6))
"""Deskewing takes out what a change adds of slant, so pictures may be changed more, and sheared for nothing."""

TRIALS = {
    "leanest-deskewed-cropped-36": _leanest(
        "8-s12-s16-s24-s32-s36, deskewed, one pixel cut off each side", NARROW, both
    ),
    "leanest-itself": itself("leanest"),
    "leanest-deskewed-36": _leanest("8-s12-s16-s24-s32-s36, deskewed", NARROW, deskewed),
    "leanest-cropped-44": _leanest("10-s14-s20-s28-s38-s44, one pixel cut off each side", WIDENING, cropped),
    "smallest-seven-13-deskewed": _trial(
        "10-P-s13p-s13p-s13p-s13-s13-s14, deskewed", "smallest", SMALLEST, SEVEN, deskewed
    ),
    "leanest-deskewed-36-turned": _leanest("8-s12-s16-s24-s32-s36, deskewed, turned", NARROW, deskewed, TURNED),
    "leanest-deskewed-cropped-38-turned": _leanest(
        "8-s13-s17-s24-s32-s38, deskewed, one pixel cut off each side, turned", "8-13-17-24-32-38", both, TURNED
    ),
    "leanest-deskewed-cropped-40-turned": _leanest(
        "10-s14-s20-s26-s34-s40, deskewed, one pixel cut off each side, turned", "10-14-20-26-34-40", both, TURNED
    ),
    "smallest-seven-13-deskewed-turned": _trial(
        "10-P-s13p-s13p-s13p-s13-s13-s14, deskewed, turned", "smallest", TURNED, SEVEN, deskewed
    ),
    "fastest-cropped-4-epochs": _fastest("`fastest`, one pixel cut off each side, four epochs", 4),
    "fastest-cropped": _fastest("`fastest`, one pixel cut off each side", 5),
    "smallest-seven-12-deskewed": _trial(
        "10-P-s12p-s12p-s13p-s13-s13-s13, deskewed", "smallest", SMALLEST, "10-P-12p-12p-13p-13-13-13", deskewed
    ),
    "smallest-seven-13": _trial("10-P-s13p-s13p-s13p-s13-s13-s14", "smallest", SMALLEST, SEVEN, list),
}
