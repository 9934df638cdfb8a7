"""Dropout everywhere, an average, capacity before it and fully connected layers after it.

Target: Training no longer above the test, with the weights where they tell digits apart.
Why: a third of the weights stand in the kernel that reads the map off; an average frees them for a convolution before
it and two layers after it, and dropout makes it harder to learn the training digits by heart.

Open: The write-up gives 7,873 parameters, the features and where the pools stand; layers and dropout of 0.05 are
those of its models.py. That has no dropout after the first convolution and the 1 x 1 layers, where the write-up says
that each layer has it: the write-up is followed, and `e2_code` is the other. It reports 99.10 % of the training
images and 99.26 % of the test images, both at epoch 15.

Result: 99.16 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.12, worst 98.99). Worst
of any last 5 epochs 98.90; 0 of 4 within budget. Training images as they are: 99.39 %. Best epoch, for reference: 99.26
on average, where 99.26 is claimed.

Analysis: It does not overfit (not borne out). Augmentation comes next (opinion). Ours: the gap is smaller than in the
rung before (borne out). Ours: it falls short of 99.40 % (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions, a 1 x 1 layer, a pool, two more, a pool, one more, the average, two 1 x 1 layers."""
    # fmt: off
    # In the margin: channels, height, width, field.
    return nn.Sequential(
        nn.Conv2d(1, 10, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(10), nn.Dropout(0.05),   # 10 26 26  3
        nn.Conv2d(10, 21, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(21), nn.Dropout(0.05),  # 21 24 24  5
        nn.Conv2d(21, 9, 1, bias=False), nn.Dropout(0.05),                                  #  9 24 24  5
        nn.MaxPool2d(2),                                                                    #  9 12 12  6
        nn.Conv2d(9, 12, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(12), nn.Dropout(0.05),   # 12 10 10 10
        nn.Conv2d(12, 16, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout(0.05),  # 16  8  8 14
        nn.MaxPool2d(2),                                                                    # 16  4  4 16
        nn.Conv2d(16, 16, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout(0.05),  # 16  2  2 24
        nn.AdaptiveAvgPool2d(1),                                                            # 16  1  1 28
        nn.Conv2d(16, 20, 1), nn.ReLU(), nn.Dropout(0.05),                                  # 20  1  1 28
        nn.Conv2d(20, 10, 1),                                                               # 10  1  1 28
        nn.Flatten(),
        nn.LogSoftmax(dim=1),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="e1",
    title="dropout, global average pooling, a capacity layer, fully connected layers",
    network=network,
    recipe=fw.Recipe(batch=256, lr=0.01, nesterov=False, loss="nll"),
    claims=(
        fw.Claim("It does not overfit.", fw.claims.no(fw.claims.overfits())),
        fw.claims.opinion("Augmentation comes next."),
        fw.Claim("Ours: the gap is smaller than in the rung before.", fw.claims.overfits_less()),
        fw.Claim("Ours: it falls short of 99.40 %.", fw.claims.no(fw.claims.reaches())),
    ),
    claimed=99.26,
)
