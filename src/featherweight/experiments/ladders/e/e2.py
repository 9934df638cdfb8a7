"""Dropout everywhere, pooling in the right places, capacity before the average.

Target: training no longer above the test, with the weights where they tell digits apart.
Why: nearly half of the weights stand in the kernel that reads the map off; an average frees them for one more
convolution before it and for wider ones, and pooling after two convolutions sees strokes whole before they are
reduced.

Open: The source gives 7,873 parameters, the features and where the pools stand, and no widths nor how much is
dropped; these widths come to that number, with the convolution after the second pool as the capacity layer, and we
take 0.03. It reports 99.10 % of the training images and 99.26 % of the test images, both at epoch 15.

Result: 99.22 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.05, worst 99.17). Worst
of any last 5 epochs 99.00; 0 of 3 within budget. Training images as they are: 99.61 %. Best epoch, for reference: 99.29
on average, where 99.26 is claimed.

Analysis: It does not overfit (not borne out). Augmentation comes next (opinion). Ours: the gap is smaller than in the
rung before (borne out). Ours: it falls short of 99.40 % (borne out).
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
    parent="e1",
    title="dropout, global average pooling, a capacity layer, pools at fields 5 and 14",
    network=network,
    recipe=fw.Recipe(lr=0.05, nesterov=False, loss="nll"),
    claims=(
        fw.Claim("It does not overfit.", fw.claims.no(fw.claims.overfits())),
        fw.claims.opinion("Augmentation comes next."),
        fw.Claim("Ours: the gap is smaller than in the rung before.", fw.claims.overfits_less()),
        fw.Claim("Ours: it falls short of 99.40 %.", fw.claims.no(fw.claims.reaches())),
    ),
    claimed=99.26,
)
