"""Fashion-MNIST under the limits of the rule for MNIST.

Target: 92.80 % at the last epoch on average over five seeds, with fewer than 8,000 parameters in 15 epochs.
Why: the limits under which MNIST is solved leave clothes unsolved; at twice as many parameters 89 % is published.

Result: 92.04 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.06, worst 91.96). Worst
of any last 1 epochs 91.96; 0 of 5 within budget. Training images as they are: 93.47 %. Best epoch, for reference: 92.05
on average. Not yet confirmed on fresh seeds.

Analysis: 92.80 % is reached at the last epoch on every seed (not borne out). It beats the step that holds 99.40 % on
MNIST (borne out).
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
    title="Fashion-MNIST under 8,000 parameters",
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
    bar=fw.Bar(seeds=5, mean=92.8),
    claims=(
        fw.Claim("92.80 % is reached at the last epoch on every seed.", fw.claims.holds(92.8, last=1)),
        fw.Claim("It beats the step that holds 99.40 % on MNIST.", fw.claims.beats_parent()),
    ),
)
