"""Harder images, and a high rate that is lowered.

Target: 99.40 % in each of the last five epochs.
Why: with the gap closed, the network is limited by the images it sees; changed ones are more to learn from, and a
high rate that is lowered gets through them in 15 epochs.

Open: The write-up gives crop, rotation and perspective and a rate of 0.3 that is lowered after 5 epochs. Its code has
the rest: turns of -6 to 12 degrees, 15 % of the images enlarged from their middle 22 x 22 and 15 % with corners moved
inwards by up to 4 pixels, and 0.3 of the rate after every 5 epochs. It has and its log shows a rate of 0.03: the
write-up is followed, and `e3_code` is the other. It reports 98.71 % of the training images and 99.45 % of the test
images, both at epoch 15.

Result: 99.41 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.03, worst 99.37). Worst
of any last 5 epochs 99.34; 0 of 4 within budget. Training images as they are: 99.47 %. Best epoch, for reference: 99.42
on average, where 99.45 is claimed.

Analysis: It underfits (undecided). Test accuracy is above the rung before (borne out). Ours: 99.40 % is held for the
last three epochs (not borne out).
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
    parent="e2",
    title="crop, rotation, perspective; rate 0.3, lowered every 5 epochs",
    network=network,
    recipe=fw.Recipe(
        batch=256,
        lr=0.3,
        nesterov=False,
        schedule=fw.Step(every_epochs=5, factor=0.3),
        augment=fw.Augment(rotate_deg=9, rotate_offset_deg=3, interpolation="nearest"),
        augment_then=fw.Augment(
            centre_crop=6 / 28,
            centre_crop_probability=0.15,
            perspective=0.3,
            perspective_probability=0.15,
            whole_px=True,
        ),
        loss="nll",
    ),
    claims=(
        fw.Claim("It underfits.", fw.claims.underfits()),
        fw.Claim("Test accuracy is above the rung before.", fw.claims.beats_parent()),
        fw.Claim("Ours: 99.40 % is held for the last three epochs.", fw.claims.holds(last=3)),
    ),
    claimed=99.45,
)
