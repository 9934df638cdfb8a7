"""Batch norm before the next convolution.

Target: more accuracy at the same size.
Why: the small network has not reached what its size allows in 15 epochs; norms let it learn faster.

Open: Batch and rate stay as they are. The source norms what goes into a convolution: after ReLU, after a pool where
one stands between, and after the average in place of before it. These 99 channels add 198 parameters. It reports
99.34 % of the training images at the end and 99.24 % of the test images at epoch 11; its last is 99.08 %.

Result: 99.18 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.06, worst 99.11). Worst
of any last 5 epochs 98.98; 0 of 4 within budget. Training images as they are: 99.70 %. Best epoch, for reference: 99.28
on average, where 99.24 is claimed.

Analysis: Test accuracy fluctuates (not borne out). Ours: it beats the network without norms (undecided). Ours: it is at
98.90 % in fewer epochs (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Twice two padded convolutions and a pool, one more, the average of each channel, two 1 x 1 layers."""
    # fmt: off
    return nn.Sequential(                                                            # channels height width field
        nn.Conv2d(1, 9, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(9),     #  9 28 28  3
        nn.Conv2d(9, 10, 3, padding=1, bias=False), nn.ReLU(),                       # 10 28 28  5
        nn.MaxPool2d(2), nn.BatchNorm2d(10),                                         # 10 14 14  6
        nn.Conv2d(10, 16, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(16),  # 16 14 14 10
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.ReLU(),                      # 16 14 14 14
        nn.MaxPool2d(2), nn.BatchNorm2d(16),                                         # 16  7  7 16
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.ReLU(),                      # 16  7  7 24
        nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(16),                                 # 16  1  1 48
        nn.Conv2d(16, 32, 1, bias=False), nn.ReLU(), nn.BatchNorm2d(32),             # 32  1  1 48
        nn.Conv2d(32, 10, 1),                                                        # 10  1  1 48
        nn.Flatten(),
        nn.LogSoftmax(dim=1),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="b2",
    title="batch normalisation",
    network=network,
    recipe=fw.Recipe(batch=32, lr=0.01, nesterov=False, loss="nll"),
    claims=(
        fw.Claim("Test accuracy fluctuates.", fw.claims.fluctuates()),
        fw.Claim("Ours: it beats the network without norms.", fw.claims.beats_parent()),
        fw.Claim("Ours: it is at 98.90 % in fewer epochs.", fw.claims.converges_faster(98.9)),
    ),
    claimed=99.24,
)
