"""A set-up that is right, and a network under 100,000 parameters.

Target: a loop that can be trusted, and a network far below 100,000 parameters.
Why: mistakes of data and loop are found here or never; how well the network does is for the next rungs.

Open: The source gives 10,790 parameters, no norm and inefficient last layers, and no widths; these layers come to
that number: a 4 x 4 kernel reads the map off, where an average would do, and one more layer mixes its ten outputs. We
take SGD at 0.02 with momentum 0.9; without norms, higher rates begin slowly. It reports 99.22 % of the training
images and 98.80 % of the test images.

Result: 98.64 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.26, worst 98.40). Worst
of any last 5 epochs 98.32; 0 of 3 within budget. Training images as they are: 99.14 %. Best epoch, for reference: 98.76
on average, where 98.80 is claimed.

Analysis: It needs batch norm (opinion). It needs global average pooling (opinion). It overfits after five to six epochs
(undecided). Ours: it is too large for the rule (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions, a pool, three more, a pool, one big kernel, and a layer that mixes its outputs."""
    # fmt: off
    return nn.Sequential(                             # channels height width field
        nn.Conv2d(1, 10, 3, bias=False), nn.ReLU(),   # 10 26 26  3
        nn.Conv2d(10, 20, 3, bias=False), nn.ReLU(),  # 20 24 24  5
        nn.MaxPool2d(2),                              # 20 12 12  6
        nn.Conv2d(20, 10, 1, bias=False), nn.ReLU(),  # 10 12 12  6
        nn.Conv2d(10, 20, 3, bias=False), nn.ReLU(),  # 20 10 10 10
        nn.Conv2d(20, 20, 3, bias=False), nn.ReLU(),  # 20  8  8 14
        nn.MaxPool2d(2),                              # 20  4  4 16
        nn.Conv2d(20, 10, 4, bias=False), nn.ReLU(),  # 10  1  1 28
        nn.Conv2d(10, 10, 1, bias=False),             # 10  1  1 28
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    title="set-up, a network under 100,000 parameters",
    network=network,
    recipe=fw.Recipe(lr=0.02, nesterov=False),
    budget=fw.Budget(parameters=100_000),
    claims=(
        fw.claims.opinion("It needs batch norm."),
        fw.claims.opinion("It needs global average pooling."),
        fw.Claim("It overfits after five to six epochs.", fw.claims.overfits(from_epoch=7)),
        fw.Claim("Ours: it is too large for the rule.", fw.claims.too_many_parameters()),
    ),
    claimed=98.8,
)
