"""A set-up that is right, and a network under 100,000 parameters.

Target: A loop that can be trusted, and a network far below 100,000 parameters.
Why: mistakes of data and loop are found here or never; how well the network does is for the next rungs.

Open: The write-up gives 10,790 parameters, no norm and inefficient last layers; the network is that of its model1.py,
which reads a 7 x 7 map off with a kernel of its size. The rate of 0.01 is inferred from a comment in its train.py;
with momentum 0.9 and batches of 128 it is the committed code. It reports 99.22 % of the training images and 98.80 %
of the test images.

Result: 98.37 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.16, worst 98.17). Worst
of any last 5 epochs 97.82; 0 of 4 within budget. Training images as they are: 98.75 %. Best epoch, for reference: 98.52
on average, where 98.80 is claimed.

Analysis: It needs batch norm (opinion). It needs global average pooling (opinion). It overfits after five to six epochs
(undecided). Ours: it is too large for the rule (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Three convolutions, a pool, a 1 x 1 layer, two more, another 1 x 1 layer, and one big kernel."""
    # fmt: off
    return nn.Sequential(                             # channels height width field
        nn.Conv2d(1, 10, 3, bias=False), nn.ReLU(),   # 10 26 26  3
        nn.Conv2d(10, 10, 3, bias=False), nn.ReLU(),  # 10 24 24  5
        nn.Conv2d(10, 20, 3, bias=False), nn.ReLU(),  # 20 22 22  7
        nn.MaxPool2d(2),                              # 20 11 11  8
        nn.Conv2d(20, 10, 1, bias=False), nn.ReLU(),  # 10 11 11  8
        nn.Conv2d(10, 10, 3, bias=False), nn.ReLU(),  # 10  9  9 12
        nn.Conv2d(10, 20, 3, bias=False), nn.ReLU(),  # 20  7  7 16
        nn.Conv2d(20, 10, 1, bias=False), nn.ReLU(),  # 10  7  7 16
        nn.Conv2d(10, 10, 7, bias=False),             # 10  1  1 28
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    title="set-up, a network under 100,000 parameters",
    network=network,
    recipe=fw.Recipe(lr=0.01, nesterov=False),
    budget=fw.Budget(parameters=100_000),
    claims=(
        fw.claims.opinion("It needs batch norm."),
        fw.claims.opinion("It needs global average pooling."),
        fw.Claim("It overfits after five to six epochs.", fw.claims.overfits(from_epoch=7)),
        fw.Claim("Ours: it is too large for the rule.", fw.claims.too_many_parameters()),
    ),
    claimed=98.8,
)
