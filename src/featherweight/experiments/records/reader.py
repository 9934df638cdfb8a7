"""The network of `f3` for reading people who do not write as MNIST's do.

Target: 99.50 % of MNIST's test set at the last epoch on average over ten seeds, with what it learned beside it.
Why: `f3` knows the hands of the Americans whose digits MNIST holds. Of a 1 with a long flag, as much of Europe writes
it, it makes a 7 or a 4, however sure it is of the rest. What it has not seen it can be shown: 1,500 digits drawn from
strokes join the 60,000, in eight ways of writing that MNIST lacks or has few of.

Result: 99.56 % of the test set at the last epoch, on average over 20 seeds (standard deviation 0.04, worst 99.50).
Worst of any last 5 epochs 99.48; 20 of 20 within budget. Training images as they are: 99.78 %. Best epoch, for
reference: 99.60 on average. Confirmed on seeds 10 to 29, which are fresh.

Analysis: 99.40 % is held for the last five epochs on every seed (borne out). One training image in forty teaches it the
flagged 1, and costs no more of MNIST than seeds differ by (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six that widen, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                    # channels height width field
        fw.conv_norm_relu(channels, 8),      #  8 26 26  3
        nn.MaxPool2d(2),                     #  8 13 13  4
        fw.conv_norm_relu(8, 9, padding=1),  #  9 13 13  8
        fw.conv_norm_relu(9, 10),            # 10 11 11 12
        fw.conv_norm_relu(10, 12),           # 12  9  9 16
        fw.conv_norm_relu(12, 13),           # 13  7  7 20
        fw.conv_norm_relu(13, 14),           # 14  5  5 24
        fw.conv_norm_relu(14, 15),           # 15  3  3 28
        nn.AdaptiveAvgPool2d(1),             # 15  1  1 32
        nn.Flatten(),
        nn.Linear(15, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="f3",
    title="the network of f3, with drawn digits of other hands among what it learns",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        hard=fw.HardExamples(factor=10),
        plain_epochs=2,
        average=0.998,
        strokes=1500,
    ),
    bar=fw.Bar(mean=99.5),
    claims=(
        fw.Claim("99.40 % is held for the last five epochs on every seed.", fw.claims.holds(99.4)),
        fw.claims.opinion(
            "One training image in forty teaches it the flagged 1, and costs no more of MNIST than seeds differ by."
        ),
    ),
)
