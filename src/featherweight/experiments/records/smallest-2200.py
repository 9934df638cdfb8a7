"""Two thirds of the weights of `smallest`.

Target: fewer than 2,200 parameters, and 99.40 % in each of the last five epochs on nine seeds of ten.
Why: `smallest` held the rule on every seed, so there was room below it.

Result: 99.48 % of the test set at the last epoch, on average over 20 seeds (standard deviation 0.06, worst 99.37).
Worst of any last 5 epochs 99.35; 15 of 20 within budget. Training images as they are: 99.63 %. Best epoch, for
reference: 99.51 on average. Not confirmed on seeds 10 to 29, which are fresh.

Analysis: It holds 99.40 % on every seed (not borne out). Blocks of even width waste the least on the first and the last
layer (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six separable ones, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                           # channels height width field
        fw.conv_norm_relu(channels, 13),            # 13 26 26  3
        nn.MaxPool2d(2),                            # 13 13 13  4
        fw.separable_norm_relu(13, 13, padding=1),  # 13 13 13  8
        fw.separable_norm_relu(13, 13, padding=1),  # 13 13 13 12
        fw.separable_norm_relu(13, 13, padding=1),  # 13 13 13 16
        fw.separable_norm_relu(13, 13),             # 13 11 11 20
        fw.separable_norm_relu(13, 13),             # 13  9  9 24
        fw.separable_norm_relu(13, 13),             # 13  7  7 28
        nn.AdaptiveAvgPool2d(1),                    # 13  1  1 40
        nn.Flatten(),
        nn.Linear(13, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="smallest",
    title="separable convolutions of even width, for two thirds of the weights",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.4, elastic_cells=6),
        hard=fw.HardExamples(factor=5),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(parameters=2200),
    bar=fw.Bar(passed=9),
    claims=(
        fw.Claim("It holds 99.40 % on every seed.", fw.claims.holds(99.4)),
        fw.claims.opinion("Blocks of even width waste the least on the first and the last layer."),
    ),
)
