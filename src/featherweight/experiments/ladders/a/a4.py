"""Batch norm after every convolution but the last.

Target: More than the plain network of this size reaches, and sooner.
Why: without norms the first epochs are spent on finding a scale; some hundred parameters take this off the weights.

Open: The write-up says about 6.9k parameters. The committed Model_2.py without its dropout has 6,890, which is
inferred from that number; its norms come after ReLU. Rate and schedule as before. It reports 99.74 % of the training
images and 99.21 % of the test images.

Result: 99.25 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.10, worst 99.15). Worst
of any last 5 epochs 99.11; 0 of 4 within budget. Training images as they are: 99.90 %. Best epoch, for reference: 99.28
on average, where 99.21 is claimed.

Analysis: It still overfits (borne out). Ours: it beats the network without norms (borne out). Ours: it is at 98.90 % in
fewer epochs than that (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions and a pool, two more and a pool, another two, and a 1 x 1 layer for the one place left."""
    # fmt: off
    return nn.Sequential(                                             # channels height width field
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4),  #  4 28 28  3
        nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8),  #  8 28 28  5
        nn.MaxPool2d(2),                                              #  8 14 14  6
        nn.Conv2d(8, 12, 3), nn.ReLU(), nn.BatchNorm2d(12),           # 12 12 12 10
        nn.Conv2d(12, 12, 3), nn.ReLU(), nn.BatchNorm2d(12),          # 12 10 10 14
        nn.MaxPool2d(2),                                              # 12  5  5 16
        nn.Conv2d(12, 16, 3), nn.ReLU(), nn.BatchNorm2d(16),          # 16  3  3 24
        nn.Conv2d(16, 16, 3), nn.ReLU(), nn.BatchNorm2d(16),          # 16  1  1 32
        nn.Conv2d(16, 10, 1),                                         # 10  1  1 32
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="a3",
    title="batch normalisation",
    network=network,
    recipe=fw.Recipe(epochs=20, batch=64, lr=0.01, nesterov=False, schedule=fw.Step(every_epochs=8)),
    budget=fw.Budget(epochs=20),
    claims=(
        fw.Claim("It still overfits.", fw.claims.overfits()),
        fw.Claim("Ours: it beats the network without norms.", fw.claims.beats_parent()),
        fw.Claim("Ours: it is at 98.90 % in fewer epochs than that.", fw.claims.converges_faster(98.9)),
    ),
    claimed=99.21,
)
