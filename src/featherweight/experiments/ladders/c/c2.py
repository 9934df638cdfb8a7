"""Batch norm, dropout and global average pooling.

Target: 99.40 % with fewer than 8,000 parameters.
Why: the rung before lacks the norm that makes training quick, and spends nearly half of its weights on reading the
map off.

Open: The write-up gives fewer than 8,000 parameters and dropout of 0.05 on all layers; the network is that of its
model2.py, which has no dropout after the 1 x 1 layer: the write-up is followed, and `c2_code` is the other. The rate
of 0.01 is inferred from a comment in train.py. It reports 99.01 % of the training images and 99.32 % of the test
images.

Result: 99.19 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.08, worst 99.15). Worst
of any last 5 epochs 98.93; 0 of 4 within budget. Training images as they are: 99.24 %. Best epoch, for reference: 99.22
on average, where 99.32 is claimed.

Analysis: It is over 99 % from epoch 11 on (10, counted from 0) (not borne out). It falls short of 99.40 % (borne out).
It needs augmentation and a schedule of the rate (opinion). Ours: it beats the rung before (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions, a pool, a 1 x 1 layer, three more; a 1 x 1 layer scores each place; the average."""
    # fmt: off
    return nn.Sequential(                                  # channels height width field
        fw.conv_norm_relu(1, 8, dropout=0.05),             #  8 26 26  3
        fw.conv_norm_relu(8, 16, dropout=0.05),            # 16 24 24  5
        nn.MaxPool2d(2),                                   # 16 12 12  6
        fw.conv_norm_relu(16, 8, kernel=1, dropout=0.05),  #  8 12 12  6
        fw.conv_norm_relu(8, 10, dropout=0.05),            # 10 10 10 10
        fw.conv_norm_relu(10, 16, dropout=0.05),           # 16  8  8 14
        fw.conv_norm_relu(16, 16, dropout=0.05),           # 16  6  6 18
        nn.Conv2d(16, 10, 1, bias=False),                  # 10  6  6 18
        nn.AvgPool2d(6),                                   # 10  1  1 28
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="c1",
    title="batch norm, dropout 0.05, global average pooling",
    network=network,
    recipe=fw.Recipe(lr=0.01, nesterov=False),
    claims=(
        fw.Claim("It is over 99 % from epoch 11 on (10, counted from 0).", fw.claims.holds(99, from_epoch=11)),
        fw.Claim("It falls short of 99.40 %.", fw.claims.no(fw.claims.reaches())),
        fw.claims.opinion("It needs augmentation and a schedule of the rate."),
        fw.Claim("Ours: it beats the rung before.", fw.claims.beats_parent()),
    ),
    claimed=99.32,
)
