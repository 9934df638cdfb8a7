"""The same plan below 8,000 parameters.

Target: A network within the limit of 8,000 parameters, with room left for batch norm.
Why: whatever comes next must work at this size; a plain network of it is what the techniques are measured against.

Open: The write-up says 6.7k parameters. The committed Model_2.py without its norms and dropout has 6,754, which is
inferred from that number; so are the rate of 0.01 and a tenth of it every 8 epochs, as that file has it. It reports
99.45 % of the training images at epoch 20 and 98.97 % of the test images at epoch 13.

Result: 99.07 % of the test set at the last epoch, on average over 4 seeds (standard deviation 0.08, worst 98.97). Worst
of any last 5 epochs 98.95; 0 of 4 within budget. Training images as they are: 99.70 %. Best epoch, for reference: 99.10
on average, where 98.97 is claimed.

Analysis: It overfits (borne out). Ours: it falls short of 99.40 % (borne out). Ours: nothing is gained after epoch 13
(undecided).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions and a pool, two more and a pool, another two, and a 1 x 1 layer for the one place left."""
    # fmt: off
    return nn.Sequential(                          # channels height width field
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(),  #  4 28 28  3
        nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(),  #  8 28 28  5
        nn.MaxPool2d(2),                           #  8 14 14  6
        nn.Conv2d(8, 12, 3), nn.ReLU(),            # 12 12 12 10
        nn.Conv2d(12, 12, 3), nn.ReLU(),           # 12 10 10 14
        nn.MaxPool2d(2),                           # 12  5  5 16
        nn.Conv2d(12, 16, 3), nn.ReLU(),           # 16  3  3 24
        nn.Conv2d(16, 16, 3), nn.ReLU(),           # 16  1  1 32
        nn.Conv2d(16, 10, 1),                      # 10  1  1 32
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="a2",
    title="under 8,000 parameters",
    network=network,
    recipe=fw.Recipe(epochs=20, batch=64, lr=0.01, nesterov=False, schedule=fw.Step(every_epochs=8)),
    budget=fw.Budget(epochs=20),
    claims=(
        fw.Claim("It overfits.", fw.claims.overfits()),
        fw.Claim("Ours: it falls short of 99.40 %.", fw.claims.no(fw.claims.reaches())),
        fw.Claim("Ours: nothing is gained after epoch 13.", fw.claims.stalls(after_epoch=13)),
    ),
    claimed=98.97,
)
