"""Fashion-MNIST under 20,000 parameters.

Target: 93.80 % at the last epoch on average over five seeds, with fewer than 20,000 parameters in 20 epochs.
Why: with up to five times as many parameters 92.5 % is published, with about 500,000 93.4 %.

Result: 93.12 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.20, worst 92.93). Worst
of any last 1 epochs 92.93; 0 of 5 within budget. Training images as they are: 94.92 %. Best epoch, for reference: 93.13
on average. Not yet confirmed on fresh seeds.

Analysis: 93.80 % is reached at the last epoch on every seed (not borne out). It beats the record under 8,000 parameters
(borne out).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """Two convolutions at full size, two at half, three at a quarter, all padded and all but the first separable."""
    # fmt: off
    return nn.Sequential(                                 # channels height width field
        fw.conv_norm_relu(channels, 24, padding=1),       # 24 28 28  3
        fw.separable_norm_relu(24, 36, padding=1),        # 36 28 28  5
        nn.MaxPool2d(2),                                  # 36 14 14  6
        fw.separable_norm_relu(36, 52, padding=1),        # 52 14 14 10
        fw.separable_norm_relu(52, 52, padding=1),        # 52 14 14 14
        nn.MaxPool2d(2),                                  # 52  7  7 16
        fw.separable_norm_relu(52, 60, padding=1),        # 60  7  7 24
        fw.separable_norm_relu(60, 60, padding=1),        # 60  7  7 32
        fw.separable_norm_relu(60, 60, padding=1),        # 60  7  7 40
        nn.AdaptiveAvgPool2d(1),                          # 60  1  1 64
        nn.Flatten(),
        nn.Linear(60, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="fashion",
    title="Fashion-MNIST under 20,000 parameters",
    data="fashion-mnist",
    network=network,
    recipe=fw.Recipe(
        epochs=20,
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(shift_px=1, flip=0.5),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(parameters=20_000, epochs=20, accuracy=93.8, held=1),
    rule=fw.Budget(parameters=20_000, epochs=20, accuracy=93.8, held=1),
    bar=fw.Bar(seeds=5, mean=93.8),
    claims=(
        fw.Claim("93.80 % is reached at the last epoch on every seed.", fw.claims.holds(93.8, last=1)),
        fw.Claim("It beats the record under 8,000 parameters.", fw.claims.beats_parent()),
    ),
)
