"""Random changes to the training images.

Target: more accuracy from the same network.
Why: training and test accuracy have met, so only more varied images can still teach anything.

Open: The write-up does not say which changes. Its notebook turns by up to 7 degrees, taking the nearest pixel, and
then moves the corners of every second image inwards by up to 4 pixels. It reports 98.69 % of the training images and
99.53 % of the test images at epoch 14, and 99.19 % at the last.

Result: 99.29 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.04, worst 99.23). Worst
of any last 5 epochs 99.14; 0 of 4 within budget. Training images as they are: 99.45 %. Best epoch, for reference: 99.35
on average, where 99.53 is claimed.

Analysis: Training accuracy goes down (borne out). Test accuracy goes up (undecided). Ours: it reaches 99.40 % at some
epoch (not borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Twice two padded convolutions and a pool, one more, the average of each channel, two 1 x 1 layers."""
    # fmt: off
    # In the margin: channels, height, width, field.
    return nn.Sequential(
        nn.Conv2d(1, 9, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(), nn.BatchNorm2d(9),     #  9 28 28  3
        nn.Conv2d(9, 10, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(),                       # 10 28 28  5
        nn.MaxPool2d(2), nn.BatchNorm2d(10),                                                           # 10 14 14  6
        nn.Conv2d(10, 16, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(), nn.BatchNorm2d(16),  # 16 14 14 10
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(),                      # 16 14 14 14
        nn.MaxPool2d(2), nn.BatchNorm2d(16),                                                           # 16  7  7 16
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.Dropout(0.01), nn.ReLU(),                      # 16  7  7 24
        nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(16),                                                   # 16  1  1 48
        nn.Conv2d(16, 32, 1, bias=False), nn.Dropout(0.01), nn.ReLU(), nn.BatchNorm2d(32),             # 32  1  1 48
        nn.Conv2d(32, 10, 1),                                                                          # 10  1  1 48
        nn.Flatten(),
        nn.LogSoftmax(dim=1),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="b4",
    title="image augmentation",
    network=network,
    recipe=fw.Recipe(
        batch=32,
        lr=0.01,
        nesterov=False,
        augment=fw.Augment(rotate_deg=7, interpolation="nearest"),
        augment_then=fw.Augment(perspective=0.3, perspective_probability=0.5, whole_px=True),
        loss="nll",
    ),
    claims=(
        fw.Claim("Training accuracy goes down.", fw.claims.lowers_train_accuracy()),
        fw.Claim("Test accuracy goes up.", fw.claims.beats_parent()),
        fw.Claim("Ours: it reaches 99.40 % at some epoch.", fw.claims.reaches()),
    ),
    claimed=99.53,
)
