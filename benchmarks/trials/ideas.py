"""Ideas for a narrow network, each against the same one: 6-8-P-8-9-9-9, the average, trained as `smallest` is."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.sixths import Trial
from benchmarks.trials.separable import F3, NARROW, SMALLEST, network, whole
from featherweight import Data, Distil, Linear, OneCycle, Residual
from featherweight.data.augment import normalise

TEACHER = Trial(record="f3", network=network("8-P-9p-10-12-13-14-15", whole), recipe=F3)
WIDTHS = (6, 8, 8, 9, 9, 9)


def narrow(block: Callable[[int, int], list[nn.Module]], bias: bool = True) -> Callable[[], nn.Sequential]:
    """What makes the network of these blocks: (inputs, outputs) -> layers."""

    def make() -> nn.Sequential:
        layers: list[nn.Module] = []
        before = 1
        for place, width in enumerate(WIDTHS):
            layers += block(before, width)
            layers += [nn.MaxPool2d(2)] * (place == 1)
            before = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10, bias=bias))

    return make


def plain(inputs: int, outputs: int) -> list[nn.Module]:
    """The block that all are held against."""
    return whole(inputs, outputs, 0)


def learned_slope(inputs: int, outputs: int) -> list[nn.Module]:
    """PReLU, a slope for each channel (He et al., "Delving Deep into Rectifiers", 2015)."""
    return [*plain(inputs, outputs)[:2], nn.PReLU(outputs)]


def squeezed(inputs: int, outputs: int) -> list[nn.Module]:
    """A 1 x 1 convolution to fewer channels before the 3 x 3 one (Iandola et al., "SqueezeNet", 2016)."""
    if inputs < 6:
        return plain(inputs, outputs)
    between = inputs - 2
    squeeze = [nn.Conv2d(inputs, between, 1, bias=False), nn.BatchNorm2d(between), nn.ReLU()]
    return [*squeeze, *plain(between, outputs)]


class Excite(nn.Module):
    """Each channel by a factor that follows from all channels' means (Hu et al., "Squeeze-and-Excitation", 2018)."""

    def __init__(self, channels: int, between: int) -> None:
        super().__init__()
        self.factors = nn.Sequential(nn.Linear(channels, between), nn.ReLU(), nn.Linear(between, channels))

    def forward(self, images: Tensor) -> Tensor:
        """[N C H W] -> [N C H W]."""
        factors: Tensor = torch.sigmoid(self.factors(images.mean((2, 3))))
        return images * factors[:, :, None, None]


def excited(inputs: int, outputs: int) -> list[nn.Module]:
    """The block with its channels squeezed to two and excited, from the third convolution on."""
    return plain(inputs, outputs) if inputs < 8 else [*plain(inputs, outputs), Excite(outputs, 2)]


def residual() -> nn.Sequential:
    """Thirteen channels throughout: three padded separable blocks with what they take added, and three without."""
    parts = network("13-P-13p-13p-13p-13-13-13")()
    layers = list(parts)
    blocks = [Residual(*layers[start : start + 4]) for start in (4, 8, 12)]
    return nn.Sequential(*layers[:4], *blocks, *layers[16:])


def norms_anew(kept: nn.Module, data: Data) -> None:
    """Batch-norm statistics of the averaged weights, measured on the training digits as they are."""
    norms = [part for part in kept.modules() if isinstance(part, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    kept.train()
    with torch.no_grad():
        for start in range(0, len(data.train), 1000):
            kept(normalise(data.train.images[start : start + 1000], data.mean, data.std))
    kept.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _of(title: str, made: Callable[[], nn.Module], seeds: int = 3, **changed: object) -> Trial:
    recipe = replace(SMALLEST, **changed)  # type: ignore[arg-type]
    return Trial(title=title, record="smallest", network=made, recipe=recipe, seeds=seeds)


def _taught(title: str, share: float, temperature: float) -> Trial:
    """From two networks as `f3`, their cost twice that of `f3`."""
    distil = Distil(teacher="f3", seeds=(0, 1), share=share, temperature=temperature)
    return replace(_of(title, network(NARROW, whole), distil=distil), teachers=(TEACHER, TEACHER))


TRIALS = {
    "narrow": _of("6-8-P-8-9-9-9, average", narrow(plain)),
    "narrow-squeezed": _of(
        "6-8-P-8-9-9-9, average, a 1 x 1 squeeze by two channels before each kernel", narrow(squeezed)
    ),
    "separable-13": _of("13-P-s13p-s13p-s13p-s13-s13-s13", network("13-P-13p-13p-13p-13-13-13")),
    "separable-13-residual": _of("13-P-s13p-s13p-s13p-s13-s13-s13, residual sums around the padded blocks", residual),
    "narrow-no-bias": _of("6-8-P-8-9-9-9, average, classifier without bias", narrow(plain, bias=False)),
    "narrow-smoothing": _of("6-8-P-8-9-9-9, average, label smoothing 0.05", narrow(plain), label_smoothing=0.05),
    "narrow-plain0": _of("6-8-P-8-9-9-9, average, no plain epochs", narrow(plain), plain_epochs=0),
    "narrow-plain1": _of("6-8-P-8-9-9-9, average, one plain epoch", narrow(plain), plain_epochs=1),
    "narrow-linear": _of(
        "6-8-P-8-9-9-9, average, rate along a straight line from 0.1, after one epoch of warm-up",
        narrow(plain),
        lr=0.1,
        schedule=Linear(warmup_epochs=1),
    ),
    "narrow-rate04": _of("6-8-P-8-9-9-9, average, rate 0.4", narrow(plain), lr=0.4),
    "narrow-peak03": _of(
        "6-8-P-8-9-9-9, average, peak at 0.3 of the steps", narrow(plain), schedule=OneCycle(peak_at=0.3)
    ),
    "narrow-average0999": _of("6-8-P-8-9-9-9, average, weights averaged with 0.999", narrow(plain), average=0.999),
    "narrow-norms-anew": replace(
        _of("6-8-P-8-9-9-9, average, norms' statistics of the averaged weights measured anew", narrow(plain)),
        after=norms_anew,
    ),
    "narrow-taught-half": _taught(
        "6-8-P-8-9-9-9, average, 0.5 of the loss from two networks as `f3` at temperature 2", 0.5, 2
    ),
    "narrow-taught-t4": replace(
        _taught("6-8-P-8-9-9-9, average, 0.9 of the loss from two networks as `f3` at temperature 4", 0.9, 4), seeds=1
    ),
    "narrow-prelu": _of(
        "6-8-P-8-9-9-9, average, a learned slope for each channel (PReLU)", narrow(learned_slope), seeds=1
    ),
    "narrow-excited": _of(
        "6-8-P-8-9-9-9, average, squeeze-and-excite after the last four convolutions", narrow(excited), seeds=1
    ),
}
