"""The few blocks networks are made of; everything else in a network is PyTorch's own."""

from torch import Tensor, nn


def conv_norm_relu(
    inputs: int, outputs: int, *, kernel: int = 3, padding: int = 0, dropout: float = 0.0
) -> nn.Sequential:
    """A bias-free convolution, batch norm (whose shift is the bias), ReLU and, where asked for, dropout.

    `inputs` and `outputs` are channels, `kernel` and `padding` pixels; `dropout` is a probability.
    Takes [N inputs H W], gives [N outputs H + 2 padding - kernel + 1, likewise W].

    >>> sum(p.numel() for p in conv_norm_relu(3, 5).parameters()), 3 * 5 * 9 + 2 * 5
    (145, 145)
    """
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, nn.Dropout(dropout)) if dropout else nn.Sequential(*layers)


class Residual(nn.Sequential):
    """What its layers make of the input, plus the input itself (He et al., 2016); shapes must agree."""

    def forward(self, images: Tensor) -> Tensor:
        """[N C H W] -> [N C H W]."""
        total: Tensor = images + super().forward(images)  # type: ignore[no-untyped-call]
        return total
