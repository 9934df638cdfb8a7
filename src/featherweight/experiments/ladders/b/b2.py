"""The skeleton with far fewer channels.

Target: fewer than 8,000 parameters with the same layers.
Why: the limit has to be met in the end, and a smaller network learns less by heart.

Open: The write-up gives layers and widths; batch and rate stay as they are. It reports 99.1 % of the training images
and 98.9 % of the test images.

Result: 98.56 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.48, worst 97.94). Worst
of any last 5 epochs 97.94; 0 of 4 within budget. Training images as they are: 98.97 %. Best epoch, for reference: 98.96
on average, where 98.90 is claimed.

Analysis: It overfits less (undecided). Accuracy has not gone up (undecided). Ours: it falls short of 99.40 % (borne
out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Twice two padded convolutions and a pool, one more, the average of each channel, two 1 x 1 layers."""
    # fmt: off
    return nn.Sequential(                                        # channels height width field
        nn.Conv2d(1, 9, 3, padding=1, bias=False), nn.ReLU(),    #  9 28 28  3
        nn.Conv2d(9, 10, 3, padding=1, bias=False), nn.ReLU(),   # 10 28 28  5
        nn.MaxPool2d(2),                                         # 10 14 14  6
        nn.Conv2d(10, 16, 3, padding=1, bias=False), nn.ReLU(),  # 16 14 14 10
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.ReLU(),  # 16 14 14 14
        nn.MaxPool2d(2),                                         # 16  7  7 16
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.ReLU(),  # 16  7  7 24
        nn.AdaptiveAvgPool2d(1),                                 # 16  1  1 48
        nn.Conv2d(16, 32, 1, bias=False), nn.ReLU(),             # 32  1  1 48
        nn.Conv2d(32, 10, 1),                                    # 10  1  1 48
        nn.Flatten(),
        nn.LogSoftmax(dim=1),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="b1",
    title="fewer parameters",
    network=network,
    recipe=fw.Recipe(batch=32, lr=0.01, nesterov=False, loss="nll"),
    claims=(
        fw.Claim("It overfits less.", fw.claims.overfits_less()),
        fw.Claim("Accuracy has not gone up.", fw.claims.no(fw.claims.beats_parent())),
        fw.Claim("Ours: it falls short of 99.40 %.", fw.claims.no(fw.claims.reaches())),
    ),
    claimed=98.9,
)
