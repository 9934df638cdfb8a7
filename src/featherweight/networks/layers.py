"""The few blocks networks are made of; everything else in a network is PyTorch's own."""

from torch import Tensor, nn


def conv_norm_relu(
    inputs: int, outputs: int, *, kernel: int = 3, padding: int = 0, dropout: float = 0.0
) -> nn.Sequential:
    """A bias-free convolution, batch norm (whose shift is the bias), ReLU and, where asked for, dropout.

    Batch norm: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", 2015. Dropout: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", 2014.

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


def separable_norm_relu(inputs: int, outputs: int, *, kernel: int = 3, padding: int = 0) -> nn.Sequential:
    """A convolution in two steps, which cost kernel² + outputs weights a channel in place of kernel² times outputs:
    each channel by a kernel of its own, then sums of channels at each place; then batch norm and ReLU.

    After Sifre, "Rigid-Motion Scattering for Image Classification", 2014, and Chollet, "Xception", 2017; nothing
    stands between the two steps. Takes and gives what `conv_norm_relu` does.

    >>> sum(p.numel() for p in separable_norm_relu(12, 16).parameters()), 12 * 9 + 12 * 16 + 2 * 16
    (332, 332)
    """
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, padding=padding, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Residual(nn.Sequential):
    """What its layers make of the input, plus the input itself (He et al., 2016); shapes must agree."""

    def forward(self, images: Tensor) -> Tensor:
        """[N C H W] -> [N C H W]."""
        total: Tensor = images + super().forward(images)  # type: ignore[no-untyped-call]
        return total
