"""CIFAR-10 at the size of MLPerf Tiny's network, in half an hour on two cores.

Target: 88.00 % at the last epoch on average over five seeds, with fewer than 78,000 parameters in 30 minutes of
training on two threads.
Why: 78,000 parameters is the size of the ResNet8 by which MLPerf Tiny compares chips; its submissions reach 85.5 to
87.5 %.

Result: 88.92 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.19, worst 88.76). Worst
of any last 1 epochs 88.76; 5 of 5 within budget. Training images as they are: 93.33 %. Best epoch, for reference: 88.92
on average. Not yet confirmed on fresh seeds.

Analysis: 88.00 % is reached at the last epoch on every seed (borne out). It beats the record under 50,000 parameters
(borne out).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 3, classes: int = 10) -> nn.Sequential:
    """Separable convolutions at three sizes, with sums where the width stays, after a whole one."""
    # fmt: off
    return nn.Sequential(                                          # channels height width field
        fw.conv_norm_relu(channels, 24, padding=1),                #  24 32 32  3
        fw.separable_norm_relu(24, 40, padding=1),                 #  40 32 32  5
        fw.Residual(fw.separable_norm_relu(40, 40, padding=1)),    #  40 32 32  7
        nn.MaxPool2d(2),                                           #  40 16 16  8
        fw.separable_norm_relu(40, 72, padding=1),                 #  72 16 16 12
        fw.Residual(fw.separable_norm_relu(72, 72, padding=1)),    #  72 16 16 16
        fw.Residual(fw.separable_norm_relu(72, 72, padding=1)),    #  72 16 16 20
        nn.MaxPool2d(2),                                           #  72  8  8 22
        fw.separable_norm_relu(72, 120, padding=1),                # 120  8  8 30
        fw.Residual(fw.separable_norm_relu(120, 120, padding=1)),  # 120  8  8 38
        fw.Residual(fw.separable_norm_relu(120, 120, padding=1)),  # 120  8  8 46
        fw.Residual(fw.separable_norm_relu(120, 120, padding=1)),  # 120  8  8 54
        nn.AdaptiveAvgPool2d(1),                                   # 120  1  1 82
        nn.Flatten(),
        nn.Linear(120, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="cifar",
    title="CIFAR-10 under 78,000 parameters in half an hour",
    data="cifar10",
    network=network,
    recipe=fw.Recipe(
        epochs=20,
        batch=64,
        lr=0.2,
        weight_decay=5e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(pad_px=2, border="reflect", flip=0.5),
        plain_epochs=2,
        average=0.999,
    ),
    budget=fw.Budget(parameters=78_000, epochs=20, accuracy=88.0, held=1, seconds=1800),
    rule=fw.Budget(parameters=78_000, epochs=20, accuracy=88.0, held=1, seconds=1800),
    bar=fw.Bar(seeds=5, mean=88.0, threads=2),
    claims=(
        fw.Claim("88.00 % is reached at the last epoch on every seed.", fw.claims.holds(88.0, last=1)),
        fw.Claim("It beats the record under 50,000 parameters.", fw.claims.beats_parent()),
    ),
)
