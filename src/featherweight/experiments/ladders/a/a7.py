"""A linear layer after the pooling, and wider convolutions.

Target: More than the rung before, with the parameters that the pooling has saved.
Why: where scores are averaged, ten channels must each be a digit at every place; with a linear layer after the
average the channels before it may look for anything, and the layer says what makes a digit.

Open: The write-up says 6.5k parameters; the network is that of the committed Model_3.py, which is wider from the
first layers on. A tenth of the rate every 6 epochs stands there as a comment, the rate of 0.01 is inferred. It
reports 99.11 % of the training images and 99.36 % of the test images, both at epoch 20.

Result: 99.30 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.08, worst 99.23). Worst
of any last 5 epochs 99.17; 0 of 4 within budget. Training images as they are: 99.51 %. Best epoch, for reference: 99.32
on average, where 99.36 is claimed.

Analysis: It underfits (not borne out). Ours: it beats the network without the layer (undecided).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions and a pool, two more and a pool, one more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                                                                 # channels height width field
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout2d(0.05),  #  8 28 28  3
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout2d(0.05),  #  8 28 28  5
        nn.MaxPool2d(2),                                                                  #  8 14 14  6
        nn.Conv2d(8, 12, 3), nn.ReLU(), nn.BatchNorm2d(12), nn.Dropout2d(0.05),           # 12 12 12 10
        nn.Conv2d(12, 16, 3), nn.ReLU(), nn.BatchNorm2d(16), nn.Dropout2d(0.05),          # 16 10 10 14
        nn.MaxPool2d(2),                                                                  # 16  5  5 16
        nn.Conv2d(16, 20, 3), nn.ReLU(), nn.BatchNorm2d(20), nn.Dropout2d(0.05),          # 20  3  3 24
        nn.AvgPool2d(3),                                                                  # 20  1  1 32
        nn.Flatten(),
        nn.Linear(20, 10),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="a6",
    title="a linear layer after the pooling, wider convolutions",
    network=network,
    recipe=fw.Recipe(epochs=20, batch=64, lr=0.01, nesterov=False, schedule=fw.Step(every_epochs=6)),
    budget=fw.Budget(epochs=20),
    claims=(
        fw.Claim("It underfits.", fw.claims.underfits()),
        fw.Claim("Ours: it beats the network without the layer.", fw.claims.beats_parent()),
    ),
    claimed=99.36,
)
