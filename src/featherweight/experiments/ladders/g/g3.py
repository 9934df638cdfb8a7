"""Flips and shifts by a pixel in place of rotation, elastic changes and hard examples.

Target: 92.80 % at the last epoch with fewer than 8,000 parameters in 15 epochs.
Why: clothes are photographed upright and in the middle, so turned and bent ones teach what no test asks; but a left
shoe could as well be a right one. And what stays hard here is often a shirt that is labelled as a coat, which to see
ten times as often does not help.

Result: 92.02 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.08, worst 91.96). Worst
of any last 1 epochs 91.96; 0 of 3 within budget. Training images as they are: 93.43 %. Best epoch, for reference: 92.04
on average.

Analysis: It does not beat the step before (undecided). 92.80 % is never reached (borne out). Rotation, elastic changes
and hard examples can go, then, and nothing is lost; but at this size the network decides, and no augmentation makes up
for it (opinion).
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
    parent="g2",
    title="flips and small shifts; no rotation, no elastic changes, no hard examples",
    data="fashion-mnist",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(shift_px=1, flip=0.5),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(accuracy=92.8, held=1),
    claims=(
        fw.Claim("It does not beat the step before.", fw.claims.no(fw.claims.beats_parent())),
        fw.Claim("92.80 % is never reached.", fw.claims.no(fw.claims.reaches(92.8))),
        fw.claims.opinion(
            "Rotation, elastic changes and hard examples can go, then, and nothing is lost; but at this size the"
            " network decides, and no augmentation makes up for it."
        ),
    ),
)
