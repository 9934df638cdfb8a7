"""A rate that rises and then falls to nothing.

Target: The noise of the last epochs gone.
Why: at a constant rate the weights jump around their goal to the end; a rate that falls lets them settle, wherever
they are.

Result: 99.45 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.04, worst 99.39). Worst
of any last 5 epochs 99.32; 3 of 5 within budget. Training images as they are: 99.73 %. Best epoch, for reference: 99.47
on average.

Analysis: It beats the step before (borne out). It fluctuates less than its standard error (borne out).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six that widen, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                                  # channels height width field
        fw.conv_norm_relu(channels, 8, dropout=0.05),      #  8 26 26  3
        nn.MaxPool2d(2),                                   #  8 13 13  4
        fw.conv_norm_relu(8, 9, padding=1, dropout=0.05),  #  9 13 13  8
        fw.conv_norm_relu(9, 10, dropout=0.05),            # 10 11 11 12
        fw.conv_norm_relu(10, 12, dropout=0.05),           # 12  9  9 16
        fw.conv_norm_relu(12, 13, dropout=0.05),           # 13  7  7 20
        fw.conv_norm_relu(13, 14, dropout=0.05),           # 14  5  5 24
        fw.conv_norm_relu(14, 15),                         # 15  3  3 28
        nn.AdaptiveAvgPool2d(1),                           # 15  1  1 32
        nn.Flatten(),
        nn.Linear(15, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="k2",
    title="one cycle of the rate",
    network=network,
    recipe=fw.Recipe(lr=0.05, schedule=fw.OneCycle(peak_at=0.15)),
    claims=(
        fw.Claim("It beats the step before.", fw.claims.beats_parent()),
        fw.Claim("It fluctuates less than its standard error.", fw.claims.no(fw.claims.fluctuates())),
    ),
)
