"""The moving average of the weights.

Target: The worst of the last epochs raised.
Why: an average over about 500 steps takes out the noise of single ones, long before the rate has fallen.

Result: 99.48 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.03, worst 99.44). Worst
of any last 5 epochs 99.42; 5 of 5 within budget. Training images as they are: 99.52 %. Best epoch, for reference: 99.52
on average.

Analysis: It beats the step before (undecided). It loses nothing against the step before (borne out). It does not
fluctuate (borne out).
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
    parent="k12",
    title="moving average of the weights",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        average=0.998,
    ),
    claims=(
        fw.Claim("It beats the step before.", fw.claims.beats_parent()),
        fw.Claim("It loses nothing against the step before.", fw.claims.no_worse_than_parent()),
        fw.Claim("It does not fluctuate.", fw.claims.no(fw.claims.fluctuates())),
    ),
)
