"""CIFAR-10 on a small microcontroller.

Target: 83.50 % on average over five seeds, measured of the program in C, which has 8 bits throughout and takes at most
25,000 bytes of flash and 12,000 of RAM, with fewer than 20,000 parameters.
Why: the usual network for this set, MLPerf Tiny's ResNet8 in 8 bits, gets 86.97 % of the 10,000 test pictures right
with a file of 98.5 kB and 12.5 million multiply-adds, and is published with 133 kB of flash and 70 kB of RAM, which few
cheap chips have. A quarter of its weights, its flash and its work should do. Pools come early enough that the rows at
full size fit into 12 kB.

Result: 86.77 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.22, worst 86.42). Worst
of any last 1 epochs 86.42; 5 of 5 within budget. Training images as they are: 90.95 %. Best epoch, for reference: 86.88
on average. Not yet confirmed on fresh seeds.

Analysis: 83.50 % is reached at the last epoch on every seed (borne out).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 3, classes: int = 10) -> nn.Sequential:
    """Separable convolutions at three sizes, with sums where the width stays, after a whole one."""
    # fmt: off
    return nn.Sequential(                                        # channels height width field
        fw.conv_norm_relu(channels, 16, padding=1),              # 16 32 32  3
        fw.separable_norm_relu(16, 24, padding=1),               # 24 32 32  5
        nn.MaxPool2d(2),                                         # 24 16 16  6
        fw.separable_norm_relu(24, 48, padding=1),               # 48 16 16 10
        fw.Residual(fw.separable_norm_relu(48, 48, padding=1)),  # 48 16 16 14
        nn.MaxPool2d(2),                                         # 48  8  8 16
        fw.separable_norm_relu(48, 64, padding=1),               # 64  8  8 24
        fw.Residual(fw.separable_norm_relu(64, 64, padding=1)),  # 64  8  8 32
        fw.Residual(fw.separable_norm_relu(64, 64, padding=1)),  # 64  8  8 40
        nn.AdaptiveAvgPool2d(1),                                 # 64  1  1 68
        nn.Flatten(),
        nn.Linear(64, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="cifar",
    title="CIFAR-10 in 25 kB of flash and 12 kB of RAM",
    data="cifar10",
    network=network,
    recipe=fw.Recipe(
        epochs=60,
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(pad_px=2, border="reflect", flip=0.5),
        plain_epochs=2,
        average=0.999,
    ),
    budget=fw.Budget(parameters=20_000, epochs=60, accuracy=83.5, held=1, flash=25_000, ram=12_000),
    rule=fw.Budget(parameters=20_000, epochs=60, accuracy=83.5, held=1, flash=25_000, ram=12_000),
    bar=fw.Bar(seeds=5, mean_in_c=83.5),
    claims=(fw.Claim("83.50 % is reached at the last epoch on every seed.", fw.claims.holds(83.5, last=1)),),
)
