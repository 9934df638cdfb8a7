"""Batch norm, dropout and global average pooling.

Target: 99.40 % with fewer than 8,000 parameters.
Why: the rung before lacks the norm that makes training quick, and spends a third of its weights on reading the map
off.

Open: The source gives fewer than 8,000 parameters and dropout of 0.05 on all layers, and no widths; we take the
layers of its next rung, with dropout on every one. It reports 99.01 % of the training images and 99.32 % of the test
images.

Result: 99.18 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.04, worst 99.15). Worst
of any last 5 epochs 98.98; 0 of 3 within budget. Training images as they are: 99.41 %. Best epoch, for reference: 99.29
on average, where 99.32 is claimed.

Analysis: It is over 99 % from epoch 11 on (10, counted from 0) (not borne out). It falls short of 99.40 % (borne out).
It needs augmentation and a schedule of the rate (opinion). Ours: it beats the rung before (undecided).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions, a pool, a 1 x 1 layer, four more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                                  # channels height width field
        fw.conv_norm_relu(1, 8, dropout=0.05),             #  8 26 26  3
        fw.conv_norm_relu(8, 16, dropout=0.05),            # 16 24 24  5
        nn.MaxPool2d(2),                                   # 16 12 12  6
        fw.conv_norm_relu(16, 8, kernel=1, dropout=0.05),  #  8 12 12  6
        fw.conv_norm_relu(8, 8, dropout=0.05),             #  8 10 10 10
        fw.conv_norm_relu(8, 12, dropout=0.05),            # 12  8  8 14
        fw.conv_norm_relu(12, 12, dropout=0.05),           # 12  6  6 18
        fw.conv_norm_relu(12, 16, dropout=0.05),           # 16  4  4 22
        nn.AvgPool2d(4),                                   # 16  1  1 28
        nn.Conv2d(16, 10, 1, bias=False),                  # 10  1  1 28
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="c1",
    title="batch norm, dropout 0.05, global average pooling",
    network=network,
    recipe=fw.Recipe(lr=0.05, nesterov=False),
    claims=(
        fw.Claim("It is over 99 % from epoch 11 on (10, counted from 0).", fw.claims.holds(99, from_epoch=11)),
        fw.Claim("It falls short of 99.40 %.", fw.claims.no(fw.claims.reaches())),
        fw.claims.opinion("It needs augmentation and a schedule of the rate."),
        fw.Claim("Ours: it beats the rung before.", fw.claims.beats_parent()),
    ),
    claimed=99.32,
)
