"""A little dropout after each convolution.

Target: the same accuracy, but steady from epoch to epoch.
Why: test accuracy jumps in the rung before; a little noise in training is to keep single features from being relied
on.

Open: The source gives 0.01 after each convolution; we leave the last one out, whose outputs are the scores. It
reports 99.24 % of the training images and 99.26 % of the test images.

Result: 99.12 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.09, worst 99.02). Worst
of any last 5 epochs 98.94; 0 of 3 within budget. Training images as they are: 99.73 %. Best epoch, which decides
nothing: 99.21 on average, where 99.26 is claimed.

Analysis: Test accuracy is stable (undecided). It does not overfit (not borne out). Ours: it overfits less than without
dropout (undecided).
"""

from torch import nn

from featherweight.budget import Budget
from featherweight.claims import Claim, fluctuates, no, overfits, overfits_less
from featherweight.experiment import Experiment
from featherweight.recipe import Recipe


def network() -> nn.Sequential:
    """Twice two padded convolutions and a pool, one more, the average of each channel, two 1 x 1 layers."""
    # fmt: off
    # In the margin: channels, height, width, field.
    return nn.Sequential(
        nn.Conv2d(1, 9, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(9), nn.Dropout(0.01),     #  9 28 28  3
        nn.Conv2d(9, 10, 3, padding=1, bias=False), nn.ReLU(), nn.Dropout(0.01),                       # 10 28 28  5
        nn.MaxPool2d(2), nn.BatchNorm2d(10),                                                           # 10 14 14  6
        nn.Conv2d(10, 16, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout(0.01),  # 16 14 14 10
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.ReLU(), nn.Dropout(0.01),                      # 16 14 14 14
        nn.MaxPool2d(2), nn.BatchNorm2d(16),                                                           # 16  7  7 16
        nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout(0.01),  # 16  7  7 24
        nn.AdaptiveAvgPool2d(1),                                                                       # 16  1  1 48
        nn.Conv2d(16, 32, 1, bias=False), nn.ReLU(), nn.BatchNorm2d(32), nn.Dropout(0.01),             # 32  1  1 48
        nn.Conv2d(32, 10, 1),                                                                          # 10  1  1 48
        nn.Flatten(),
        nn.LogSoftmax(dim=1),
    )
    # fmt: on


experiment = Experiment(
    id="b4",
    parent="b3",
    title="dropout 0.01",
    network=network,
    recipe=Recipe(epochs=15, batch=64, optimizer="sgd", lr=0.01, momentum=0.9, nesterov=False, loss="nll"),
    budget=Budget(),
    claims=(
        Claim("Test accuracy is stable.", no(fluctuates())),
        Claim("It does not overfit.", no(overfits())),
        Claim("Ours: it overfits less than without dropout.", overfits_less()),
    ),
    claimed=99.26,
)
