"""The fewest multiply-adds a digit, of digits that stand upright and have lost their margin.

Target: fewer than 100,000 MACs an image, deskewing counted, and 99.40 % in each of the last five epochs on eight seeds
of ten.
Why: a slant is taken out of a picture with four multiply-adds a pixel, which is less than any layer takes, and the
outermost pixels of MNIST are empty. What the network need not learn or look at, it need not compute.

Result: 99.41 % of the test set at the last epoch, on average over 10 seeds (standard deviation 0.07, worst 99.30).
Worst of any last 5 epochs 99.26; 2 of 10 within budget. Training images as they are: 99.60 %. Best epoch, for
reference: 99.44 on average. Not yet confirmed on fresh seeds.

Analysis: It holds 99.40 % on every seed (not borne out). On held-out digits it was as accurate as `leanest` with two
fifths of the multiply-adds (opinion). Deskewing takes out what a change adds of slant, so digits are turned more and
not sheared (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution of stride 2, five separable ones that widen, the average of each channel, a linear layer."""
    # fmt: off
    return nn.Sequential(                          # channels height width field
        fw.Deskew(),                               #  1 28 28 28
        fw.Crop(1),                                #  1 26 26 28
        fw.conv_norm_relu(channels, 8, stride=2),  #  8 12 12 28
        fw.separable_norm_relu(8, 13),             # 13 10 10 28
        fw.separable_norm_relu(13, 17),            # 17  8  8 28
        fw.separable_norm_relu(17, 24),            # 24  6  6 28
        fw.separable_norm_relu(24, 32),            # 32  4  4 28
        fw.separable_norm_relu(32, 38),            # 38  2  2 28
        nn.AdaptiveAvgPool2d(1),                   # 38  1  1 28
        nn.Flatten(),
        nn.Linear(38, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="leanest",
    title="deskewed, one pixel cut off each side, separable convolutions, for the fewest multiply-adds",
    network=network,
    recipe=fw.Recipe(
        batch=64,
        lr=0.2,
        weight_decay=2e-4,
        schedule=fw.OneCycle(peak_at=0.15),
        augment=fw.Augment(rotate_deg=12, shift_px=2.2, scale=0.12, elastic_px=0.6, elastic_cells=6),
        hard=fw.HardExamples(factor=5),
        plain_epochs=2,
        average=0.998,
    ),
    budget=fw.Budget(macs=100_000),
    bar=fw.Bar(passed=8),
    claims=(
        fw.Claim("It holds 99.40 % on every seed.", fw.claims.holds(99.4)),
        fw.claims.opinion("On held-out digits it was as accurate as `leanest` with two fifths of the multiply-adds."),
        fw.claims.opinion(
            "Deskewing takes out what a change adds of slant, so digits are turned more and not sheared."
        ),
    ),
)
