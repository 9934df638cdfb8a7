"""Blocks of several layers: sequences, sums and gates, and those that networks here are made of."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from featherweight.errors import UsageError
from featherweight.networks.layers.kind import NATIVE, Draft, Kind, called


def conv_norm_relu(
    inputs: int, outputs: int, *, kernel: int = 3, padding: int = 0, dropout: float = 0.0, stride: int = 1
) -> nn.Sequential:
    """A convolution without bias, batch norm (whose shift acts as the bias), ReLU and, optionally, dropout.

    Batch norm: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", 2015. Dropout: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", 2014.

    `inputs` and `outputs` are numbers of channels; `kernel`, `padding` and `stride` are in pixels; `dropout` is a
    probability. Maps [N inputs H W] to [N outputs H' W'], where H' = (H + 2 padding - kernel) // stride + 1, and
    likewise W'.

    >>> sum(p.numel() for p in conv_norm_relu(3, 5).parameters()), 3 * 5 * 9 + 2 * 5
    (145, 145)
    """
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, nn.Dropout(dropout)) if dropout else nn.Sequential(*layers)


def separable_norm_relu(
    inputs: int, outputs: int, *, kernel: int = 3, padding: int = 0, stride: int = 1
) -> nn.Sequential:
    """A depthwise-separable convolution, with kernel² + outputs weights per input channel instead of kernel² * outputs.

    Each channel is convolved with its own kernel, then a 1 x 1 convolution mixes them; batch norm and ReLU follow.

    After Sifre, "Rigid-Motion Scattering for Image Classification", 2014, and Chollet, "Xception", 2017, with no layer
    between the two convolutions. Shapes are as in `conv_norm_relu`.

    >>> sum(p.numel() for p in separable_norm_relu(12, 16).parameters()), 12 * 9 + 12 * 16 + 2 * 16
    (332, 332)
    """
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, stride=stride, padding=padding, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def residual_norm_relu(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """He et al.'s block ("Deep Residual Learning for Image Recognition", 2016): two padded 3 x 3 convolutions, each
    with batch norm and a ReLU between them, plus the block's input, then ReLU.

    If the width or `stride`, which is the first convolution's, changes the shape, the input goes through a 1 x 1
    convolution of that stride and batch norm; otherwise it is added unchanged. Maps [N inputs H W] to
    [N outputs ceil(H / stride), likewise W].

    >>> sum(p.numel() for p in residual_norm_relu(3, 5, stride=2).parameters()), 3 * 45 + 5 * 45 + 15 + 3 * 10
    (405, 405)
    """
    main = (
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    )
    if inputs == outputs and stride == 1:
        return nn.Sequential(Residual(*main), nn.ReLU())
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(Sum(nn.Sequential(*main), shortcut), nn.ReLU())


class Residual(nn.Sequential):
    """A sequence of layers whose output is added to its input (He et al., 2016); both must have the same shape."""

    def forward(self, images: Tensor) -> Tensor:
        """[N C H W] -> [N C H W]."""
        total: Tensor = images + super().forward(images)  # type: ignore[no-untyped-call]
        return total


class Sum(nn.Sequential):
    """The sum of its layers' outputs for the same input; their shapes must agree.

    With a shortcut that changes the shape, this is He et al.'s residual block with projection (2016):

    >>> import torch
    >>> block = Sum(conv_norm_relu(3, 5, padding=1), nn.Conv2d(3, 5, 1), nn.Conv2d(3, 5, 3, padding=1))
    >>> block(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 5, 8, 8])
    """

    def forward(self, images: Tensor) -> Tensor:
        """[N C H W] -> the shape that the layers return."""
        first, *others = self
        total: Tensor = first(images)
        for layer in others:
            total = total + layer(images)
        return total


class Gated(nn.Sequential):
    """The input times the output of its layers: a factor for each channel, [N C 1 1], or for each pixel."""

    def forward(self, images: Tensor) -> Tensor:
        """[N C H W] -> [N C H W]."""
        product: Tensor = images * super().forward(images)  # type: ignore[no-untyped-call]
        return product


def squeeze_excite(channels: int, between: int) -> Gated:
    """Each channel times a factor between 0 and 1, computed from the means of all channels (Hu et al., 2018).

    The means of `channels` are squeezed to `between` numbers; both steps have biases.

    >>> sum(p.numel() for p in squeeze_excite(16, 4).parameters()), 16 * 4 + 4 + 4 * 16 + 16
    (148, 148)
    """
    return Gated(
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(channels, between, 1),
        nn.ReLU(),
        nn.Conv2d(between, channels, 1),
        nn.Sigmoid(),
    )


Lower = Callable[[nn.Module, str, Draft], None]
"""Lowers a module of any kind."""


def chain(module: nn.Module, name: str, draft: Draft, lower: Lower) -> None:
    """The layers one after another."""
    draft.flush()
    for child_name, child in module.named_children():
        lower(child, f"{name}.{child_name}" if name else child_name, draft)


def _start(draft: Draft) -> int:
    """The tensor that a block reads, kept until it ends."""
    draft.flush()
    draft.held.add(draft.current)
    return draft.current


def _residual(module: nn.Module, name: str, draft: Draft, lower: Lower) -> None:
    start = _start(draft)
    chain(module, name, draft, lower)
    draft.flush()
    same = draft.sizes[start] == draft.size
    draft.require(same, module, name, "changes the shape, so nothing can be added")
    draft.add(draft.size, "add", name=name, other=start)


def _sum(module: nn.Module, name: str, draft: Draft, lower: Lower) -> None:
    start, flat, terms = _start(draft), draft.flat, list[int]()
    for child_name, child in module.named_children():
        draft.current, draft.flat = start, flat
        lower(child, f"{name}.{child_name}" if name else child_name, draft)
        draft.flush()
        terms.append(draft.current)
        draft.held.add(draft.current)
    shapes = {draft.sizes[term] for term in terms}
    draft.require(len(shapes) == 1, module, name, "has terms of several shapes, or none at all")
    for other in terms[-2::-1]:
        draft.add(draft.size, "add", name=name, other=other)


def _gated(module: nn.Module, name: str, draft: Draft, lower: Lower) -> None:
    if draft.form is not NATIVE:
        raise UsageError(f"{called(module, name)} {draft.form.unknown}")
    start = _start(draft)
    chain(module, name, draft, lower)
    draft.flush()
    whole, size = draft.sizes[start], draft.size
    fits = size in (whole, (whole[0], 1, 1)) and draft.current != start
    draft.require(fits, module, name, "makes no factor for each channel, or for each pixel, of what it gets")
    draft.add(whole, "scale", other=start)


CONTAINERS = {"nn.Sequential": nn.Sequential, "Residual": Residual, "Sum": Sum, "Gated": Gated}
"""What holds other layers, in order, by its name in an architecture."""
LOWERED: dict[Any, Callable[[nn.Module, str, Draft, Lower], None]] = {
    nn.Sequential.forward: chain, Residual.forward: _residual, Sum.forward: _sum, Gated.forward: _gated,
}  # fmt: skip
"""How each is lowered, by what it does."""


def _block_weights(named: Mapping[str, Any]) -> int:
    inputs, outputs = named.get("inputs", 0), named.get("outputs", 0)
    kernel = named.get("kernel", 3)
    area = kernel * kernel if isinstance(kernel, int) else kernel[0] * kernel[-1]
    return int(inputs * outputs * area + 4 * (inputs + outputs) * area)


def _residual_weights(named: Mapping[str, Any]) -> int:
    inputs, outputs = named.get("inputs", 0), named.get("outputs", 0)
    return int(9 * outputs * (inputs + outputs) + inputs * outputs + 16 * outputs)


KINDS = (
    Kind(written="conv_norm_relu", make=conv_norm_relu, weights=_block_weights,
         arguments="inputs=count outputs=count kernel=sides padding=pad dropout=share stride=sides"),
    Kind(written="separable_norm_relu", make=separable_norm_relu, weights=_block_weights,
         arguments="inputs=count outputs=count kernel=sides padding=pad stride=sides"),
    Kind(written="residual_norm_relu", make=residual_norm_relu, weights=_residual_weights,
         arguments="inputs=count outputs=count stride=sides"),
)  # fmt: skip
"""Blocks of this package that are written as one layer; they are Sequentials of PyTorch's layers."""
