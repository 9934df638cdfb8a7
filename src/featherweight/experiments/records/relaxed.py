"""The most accurate under the relaxed rule.

Target: 99.62 % at the last epoch on average over ten seeds, with fewer than 20,000 parameters in fewer than 20 epochs.
Why: the relaxed rule leaves room for a network in which training, not width, is the limit.

Result: 99.68 % of the test set at the last epoch, on average over 20 seeds (standard deviation 0.03, worst 99.62).
Worst of any last 5 epochs 99.60; 20 of 20 within budget. Training images as they are: 99.94 %. Best epoch, for
reference: 99.72 on average. Confirmed on seeds 10 to 29, which are fresh.

Analysis: It holds 99.40 % on every seed (borne out). It beats f3 (borne out). Depthwise-separable convolutions leave
room for twice the width (opinion). Taking digits that are not learned yet more often is worth as much as the width
(opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six separable ones, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                           # channels height width field
        fw.conv_norm_relu(channels, 24),            # 24 26 26  3
        nn.MaxPool2d(2),                            # 24 13 13  4
        fw.separable_norm_relu(24, 48, padding=1),  # 48 13 13  8
        fw.separable_norm_relu(48, 48, padding=1),  # 48 13 13 12
        fw.separable_norm_relu(48, 48, padding=1),  # 48 13 13 16
        fw.separable_norm_relu(48, 52),             # 52 11 11 20
        fw.separable_norm_relu(52, 56),             # 56  9  9 24
        fw.separable_norm_relu(56, 60),             # 60  7  7 28
        nn.AdaptiveAvgPool2d(1),                    # 60  1  1 40
        nn.Flatten(),
        nn.Linear(60, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="f3",
    title="separable convolutions, wider and longer, under the relaxed rule",
    network=network,
    recipe=fw.Recipe(
        epochs=19,
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        hard=fw.HardExamples(factor=10),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(parameters=20_000, epochs=19),
    rule=fw.Budget(parameters=20_000, epochs=19),
    bar=fw.Bar(mean=99.62),
    claims=(
        fw.Claim("It holds 99.40 % on every seed.", fw.claims.holds(99.4)),
        fw.Claim("It beats f3.", fw.claims.beats_parent()),
        fw.claims.opinion("Depthwise-separable convolutions leave room for twice the width."),
        fw.claims.opinion("Taking digits that are not learned yet more often is worth as much as the width."),
    ),
)
