"""Separable convolutions in place of whole ones, twice as wide and on larger maps.

Target: 99.60 % at the last epoch on average, and 99.45 % in each of the last five epochs on every seed.
Why: `f3` holds the rule, but its recipe is spent, so only the network can still gain. A separable
convolution takes a fifth of the weights of a whole one, which pays for nearly twice the channels; and padding, which
costs no weights, keeps the map at 13 x 13 for four of them. On six held-out sixths that gains 0.07 points.

Result: 99.63 % of the test set at the last epoch, on average over 20 seeds (standard deviation 0.03, worst 99.57).
Worst of any last 5 epochs 99.54; 20 of 20 within budget. Training images as they are: 99.88 %. Best epoch, for
reference: 99.67 on average. Confirmed on seeds 10 to 29, which are fresh.

Analysis: 99.45 % is held for the last five epochs on every seed (borne out). It beats `f3` (borne out). More channels
on larger maps cost twice the multiply-adds (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, seven separable ones, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                           # channels height width field
        fw.conv_norm_relu(channels, 16),            # 16 26 26  3
        nn.MaxPool2d(2),                            # 16 13 13  4
        fw.separable_norm_relu(16, 28, padding=1),  # 28 13 13  8
        fw.separable_norm_relu(28, 28, padding=1),  # 28 13 13 12
        fw.separable_norm_relu(28, 28, padding=1),  # 28 13 13 16
        fw.separable_norm_relu(28, 28, padding=1),  # 28 13 13 20
        fw.separable_norm_relu(28, 28),             # 28 11 11 24
        fw.separable_norm_relu(28, 28),             # 28  9  9 28
        fw.separable_norm_relu(28, 30),             # 30  7  7 32
        nn.AdaptiveAvgPool2d(1),                    # 30  1  1 44
        nn.Flatten(),
        nn.Linear(30, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="f3",
    title="separable convolutions, wider and on larger maps",
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
    ),
    bar=fw.Bar(mean=99.6, worst_of_last=99.45, passed=10),
    claims=(
        fw.Claim("99.45 % is held for the last five epochs on every seed.", fw.claims.holds(99.45)),
        fw.Claim("It beats `f3`.", fw.claims.beats_parent()),
        fw.claims.opinion("More channels on larger maps cost twice the multiply-adds."),
    ),
)
