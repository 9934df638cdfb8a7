"""Harder images, and a high rate that is lowered.

Target: 99.40 % in each of the last five epochs.
Why: with the gap closed, the network is limited by the images it sees; changed ones are more to learn from, and a
high rate that is lowered gets through them in 15 epochs.

Open: The source gives random crop, rotation and perspective, and a rate of 0.3 that is lowered after 5 epochs,
without their extent; we take windows down to 85 % of the side, 10 degrees, corners moved by up to 0.2, and a fifth of
the rate after every 5 epochs. It reports 98.71 % of the training images and 99.45 % of the test images, both at epoch
15.

Result: 99.50 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.04, worst 99.45). Worst
of any last 5 epochs 99.41; 3 of 3 within budget. Training images as they are: 99.55 %. Best epoch, for reference: 99.51
on average, where 99.45 is claimed.

Analysis: It underfits (undecided). Test accuracy is above the rung before (borne out). Ours: 99.40 % is held for the
last three epochs (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions, a pool, two more, a pool, one more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                                    # channels height width field
        fw.conv_norm_relu(1, 14, dropout=0.03),              # 14 26 26  3
        fw.conv_norm_relu(14, 14, dropout=0.03),             # 14 24 24  5
        nn.MaxPool2d(2),                                     # 14 12 12  6
        fw.conv_norm_relu(14, 14, dropout=0.03),             # 14 10 10 10
        fw.conv_norm_relu(14, 15, dropout=0.03),             # 15  8  8 14
        nn.MaxPool2d(2),                                     # 15  4  4 16
        fw.conv_norm_relu(15, 15, padding=1, dropout=0.03),  # 15  4  4 24
        nn.AdaptiveAvgPool2d(1),                             # 15  1  1 36
        nn.Flatten(),
        nn.Linear(15, 10),
        nn.LogSoftmax(dim=1),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="e2",
    title="crop, rotation, perspective; rate 0.3, lowered every 5 epochs",
    network=network,
    recipe=fw.Recipe(
        lr=0.3,
        nesterov=False,
        schedule=fw.Step(every_epochs=5, factor=0.2),
        augment=fw.Augment(crop=0.15, rotate_deg=10, perspective=0.2),
        loss="nll",
    ),
    claims=(
        fw.Claim("It underfits.", fw.claims.underfits()),
        fw.Claim("Test accuracy is above the rung before.", fw.claims.beats_parent()),
        fw.Claim("Ours: 99.40 % is held for the last three epochs.", fw.claims.holds(last=3)),
    ),
    claimed=99.45,
)
