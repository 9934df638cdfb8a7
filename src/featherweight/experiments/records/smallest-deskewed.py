"""The fewest weights, for digits that stand upright.

Target: fewer than 2,000 parameters, and 99.40 % in each of the last five epochs on nine seeds of ten.
Why: a network this small has no weights to spend on the slant of a hand. Taking it out needs no weight and no label,
only the moments of the ink.

Result: 99.46 % of the test set at the last epoch, on average over 10 seeds (standard deviation 0.06, worst 99.36).
Worst of any last 5 epochs 99.32; 6 of 10 within budget. Training images as they are: 99.63 %. Best epoch, for
reference: 99.48 on average. Not yet confirmed on fresh seeds.

Analysis: It holds 99.40 % on every seed (not borne out). Deskewing saved two fifths of the weights of `smallest`
(opinion). On held-out digits it gained 0.05 points and seven per cent of the loss with 2,081 parameters, and kept
nearly all of it with these (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six separable ones, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                           # channels height width field
        fw.Deskew(),                                #  1 28 28 28
        fw.conv_norm_relu(channels, 10),            # 10 26 26 28
        nn.MaxPool2d(2),                            # 10 13 13 28
        fw.separable_norm_relu(10, 12, padding=1),  # 12 13 13 28
        fw.separable_norm_relu(12, 12, padding=1),  # 12 13 13 28
        fw.separable_norm_relu(12, 13, padding=1),  # 13 13 13 28
        fw.separable_norm_relu(13, 13),             # 13 11 11 28
        fw.separable_norm_relu(13, 13),             # 13  9  9 28
        fw.separable_norm_relu(13, 13),             # 13  7  7 28
        nn.AdaptiveAvgPool2d(1),                    # 13  1  1 40
        nn.Flatten(),
        nn.Linear(13, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="smallest",
    title="deskewed, separable convolutions, with the fewest weights",
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
    budget=fw.Budget(parameters=2000),
    bar=fw.Bar(passed=9),
    claims=(
        fw.Claim("It holds 99.40 % on every seed.", fw.claims.holds(99.4)),
        fw.claims.opinion("Deskewing saved two fifths of the weights of `smallest`."),
        fw.claims.opinion(
            "On held-out digits it gained 0.05 points and seven per cent of the loss with 2,081 parameters, and kept"
            " nearly all of it with these."
        ),
    ),
)
