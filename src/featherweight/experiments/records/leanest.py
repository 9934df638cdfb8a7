"""Towards the fewest multiply-adds a digit that still hold the rule.

Target: fewer than 250,000 MACs an image, and 99.40 % in each of the last five epochs on eight seeds of ten.
Why: on a microcontroller it is multiply-adds that cost time and current, more than weights do; most of them are spent
where the map is large, so the pool comes after the first convolution, and weights are spent where it is small.

Result: 99.54 % of the test set at the last epoch, on average over 20 seeds (standard deviation 0.04, worst 99.47).
Worst of any last 5 epochs 99.43; 20 of 20 within budget. Training images as they are: 99.73 %. Best epoch, for
reference: 99.59 on average. Confirmed on seeds 10 to 29, which are fresh.

Analysis: It holds 99.40 % on every seed (borne out). Five convolutions that widen on ever smaller maps make more of the
same multiply-adds than three of even width (opinion). Digits that are not learned yet are what the last epochs gain
from (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, five that widen, the average of each channel, a linear layer."""
    # fmt: off
    return nn.Sequential(                # channels height width field
        fw.conv_norm_relu(channels, 5),  #  5 26 26  3
        nn.MaxPool2d(2),                 #  5 13 13  4
        fw.conv_norm_relu(5, 8),         #  8 11 11  8
        fw.conv_norm_relu(8, 9),         #  9  9  9 12
        fw.conv_norm_relu(9, 12),        # 12  7  7 16
        fw.conv_norm_relu(12, 16),       # 16  5  5 20
        fw.conv_norm_relu(16, 20),       # 20  3  3 24
        nn.AdaptiveAvgPool2d(1),         # 20  1  1 28
        nn.Flatten(),
        nn.Linear(20, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="f3",
    title="an early pool and five convolutions that widen, for few multiply-adds",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        hard=fw.HardExamples(factor=10),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(macs=250_000),
    bar=fw.Bar(passed=8),
    claims=(
        fw.Claim("It holds 99.40 % on every seed.", fw.claims.holds(99.4)),
        fw.claims.opinion(
            "Five convolutions that widen on ever smaller maps make more of the same multiply-adds than three of even"
            " width."
        ),
        fw.claims.opinion("Digits that are not learned yet are what the last epochs gain from."),
    ),
)
