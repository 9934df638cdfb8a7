"""Networks and recipes for CIFAR-10: candidates for its records, and single habits of MNIST on the ladder's third step.

A network is written as `14-r12-r24/-r48/`: a whole convolution first, `r` for a residual block, `s` for a separable
convolution (with a sum where it keeps its width, unless `!` forbids that), `e` after it for squeeze-and-excitation, `/`
for a stride of 2 and "P" for a pool. All end in the average of each channel and a linear layer.
"""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from benchmarks.sixths import Trial
from featherweight import (
    Augment,
    HardExamples,
    MultiStep,
    OneCycle,
    Recipe,
    Residual,
    conv_norm_relu,
    residual_norm_relu,
    separable_norm_relu,
    squeeze_excite,
)  # fmt: skip

FLIPS = Augment(pad_px=2, border="reflect", flip=0.5)
STEP = Recipe(
    epochs=8, batch=64, lr=0.2, weight_decay=2e-4, schedule=OneCycle(peak_at=0.15), augment=FLIPS, plain_epochs=1,
    average=0.998,
)  # fmt: skip
RESIDUAL = "14-r12-r24/-r48/"
SEPARABLE = "24-s40-s40-P-s72-s72-P-s104-s104"


def made(widths: str) -> Callable[[], nn.Sequential]:
    """The network of these widths, for colour pictures of 32 x 32 and ten classes."""

    def make() -> nn.Sequential:
        stem, *parts = widths.replace("!", "").split("-")
        layers, before = [conv_norm_relu(3, int(stem), padding=1)], int(stem)
        for part in parts:
            if part == "P":
                layers.append(nn.Sequential(nn.MaxPool2d(2)))
                continue
            width = int(part.strip("rse/"))
            layers.append(_block(part, before, width, summed="!" not in widths))
            before = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))

    return make


def _block(part: str, before: int, width: int, *, summed: bool) -> nn.Sequential:
    if part.startswith("r"):
        return residual_norm_relu(before, width, stride=2 if part.endswith("/") else 1)
    block = separable_norm_relu(before, width, padding=1)
    if part.endswith("e"):
        block.append(squeeze_excite(width, width // 8))
    return Residual(block) if summed and before == width else block


def _of(title: str, widths: str, record: str = "h3", augment: Augment | None = None, **changed: object) -> Trial:
    recipe = replace(STEP, augment=augment or FLIPS, **changed)  # type: ignore[arg-type]
    return Trial(title=title, record=record, network=made(widths), recipe=recipe, seeds=1, data="cifar10")


def _habit(what: str, **changed: object) -> Trial:
    return _of(f"{RESIDUAL}, {what}", RESIDUAL, **changed)  # type: ignore[arg-type]


CIFAR = "32-s48-s48-P-s72-s72-s72-P-s92-s92-s92"
MCU = "16-s24-P-s48-s48-P-s64-s64-s64"

LONG = {"weight_decay": 5e-4, "epochs": 20, "plain_epochs": 2, "average": 0.999}

FALL = LONG | {"schedule": MultiStep(warmup_epochs=1, at_epochs=(9, 13, 16), factor=0.2)}
GATED = "32-s48-s48-P-s68-s68e-s68e-P-s84-s84e-s84e"

TRIALS = {
    "cifar-20-fall": _of(f"{CIFAR}, 20 epochs, decay 5e-4, rate in four stairs", CIFAR, "cifar", **FALL),
    "cifar-20-fall-gated": _of(f"{GATED}, 20 epochs, decay 5e-4, rate in four stairs", GATED, "cifar", **FALL),
    "cifar-20": _of(f"{CIFAR}, 20 epochs, decay 5e-4", CIFAR, "cifar", **LONG),
    "cifar-20-lighter": _of(f"{CIFAR}, 20 epochs, decay 2e-4", CIFAR, "cifar", **LONG | {"weight_decay": 2e-4}),
    "cifar-20-cutout": _of(
        f"{CIFAR}, 20 epochs, decay 5e-4, a square of 8 px cut out", CIFAR, "cifar", replace(FLIPS, cutout_px=8), **LONG
    ),
    "cifar-20-pad4": _of(
        f"{CIFAR}, 20 epochs, decay 5e-4, shifts of up to 4 px", CIFAR, "cifar", replace(FLIPS, pad_px=4), **LONG
    ),
    "cifar-separable": _of(f"{CIFAR}, decay 5e-4", CIFAR, "cifar", weight_decay=5e-4),
    "cifar-residual": _of("14-r14-r26/-r49/, decay 5e-4", "14-r14-r26/-r49/", "cifar", weight_decay=5e-4),
    "mcu-separable": _of(MCU, MCU, "cifar-mcu"),
    "mcu-residual": _of("10-r10-r16/-r30/", "10-r10-r16/-r30/", "cifar-mcu"),
    "cifar-lighter": _of(f"{CIFAR}, decay 2e-4", CIFAR, "cifar"),
    "flips": _habit("recipe of `h3`"),
    "no-average": _habit("no averaging", average=0.0),
    "hard": _habit("hard examples", hard=HardExamples(factor=10)),
    "rotation": _habit("rotation", augment=replace(FLIPS, rotate_deg=8)),
    "elastic": _habit("elastic changes", augment=replace(FLIPS, elastic_px=0.6, elastic_cells=6)),
    "no-flips": _habit("no flips", augment=replace(FLIPS, flip=0.0)),
    "cutout": _habit("a square of 8 px cut out", augment=replace(FLIPS, cutout_px=8)),
    "sums": _of(SEPARABLE, SEPARABLE, "h5"),
    "no-sums": _of(f"{SEPARABLE}, no sums", f"{SEPARABLE}!", "h5"),
}
