"""Separable convolutions, padded, and pools at two places: four times as many channels for as many weights.

Target: 92.80 % at the last epoch with fewer than 8,000 parameters in 15 epochs.
Why: the step before does not even fit the pictures that it learns from. Convolutions in two steps pay for wide layers,
and with the first pool after two of them, texture is looked at in full size.

Result: 92.03 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.03, worst 91.99). Worst
of any last 1 epochs 91.99; 0 of 3 within budget. Training images as they are: 93.22 %. Best epoch, for reference: 92.03
on average.

Analysis: It beats the step before (borne out). Width and a look at full size are what was missing, not training
(opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """Two convolutions at full size, two at half, two at a quarter, all padded and all but the first separable."""
    # fmt: off
    return nn.Sequential(                                 # channels height width field
        fw.conv_norm_relu(channels, 18, padding=1),       # 18 28 28  3
        fw.separable_norm_relu(18, 24, padding=1),        # 24 28 28  5
        nn.MaxPool2d(2),                                  # 24 14 14  6
        fw.separable_norm_relu(24, 34, padding=1),        # 34 14 14 10
        fw.separable_norm_relu(34, 34, padding=1),        # 34 14 14 14
        nn.MaxPool2d(2),                                  # 34  7  7 16
        fw.separable_norm_relu(34, 42, padding=1),        # 42  7  7 24
        fw.separable_norm_relu(42, 42, padding=1),        # 42  7  7 32
        nn.AdaptiveAvgPool2d(1),                          # 42  1  1 56
        nn.Flatten(),
        nn.Linear(42, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="g1",
    title="separable convolutions, padded, pooled later and twice",
    data="fashion-mnist",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        hard=fw.HardExamples(factor=10),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(accuracy=92.8, held=1),
    claims=(
        fw.Claim("It beats the step before.", fw.claims.beats_parent()),
        fw.claims.opinion("Width and a look at full size are what was missing, not training."),
    ),
)
