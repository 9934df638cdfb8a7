"""MNIST's best step as it is: its network and its recipe, on photographs in colour.

Target: 80.00 % at the last epoch with fewer than 50,000 parameters in 8 epochs.
Why: 80 % is five points below what a network of 78,000 parameters is asked for by MLPerf Tiny, and well within the
reach of eight epochs. The step that holds 99.40 % on MNIST shows by how it fails what has to change first.

Result: 63.76 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.87, worst 62.80). Worst
of any last 1 epochs 62.80; 0 of 3 within budget. Training images as they are: 65.30 %. Best epoch, for reference: 63.76
on average.

Analysis: It never reaches 80.00 % (borne out). It cannot fit even the training images to 80.00 % (borne out). A map
that is halved once, at the first layer, leaves no room for the width that photographs need (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 3, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six that widen, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                    # channels height width field
        fw.conv_norm_relu(channels, 8),      #  8 30 30  3
        nn.MaxPool2d(2),                     #  8 15 15  4
        fw.conv_norm_relu(8, 9, padding=1),  #  9 15 15  8
        fw.conv_norm_relu(9, 10),            # 10 13 13 12
        fw.conv_norm_relu(10, 12),           # 12 11 11 16
        fw.conv_norm_relu(12, 13),           # 13  9  9 20
        fw.conv_norm_relu(13, 14),           # 14  7  7 24
        fw.conv_norm_relu(14, 15),           # 15  5  5 28
        nn.AdaptiveAvgPool2d(1),             # 15  1  1 36
        nn.Flatten(),
        nn.Linear(15, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    title="MNIST's best step as it is",
    data="cifar10",
    network=network,
    recipe=fw.Recipe(
        epochs=8,
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        hard=fw.HardExamples(factor=10),
        plain_epochs=1,
        average=0.998,
    ),
    budget=fw.Budget(parameters=50_000, epochs=8, accuracy=80.0, held=1),
    claims=(
        fw.Claim("It never reaches 80.00 %.", fw.claims.no(fw.claims.reaches(80.0))),
        fw.Claim("It cannot fit even the training images to 80.00 %.", fw.claims.needs_capacity(80.0)),
        fw.claims.opinion(
            "A map that is halved once, at the first layer, leaves no room for the width that photographs need."
        ),
    ),
)
