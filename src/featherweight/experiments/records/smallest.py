"""Towards the fewest weights that still hold the rule on nine seeds of ten.

Target: fewer than 3,500 parameters, and 99.40 % in each of the last five epochs on nine seeds of ten.
Why: a network that passes once may have been lucky; one that passes on nine seeds of ten is small enough for the
rule, not for the seed.

Result: 99.55 % of the test set at the last epoch, on average over 20 seeds (standard deviation 0.04, worst 99.49).
Worst of any last 5 epochs 99.44; 20 of 20 within budget. Training images as they are: 99.76 %. Best epoch, for
reference: 99.57 on average. Confirmed on seeds 10 to 29, which are fresh.

Analysis: It holds 99.40 % on every seed (borne out). Depthwise-separable convolutions were as accurate with a third of
the weights (opinion). Padding costs no weights, and what sees more places of a larger map averages over more (opinion).
Images are changed less than for f3, and hard digits taken less often: a network this small has no room for more
(opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six separable ones, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                           # channels height width field
        fw.conv_norm_relu(channels, 12),            # 12 26 26  3
        nn.MaxPool2d(2),                            # 12 13 13  4
        fw.separable_norm_relu(12, 18, padding=1),  # 18 13 13  8
        fw.separable_norm_relu(18, 18, padding=1),  # 18 13 13 12
        fw.separable_norm_relu(18, 18, padding=1),  # 18 13 13 16
        fw.separable_norm_relu(18, 18),             # 18 11 11 20
        fw.separable_norm_relu(18, 18),             # 18  9  9 24
        fw.separable_norm_relu(18, 20),             # 20  7  7 28
        nn.AdaptiveAvgPool2d(1),                    # 20  1  1 40
        nn.Flatten(),
        nn.Linear(20, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="f3",
    title="separable convolutions, padded, and the average; hard digits more often",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.4, elastic_cells=6),
        hard=fw.HardExamples(factor=5),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(parameters=3500),
    bar=fw.Bar(passed=9),
    claims=(
        fw.Claim("It holds 99.40 % on every seed.", fw.claims.holds(99.4)),
        fw.claims.opinion("Depthwise-separable convolutions were as accurate with a third of the weights."),
        fw.claims.opinion("Padding costs no weights, and what sees more places of a larger map averages over more."),
        fw.claims.opinion(
            "Images are changed less than for f3, and hard digits taken less often: a network this small has no room"
            " for more."
        ),
    ),
)
