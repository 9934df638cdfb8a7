"""A little dropout after each convolution.

Target: the same accuracy, but steady from epoch to epoch.
Why: test accuracy jumps in the rung before; a little noise in training is to keep single features from being relied
on.

Open: Batch and rate stay as they are. The source drops 0.01 of the values between each convolution and its ReLU, and
none of the scores. It reports 99.24 % of the training images and 99.26 % of the test images.

Result: 99.23 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.05, worst 99.19). Worst
of any last 5 epochs 99.07; 0 of 4 within budget. Training images as they are: 99.69 %. Best epoch, for reference: 99.29
on average, where 99.26 is claimed.

Analysis: Test accuracy is stable (borne out). It does not overfit (not borne out). Ours: it overfits less than without
dropout (undecided).
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
    parent="b3",
    title="dropout 0.01",
    network=network,
    recipe=fw.Recipe(batch=32, lr=0.01, nesterov=False, loss="nll"),
    claims=(
        fw.Claim("Test accuracy is stable.", fw.claims.no(fw.claims.fluctuates())),
        fw.Claim("It does not overfit.", fw.claims.no(fw.claims.overfits())),
        fw.Claim("Ours: it overfits less than without dropout.", fw.claims.overfits_less()),
    ),
    claimed=99.26,
)
