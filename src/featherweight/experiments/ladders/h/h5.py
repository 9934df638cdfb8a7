"""Depthwise-separable convolutions with sums, instead of whole ones: twice as wide, with fewer weights.

Target: 82.00 % at the last epoch with fewer than 50,000 parameters in 8 epochs.
Why: the habit that brought most on Fashion-MNIST. A whole convolution spends nine weights on every pair of channels, a
separable one little more than one, so that width costs a ninth; sums around those that keep their width let the stack
be deeper. It goes on from the step with flips alone, since changes of colour brought nothing.

Result: 84.73 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.06, worst 84.66). Worst
of any last 1 epochs 84.66; 3 of 3 within budget. Training images as they are: 87.36 %. Best epoch, for reference: 84.73
on average.

Analysis: It beats the step with flips alone (borne out). 82.00 % is reached at the last epoch on every seed (borne
out). Width is worth more than whole convolutions, on photographs as on clothes (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 3, classes: int = 10) -> nn.Sequential:
    """Two separable convolutions at each of three sizes, with sums where the width stays, after a whole one."""
    # fmt: off
    return nn.Sequential(                                          # channels height width field
        fw.conv_norm_relu(channels, 24, padding=1),                #  24 32 32  3
        fw.separable_norm_relu(24, 40, padding=1),                 #  40 32 32  5
        fw.Residual(fw.separable_norm_relu(40, 40, padding=1)),    #  40 32 32  7
        nn.MaxPool2d(2),                                           #  40 16 16  8
        fw.separable_norm_relu(40, 72, padding=1),                 #  72 16 16 12
        fw.Residual(fw.separable_norm_relu(72, 72, padding=1)),    #  72 16 16 16
        nn.MaxPool2d(2),                                           #  72  8  8 18
        fw.separable_norm_relu(72, 104, padding=1),                # 104  8  8 26
        fw.Residual(fw.separable_norm_relu(104, 104, padding=1)),  # 104  8  8 34
        nn.AdaptiveAvgPool2d(1),                                   # 104  1  1 62
        nn.Flatten(),
        nn.Linear(104, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="h3",
    title="separable convolutions, twice as wide, with sums",
    data="cifar10",
    network=network,
    recipe=fw.Recipe(
        epochs=8,
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(pad_px=2, border="reflect", flip=0.5),
        plain_epochs=1,
        average=0.998,
    ),
    budget=fw.Budget(parameters=50_000, epochs=8, accuracy=82.0, held=1),
    claims=(
        fw.Claim("It beats the step with flips alone.", fw.claims.beats_parent()),
        fw.Claim("82.00 % is reached at the last epoch on every seed.", fw.claims.holds(82.0, last=1)),
        fw.claims.opinion("Width is worth more than whole convolutions, on photographs as on clothes."),
    ),
)
