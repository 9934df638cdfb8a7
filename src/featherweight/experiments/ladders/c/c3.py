"""Augmentation, and a rate that falls every six epochs.

Target: 99.40 % in each of the last five epochs.
Why: training accuracy is below the test now, so the network can take harder images; the lower rates settle what a
constant one keeps moving.

Open: The write-up gives the layers and a step of 6 epochs. Its train.py has the rate of 0.02 and the changes: a turn
by up to 7 degrees, then another with a shift along x by a pixel or none and sizes of 93 to 107 %, each taking the
nearest pixel. It never steps its schedule, but the printed log shows the steps. It reports up to 99.43 % of the test
images, 99.40 % or more in each of the last five epochs, and 98.60 % of the training images.

Result: 99.35 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.04, worst 99.30). Worst
of any last 5 epochs 99.24; 0 of 4 within budget. Training images as they are: 99.33 %. Best epoch, for reference: 99.37
on average, where 99.43 is claimed.

Analysis: 99.40 % is held for the last five epochs, as in the published log (not borne out). Ours: 99.40 % is held for
the last three epochs (not borne out). Ours: training stays below the test (undecided). Ours: it beats the rung before
(borne out). Ours: it is stable (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions, a pool, a 1 x 1 layer, four more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                         # channels height width field
        fw.conv_norm_relu(1, 8, dropout=0.05),    #  8 26 26  3
        fw.conv_norm_relu(8, 16, dropout=0.05),   # 16 24 24  5
        nn.MaxPool2d(2),                          # 16 12 12  6
        fw.conv_norm_relu(16, 8, kernel=1),       #  8 12 12  6
        fw.conv_norm_relu(8, 8, dropout=0.05),    #  8 10 10 10
        fw.conv_norm_relu(8, 12, dropout=0.05),   # 12  8  8 14
        fw.conv_norm_relu(12, 12, dropout=0.05),  # 12  6  6 18
        fw.conv_norm_relu(12, 16, dropout=0.05),  # 16  4  4 22
        nn.AvgPool2d(4),                          # 16  1  1 28
        nn.Conv2d(16, 10, 1, bias=False),         # 10  1  1 28
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="c2",
    title="augmentation, a tenth of the rate every 6 epochs",
    network=network,
    recipe=fw.Recipe(
        lr=0.02,
        nesterov=False,
        schedule=fw.Step(every_epochs=6),
        augment=fw.Augment(rotate_deg=7, interpolation="nearest", fill=1 / 255),
        augment_then=fw.Augment(rotate_deg=7, shift_x_px=1.4, scale=0.07, whole_px=True, interpolation="nearest"),
    ),
    claims=(
        fw.Claim("99.40 % is held for the last five epochs, as in the published log.", fw.claims.holds()),
        fw.Claim("Ours: 99.40 % is held for the last three epochs.", fw.claims.holds(last=3)),
        fw.Claim("Ours: training stays below the test.", fw.claims.underfits()),
        fw.Claim("Ours: it beats the rung before.", fw.claims.beats_parent()),
        fw.Claim("Ours: it is stable.", fw.claims.no(fw.claims.fluctuates())),
    ),
    claimed=99.43,
)
